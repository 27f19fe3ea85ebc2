"""Gives a student a start: its stages learn the teacher's feature maps side by side.

    python -m train.stages train/configs/fast.toml

A deep net that learns from the embedding alone takes many epochs to find features. Cut
at the ends of the stages that the configuration names, each stage is shallow: it gets
the teacher's map and learns the teacher's next one (least squares on maps standardised
by channel), and the last learns the embedding, its direction and its length. In the
second part half of each batch gets the student's own map instead, as it will when the
stages are joined. Writes what `[model] init` of the same configuration names.

The section [stages]: teacher (npz), ends = [[student layer, teacher layer], ...] of
equal shape, epochs, rate.
"""

import argparse
import os

import torch
import torch.nn.functional as F
from tqdm import tqdm

from . import augment, data, fit, losses, nets

CLAMP = 6.0        # standard deviations of a map beyond which nothing is learnt
OWN_FROM = 0.4     # share of the training after which half the batch is the student's own
TEACHER_BATCH = 16


def index_of(net, name):
    return next(i for i, l in enumerate(net.layers) if l.spec["name"] == name)


class Maps:
    """The teacher's maps at the ends of the stages, standardised by channel, and its
    raw embeddings."""

    def __init__(self, net, ends, device):
        self.net = net.eval().to(device, memory_format=torch.channels_last)
        self.cuts = [0] + [index_of(net, e) + 1 for e in ends] + [len(net.layers)]
        self.scales = None

    @torch.no_grad()
    def of(self, x):
        parts = []
        for i in range(0, len(x), TEACHER_BATCH):
            y, row = x[i:i + TEACHER_BATCH], []
            for start, stop in zip(self.cuts, self.cuts[1:]):
                y = self.net.run(y, start, stop)
                row.append(y)
            parts.append(row)
        maps = [torch.cat(p) for p in zip(*parts)]
        if self.scales is None:
            self.scales = [(m.mean((0, 2, 3), keepdim=True), m.std((0, 2, 3), keepdim=True) + 1e-3)
                           for m in maps[:-1]]
        return [((m - mean) / std).clamp(-CLAMP, CLAMP)
                for m, (mean, std) in zip(maps, self.scales)], maps[-1].flatten(1)


def train(config, device):
    s, t = config["stages"], config["train"]
    torch.manual_seed(t["seed"])
    sources = {k: v for k, v in config["data"].items() if k != "holdout"}
    pixels = data.load(**{**sources, "labelled": False}).pixels
    net = fit.build({**config["model"], "init": None})
    net = net.to(device, memory_format=torch.channels_last)
    teacher = Maps(nets.load(s["teacher"]), [e[1] for e in s["ends"]], device)
    cuts = [0] + [index_of(net, e[0]) + 1 for e in s["ends"]] + [len(net.layers)]
    optimiser = torch.optim.AdamW(net.parameters(), s["rate"], weight_decay=1e-4)
    distil = losses.Distil(length=1.0)
    batch, rng = t["batch"], torch.Generator().manual_seed(t["seed"])
    steps = max(1, round(s["epochs"] * len(pixels) / batch))
    order = torch.cat([torch.randperm(len(pixels), generator=rng)
                       for _ in range(int(s["epochs"]) + 1)])
    bar = tqdm(range(steps), desc="stages")
    net.train()
    for step in bar:
        progress = step / steps
        for group in optimiser.param_groups:
            group["lr"] = s["rate"] * min(1, (step + 1) / 100, max(0.2, 2.5 * (1 - progress)))
        rows = order[step * batch:(step + 1) * batch]
        x = augment.views(pixels[rows].to(device), net.side, rng, window=2)
        maps, embedding = teacher.of(x)
        each = []
        for k, (start, stop) in enumerate(zip(cuts, cuts[1:])):
            x = net.run(x, start, stop)
            if k < len(maps):
                each.append(F.mse_loss(x, maps[k]))
                half = len(x) // 2 if progress > OWN_FROM else len(x)
                x = torch.cat([maps[k][:half], x[half:].detach()])
            else:
                each.append(4 * distil(x.flatten(1), embedding))
        total = sum(each)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        bar.set_postfix({f"stage {k}": f"{float(v.detach()):.3f}" for k, v in enumerate(each)})
    return net


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("config")
    ap.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = ap.parse_args()
    config = fit.read_config(args.config, args.set)
    out = config["model"]["init"]
    net = train(config, "cuda" if torch.cuda.is_available() else "cpu")
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    torch.save(net.cpu().state_dict(), out)


if __name__ == "__main__":
    main()
