"""The engine's arithmetic in Python, bit for bit (docs/model-format.md).

Sums are computed by float64 convolutions, which are exact below 2^53; the
requantisation then follows the one rounding rule in float32. An f32 layer adds
its products one after another, each step rounded.
"""

import numpy as np
import torch
import torch.nn.functional as F

from . import fgm


def pixels(rgb, in_type):
    """The pixel rule: (n, h, w, 3) values 0..255 to the net's input."""
    if in_type == fgm.F32:
        return (np.asarray(rgb, np.float32) - np.float32(127.5)) * np.float32(1 / 128)
    rgb = np.asarray(rgb, np.float64)
    if in_type == fgm.S8:
        return (rgb - 128).astype(np.int64)
    return (np.rint(rgb * 256) - 32640).astype(np.int64)


def _pool(x, layer):
    t = torch.from_numpy(x.astype(np.float64)).permute(0, 3, 1, 2)
    y = F.max_pool2d(t, layer.kernel, layer.stride, ceil_mode=True)
    return y.permute(0, 2, 3, 1).numpy().astype(x.dtype)


def conv_f32(x, layer):
    """One product after another in the order (ky, kx, channel), as the engine adds."""
    k = layer.kernel
    h, w = x.shape[1] - k + 1, x.shape[2] - k + 1
    y = np.broadcast_to(layer.bias.astype(np.float32), (len(x), h, w, layer.out_channels))
    for ky in range(k):
        for kx in range(k):
            for c in range(layer.in_channels):
                y = y + x[:, ky:ky + h, kx:kx + w, c, None] * layer.weights[:, c, ky, kx]
    return y if layer.slope is None else np.where(y < 0, y * layer.slope, y)


def sums(x, layer):
    """What the layer adds up, as float32: exact sums, then rounded."""
    t, left, b, r = layer.pad
    x = np.pad(x, ((0, 0), (t, b), (left, r), (0, 0)), constant_values=layer.in_zero)
    x = torch.from_numpy(x.astype(np.float64)).permute(0, 3, 1, 2)
    groups = layer.in_channels if layer.op == fgm.DEPTHWISE else 1
    parts = [F.conv2d(x, torch.from_numpy(w.astype(np.float64)), stride=layer.stride,
                      groups=groups).permute(0, 2, 3, 1).numpy() for w in fgm.planes(layer)]
    y = (parts[0] + layer.bias).astype(np.float32)
    if layer.wide:
        y = parts[1].astype(np.float32) * np.float32(256) + y
    return y


def requantise(acc, layer, residual=None):
    """acc: float32 sums. The one rounding rule."""
    y = acc * layer.scale.astype(np.float32)
    if layer.slope is not None:
        slope = layer.slope.astype(np.float32) * np.float32(layer.slope_unit)
        y = np.where(acc < 0, y * slope, y)
    if residual is not None:
        y = y + (residual - layer.res_zero).astype(np.float32) * np.float32(layer.res_scale)
    if layer.out_type == fgm.F32:
        return y
    y = np.clip(y, np.float32(layer.out_min - layer.out_zero),
                np.float32(layer.out_max - layer.out_zero))
    return np.rint(y).astype(np.int64) + layer.out_zero


def run(net, x, every=False):
    """x: integers (n, h, w, c). Returns the last output, or all tensors."""
    tensors = [x]
    for layer in net.layers:
        src = tensors[layer.input]
        if layer.op == fgm.MAXPOOL:
            tensors.append(_pool(src, layer))
            continue
        if layer.in_type == fgm.F32:
            tensors.append(conv_f32(src, layer))
            continue
        res = tensors[layer.residual] if layer.residual != fgm.NONE else None
        tensors.append(requantise(sums(src, layer), layer, res))
    return tensors if every else tensors[-1]
