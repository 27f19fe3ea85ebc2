"""A float embedder (.npz) to an int8 model file, after training.

    python -m train.export.embedder --net embedder_float.npz --crops CROPS... \
        --cuts train/export/cuts-accurate.csv --quality train/export/quality-accurate.csv \
        --name accurate --note "Face embedder, int8. Derived from ..." \
        --out models/embedder-accurate.fgm

The note, the origin and licence of the weights, goes into the file.

1. Hidden channels are evened out: PReLU is positively homogeneous, so a channel
   divided by its range is undone in the weights of the layer that reads it. ReLU6
   is not; its channels stay as they are, and its ends are the ends of the 8 bits.
2. Each tensor gets one 8-bit range, from extreme percentiles on crops.
3. Weights get one step per output channel, chosen for the least squared error.
4. Biases are corrected layer by layer for the mean error that rounding leaves.
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F

from . import crops, cuts, fgm, intsim, quantise

PERCENTILE, MARGIN = 1e-4, 1.3
BATCH = 64
# For files whose scores are measured, not decided upon.
ANY_TABLES = [(1e-2, 0.3), (1e-4, 0.5)], [(0.0, 1.0), (1.0, 100.0)]


class Float:
    """The float net as a list of layers with their tensors' numbers."""

    def __init__(self, path):
        z = np.load(path)
        head = json.loads(bytes(z["layers_json"]).decode())
        spec, self.side = head["layers"], head["input"][0]
        self.layers, block_in = [], 0
        for i, s in enumerate(spec):
            name = s["name"]
            w = z[f"{name}.weight"].astype(np.float64)
            if w.ndim == 2:
                w = w[:, :, None, None]
            if name.endswith(".expand"):
                block_in = i
            same = s.get("pad") == "same" and w.shape[2] == 3
            stride = s.get("stride", 1)
            pad = ((0, 0, 1, 1) if stride == 2 else (1, 1, 1, 1)) if same else (0, 0, 0, 0)
            self.layers.append(dict(
                name=name, w=w, b=z[f"{name}.bias"].astype(np.float64),
                slope=z[f"{name}.prelu"].astype(np.float64) if f"{name}.prelu" in z else None,
                dw=s["kind"] == "depthwise", stride=stride, pad=pad, relu6=s.get("act") == "relu6",
                residual=block_in if s.get("residual") else None))

    def run(self, x, every=False):
        """x: (n, 3, h, w) float in (-1, 1). Returns the last tensor or all."""
        tensors = [x]
        for l in self.layers:
            t, left, b, r = l["pad"]
            y = F.conv2d(F.pad(tensors[-1], (left, r, t, b)), torch.from_numpy(l["w"]).float(),
                         torch.from_numpy(l["b"]).float(), stride=l["stride"],
                         groups=l["w"].shape[0] if l["dw"] else 1)
            if l["slope"] is not None:
                y = F.prelu(y, torch.from_numpy(l["slope"]).float())
            if l["relu6"]:
                y = F.relu6(y)
            if l["residual"] is not None:
                y = y + tensors[l["residual"]]
            tensors.append(y)
        return tensors if every else tensors[-1]


def spans(net, x):
    """Per tensor: low and high percentile of every channel, (c, 2)."""
    out = None
    for i in range(0, len(x), BATCH):
        ts = net.run(x[i:i + BATCH], every=True)
        part = []
        for t in ts:
            v = t.permute(1, 0, 2, 3).reshape(t.shape[1], -1).numpy()
            n = max(1, int(v.shape[1] * PERCENTILE))
            v = np.partition(v, (n - 1, v.shape[1] - n), axis=1)
            part.append(np.stack([v[:, n - 1], v[:, -n]], 1))
        out = part if out is None else [np.stack([np.minimum(a[:, 0], b[:, 0]),
                                                  np.maximum(a[:, 1], b[:, 1])], 1)
                                        for a, b in zip(out, part)]
    return out


def even_out(net, ranges):
    """Gives every hidden channel the range 1 (step 1 of the head)."""
    for i, l in enumerate(net.layers[:-1]):
        nxt = net.layers[i + 1]
        read_elsewhere = any(m["residual"] == i + 1 for m in net.layers)
        starts_block = nxt["name"].endswith(".expand") and any(
            m["residual"] == i + 1 for m in net.layers)
        if l["residual"] is not None or read_elsewhere or starts_block or l["relu6"]:
            continue
        r = np.maximum(np.abs(ranges[i + 1]).max(1), 1e-6)
        l["w"] /= r[:, None, None, None]
        l["b"] /= r
        if nxt["dw"]:
            nxt["w"] *= r[:, None, None, None]
        else:
            nxt["w"] *= r[None, :, None, None]


def best_clip(w):
    """Per channel, the |w| that 127 steps should reach for least squared error."""
    flat = np.abs(w.reshape(w.shape[0], -1))
    top = np.maximum(flat.max(1), 1e-12)
    best, err = top.copy(), np.full(len(top), np.inf)
    for f in np.linspace(0.7, 1.0, 31):
        step = (top * f / 127)[:, None]
        e = ((np.clip(np.rint(flat / step), 0, 127) * step - flat) ** 2).sum(1)
        best = np.where(e < err, top * f, best)
        err = np.minimum(e, err)
    return best


def scale_zero(lo, hi):
    """One asymmetric 8-bit range that holds zero and [lo, hi]."""
    lo, hi = min(lo, 0.0) * MARGIN, max(hi, 0.0) * MARGIN
    scale = max(hi - lo, 1e-9) / 255
    return scale, int(np.clip(np.rint(-128 - lo / scale), -128, 127))


def convert(net, ranges, x, rgb):
    """Quantises layer by layer; x and rgb are the same crops, float and 0..255."""
    params = [(1 / 128, 0)]
    for l, r in zip(net.layers, ranges[1:]):
        top = min(r[:, 1].max(), 6 / MARGIN) if l["relu6"] else r[:, 1].max()
        params.append(scale_zero(r[:, 0].min(), top))
    out = fgm.Net("embed", 112, 112, 3, fgm.S8, [])
    ints = [intsim.pixels(rgb, fgm.S8)]
    floats = net.run(x, every=True)
    for i, l in enumerate(net.layers):
        last = i == len(net.layers) - 1
        (s_in, z_in), (s_out, z_out) = params[i], params[i + 1]
        res = l["residual"]
        args = dict(
            op=fgm.DEPTHWISE if l["dw"] else fgm.CONV, in_type=fgm.S8,
            out_type=fgm.F32 if last else fgm.S8, stride=l["stride"], pad=l["pad"],
            in_scale=s_in, in_zero=z_in, out_scale=1.0 if last else s_out, out_zero=z_out,
            input=i, slope=l["slope"], in_half=i == 0, clip=best_clip(l["w"]))
        if res is not None:
            args.update(residual=res, res_scale=params[res][0] / s_out, res_zero=params[res][1])
        q = quantise.quantise(l["w"], l["b"], **args)
        if l["slope"] is None and not l["relu6"]:
            # Mean error of what the layer adds, given the integers it really gets.
            acc = intsim.sums(ints[i], q)
            real = acc.astype(np.float64) * q.scale.astype(np.float64) * args["out_scale"]
            want = floats[i + 1] - (floats[res] if res is not None else 0)
            error = real.mean((0, 1, 2)) - want.numpy().astype(np.float64).mean((0, 2, 3))
            if res is not None:
                got = (ints[res] - params[res][1]) * params[res][0]
                error += (got.mean((0, 1, 2)) - floats[res].numpy().mean((0, 2, 3)))
            q.bias = q.bias - np.rint(error / (q.scale.astype(np.float64)
                                               * args["out_scale"])).astype(np.int64)
        out.layers.append(q)
        ints.append(intsim.requantise(intsim.sums(ints[i], q), q,
                                      ints[res] if res is not None else None))
    return out


def export(path, sources, tables, name, note, out):
    """The net of an .npz file to the model file `out`, calibrated on crops of sources.
    tables: its (threshold, quality) tables as lists of pairs."""
    rgb = crops.load(sources, 768, np.random.default_rng(1))
    edge = (rgb.shape[1] - 112) // 2
    rgb = rgb[:, edge:edge + 112, edge:edge + 112]
    x = (torch.from_numpy(rgb.astype(np.float32)).permute(0, 3, 1, 2) - 127.5) / 128
    half = min(256, len(x) // 2)  # biases are corrected on one, the result shown on another
    if half == 0:
        raise SystemExit("calibration needs more than one crop")
    with torch.no_grad():
        net = Float(path)
        if net.side != 112:
            raise SystemExit(f"{path} sees {net.side} pixels; the engine's crops have 112")
        plain = net.run(x[:half])
        even_out(net, spans(net, x))
        even = net.run(x[:half])
        ranges = spans(net, x)
        quantised = convert(net, ranges, x[:half], rgb[:half])
        got = intsim.run(quantised, intsim.pixels(rgb[half:2 * half], fgm.S8))[:, 0, 0]
        want = net.run(x[half:2 * half])[:, :, 0, 0]
    cosine = F.cosine_similarity(torch.from_numpy(got), want)
    print(f"evening out changed the float net by {float((even - plain).abs().max()):.2e}; "
          f"int8 against float: cosine mean {cosine.mean():.4f} min {cosine.min():.4f}")
    body = fgm.write(out, name, [quantised], *tables, note)
    print(f"{out}: {len(body)} bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--net", required=True)
    ap.add_argument("--crops", required=True, nargs="+")
    ap.add_argument("--cuts", required=True, help="threshold table: fmr,score")
    ap.add_argument("--quality", required=True, help="quality table: share,length")
    ap.add_argument("--name", default="accurate")
    ap.add_argument("--note", required=True, help="origin and licence of the weights")
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    export(args.net, args.crops, (cuts.read(args.cuts), cuts.read(args.quality)), args.name,
           args.note, args.out)


if __name__ == "__main__":
    main()
