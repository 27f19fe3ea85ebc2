"""The paper's table and figures, and curves of error rates.

    python -m train.figures table1 --images LFW --pairs lfw_pairs.txt
    python -m train.figures features
    python -m train.figures curves NAME=FOLDER... [--out docs/training]

table1 trains what is missing and measures everything alike. features trains two small
nets on handwritten digits with two-dimensional embeddings, under softmax and under joint
supervision. curves draws folders with pairs.csv (ROC) and histogram.csv (DET, scores), as
written by `facegate evaluate --curves` and `python -m train.evaluate --curves`.
"""

import argparse
import csv
import os

import matplotlib
import matplotlib.ticker
import numpy as np
import torch

from . import losses, nets

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the choice of a backend)

OUT = "docs/training"


def save(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    plt.tight_layout()
    plt.savefig(path, dpi=100)
    plt.close()
    print(path)


# Figures 1 and 2: deep features in two dimensions.

def digit_net():
    """Small convs on 8x8 digits; the embedding has two dimensions."""
    conv = lambda name, out, stride: dict(name=name, kind="conv", k=3, stride=stride, pad="same",
                                          act="prelu", out=out)
    return nets.Net([conv("conv0", 32, 1), conv("conv1", 32, 1), conv("conv2", 64, 2),
                     conv("conv3", 64, 1),
                     dict(name="dense", kind="conv", k=4, stride=1, pad="valid", act="prelu",
                          out=64),
                     dict(name="fc", kind="fc", out=2)], 8, norm=False)


def digit_features(weight, steps=700, seed=3, batch=128):
    """(embeddings, labels, accuracy) of the digits held out, after training with softmax
    + weight x centre loss."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    digits = load_digits()
    x = torch.from_numpy(digits.images.astype(np.float32) / 8 - 1)[:, None].expand(-1, 3, 8, 8)
    y = torch.from_numpy(digits.target)
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, random_state=seed,
                                   stratify=digits.target)
    torch.manual_seed(seed)
    net, softmax, centre = digit_net(), losses.Softmax(2, 10), losses.Centre(2, 10, rate=0.5)
    opt = torch.optim.SGD([*net.parameters(), *softmax.parameters()], 0.02, 0.9,
                          weight_decay=5e-4)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.choice(train, batch, replace=False)
        e = net(x[rows])
        loss = softmax(e, y[rows]) + weight * centre(e, y[rows])
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        decay.step()
        centre.update(e.detach(), y[rows])
    with torch.no_grad():
        e = net.eval()(x[test])
        right = float((softmax.linear(e).argmax(1) == y[test]).float().mean())
    return e.numpy(), y[test].numpy(), right


def spread(e, y):
    """Mean distance to one's own class's mean over mean distance between these."""
    means = np.stack([e[y == k].mean(0) for k in range(10)])
    within = np.linalg.norm(e - means[y], axis=1).mean()
    between = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(10, 1)].mean()
    return within / between


def features(args):
    torch.set_num_threads(1)  # the nets are too small to share
    for name, title, weight in (("softmax", "softmax", 0.0),
                                ("joint", "softmax + 0.1 x centre loss", 0.1)):
        e, y, right = digit_features(weight)
        plt.figure(figsize=(4.5, 4.5))
        for k in range(10):
            plt.scatter(*e[y == k].T, s=6, color=plt.cm.tab10(k), label=str(k))
        plt.title(f"{title}: {100 * right:.1f} % of digits right,\n"
                  f"spread within / between classes {spread(e, y):.3f}", fontsize=9)
        plt.axis("equal")
        plt.legend(fontsize=7, markerscale=2, loc="best")
        save(f"{args.out}/features-{name}.png")


# Curves of given scores.

def read_pairs(folder):
    with open(f"{folder}/pairs.csv") as f:
        rows = [(r["same"] == "1", float(r["score"])) for r in csv.DictReader(f)]
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows])


def read_histogram(folder):
    """(score, genuine, impostor) by rising score, or None without histogram.csv."""
    path = f"{folder}/histogram.csv"
    if not os.path.exists(path):
        return None
    with open(path) as f:
        rows = [(float(r["score"]), int(r["genuine"]), int(r["impostor"]))
                for r in csv.DictReader(f)]
    return np.array(sorted(rows)).T


def roc(same, score):
    """(FAR, TAR) at every cut."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # equal scores pass together
    passed = same[order].cumsum()[last], (~same[order]).cumsum()[last]
    return passed[1] / (~same).sum(), passed[0] / same.sum()


def axes_of_rates(x, y, title):
    plt.xlabel(x)
    plt.ylabel(y)
    plt.title(title, fontsize=9)
    plt.grid(alpha=0.3, which="both")
    plt.legend(fontsize=8)
    for axis in (plt.gca().xaxis, plt.gca().yaxis):
        axis.set_major_formatter(lambda v, _: f"{v:g}")
        axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def draw_roc(pairs, out):
    plt.figure(figsize=(5, 4))
    for name, (same, score) in pairs.items():
        far, tar = roc(same, score)
        plt.step(100 * far, 100 * tar, where="post", label=name)
    plt.xscale("log")
    lowest = min(roc(*p)[1][roc(*p)[0] > 0].min() for p in pairs.values())
    plt.ylim(100 * lowest - 3, 100.5)
    axes_of_rates("FAR, %", "TAR, %", "ROC on the pair list")
    save(f"{out}/roc.png")


def draw_det(histograms, out):
    plt.figure(figsize=(6.5, 4))
    for name, (_, genuine, impostor) in histograms.items():
        fmr = impostor[::-1].cumsum() / impostor.sum()
        fnmr = 1 - genuine[::-1].cumsum() / genuine.sum()
        shown = (fmr > 0) & (fnmr > 0)
        plt.plot(100 * fmr[shown], 100 * fnmr[shown], label=name)
    plt.xscale("log")
    plt.yscale("log")
    axes_of_rates("FMR, %", "FNMR, %", "DET over all comparisons")
    save(f"{out}/det.png")


def draw_scores(histograms, out):
    """Shares of all comparisons, by score; dashed: the cut for a false match rate of 1e-4."""
    _, axes = plt.subplots(1, len(histograms), figsize=(4.5 * len(histograms), 3.2),
                           squeeze=False, sharey=True)
    for axis, (name, (score, genuine, impostor)) in zip(axes[0], histograms.items()):
        for kind, weight in (("one person", genuine), ("two persons", impostor)):
            axis.hist(score, np.linspace(-1, 1, 101), weights=100 * weight / weight.sum(),
                      alpha=0.6, label=kind)
        passed = impostor[::-1].cumsum()[::-1] <= 1e-4 * impostor.sum()
        if passed.any():
            axis.axvline(score[passed][0], color="black", lw=1, ls="--", label="cut at FMR 1e-4")
        axis.set_xticks(np.linspace(-1, 1, 5))
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("score (-1: no face)")
        axis.set_ylabel("% of comparisons")
        axis.legend(fontsize=8, loc="upper left")
    save(f"{out}/scores.png")


def curves(args):
    sources = dict(s.split("=", 1) for s in args.sources)
    draw_roc({name: read_pairs(folder) for name, folder in sources.items()}, args.out)
    histograms = {n: h for n, f in sources.items() if (h := read_histogram(f)) is not None}
    if histograms:
        draw_det(histograms, args.out)
        draw_scores(histograms, args.out)


def table1(args):
    from . import table1 as table
    table.make(args)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = ap.add_subparsers(dest="what", required=True)
    p = sub.add_parser("table1")
    p.add_argument("--images", required=True)
    p.add_argument("--pairs", required=True)
    p.add_argument("--minutes", type=float, default=0, help="at most so long for each run")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                   help="for each run, as for train.fit")
    p.add_argument("--runs", default="runs")
    p.add_argument("--tool", default="build/facegate")
    p.set_defaults(run=table1)
    p = sub.add_parser("features")
    p.set_defaults(run=features)
    p = sub.add_parser("curves")
    p.add_argument("sources", nargs="+", metavar="NAME=FOLDER")
    p.set_defaults(run=curves)
    for p in sub.choices.values():
        p.add_argument("--out", default=OUT)
    args = ap.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
