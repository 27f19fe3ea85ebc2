"""Prunes the hidden channels of a float net until its int8 file fits a byte budget. In
closed form: no gradient step is taken.

    python -m train.prune teacher.npz --crops CROPS... --bytes 999600 --out pruned.npz

1. For each inverted residual, channels between the depthwise conv and the projection
   go one by one, always the one whose loss costs the least squared error when the
   projection of those that stay is solved anew (backward elimination; the cost of a
   channel is |w|^2 / inv(G)_jj with G the channels' second moments).
2. The cost of each cut alone is measured where it counts: 1 - cosine of the final
   embeddings. Cuts are then taken in the order of cost per byte.
3. From the first to the last block the projection is solved on what the pruned net
   really gives, towards what the whole net gave, so that errors do not pile up.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from . import augment, nets
from .export import crops

STEP = 16          # the engine's kernels compute 16 channels at a time
DEEPEST = 6        # steps that one block may lose
RIDGE = 1e-4
BATCH = 32


class Blocks:
    """The inverted residuals of a net and what lies before and after them."""

    def __init__(self, net):
        self.layers, at = list(net.layers), {}
        for i, layer in enumerate(self.layers):
            at[layer.spec["name"]] = i
        self.expand = [i for n, i in at.items() if n.endswith(".expand")]
        self.after = self.expand[-1] + 3

    def name(self, b):
        return self.layers[self.expand[b]].spec["name"].rsplit(".", 1)[0]

    def parts(self, b):
        return self.layers[self.expand[b]:self.expand[b] + 3]

    def hidden(self, b, x):
        """What the projection of block b reads."""
        expand, depthwise, _ = self.parts(b)
        return batched(lambda v: depthwise(expand(v)), x)

    def residual(self, b):
        return bool(self.parts(b)[2].spec.get("residual"))

    def run(self, b, x):
        y = batched(self.parts(b)[2], self.hidden(b, x))
        return y + x if self.residual(b) else y

    def before(self, x):
        for layer in self.layers[:self.expand[0]]:
            x = batched(layer, x)
        return x

    def finish(self, b, x):
        """From the output of block b to the embedding."""
        for later in range(b + 1, len(self.expand)):
            x = self.run(later, x)
        for layer in self.layers[self.after:]:
            x = layer(x)
        return x.flatten(1)

    def sizes(self):
        return [self.parts(b)[0].spec["out"] for b in range(len(self.expand))]


def batched(f, x):
    return torch.cat([f(x[i:i + BATCH]) for i in range(0, len(x), BATCH)])


class Moments:
    """Second moments of inputs (with a constant 1 added) and targets, over all places."""

    def __init__(self, inputs, outputs):
        self.gram = np.zeros((inputs + 1, inputs + 1))
        self.cross = np.zeros((inputs + 1, outputs))

    def add(self, x, y):
        flat = lambda v: v.permute(0, 2, 3, 1).reshape(-1, v.shape[1])
        x, y = flat(x), flat(y)
        x = torch.cat([x, torch.ones(len(x), 1)], 1)
        self.gram += (x.T @ x).double().numpy()
        self.cross += (x.T @ y).double().numpy()


def eliminate(m, counts):
    """{count: (channels that stay, weights (count + 1, outputs), the last row the bias)}"""
    size = len(m.gram) - 1
    damp = np.r_[RIDGE * np.diag(m.gram)[:size], 0]
    inverse = np.linalg.inv(m.gram + np.diag(damp))
    w, alive, found = inverse @ m.cross, np.arange(size), {}
    while True:
        if len(alive) in counts:
            found[len(alive)] = alive.copy(), w.copy()
        if len(alive) <= min(counts):
            return found
        diagonal = np.diag(inverse)
        j = int(((w[:-1] ** 2).sum(1) / diagonal[:-1]).argmin())
        w = w - np.outer(inverse[:, j], w[j]) / inverse[j, j]
        inverse = inverse - np.outer(inverse[:, j], inverse[j]) / inverse[j, j]
        w, alive = np.delete(w, j, 0), np.delete(alive, j)
        inverse = np.delete(np.delete(inverse, j, 0), j, 1)


def cut(blocks, b, channels, w):
    """Keeps these hidden channels of block b and gives the projection its weights."""
    expand, depthwise, project = blocks.parts(b)
    for layer in (expand, depthwise):
        layer.conv.weight = torch.nn.Parameter(layer.conv.weight[channels])
        layer.conv.bias = torch.nn.Parameter(layer.conv.bias[channels])
        layer.conv.out_channels = layer.spec["out"] = len(channels)
        if layer.act == "prelu":
            layer.slope = torch.nn.Parameter(layer.slope[channels])
    depthwise.conv.in_channels = depthwise.conv.groups = len(channels)
    w = torch.from_numpy(w).float()
    project.conv.in_channels = len(channels)
    project.conv.weight = torch.nn.Parameter(w[:-1].T[:, :, None, None].contiguous())
    project.conv.bias = torch.nn.Parameter(w[-1].contiguous())


def file_bytes(blocks, plan):
    """Bytes of the int8 model file (docs/model-format.md) when block b has plan[b]
    hidden channels, without the tables and the note."""
    hidden = {blocks.name(b): n for b, n in enumerate(plan)}
    up = lambda n, to: -(-n // to) * to
    total = 80 + 32
    for layer in blocks.layers:
        block, _, part = layer.spec["name"].rpartition(".")
        out, inputs, k = layer.spec["out"], layer.conv.in_channels, layer.spec.get("k", 1)
        if block in hidden:
            out = out if part == "project" else hidden[block]
            inputs = hidden[block] if part == "project" else inputs
        weights = k * k * up(out, 16) if layer.spec["kind"] == "depthwise" else \
            up(out, 16) * up(k * k * inputs, 4)
        total += 64 + up(weights, 64) + 8 * up(out, 16)
    return total


def prices(blocks, x):
    """{(block, channels left): 1 - cosine of the embeddings}, each cut on its own.
    Half of x solves the projection, the other half measures."""
    half, price, sizes = len(x) // 2, {}, blocks.sizes()
    inputs = [blocks.before(x)]
    for b in range(len(sizes)):
        inputs.append(blocks.run(b, inputs[-1]))
    whole = blocks.finish(len(sizes) - 1, inputs[-1][half:])
    for b in tqdm(range(len(sizes)), desc="pricing"):
        h = blocks.hidden(b, inputs[b])
        y = blocks.parts(b)[2](h)
        m = Moments(h.shape[1], y.shape[1])
        m.add(h[:half], y[:half])
        counts = [sizes[b] - STEP * k for k in range(1, DEEPEST + 1)
                  if sizes[b] - STEP * k >= sizes[b] // 2]
        for count, (stay, w) in eliminate(m, counts).items():
            w = torch.from_numpy(w).float()
            out = F.conv2d(h[half:, stay], w[:-1].T[:, :, None, None], w[-1])
            out = out + inputs[b][half:] if blocks.residual(b) else out
            price[b, count] = float(1 - F.cosine_similarity(blocks.finish(b, out), whole).mean())
    return price


def choose(blocks, price, limit):
    """Hidden channels for each block: the cheapest cut per byte, again and again."""
    plan = blocks.sizes()
    while file_bytes(blocks, plan) > limit:
        best = None
        for (b, count), cost in price.items():
            if count >= plan[b]:
                continue
            now = plan[:b] + [count] + plan[b + 1:]
            saved = file_bytes(blocks, plan) - file_bytes(blocks, now)
            rate = (cost - price.get((b, plan[b]), 0)) / saved
            if best is None or rate < best[0]:
                best = rate, now
        if best is None:
            raise SystemExit("the byte budget is too small for this net")
        plan = best[1]
    return plan


def solve(blocks, plan, x):
    """Prunes and solves block after block."""
    sizes = blocks.sizes()
    first = next(b for b, n in enumerate(plan) if n != sizes[b])
    whole = []
    for i in tqdm(range(0, len(x), BATCH), desc="before the first cut"):
        y = blocks.before(x[i:i + BATCH])
        for b in range(first):
            y = blocks.run(b, y)
        whole.append(y)
    whole = torch.cat(whole)
    pruned = whole.clone()
    for b in tqdm(range(first, len(sizes)), desc="solving"):
        want = blocks.run(b, whole)
        m = Moments(sizes[b], want.shape[1])
        for i in range(0, len(x), BATCH):
            part = slice(i, i + BATCH)
            target = want[part] - pruned[part] if blocks.residual(b) else want[part]
            m.add(blocks.hidden(b, pruned[part]), target)
        cut(blocks, b, *eliminate(m, [plan[b]])[plan[b]])
        whole, pruned = want, blocks.run(b, pruned)
    return (blocks.finish(len(sizes) - 1, whole), blocks.finish(len(sizes) - 1, pruned))


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("net")
    ap.add_argument("--crops", nargs="+", required=True, help="aligned crops: zips or folders")
    ap.add_argument("--count", type=int, default=5000, help="crops to solve on")
    ap.add_argument("--price-count", type=int, default=384, help="crops to choose the cuts on")
    ap.add_argument("--bytes", type=int, required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    net = nets.load(args.net).eval()
    pixels = torch.from_numpy(crops.load(args.crops, args.count, np.random.default_rng(5)))
    x = augment.standardise(augment.centre(pixels, net.side))
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(5))]
    x[::2] = x[::2].flip(3)
    blocks = Blocks(net)
    plan = choose(blocks, prices(blocks, x[:args.price_count]), args.bytes)
    for b, (old, new) in enumerate(zip(blocks.sizes(), plan)):
        if old != new:
            print(f"{blocks.name(b)}: {old} to {new} hidden channels")
    whole, pruned = solve(blocks, plan, x)
    print(f"file of about {file_bytes(blocks, plan)} bytes; cosine to the whole net "
          f"{float(F.cosine_similarity(whole, pruned).mean()):.4f} on the crops solved on")
    nets.save(net, args.out)


if __name__ == "__main__":
    main()
