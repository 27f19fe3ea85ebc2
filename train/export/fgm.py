"""The model file format (docs/model-format.md): layers, writer and reader."""

import dataclasses
import struct
import zlib

import numpy as np

CONV, DEPTHWISE, MAXPOOL = 1, 2, 3
S8, S16, F32 = 1, 2, 3
NONE = 0xFFFF

VERSION = 2
HEADER = "<4s13I16s"
TABLE_MAX = 32
NET = "<8s5H2B3I"
LAYER = "<8B4B4H5hHf4If2I"


@dataclasses.dataclass
class Layer:
    """One layer as the engine runs it. weights: integers (out, in, kh, kw), for
    depthwise (out, 1, kh, kw), of 8 bits or, if wide, of 16; bias int64, scale
    float (a bf16 value) and slope (in slope_unit) are per output. An f32 layer has
    floats for weights, bias and slope, and no scale."""
    op: int
    in_type: int
    out_type: int
    kernel: int
    stride: int
    pad: tuple            # top, left, bottom, right
    in_channels: int
    out_channels: int
    input: int
    residual: int = NONE
    in_zero: int = 0
    out_zero: int = 0
    out_min: int = 0
    out_max: int = 0
    res_zero: int = 0
    res_scale: float = 0.0
    weights: np.ndarray = None
    bias: np.ndarray = None
    scale: np.ndarray = None
    slope: np.ndarray = None
    slope_unit: float = 0.0
    wide: bool = False


@dataclasses.dataclass
class Net:
    name: str
    in_height: int
    in_width: int
    in_channels: int
    in_type: int
    layers: list


def bf16_up(x):
    """The smallest bf16 value that is not below x (x positive float)."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0xFFFF) & np.uint64(0xFFFF0000)
    return bits.astype(np.uint32).view(np.float32)


def round_up(n, m):
    return -(-n // m) * m


def planes(layer):
    """The 8-bit planes of the weights: w = low + 256 * high."""
    w = layer.weights.astype(np.int64)
    if not layer.wide:
        return [w]
    high = (w + 128) >> 8
    return [w - 256 * high, high]


def pack_floats(layer):
    out, n = round_up(layer.out_channels, 16), layer.out_channels
    k = layer.kernel * layer.kernel * layer.in_channels
    flat = np.zeros((out, round_up(k, 4)), np.float32)
    flat[:n, :k] = layer.weights.transpose(0, 2, 3, 1).reshape(n, k)
    return np.ascontiguousarray(flat.reshape(out // 16, 16, -1).transpose(0, 2, 1)).tobytes()


def unpack_floats(layer, raw):
    out, n = round_up(layer.out_channels, 16), layer.out_channels
    k, side = layer.kernel * layer.kernel * layer.in_channels, layer.kernel
    flat = np.frombuffer(raw, np.float32).reshape(out // 16, -1, 16).transpose(0, 2, 1)
    w = flat.reshape(out, -1)[:n, :k].reshape(n, side, side, layer.in_channels)
    return np.ascontiguousarray(w.transpose(0, 3, 1, 2))


def pack_weights(layer):
    if layer.in_type == F32:
        return pack_floats(layer)
    out = round_up(layer.out_channels, 16)
    if layer.op == DEPTHWISE:
        w = layer.weights.astype(np.int8)
        flat = np.zeros((layer.kernel * layer.kernel, out), np.int8)
        flat[:, :layer.out_channels] = w.reshape(layer.out_channels, -1).T
        return flat.tobytes()
    k = layer.kernel * layer.kernel * layer.in_channels
    packed = []
    for w in planes(layer):
        flat = np.zeros((out, round_up(k, 4)), np.int8)
        flat[:layer.out_channels, :k] = w.transpose(0, 2, 3, 1).reshape(layer.out_channels, k)
        packed.append(flat.reshape(out // 16, 16, -1, 4).transpose(0, 2, 1, 3))
    return np.ascontiguousarray(np.stack(packed, 2)).tobytes()


def unpack_weights(layer, raw):
    if layer.in_type == F32:
        return unpack_floats(layer, raw)
    out = round_up(layer.out_channels, 16)
    flat = np.frombuffer(raw, np.int8)
    n, k = layer.out_channels, layer.kernel
    if layer.op == DEPTHWISE:
        return flat.reshape(k * k, out)[:, :n].T.reshape(n, 1, k, k)
    blocks = flat.reshape(out // 16, -1, 2 if layer.wide else 1, 16, 4).astype(np.int64)
    w = (blocks[:, :, 0] + 256 * blocks[:, :, 1] if layer.wide else blocks[:, :, 0])
    w = w.transpose(0, 2, 1, 3).reshape(out, -1)[:n, :k * k * layer.in_channels]
    return w.reshape(n, k, k, layer.in_channels).transpose(0, 3, 1, 2)


def pack_channels(layer):
    out = round_up(layer.out_channels, 16)
    if layer.in_type == F32:
        floats = np.zeros((2, out), np.float32)
        floats[0, :layer.out_channels] = layer.bias
        if layer.slope is not None:
            floats[1, :layer.out_channels] = layer.slope
        return floats.tobytes()
    bias = np.zeros(out, np.int32)
    scale = np.zeros(out, np.float32)
    slope = np.zeros(out, np.int16)
    n = layer.out_channels
    assert np.abs(layer.bias).max() < 2**31
    bias[:n], scale[:n] = layer.bias, layer.scale
    if layer.slope is not None:
        slope[:n] = layer.slope
    bits = scale.view(np.uint32)
    assert not (bits & 0xFFFF).any(), "scale is not bf16"
    return bias.tobytes() + (bits >> 16).astype(np.uint16).tobytes() + slope.tobytes()


def sums_fit(layer):
    """The loader's rule: no sum can leave int32 (the bias goes with the low plane)."""
    top = 128 if layer.in_type == S8 else 32768
    fits = True
    for i, w in enumerate(planes(layer)):
        sums = np.abs(w).reshape(layer.out_channels, -1).sum(1)
        fits &= sums * top + (np.abs(layer.bias) if i == 0 else 0) <= 2**31 - 1
    return fits


def check_tables(cuts, quality):
    """The loader's rules for the two tables."""
    for table in (cuts, quality):
        assert len(table) <= TABLE_MAX, "a table has too many entries"
    for (fmr, cut), (finer, higher) in zip(cuts, cuts[1:]):
        assert finer < fmr and higher >= cut, "rates must fall and cuts rise"
    for (share, length), (more, longer) in zip(quality, quality[1:]):
        assert more > share and longer > length, "shares and lengths must rise"


def write(path, name, nets, cuts, quality, note):
    """Writes the file; cuts is a list of (fmr, score), quality one of (share, length).
    Returns its bytes."""
    check_tables(cuts, quality)
    layers = [l for net in nets for l in net.layers]
    off = struct.calcsize(HEADER)
    nets_off = off
    off += struct.calcsize(NET) * len(nets)
    layers_off = off
    off += struct.calcsize(LAYER) * len(layers)
    cuts_off = off
    off += 8 * len(cuts)
    quality_off = off
    off += 8 * len(quality)
    note_off = off
    note = note.encode()
    off += len(note)
    body = bytearray(off)
    body[note_off:] = note

    def place(raw, align):
        body.extend(bytes(round_up(len(body), align) - len(body)))
        at = len(body)
        body.extend(raw)
        return at, len(raw)

    weights = [place(pack_weights(l), 64) if l.op != MAXPOOL else (0, 0) for l in layers]
    channels = [place(pack_channels(l), 16) if l.op != MAXPOOL else (0, 0) for l in layers]
    first = 0
    for i, net in enumerate(nets):
        struct.pack_into(NET, body, nets_off + i * struct.calcsize(NET), net.name.encode(), first,
                         len(net.layers), net.in_height, net.in_width, net.in_channels,
                         net.in_type, 0, 0, 0, 0)
        first += len(net.layers)
    for i, l in enumerate(layers):
        assert l.op == MAXPOOL or l.in_type == F32 or sums_fit(l).all(), f"layer {i}: sums can leave int32"
        struct.pack_into(LAYER, body, layers_off + i * struct.calcsize(LAYER),
                         l.op, l.in_type, l.out_type, (l.slope is not None) + 2 * l.wide,
                         l.kernel, l.kernel, l.stride, 0, *l.pad,
                         l.in_channels, l.out_channels, l.input, l.residual,
                         l.in_zero, l.out_zero, l.out_min, l.out_max, l.res_zero, 0, l.res_scale,
                         *weights[i], *channels[i], l.slope_unit, 0, 0)
    for i, entry in enumerate([*cuts, *quality]):
        struct.pack_into("<2f", body, cuts_off + 8 * i, *entry)
    head = [b"FGM1", VERSION, len(body), 0, len(nets), nets_off, len(layers), layers_off,
            len(cuts), cuts_off, len(quality), quality_off, note_off, len(note), name.encode()]
    struct.pack_into(HEADER, body, 0, *head)
    head[3] = zlib.crc32(bytes(body[16:]))
    struct.pack_into(HEADER, body, 0, *head)
    with open(path, "wb") as f:
        f.write(body)
    return bytes(body)


def read(path):
    """Reads a file back: (name, nets, cuts, quality, note)."""
    with open(path, "rb") as f:
        body = f.read()
    h = struct.unpack_from(HEADER, body)
    assert h[0] == b"FGM1" and h[1] == VERSION and h[2] == len(body) and h[3] == zlib.crc32(body[16:])
    layers = []
    for i in range(h[6]):
        v = struct.unpack_from(LAYER, body, h[7] + i * struct.calcsize(LAYER))
        l = Layer(op=v[0], in_type=v[1], out_type=v[2], kernel=v[4], stride=v[6], pad=v[8:12],
                  in_channels=v[12], out_channels=v[13], input=v[14], residual=v[15],
                  in_zero=v[16], out_zero=v[17], out_min=v[18], out_max=v[19], res_zero=v[20],
                  res_scale=v[22], slope_unit=v[27], wide=bool(v[3] & 2))
        if l.op != MAXPOOL:
            l.weights = unpack_weights(l, body[v[23]:v[23] + v[24]])
            pad, n, at = round_up(l.out_channels, 16), l.out_channels, v[25]
            if l.in_type == F32:
                l.bias = np.frombuffer(body, np.float32, n, at)
                if v[3] & 1:
                    l.slope = np.frombuffer(body, np.float32, n, at + 4 * pad)
                layers.append(l)
                continue
            l.bias = np.frombuffer(body, np.int32, n, at).astype(np.int64)
            l.scale = (np.frombuffer(body, np.uint16, n, at + 4 * pad).astype(np.uint32)
                       << 16).view(np.float32)
            if v[3] & 1:
                l.slope = np.frombuffer(body, np.int16, n, at + 6 * pad)
        layers.append(l)
    nets = []
    for i in range(h[4]):
        v = struct.unpack_from(NET, body, h[5] + i * struct.calcsize(NET))
        nets.append(Net(v[0].rstrip(b"\0").decode(), v[3], v[4], v[5], v[6],
                        layers[v[1]:v[1] + v[2]]))
    cuts, quality = ([struct.unpack_from("<2f", body, h[at + 1] + 8 * i) for i in range(h[at])]
                     for at in (8, 10))
    return (h[14].rstrip(b"\0").decode(), nets, cuts, quality,
            body[h[12]:h[12] + h[13]].decode())
