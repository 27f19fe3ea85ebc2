"""Trains a net as a configuration says.

    python -m train.fit train/configs/paper-joint.toml [--set train.epochs=2] [--run runs/x]

The run folder holds config.json, log.csv, loss.png, checkpoint.pt and, at the end,
net.npz (batch norm folded) and result.json (verification on people held out). A run
that was stopped goes on where its last checkpoint was, with the same random numbers;
a finished one is left alone.
"""

import argparse
import csv
import json
import math
import os
import time
import tomllib

import numpy as np
import torch
from tqdm import tqdm

from . import augment, baselines, data, losses, metrics, mobilenetv2, nets

DEFAULTS = {
    "data": {"labelled": True, "min_pictures": 2, "max_pictures": 10**9, "holdout": 0.05},
    "model": {"kind": "mobilenetv2", "side": 112, "dim": 128, "freeze": []},
    "augment": {"flip": True},
    "loss": {},
    "train": {"seed": 1, "batch": 128, "epochs": 10.0, "minutes": 0.0, "optimiser": "adamw",
              "rate": 1e-3, "decay": 5e-4, "momentum": 0.9, "schedule": "cosine",
              "steps": [0.6, 0.85], "warm_up": 0.05, "ema": 0.0, "checkpoint_minutes": 3.0,
              "log_every": 25, "threads": 0, "clip": 5.0},
}


def read_config(path, changes=()):
    """A TOML file over the defaults, with changes like train.epochs=2 over it. `base`
    names a file beside it that it changes."""
    with open(path, "rb") as f:
        given = tomllib.load(f)
    base = given.pop("base", None)
    config = (read_config(os.path.join(os.path.dirname(path), base)) if base
              else json.loads(json.dumps(DEFAULTS)))
    if given.get("model", {}).get("kind", config["model"]["kind"]) != config["model"]["kind"]:
        config["model"] = dict(DEFAULTS["model"])  # the settings of another kind do not fit
    merge(config, given)
    for change in changes:
        key, _, value = change.partition("=")
        try:
            value = tomllib.loads(f"v={value}")["v"]
        except tomllib.TOMLDecodeError:
            pass  # a bare word is a string
        for part in reversed(key.split(".")):
            value = {part: value}
        merge(config, value)
    return config


def merge(into, given):
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def build(model):
    """The net of the section [model]."""
    m = dict(model)
    kind, prefixes = m.pop("kind"), m.pop("freeze")
    if kind == "npz":
        net = nets.load(m["init"])
    elif kind == "mobilenetv2":
        init, start = m.pop("init", None), m.pop("start", None)
        specs = mobilenetv2.layers(**m)
        plain = sum(any(s["name"].startswith(p) for p in prefixes) for s in specs) if start else 0
        net = nets.Net(specs, m["side"], plain=plain)
        if start:  # a model file that has the frozen layers
            nets.start(net, start)
        if init:  # written by train.stages
            net.load_state_dict(torch.load(init, weights_only=True))
    elif kind == "cnn":
        net = nets.Net(baselines.cnn_layers(**m), m["side"])
    else:
        raise SystemExit(f"unknown model kind {kind}")
    nets.freeze(net, prefixes)
    return net


class Terms(torch.nn.Module):
    """The weighted sum of the losses of the section [loss]. Each has a weight, its own
    settings, and the part of the training (from, until) in which it counts."""

    KINDS = {"softmax": losses.Softmax, "centre": losses.Centre, "margin": losses.Margin,
             "distil": losses.Distil}

    def __init__(self, config, dim, people):
        super().__init__()
        self.weights, self.spans = {}, {}
        self.parts = torch.nn.ModuleDict()
        for name, given in config.items():
            own = dict(given)
            self.weights[name] = own.pop("weight", 1.0)
            self.spans[name] = own.pop("from", 0.0), own.pop("until", 1.0)
            sizes = () if name == "distil" else (dim, people)
            self.parts[name] = self.KINDS[name](*sizes, **own)
        if not self.parts:
            raise SystemExit("the section [loss] is empty")

    def forward(self, x, labels, teacher, progress):
        """(sum, each term before weighting)."""
        x, total, each = x.float(), 0, {}
        known = labels >= 0
        for name, part in self.parts.items():
            start, end = self.spans[name]
            if name == "distil":
                each[name] = part(x, teacher)
            elif known.any():
                each[name] = part(x[known], labels[known])
            else:
                each[name] = x.sum() * 0
            if start <= progress < end:
                total = total + self.weights[name] * each[name]
        return total, {k: v.detach() for k, v in each.items()}

    def after(self, x, labels):
        if "centre" in self.parts:
            self.parts["centre"].update(x.detach()[labels >= 0], labels[labels >= 0])


def rate_at(t, progress):
    """The learning rate at a share of the training done."""
    if progress < t["warm_up"]:
        return t["rate"] * (progress + 1e-3) / (t["warm_up"] + 1e-3)
    if t["schedule"] == "step":
        return t["rate"] * 0.1 ** sum(progress >= s for s in t["steps"])
    done = (progress - t["warm_up"]) / max(1 - t["warm_up"], 1e-9)
    return t["rate"] * 0.5 * (1 + math.cos(math.pi * min(done, 1)))


def optimiser(t, net, terms):
    """Weight decay for weights alone, not for norms, biases and slopes."""
    params = [p for p in [*net.parameters(), *terms.parameters()] if p.requires_grad]
    groups = [{"params": [p for p in params if p.ndim > 1], "weight_decay": t["decay"]},
              {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0}]
    if t["optimiser"] == "sgd":
        return torch.optim.SGD(groups, t["rate"], t["momentum"], nesterov=True)
    if t["optimiser"] != "adamw":
        raise SystemExit(f"unknown optimiser {t['optimiser']}")
    return torch.optim.AdamW(groups, t["rate"])


@torch.no_grad()
def embed(net, pixels, batch=256, mirror=False):
    """Embeddings (n, d) of the centres of uint8 pictures (n, h, w, 3), as numpy.
    mirror: the mean of the picture's and its mirror's."""
    device = next(net.parameters()).device
    net.eval()
    out = []
    for i in range(0, len(pixels), batch):
        x = augment.standardise(augment.centre(pixels[i:i + batch].to(device), net.side))
        y = torch.nn.functional.normalize(net(x)) if mirror else net(x)
        if mirror:
            y = (y + torch.nn.functional.normalize(net(x.flip(3)))) / 2
        out.append(y.float().cpu())
    return torch.cat(out).numpy()


class Run:
    """One training: everything that a checkpoint has to hold."""

    def __init__(self, config, folder, device):
        self.config, self.folder, self.device = config, folder, device
        torch.manual_seed(config["train"]["seed"])
        self.t = config["train"]
        d = dict(config["data"])
        holdout = d.pop("holdout")
        everything = data.load(**d)
        self.data, self.held = data.split(everything, holdout)
        if "distil" in config["loss"] and self.data.teacher is None:
            raise SystemExit("distil needs a packed set with teacher embeddings")
        self.net = build(config["model"]).to(device, memory_format=torch.channels_last)
        self.terms = Terms(config["loss"], self.net.dim, len(self.data.people))
        if {"margin", "distil"} <= config["loss"].keys():
            # A random classifier would pull a student away from what it was taught.
            known = self.data.labels >= 0
            self.terms.parts["margin"].start(self.data.teacher[known], self.data.labels[known])
        self.terms.to(device)
        self.optimiser = optimiser(self.t, self.net, self.terms)
        self.step, self.seconds, self.log = 0, 0.0, []
        self.average = None
        if self.t["ema"]:
            self.average = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.steps_an_epoch = len(self.data) // self.t["batch"]
        if self.steps_an_epoch == 0:
            raise SystemExit("fewer pictures than one batch")
        self.steps = max(1, round(self.t["epochs"] * self.steps_an_epoch))

    def state(self):
        return {"net": self.net.state_dict(), "terms": self.terms.state_dict(),
                "optimiser": self.optimiser.state_dict(), "average": self.average,
                "step": self.step, "seconds": self.seconds, "log": self.log}

    def save(self):
        path = f"{self.folder}/checkpoint.pt"
        torch.save(self.state(), path + ".new")
        os.replace(path + ".new", path)
        write_log(self.log, self.folder)

    def restore(self):
        path = f"{self.folder}/checkpoint.pt"
        if not os.path.exists(path):
            return False
        s = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(s["net"])
        self.terms.load_state_dict(s["terms"])
        self.optimiser.load_state_dict(s["optimiser"])
        self.average, self.step = s["average"], s["step"]
        self.seconds, self.log = s["seconds"], s["log"]
        return True

    def progress(self):
        """The share of the training done; a time budget may end it sooner."""
        minutes = self.t["minutes"]
        return max(self.step / self.steps, self.seconds / 60 / minutes if minutes else 0)

    def rows(self):
        """The rows of this step's batch: each epoch is its own permutation."""
        epoch, at = divmod(self.step, self.steps_an_epoch)
        rng = torch.Generator().manual_seed(self.t["seed"] * 1_000_003 + epoch)
        if getattr(self, "epoch", None) != epoch:
            self.epoch, self.order = epoch, torch.randperm(len(self.data), generator=rng)
        return self.order[at * self.t["batch"]:(at + 1) * self.t["batch"]]

    def one_step(self):
        progress = self.progress()
        rate = rate_at(self.t, progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        rows = self.rows()
        rng = torch.Generator().manual_seed(self.t["seed"] * 7_919 + self.step)
        x = augment.views(self.data.pixels[rows].to(self.device), self.net.side, rng,
                          **self.config["augment"])
        labels = self.data.labels[rows].to(self.device)
        teacher = None if self.data.teacher is None else self.data.teacher[rows].to(self.device)
        self.net.train()
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device == "cuda"):
            y = self.net(x)
        loss, each = self.terms(y, labels, teacher, progress)
        if not torch.isfinite(loss):
            raise SystemExit(f"the loss is not finite at step {self.step}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.t["clip"]:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.t["clip"])
        self.optimiser.step()
        self.terms.after(y.float(), labels)
        self.follow()
        self.step += 1
        return rate, loss, each

    @torch.no_grad()
    def follow(self):
        """The moving average of the weights. Early on it follows faster."""
        if self.average is None:
            return
        keep = min(self.t["ema"], (1 + self.step) / (10 + self.step))
        for k, v in self.net.state_dict().items():
            if v.is_floating_point():
                self.average[k].mul_(keep).add_(v, alpha=1 - keep)
            else:
                self.average[k].copy_(v)

    def train(self, quiet=False):
        bar = tqdm(total=self.steps, initial=self.step, unit="step", disable=quiet,
                   desc=os.path.basename(self.folder))
        began = last_save = time.monotonic()
        before, sums, count = self.seconds, {}, 0
        while self.progress() < 1:
            rate, loss, each = self.one_step()
            now = time.monotonic()
            self.seconds = before + now - began
            for k, v in {"loss": loss.detach(), **each}.items():
                sums[k] = sums.get(k, 0) + v
            count += 1
            bar.update()
            if self.step % self.t["log_every"] == 0:
                row = {k: round(float(v) / count, 5) for k, v in sums.items()}
                self.log.append({"step": self.step,
                                 "epoch": round(self.step / self.steps_an_epoch, 3),
                                 "rate": round(rate, 7), **row,
                                 "seconds": round(self.seconds, 1)})
                bar.set_postfix(row)
                sums, count = {}, 0
            if now - last_save > 60 * self.t["checkpoint_minutes"]:
                self.save()
                last_save = now
        bar.close()
        self.save()
        if self.average is not None:
            self.net.load_state_dict(self.average)


def write_log(log, folder):
    if not log:
        return
    with open(f"{folder}/log.csv", "w", newline="") as f:
        w = csv.DictWriter(f, log[0].keys())
        w.writeheader()
        w.writerows(log)
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.figure(figsize=(6, 4))
    for name in log[0].keys() - {"step", "epoch", "rate", "seconds"}:
        plt.plot([r["epoch"] for r in log], [r[name] for r in log], label=name)
    plt.xlabel("epoch")
    plt.ylabel("loss")
    plt.yscale("log")
    plt.legend()
    plt.grid(alpha=0.3)
    plt.tight_layout()
    plt.savefig(f"{folder}/loss.png", dpi=90)
    plt.close()


def held_out(net, held):
    """Verification over every two pictures of the people held out, in percent."""
    known = held.labels >= 0
    if known.sum() < 2:
        return {}
    counts = metrics.histogram(embed(net, held.pixels[known]), held.labels[known].numpy())
    cuts, fmr, fnmr = metrics.curve(counts)
    result = {"people": len(held.people), "genuine": int(counts[0].sum()),
              "impostor": int(counts[1].sum()),
              "eer": 100 * float(fmr[np.argmin(np.abs(fmr - fnmr))])}
    for far in (1e-2, 1e-3):
        found = metrics.fnmr_at_fmr(counts, far)
        result[f"tar_at_far_{far:g}"] = None if found is None else 100 * (1 - found[0])
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in result.items()}


def run(config, folder, quiet=False):
    """Trains, or goes on, or leaves alone what is finished. Returns result.json."""
    done = f"{folder}/result.json"
    if os.path.exists(done):
        with open(done) as f:
            return json.load(f)
    os.makedirs(folder, exist_ok=True)
    text = json.dumps(config, indent=1)
    known = f"{folder}/config.json"
    if os.path.exists(known):
        with open(known) as f:
            if f.read() != text:
                raise SystemExit(f"{folder} was begun with another configuration; give --run "
                                 "another folder or remove it")
    with open(known, "w") as f:
        f.write(text)
    if config["train"]["threads"]:
        torch.set_num_threads(config["train"]["threads"])
    r = Run(config, folder, "cuda" if torch.cuda.is_available() else "cpu")
    macs, weights = nets.cost(r.net)
    if r.restore() and not quiet:
        print(f"going on at step {r.step}")
    if not quiet:
        print(f"{len(r.data)} pictures of {len(r.data.people)} people, {len(r.held)} pictures of "
              f"{len(r.held.people)} held out; {macs / 1e6:.1f} M multiply-accumulates, "
              f"{weights} weights; {r.device}")
    r.train(quiet)
    net = r.net.cpu()
    nets.save(net, f"{folder}/net.npz")
    result = {"pictures": len(r.data), "people": len(r.data.people), "steps": r.step,
              "minutes": round(r.seconds / 60, 2), "macs": macs, "weights": weights,
              "held_out": held_out(net, r.held)}
    with open(done + ".new", "w") as f:
        json.dump(result, f, indent=1)
    os.replace(done + ".new", done)
    return result


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("config")
    ap.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    ap.add_argument("--run", help="run folder (default: runs/NAME of the configuration)")
    args = ap.parse_args()
    name = os.path.splitext(os.path.basename(args.config))[0]
    result = run(read_config(args.config, args.set), args.run or f"runs/{name}")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
