"""A net as a list of named layers, the form in which it is trained, folded, saved and
exported (train/export/embedder.py reads the files written here).

A layer is a dict: name, kind (conv, depthwise, average, fc), k, stride, pad (same or
valid), act (relu6, prelu or None), out, and residual: whether the input of the last
layer named *.expand is added to its output. Padding at stride 2 is on the right and
bottom, as in the engine's files. Input: (n, 3, side, side), (rgb - 127.5) / 128.
"""

import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from .export import fgm, quantise


class Layer(nn.Module):
    """conv, batch norm (optional) and activation: one layer of the exported net."""

    def __init__(self, spec, channels, norm):
        super().__init__()
        self.spec, out, k = spec, spec["out"], spec.get("k", 1)
        self.act = spec.get("act")
        if spec["kind"] == "average":
            self.k = k
            return
        same, stride = spec.get("pad") == "same" and k == 3, spec.get("stride", 1)
        self.pad = (0, 1, 0, 1) if same and stride == 2 else None
        self.conv = nn.Conv2d(channels, out, k, stride, 1 if same and stride == 1 else 0,
                              groups=out if spec["kind"] == "depthwise" else 1, bias=not norm)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        self.norm = nn.BatchNorm2d(out) if norm else None
        if self.act == "prelu":
            self.slope = nn.Parameter(torch.full((out,), 0.25))

    def forward(self, x):
        if self.spec["kind"] == "average":
            return F.avg_pool2d(x, self.k)
        x = self.conv(F.pad(x, self.pad) if self.pad else x)
        if self.norm is not None:
            x = self.norm(x)
        if self.act == "relu6":
            return F.relu6(x)
        return F.prelu(x, self.slope) if self.act == "prelu" else x

    def folded(self):
        """weight, bias and slope (or None) of the layer without batch norm, as numpy."""
        out = self.spec["out"]
        if self.spec["kind"] == "average":
            w = torch.full((out, 1, self.k, self.k), 1 / self.k ** 2)
            return w.numpy(), np.zeros(out, np.float32), None
        w, b = self.conv.weight.double(), self.conv.bias
        b = torch.zeros(out, dtype=torch.float64) if b is None else b.double()
        if self.norm is not None:
            n = self.norm
            gain = n.weight.double() / torch.sqrt(n.running_var.double() + n.eps)
            w = w * gain[:, None, None, None]
            b = (b - n.running_mean.double()) * gain + n.bias.double()
        if self.spec["kind"] == "fc":
            w = w[:, :, 0, 0]
        slope = self.slope.float().numpy() if self.act == "prelu" else None
        return w.float().numpy(), b.float().numpy(), slope


class Net(nn.Module):
    """Runs a list of layers. norm: train with batch norm after every conv but those of
    the first `plain` layers."""

    def __init__(self, layers, side, norm=True, plain=0):
        super().__init__()
        self.side, channels, parts = side, 3, []
        for i, spec in enumerate(layers):
            parts.append(Layer(spec, channels, norm and i >= plain))
            channels = spec["out"]
        self.layers, self.dim = nn.ModuleList(parts), channels

    def run(self, x, start, stop):
        """Layers start .. stop - 1 alone; no residual may reach in from before."""
        block = None
        for layer in self.layers[start:stop]:
            if layer.spec["name"].endswith(".expand"):
                block = x
            y = layer(x)
            x = y + block if layer.spec.get("residual") else y
        return x

    def forward(self, x):
        return self.run(x, 0, len(self.layers)).flatten(1)

    def train(self, mode=True):
        """Frozen layers stay as they are, with the statistics of their batch norm."""
        super().train(mode)
        for layer in self.layers:
            if getattr(layer, "frozen", False):
                layer.eval()
        return self


def freeze(net, prefixes):
    """No training for the layers whose names begin with one of the prefixes. Returns
    how many."""
    count = 0
    for layer in net.layers:
        if any(layer.spec["name"].startswith(p) for p in prefixes):
            layer.frozen = True
            layer.requires_grad_(False)
            count += 1
    return count


@torch.no_grad()
def save(net, path):
    """Writes the folded net as .npz: NAME.weight, NAME.bias, NAME.prelu, layers_json."""
    arrays, layers = {}, []
    for layer in net.layers:
        spec = dict(layer.spec)
        if spec["kind"] == "average":
            spec["kind"] = "depthwise"
        layers.append(spec)
        w, b, slope = layer.folded()
        arrays[f"{spec['name']}.weight"], arrays[f"{spec['name']}.bias"] = w, b
        if slope is not None:
            arrays[f"{spec['name']}.prelu"] = slope
    text = json.dumps({"input": [net.side, net.side, 3], "input_rule": "(rgb-127.5)/128",
                       "layers": layers})
    np.savez(path, layers_json=np.frombuffer(text.encode(), np.uint8), **arrays)


@torch.no_grad()
def load(path):
    """The net of an .npz file, without batch norm, ready to run or to train further."""
    z = np.load(path)
    head = json.loads(bytes(z["layers_json"]).decode())
    net = Net(head["layers"], head["input"][0], norm=False)
    for layer in net.layers:
        name = layer.spec["name"]
        layer.conv.weight.copy_(torch.from_numpy(z[f"{name}.weight"]).view_as(layer.conv.weight))
        layer.conv.bias.copy_(torch.from_numpy(z[f"{name}.bias"]))
        if layer.act == "prelu":
            layer.slope.copy_(torch.from_numpy(z[f"{name}.prelu"]))
    return net


@torch.no_grad()
def start(net, path):
    """Fills the layers without batch norm, the first of the net, from the first of a
    model file, which must have their shapes."""
    stored = quantise.floats(fgm.read(path)[1][0].layers)
    for layer in net.layers:
        if layer.norm is not None:
            return
        name, (w, b) = layer.spec["name"], next(stored)
        if w.shape != layer.conv.weight.shape:
            raise SystemExit(f"{path}: its layer in the place of {name} has the shape "
                             f"{w.shape}, not {tuple(layer.conv.weight.shape)}")
        layer.conv.weight.copy_(torch.from_numpy(w))
        layer.conv.bias.copy_(torch.from_numpy(b))


@torch.no_grad()
def cost(net):
    """Multiply-accumulates of one run, and weights of the folded net."""
    macs = []
    hooks = [m.register_forward_hook(
        lambda m, _, y: macs.append(y[0].numel() * m.weight[0].numel()))
        for m in net.modules() if isinstance(m, nn.Conv2d)]
    training = net.training
    net.eval()(torch.zeros(1, 3, net.side, net.side))
    net.train(training)
    for hook in hooks:
        hook.remove()
    return sum(macs), sum(l.folded()[0].size for l in net.layers if hasattr(l, "conv"))
