"""Float layers to the engine's integer layers."""

import numpy as np

from . import fgm

DAMP = 0.001


def quantise(w, b, *, op, in_type, out_type, stride, pad, in_scale, in_zero, out_scale, out_zero,
             input, slope=None, residual=fgm.NONE, res_scale=0.0, res_zero=0, in_half=False,
             clip=None, wide=False, fit=None):
    """One conv or depthwise layer. w is (out, in, kh, kw), float, batch norm
    folded; scales are real = (q - zero) * scale. in_half: the input's integer q
    stands for q + 1/2 (the s8 pixel rule). clip: largest |w| per channel that
    the steps reach (default: the largest there is). wide: 16-bit weights. fit:
    called with the steps, gives integer weights and a bias (default: the nearest
    integers, and b)."""
    steps = 32639 if wide else 127
    out = w.shape[0]
    flat = w.reshape(out, -1)
    top = np.maximum(np.abs(flat).max(1) if clip is None else clip, 1e-12)
    for _ in range(40):
        # The scale is a bf16 value, so the weights' step follows from it.
        scale = fgm.bf16_up(top / steps * in_scale / out_scale)
        step = scale.astype(np.float64) * out_scale / in_scale
        q = np.clip(np.rint(flat / step[:, None]), -steps, steps)
        if fit is not None:
            q, b = fit(step)
        bias = np.rint(b / (step * in_scale) - in_zero * q.sum(1)
                       + (0.5 * q.sum(1) if in_half else 0)).astype(np.int64)
        lo, hi = (-128, 127) if out_type == fgm.S8 else (-32768, 32767)
        layer = fgm.Layer(
            op=op, in_type=in_type, out_type=out_type, kernel=w.shape[2], stride=stride, pad=pad,
            in_channels=out if op == fgm.DEPTHWISE else w.shape[1], out_channels=out, input=input,
            residual=residual, in_zero=in_zero, out_zero=out_zero if out_type != fgm.F32 else 0,
            out_min=lo if out_type != fgm.F32 else 0, out_max=hi if out_type != fgm.F32 else 0,
            res_zero=res_zero, res_scale=res_scale, weights=q.reshape(w.shape).astype(np.int64),
            bias=bias, scale=scale, wide=wide)
        if slope is not None:
            unit = max(float(np.abs(slope).max()), 1e-6) / 32767
            layer.slope_unit = float(np.float32(unit))
            layer.slope = np.rint(np.asarray(slope) / layer.slope_unit).clip(
                -32767, 32767).astype(np.int16)
        bad = ~fgm.sums_fit(layer)
        if not bad.any():
            return layer
        # Coarser weights for the channels whose sums could leave int32.
        top = np.where(bad, top * 1.1, top)
    raise ValueError("sums do not fit int32")


def floats(layers):
    """Undoes quantise() for an s8 net with ReLU6: (weights, bias) of each layer in turn.
    A file knows the ratios of the tensors' scales, not the scales. Behind ReLU6 the
    range ends at 6; behind a linear layer any scale serves, since the next layer's
    weights take it back."""
    top = 6 / 255
    scales = [1 / 128]
    for i, l in enumerate(layers):
        if l.slope is not None or l.input != i:
            raise SystemExit(f"layer {i} is not one of a chain with ReLU6")
        s_in, s_out = scales[i], 1.0 if l.out_type == fgm.F32 else top
        if l.residual != fgm.NONE:
            s_out = scales[l.residual] / l.res_scale
        scales.append(s_out)
        n = len(l.scale)
        step = l.scale.astype(np.float64) * s_out / s_in
        sums = l.weights.reshape(n, -1).sum(1)
        bias = l.bias + l.in_zero * sums - (0.5 * sums if i == 0 else 0)
        yield l.weights * step[:, None, None, None], bias * step * s_in


def careful(x, w, b):
    """A fit for quantise: rounds one input's weights after another, and lets the
    weights not yet rounded make good what each rounding spoils on the inputs x
    (samples, k), where 8 bits serve a sum of many correlated inputs badly (Frantar
    and Alistarh 2022). The bias takes up the mean error that remains."""
    flat = w.transpose(0, 2, 3, 1).reshape(len(w), -1)
    mean = x.mean(0)
    cov = np.cov(x, rowvar=False)
    cov += DAMP * np.trace(cov) / len(cov) * np.eye(len(cov))
    upper = np.linalg.cholesky(np.linalg.inv(cov)).T

    def fit(step):
        left, q = flat.copy(), np.zeros_like(flat)
        for j in range(flat.shape[1]):
            q[:, j] = np.clip(np.rint(left[:, j] / step), -127, 127)
            error = (left[:, j] - q[:, j] * step) / upper[j, j]
            left[:, j + 1:] -= error[:, None] * upper[j, j + 1:]
        shape = len(w), w.shape[2], w.shape[3], w.shape[1]
        bias = b + (flat - q * step[:, None]) @ mean
        return q.reshape(shape).transpose(0, 3, 1, 2).reshape(len(w), -1), bias

    return fit


def keep(w, b, *, input, slope=None):
    """A conv of stride 1 without padding that stays in float."""
    to32 = lambda v: np.asarray(v, np.float32)
    return fgm.Layer(op=fgm.CONV, in_type=fgm.F32, out_type=fgm.F32, kernel=w.shape[2], stride=1,
                     pad=(0, 0, 0, 0), in_channels=w.shape[1], out_channels=w.shape[0],
                     input=input, weights=to32(w), bias=to32(b),
                     slope=None if slope is None else to32(slope))


def pool(kernel, channels, input, kind=fgm.S16):
    """Caffe's max pool: stride 2, sizes rounded up."""
    return fgm.Layer(op=fgm.MAXPOOL, in_type=kind, out_type=kind, kernel=kernel, stride=2,
                     pad=(0, 0, 0, 0), in_channels=channels, out_channels=channels, input=input)
