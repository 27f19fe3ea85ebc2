"""MTCNN's weights to models/mtcnn.fgm: integer weights, int16 activations.

    python -m train.export.mtcnn --weights DIR --crops DIR_OR_ZIP... --out models/mtcnn.fgm

DIR holds pnet.pt, rnet.pt and onet.pt as the MIT-licensed PyPI package
facenet-pytorch ships them. P-Net and R-Net get 16-bit weights: their scores
decide between neighbouring candidates that differ by less than 8 or even 12
bits can tell, and another winner means another box. O-Net, which comes last
and is four fifths of the weights, does with 8. Activations have 16 bits; their
ranges are measured on face crops and doubled, which 16 bits can afford.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F

from . import crops, fgm, quantise

NOTE = ("MTCNN (Zhang, Zhang, Li, Qiao 2016), weights converted from the PyPI package "
        "facenet-pytorch, MIT licence, Copyright (c) 2019 Timothy Esler; see models/NOTICE.md")

# (weights, pool kernel after it) in order; heads are joined into one layer.
BODY = {
    "pnet": [("conv1", 2), ("conv2", 0), ("conv3", 0)],
    "rnet": [("conv1", 3), ("conv2", 3), ("conv3", 0), ("dense4", 0)],
    "onet": [("conv1", 3), ("conv2", 3), ("conv3", 2), ("conv4", 0), ("dense5", 0)],
}
HEADS = {"pnet": ("conv4_1", "conv4_2"), "rnet": ("dense5_1", "dense5_2"),
         "onet": ("dense6_1", "dense6_2", "dense6_3")}
WIDE = ("pnet", "rnet")
HEADROOM = 1.7
SIDE = {"pnet": 0, "rnet": 24, "onet": 48}
MAP = {"rnet": 3, "onet": 3}  # side of the map that the first dense layer sees


def as_conv(w, side):
    """A dense layer over a flattened (x, y, channel) map, as a conv kernel."""
    if w.ndim == 4:
        return w
    if side == 1:
        return w[:, :, None, None]
    # The package flattens (channel, y, x) permuted to (x, y, channel).
    return w.reshape(w.shape[0], side, side, -1).transpose(0, 3, 2, 1)


def load(directory, name):
    """The net as a list of (w, b, slope or None, pool kernel), all convs."""
    state = {k: v.numpy().astype(np.float64)
             for k, v in torch.load(f"{directory}/{name}.pt", weights_only=True).items()}
    layers, side = [], MAP.get(name, 1)
    for key, kernel in BODY[name]:
        w = as_conv(state[f"{key}.weight"], side)
        layers.append((w, state[f"{key}.bias"], state[f"prelu{key[-1]}.weight"], kernel))
    w = np.concatenate([as_conv(state[f"{h}.weight"], 1) for h in HEADS[name]])
    b = np.concatenate([state[f"{h}.bias"] for h in HEADS[name]])
    layers.append((w, b, None, 0))
    return layers


def forward(layers, x, every=False):
    """Float reference: x (n, 3, h, w), pixels in (-1, 1). Raw head outputs."""
    outs = []
    for w, b, slope, kernel in layers:
        x = F.conv2d(x, torch.from_numpy(w).to(x.dtype), torch.from_numpy(b).to(x.dtype))
        if slope is not None:
            x = F.prelu(x, torch.from_numpy(slope).to(x.dtype))
        outs.append(x)
        if kernel:
            x = F.max_pool2d(x, kernel, 2, ceil_mode=True)
    return outs if every else x


def even_out(layers, sample):
    """Gives every hidden channel the same range, so that 16 bits serve each.
    PReLU and max pool commute with positive factors; the next layer undoes them."""
    outs = forward(layers, sample, every=True)
    layers = [list(l) for l in layers]
    for i in range(len(layers) - 1):
        r = np.maximum(outs[i].abs().amax((0, 2, 3)).numpy().astype(np.float64), 1e-6)
        layers[i][0] = layers[i][0] / r[:, None, None, None]
        layers[i][1] = layers[i][1] / r
        layers[i + 1][0] = layers[i + 1][0] * r[None, :, None, None]
    return layers


def convert(name, layers, sample):
    """sample: (n, 3, h, w) float pixels that show what the net will see."""
    layers = even_out(layers, sample)
    ranges = [float(o.abs().max()) * HEADROOM for o in forward(layers, sample, every=True)]
    out, tensor, in_scale = [], 0, 1 / 8192
    for i, (w, b, slope, kernel) in enumerate(layers):
        last = i == len(layers) - 1
        out_scale = 1.0 if last else ranges[i] / 32767
        out.append(quantise.quantise(
            w, b, op=fgm.CONV, in_type=fgm.S16, out_type=fgm.F32 if last else fgm.S16, stride=1,
            pad=(0, 0, 0, 0), in_scale=in_scale, in_zero=0, out_scale=out_scale, out_zero=0,
            input=tensor, slope=slope, wide=name in WIDE))
        tensor = len(out)
        if kernel:
            out.append(quantise.pool(kernel, w.shape[0], tensor))
            tensor = len(out)
        in_scale = out_scale
    return fgm.Net(name, SIDE[name], SIDE[name], 3, fgm.S16, out)


def samples(pictures, side, rng):
    """Random square windows of the pictures at one size, as float pixels."""
    out = []
    for p in pictures:
        n = int(rng.integers(side, p.shape[0]))
        y, x = rng.integers(0, p.shape[0] - n + 1, 2)
        t = torch.from_numpy(p[y:y + n, x:x + n].astype(np.float32)).permute(2, 0, 1)[None]
        out.append((F.interpolate(t, (side, side), mode="area") - 127.5) / 128)
    return torch.cat(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--weights", required=True)
    ap.add_argument("--crops", required=True, nargs="+")
    ap.add_argument("--out", default="models/mtcnn.fgm")
    args = ap.parse_args()
    rng = np.random.default_rng(1)
    pictures = crops.load(args.crops, 1500, rng)
    nets = []
    for name in ("pnet", "rnet", "onet"):
        layers = load(args.weights, name)
        nets.append(convert(name, layers, samples(pictures, SIDE[name] or 64, rng)))
    body = fgm.write(args.out, "mtcnn", nets, [], NOTE)
    print(f"{args.out}: {len(body)} bytes")


if __name__ == "__main__":
    main()
