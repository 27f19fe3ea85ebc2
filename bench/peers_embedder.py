"""The embedder's peers. start(NAME, threads, [folder of the nets, file of crops])."""

import numpy as np

from . import floatnet
from .peer import serve


def onnxruntime(folder, threads, file="embedder.onnx"):
    import onnxruntime as ort
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(f"{folder}/{file}", o, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"t0": x})[0], ort.__version__


def onnxruntime_int8(folder, threads):
    return onnxruntime(folder, threads, "embedder-int8.onnx")


def litert(folder, threads, file="embedder.tflite"):
    from importlib.metadata import version
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(f"{folder}/{file}", num_threads=threads)
    net.allocate_tensors()
    (ins,), (outs,) = net.get_input_details(), net.get_output_details()
    scale, zero = ins["quantization"]  # 0 when the net takes floats

    def run(x):
        if scale:
            x = np.clip(np.rint(x / scale) + zero, -128, 127).astype(np.int8)
        net.set_tensor(ins["index"], x)
        net.invoke()
        y = net.get_tensor(outs["index"])
        return (y.astype(np.float32) - outs["quantization"][1]) if scale else y
    run.nhwc = True
    return run, version("ai-edge-litert")


def litert_int8(folder, threads):
    return litert(folder, threads, "embedder-int8.tflite")


def ncnn(folder, threads, file="embedder"):
    import ncnn as lib
    net = lib.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_arithmetic = False
    assert net.load_param(f"{folder}/{file}.param") == 0
    assert net.load_model(f"{folder}/{file}.bin") == 0
    with open(f"{folder}/{file}.param", encoding="ascii") as f:
        words = f.read().strip().splitlines()[-1].split()
    last = words[4 + int(words[2])]

    def run(x):
        with net.create_extractor() as e:
            e.input("t0", lib.Mat(x[0]))
            return np.array(e.extract(last)[1])
    return run, lib.__version__


def ncnn_int8(folder, threads):
    return ncnn(folder, threads, "embedder-int8")


def pytorch(folder, threads):
    import torch
    torch.set_num_threads(threads)
    forward = floatnet.torch_forward(floatnet.load(f"{folder}/embedder.fgm"))

    def run(x):
        with torch.inference_mode():
            return forward(torch.from_numpy(x))[-1].numpy()
    return run, torch.__version__


def opencv(folder, threads):
    import cv2
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(f"{folder}/embedder.onnx")

    def run(x):
        net.setInput(x)
        return net.forward()
    return run, cv2.__version__


def start(name, threads, args):
    folder, crops_path = args
    run, version = globals()[name](folder, threads)
    crops = np.fromfile(crops_path, np.uint8).reshape(-1, 112, 112, 3)
    inputs = [(c.astype(np.float32)[None] - 127.5) / 128 for c in crops]
    if not getattr(run, "nhwc", False):
        inputs = [np.ascontiguousarray(x.transpose(0, 3, 1, 2)) for x in inputs]

    def show(i):
        v = np.asarray(run(inputs[i])).reshape(-1)
        return (v / np.linalg.norm(v)).tolist()
    serve(lambda i: run(inputs[i]), len(inputs), {"version": version}, show)
