"""MTCNN's weights to models/mtcnn.fgm.

    python -m train.export.mtcnn --weights DIR --crops DIR_OR_ZIP... --out models/mtcnn.fgm

DIR holds pnet.pt, rnet.pt and onet.pt as the MIT-licensed PyPI package
facenet-pytorch ships them. P-Net, a seventieth of the weights, stays in float: its
scores decide between neighbouring candidates that differ by less than 16-bit
activations can tell, and another winner means another box. R-Net and O-Net get
16-bit weights and activations; only O-Net's dense layer, three fifths of all
weights, has 8, rounded with care. Ranges are measured while the float detector
runs, and given half as much again.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

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
WIDE_MAX = 100_000  # weights of a layer: all but the last dense one of O-Net
HEADROOM = 1.25
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


def even_out(layers, peaks):
    """Divides every hidden channel by its peak, so that 16 bits serve each alike.
    PReLU and max pool commute with positive factors; the next layer undoes them."""
    layers = [list(l) for l in layers]
    for i in range(len(layers) - 1):
        r = np.maximum(peaks[i], 1e-6)
        layers[i][0] = layers[i][0] / r[:, None, None, None]
        layers[i][1] = layers[i][1] / r
        layers[i + 1][0] = layers[i + 1][0] * r[None, :, None, None]
    return layers


def convert(name, layers, peaks, seen):
    """peaks: per layer, the largest magnitude seen in every output channel; seen:
    what the layer with 8-bit weights, if any, gets: (samples, c, h, w)."""
    out, tensor, in_scale = [], 0, 1 / 32768
    for i, (w, b, slope, kernel) in enumerate(even_out(layers, peaks)):
        last = i == len(layers) - 1
        out_scale = 1.0 if last else HEADROOM / 32767
        fit = None
        if w.size > WIDE_MAX:
            x = seen / np.maximum(peaks[i - 1], 1e-6)[:, None, None]
            fit = quantise.careful(x.transpose(0, 2, 3, 1).reshape(len(x), -1), w, b)
        out.append(quantise.quantise(
            w, b, op=fgm.CONV, in_type=fgm.S16, out_type=fgm.F32 if last else fgm.S16, stride=1,
            pad=(0, 0, 0, 0), in_scale=in_scale, in_zero=0, out_scale=out_scale, out_zero=0,
            input=tensor, slope=slope, wide=fit is None,
            fit=fit))
        tensor = len(out)
        if kernel:
            out.append(quantise.pool(kernel, w.shape[0], tensor))
            tensor = len(out)
        in_scale = out_scale
    return fgm.Net(name, SIDE[name], SIDE[name], 3, fgm.S16, out)


def convert_float(name, layers):
    """The net as it is, in binary32."""
    out = []
    for w, b, slope, kernel in layers:
        out.append(quantise.keep(w, b, input=len(out), slope=slope))
        if kernel:
            out.append(quantise.pool(kernel, w.shape[0], len(out), fgm.F32))
    return fgm.Net(name, SIDE[name], SIDE[name], 3, fgm.F32, out)


def observe(weights, pictures, rng):
    """Runs the float detector over face crops laid on one another at random sizes,
    and notes the peak of every channel: what the nets really see, candidates included.
    Returns the peaks and what O-Net's dense layer got."""
    from .detector import Detector

    class Watched(Detector):
        peaks, dense = {}, []

        def forward(self, name, pixels):
            with torch.no_grad():
                outs = mtcnn_forward(self.nets[name], (pixels - 127.5) / 128, every=True)
            seen = [o.abs().amax((0, 2, 3)).numpy().astype(np.float64) for o in outs]
            old = self.peaks.get(name)
            self.peaks[name] = [np.maximum(a, b) for a, b in zip(old, seen)] if old else seen
            if name == "onet":
                self.dense.append(outs[3].numpy().astype(np.float64))
            return outs[-1].numpy()

    mtcnn_forward, watched = forward, Watched(weights)
    for p in pictures:
        scene = pictures[rng.integers(len(pictures))]
        scene = np.asarray(Image.fromarray(scene).resize((240, 240))).copy()
        side = int(rng.integers(40, 230))
        y, x = rng.integers(0, 240 - side + 1, 2)
        scene[y:y + side, x:x + side] = np.asarray(Image.fromarray(p).resize((side, side)))
        watched(scene)
    return watched.peaks, np.concatenate(watched.dense)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--weights", required=True)
    ap.add_argument("--crops", required=True, nargs="+")
    ap.add_argument("--out", default="models/mtcnn.fgm")
    args = ap.parse_args()
    rng = np.random.default_rng(1)
    peaks, dense = observe(args.weights, crops.load(args.crops, 600, rng), rng)
    print(f"{len(dense)} candidates reached O-Net")
    nets = [convert_float("pnet", load(args.weights, "pnet"))]
    nets += [convert(n, load(args.weights, n), peaks[n], dense) for n in ("rnet", "onet")]
    body = fgm.write(args.out, "mtcnn", nets, [], [], NOTE)
    print(f"{args.out}: {len(body)} bytes")


if __name__ == "__main__":
    main()
