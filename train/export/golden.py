"""Writes tests/golden: what the engine must compute, bit for bit, and what the
float reference finds on the sample photographs.

    python -m train.export.golden --weights DIR --faces tests/data/faces --out tests/golden

See tests/golden/README.md for the layout. Run it again whenever a model changes.
"""

import argparse
import glob
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from . import detector, fgm, intsim, quantise

TEMPLATE = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37],
                     [70.73, 92.20]])


class Toy:
    """A small net of random layers, s8 or s16, built one layer at a time."""

    def __init__(self, rng, kind):
        self.rng, self.kind, self.s8 = rng, kind, kind == fgm.S8
        self.layers, self.channels = [], 3

    def conv(self, out, k, stride=1, pad=(0, 0, 0, 0), op=fgm.CONV, residual=fgm.NONE, slope=True,
             last=False, wide=False, relu6=False):
        scale, zero = (0.05, 5) if self.s8 else (0.0002, 0)
        w = self.rng.normal(size=(out, 1 if op == fgm.DEPTHWISE else self.channels, k, k)) * 0.3
        has_residual = residual != fgm.NONE
        layer = quantise.quantise(
            w, self.rng.normal(size=out), op=op, in_type=self.kind,
            out_type=fgm.F32 if last else self.kind, stride=stride, pad=pad, in_scale=scale,
            in_zero=zero if self.layers else 0, out_scale=1.0 if last else scale, out_zero=zero,
            input=len(self.layers), slope=self.rng.uniform(-1.5, 1.5, out) if slope else None,
            residual=residual, res_scale=0.75 if has_residual else 0.0,
            res_zero=zero if has_residual else 0, wide=wide)
        if relu6:
            layer.slope, layer.slope_unit = np.zeros(out, np.int16), 0.5
            layer.out_max = 125 if self.s8 else 30000
        self.layers.append(layer)
        self.channels = out

    def pool(self, k):
        self.layers.append(quantise.pool(k, self.channels, len(self.layers)))


def toy8(rng):
    t = Toy(rng, fgm.S8)
    t.conv(10, 3, stride=2, pad=(0, 0, 1, 1))
    t.conv(20, 1, relu6=True)
    t.conv(20, 3, pad=(1, 1, 1, 1), op=fgm.DEPTHWISE)
    t.conv(20, 3, pad=(1, 1, 1, 1), slope=False, residual=2)
    t.conv(20, 3, stride=2, pad=(0, 0, 1, 1), op=fgm.DEPTHWISE)
    t.conv(33, 1, slope=False)
    t.conv(33, 4, op=fgm.DEPTHWISE, slope=False)
    t.conv(7, 1, slope=False, last=True)
    return fgm.Net("toy8", 19, 17, 3, fgm.S8, t.layers)


def toy16(rng):
    t = Toy(rng, fgm.S16)
    t.conv(10, 3, wide=True)
    t.pool(2)
    t.conv(19, 3)
    t.pool(3)
    t.conv(19, 1, slope=False, residual=4, wide=True)
    t.conv(32, 2)
    t.conv(6, 1, slope=False, last=True, wide=True)
    return fgm.Net("toy16", 0, 0, 3, fgm.S16, t.layers)


def toy32(rng):
    w = lambda out, cin, k: rng.normal(size=(out, cin, k, k)) * 0.3
    layers = [quantise.keep(w(10, 3, 3), rng.normal(size=10), input=0, slope=rng.normal(size=10)),
              quantise.pool(2, 10, 1, fgm.F32),
              quantise.keep(w(19, 10, 3), rng.normal(size=19), input=2, slope=rng.normal(size=19)),
              quantise.pool(3, 19, 3, fgm.F32),
              quantise.keep(w(6, 19, 1), rng.normal(size=6), input=4)]
    return fgm.Net("toy32", 0, 0, 3, fgm.F32, layers)


def write_tensors(path, arrays, types):
    with open(path, "wb") as f:
        f.write(struct.pack("<I", len(arrays)))
        for a, t in zip(arrays, types):
            f.write(struct.pack("<4I", t, *a.shape))
            f.write(a.astype({fgm.S8: "<i1", fgm.S16: "<i2", fgm.F32: "<f4"}[t]).tobytes())


def write_toys(out, rng):
    fgm.write(f"{out}/toy.fgm", "toy", [toy8(rng), toy16(rng), toy32(rng)],
              [(1e-2, 0.3), (1e-4, 0.5)], [(0.0, 1.0), (0.5, 2.0), (1.0, 3.5)], "made by golden.py")
    for net in fgm.read(f"{out}/toy.fgm")[1]:
        shape = (1, net.in_height or 23, net.in_width or 20, 3)
        lo, hi = (-128, 128) if net.in_type == fgm.S8 else (-32640, 32641)
        x = rng.integers(lo, hi, shape)
        if net.in_type == fgm.F32:
            x = intsim.pixels(rng.integers(0, 256, shape), fgm.F32)
        every = intsim.run(net, x, every=True)
        write_tensors(f"{out}/{net.name}.bin", [t[0] for t in every],
                      [net.in_type] + [l.out_type for l in net.layers])


def warp(rgb, marks, side=112):
    """Five-point similarity crop, bilinear (the float reference of align.c)."""
    p, q = marks - marks.mean(0), TEMPLATE - TEMPLATE.mean(0)
    c, s = (p * q).sum(), (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()
    spread = (p ** 2).sum()
    a, b = c * spread / (c * c + s * s), s * spread / (c * c + s * s)
    yy, xx = np.mgrid[:side, :side] - TEMPLATE.mean(0)[::-1, None, None]
    sx = a * xx + b * yy + marks[:, 0].mean()
    sy = -b * xx + a * yy + marks[:, 1].mean()
    h, w = rgb.shape[:2]
    grid = np.stack([sx / (w - 1) * 2 - 1, sy / (h - 1) * 2 - 1], -1)
    t = torch.from_numpy(rgb.astype(np.float64)).permute(2, 0, 1)[None]
    out = F.grid_sample(t, torch.from_numpy(grid)[None], align_corners=True)
    return out[0].permute(1, 2, 0).numpy()


def write_nets(out, models, crop):
    face = Image.fromarray(crop)
    sides = {"pnet": (40, 33), "rnet": (24, 24), "onet": (48, 48)}
    todo = [(n.name, n, np.asarray(face.resize(sides[n.name], Image.BOX)))
            for n in fgm.read(f"{models}/mtcnn.fgm")[1]]
    for path in sorted(glob.glob(f"{models}/embedder-*.fgm")):
        name = os.path.basename(path)[len("embedder-"):-len(".fgm")]
        todo.append((f"embed-{name}", fgm.read(path)[1][0], crop))
    for name, net, rgb in todo:
        x = intsim.pixels(rgb[None], net.in_type)
        y = intsim.run(net, x)
        write_tensors(f"{out}/{name}.bin", [x[0], y[0]], [net.in_type, fgm.F32])


def write_detections(out, faces, reference):
    """Small copies of the photographs, which the engine decodes unscaled, and the
    reference's faces in them."""
    lines = ["# picture, then per face: x1 y1 x2 y2 confidence, five landmarks x y"]
    for picture in sorted(glob.glob(f"{faces}/*.jpg")):
        name = os.path.basename(picture)
        copy = Image.open(picture).convert("RGB")
        copy.thumbnail((420, 420))
        copy.save(f"{out}/{name}", quality=85)
        rgb = np.asarray(Image.open(f"{out}/{name}"))
        for b, s, m in zip(*reference(rgb)):
            lines.append(f"{name} " + " ".join(f"{v:.3f}" for v in [*b, s, *m.reshape(-1)]))
    with open(f"{out}/detections.txt", "w") as f:
        f.write("\n".join(lines) + "\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--weights", required=True, help="folder of the float MTCNN")
    ap.add_argument("--faces", default="tests/data/faces")
    ap.add_argument("--models", default="models")
    ap.add_argument("--out", default="tests/golden")
    args = ap.parse_args()
    write_toys(args.out, np.random.default_rng(7))
    reference = detector.Detector(args.weights)
    small = np.asarray(Image.open(f"{args.faces}/obama-240p.jpg").convert("RGB"))
    crop = np.rint(warp(small, reference(small)[2][0])).astype(np.uint8)
    write_nets(args.out, args.models, crop)
    write_detections(args.out, args.faces, reference)


if __name__ == "__main__":
    main()
