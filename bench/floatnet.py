"""The shipped int8 embedder as a float net, and that net in the peers' own formats.

The float net has the int8 net's weights times their scales, so that every runtime
computes the same function; a runtime that quantises for itself starts from it. A net
is a list of Conv; its input is (rgb - 127.5) / 128, NCHW.
"""

import dataclasses
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from train.export import fgm  # noqa: E402

SIDE = 112
SIGNATURE = "serving_default"


@dataclasses.dataclass
class Conv:
    weights: np.ndarray   # (out, in, k, k); depthwise (out, 1, k, k)
    bias: np.ndarray
    slope: np.ndarray     # per output, or None
    depthwise: bool
    stride: int
    pad: tuple            # top, left, bottom, right
    input: int            # tensor 0 is the net's input, i + 1 the output of layer i
    residual: int         # tensor added to the output, or None


def load(path):
    """The net of an embedder's .fgm file. Quantised values are taken as they are, less
    their zero point; where a residual is added in another unit, the layers that make it
    are scaled, which a convolution and a PReLU let through."""
    _, (net,), _, _, _ = fgm.read(path)
    unit, layers = [1 / 128], []
    for i, l in enumerate(net.layers):
        w, b = l.weights.astype(np.float64), l.bias.astype(np.float64)
        sums = w.sum((1, 2, 3))
        # Bias without the zero point of the input; a pixel p enters as p - 128.
        b = b + (l.in_zero * sums if i else -0.5 * sums)
        residual = None if l.residual == fgm.NONE else l.residual
        out = 1.0 if residual is None else unit[residual] / l.res_scale
        gain = l.scale.astype(np.float64) * out
        unit.append(out)
        slope = None if l.slope is None else (l.slope * l.slope_unit).astype(np.float32)
        layers.append(Conv((w * gain[:, None, None, None] / unit[l.input]).astype(np.float32),
                           (b * gain).astype(np.float32), slope, l.op == fgm.DEPTHWISE,
                           l.stride, l.pad, l.input, residual))
    return layers


def shapes(net):
    """Height (and width) of every tensor."""
    sides = [SIDE]
    for l in net:
        top, _, bottom, _ = l.pad
        sides.append((sides[l.input] + top + bottom - l.weights.shape[2]) // l.stride + 1)
    return sides


def torch_forward(net):
    """A function of one (n, 3, 112, 112) tensor that returns every tensor of the net; to
    sums, if given, it adds those before the activations."""
    import torch
    import torch.nn.functional as F
    t = torch.from_numpy
    parts = [(t(l.weights), t(l.bias), None if l.slope is None else t(l.slope)) for l in net]

    def forward(x, sums=None):
        maps = [x]
        for l, (w, b, slope) in zip(net, parts):
            top, left, bottom, right = l.pad
            x, pad = maps[l.input], 0
            if top == left == bottom == right:
                pad = top
            else:
                x = F.pad(x, (left, right, top, bottom))
            y = F.conv2d(x, w, b, l.stride, pad, groups=w.shape[0] if l.depthwise else 1)
            if sums is not None:
                sums.append(y)
            if slope is not None:
                y = F.prelu(y, slope)
            maps.append(y if l.residual is None else y + maps[l.residual])
        return maps
    return forward


def write_onnx(net, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes, weights = [], []

    def constant(name, value):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    for i, l in enumerate(net):
        out, last = f"t{i + 1}", l.slope is None and l.residual is None
        name = out if last else f"c{i}"
        nodes.append(helper.make_node(
            "Conv", [f"t{l.input}", constant(f"w{i}", l.weights), constant(f"b{i}", l.bias)],
            [name], f"conv{i}", kernel_shape=l.weights.shape[2:], strides=[l.stride] * 2,
            pads=list(l.pad), group=len(l.bias) if l.depthwise else 1))
        if l.slope is not None:
            nodes.append(helper.make_node(
                "PRelu", [name, constant(f"s{i}", l.slope[:, None, None])], [out], f"prelu{i}"))
        if l.residual is not None:
            nodes.append(helper.make_node("Add", [name, f"t{l.residual}"], [out], f"add{i}"))
    graph = helper.make_graph(
        nodes, "embedder",
        [helper.make_tensor_value_info("t0", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(f"t{len(net)}", TensorProto.FLOAT,
                                       [1, len(net[-1].bias), 1, 1])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                ir_version=8), path)


def write_ncnn(net, path, peaks=None):
    """PATH.param and PATH.bin. peaks: the largest magnitude of every tensor; with them
    the convolutions compute in int8, weights scaled per output."""
    used = [sum(l.input == t or l.residual == t for l in net) for t in range(len(net) + 1)]
    lines, data, free = [], bytearray(), {}

    def emit(kind, name, ins, outs, params=""):
        lines.append(f"{kind} {name} {len(ins)} {len(outs)} {' '.join(ins + outs)} {params}")

    def publish(t):
        """Every reader of a tensor needs a blob of its own."""
        free[t] = [f"t{t}"]
        if used[t] > 1:
            free[t] = [f"t{t}_{k}" for k in range(used[t])]
            emit("Split", f"split{t}", [f"t{t}"], list(free[t]))

    emit("Input", "in", [], ["t0"], f"0={SIDE} 1={SIDE} 2=3")
    publish(0)
    for i, l in enumerate(net):
        out, (top, left, bottom, right) = len(l.bias), l.pad
        flat = l.weights.reshape(out, -1)
        params = (f"0={out} 1={l.weights.shape[2]} 3={l.stride} 4={left} 14={top} 15={right} "
                  f"16={bottom} 5=1 6={l.weights.size}")
        if l.depthwise:
            params += f" 7={out}"
        name = f"t{i + 1}" if l.slope is None and l.residual is None else f"c{i}"
        if peaks is None:
            data += struct.pack("<I", 0) + flat.tobytes() + l.bias.tobytes()
        else:
            params += " 8=1"
            scale = (127 / np.maximum(np.abs(flat).max(1), 1e-9)).astype(np.float32)
            q = np.rint(flat * scale[:, None]).astype(np.int8).tobytes()
            data += struct.pack("<I", 0x000D4B38) + q + bytes(-len(q) % 4) + l.bias.tobytes()
            data += scale.tobytes() + struct.pack("<f", 127 / peaks[l.input])
        emit("ConvolutionDepthWise" if l.depthwise else "Convolution", f"conv{i}",
             [free[l.input].pop()], [name], params)
        if l.slope is not None:
            emit("PReLU", f"prelu{i}", [name], [f"t{i + 1}"], f"0={out}")
            data += l.slope.tobytes()
        if l.residual is not None:
            emit("BinaryOp", f"add{i}", [name, free[l.residual].pop()], [f"t{i + 1}"], "0=0")
        publish(i + 1)
    blobs = {b for line in lines for b in line.split()[4:] if "=" not in b}
    with open(f"{path}.param", "w", encoding="ascii") as f:
        f.write(f"7767517\n{len(lines)} {len(blobs)}\n" + "\n".join(lines) + "\n")
    with open(f"{path}.bin", "wb") as f:
        f.write(data)


def write_tflite(net, path):
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s
    model, graph = s.ModelT(), s.SubGraphT()
    codes = [s.BuiltinOperator.CONV_2D, s.BuiltinOperator.DEPTHWISE_CONV_2D,
             s.BuiltinOperator.PRELU, s.BuiltinOperator.ADD]
    model.version, model.buffers, model.operatorCodes = 3, [s.BufferT()], []
    for code in codes:
        c = s.OperatorCodeT()
        c.builtinCode = c.deprecatedBuiltinCode = code
        model.operatorCodes.append(c)
    graph.tensors, graph.operators, model.subgraphs = [], [], [graph]

    def tensor(name, shape, value=None):
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), s.TensorType.FLOAT32, 0
        if value is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(value, np.float32).tobytes(), np.uint8)
            model.buffers.append(b)
            t.buffer = len(model.buffers) - 1
        graph.tensors.append(t)
        return len(graph.tensors) - 1

    def operator(code, kind, options, ins, out):
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = codes.index(code), ins, [out]
        o.builtinOptionsType, o.builtinOptions = kind, options
        graph.operators.append(o)

    maps = [tensor("t0", (1, SIDE, SIDE, 3))]
    sides = shapes(net)
    for i, l in enumerate(net):
        out = (1, sides[i + 1], sides[i + 1], len(l.bias))
        options = s.DepthwiseConv2DOptionsT() if l.depthwise else s.Conv2DOptionsT()
        options.padding = s.Padding.SAME if any(l.pad) else s.Padding.VALID
        options.strideW = options.strideH = l.stride
        options.dilationWFactor = options.dilationHFactor = 1
        if l.depthwise:
            options.depthMultiplier = 1
        w = l.weights.transpose(1, 2, 3, 0) if l.depthwise else l.weights.transpose(0, 2, 3, 1)
        y = tensor(f"c{i}", out)
        operator(codes[l.depthwise], s.BuiltinOptions.DepthwiseConv2DOptions if l.depthwise
                 else s.BuiltinOptions.Conv2DOptions, options,
                 [maps[l.input], tensor(f"w{i}", w.shape, w),
                  tensor(f"b{i}", l.bias.shape, l.bias)], y)
        if l.slope is not None:
            x, y = y, tensor(f"p{i}", out)
            operator(s.BuiltinOperator.PRELU, s.BuiltinOptions.NONE, None,
                     [x, tensor(f"s{i}", (1, 1, len(l.slope)), l.slope)], y)
        if l.residual is not None:
            x, y = y, tensor(f"a{i}", out)
            operator(s.BuiltinOperator.ADD, s.BuiltinOptions.AddOptions, s.AddOptionsT(),
                     [x, maps[l.residual]], y)
        maps.append(y)
    graph.inputs, graph.outputs = [maps[0]], [maps[-1]]
    signature = s.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs, signature.outputs = [s.TensorMapT()], [s.TensorMapT()]
    signature.inputs[0].name, signature.inputs[0].tensorIndex = "t0", maps[0]
    signature.outputs[0].name, signature.outputs[0].tensorIndex = "out", maps[-1]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(path, "wb") as f:
        f.write(builder.Output())


def peaks(net, x):
    """The largest magnitude of every tensor over inputs x."""
    import torch
    torch.set_num_threads(1)
    forward, out = torch_forward(net), None
    with torch.inference_mode():
        for one in x:
            top = [float(m.abs().max()) for m in forward(torch.from_numpy(one[None]))]
            out = top if out is None else np.maximum(out, top)
    return out


def even_out(net, x):
    """The same function with the channels inside each block scaled so that their sums,
    before the activation, reach equally far. Runtimes that quantise those sums with one
    scale a tensor need it; a PReLU and the next layer let the factors through."""
    import torch
    torch.set_num_threads(1)
    forward, top = torch_forward(net), [0] * len(net)
    with torch.inference_mode():
        for one in x:
            sums = []
            forward(torch.from_numpy(one[None]), sums)
            top = [np.maximum(t, s.abs().amax((0, 2, 3)).numpy()) for t, s in zip(top, sums)]
    out = [dataclasses.replace(l) for l in net]
    for i, (l, peak) in enumerate(zip(out[:-1], top)):
        readers = [r for r in net if r.input == i + 1]
        if l.residual is not None or readers != [net[i + 1]] or \
                any(r.residual == i + 1 for r in net):
            continue
        factor = (peak.max() / np.maximum(peak, peak.max() * 1e-3)).astype(np.float32)
        l.weights = l.weights * factor[:, None, None, None]
        l.bias = l.bias * factor
        behind = out[i + 1]
        shape = (-1, 1, 1, 1) if behind.depthwise else (1, -1, 1, 1)
        behind.weights = behind.weights / factor.reshape(shape)
    return out


def quantise_onnx(path, x):
    """PATH-even.onnx to PATH-int8.onnx by ONNX Runtime's static quantisation; seven bits
    for weights, because its kernels for processors without VNNI saturate."""
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.left = iter(x)

        def get_next(self):
            one = next(self.left, None)
            return None if one is None else {"t0": one[None]}

    q.quantize_static(f"{path}-even.onnx", f"{path}-int8.onnx", Reader(), per_channel=True,
                      quant_format=q.QuantFormat.QDQ, activation_type=q.QuantType.QUInt8,
                      weight_type=q.QuantType.QInt8, reduce_range=True)


def quantise_tflite(path, x):
    """PATH-even.tflite to PATH-int8.tflite by LiteRT's own quantiser."""
    from ai_edge_quantizer import quantizer, recipe
    q = quantizer.Quantizer(f"{path}-even.tflite", recipe.static_wi8_ai8())
    data = {SIGNATURE: [{"t0": one.transpose(1, 2, 0)[None]} for one in x]}
    q.quantize(q.calibrate(data)).export_model(f"{path}-int8.tflite", overwrite=True)
