"""A float net on a pair list in LFW's format.

    python -m train.evaluate RUN_OR_NPZ --images LFW --pairs lfw_pairs.txt [--all] [--json]

Pictures are aligned once by the daemon's own code (train.align) and kept in a .npz file
in the folder `cache` beside the run. A picture without a face matches nobody. `facegate
evaluate` does the same with a finished model file, and knows the errata.
"""

import argparse
import csv
import hashlib
import json
import os

import numpy as np
import torch

from . import align, fit, metrics, nets


def read_pairs(path):
    """(pictures, pairs): pictures as (name, number), pairs as (fold, same, a, b) with
    indices of pictures."""
    with open(path) as f:
        lines = [line.split() for line in f if line.strip()]
    folds, n = (int(v) for v in lines[0])
    if len(lines) != 1 + folds * 2 * n:
        raise ValueError(f"{path}: {len(lines) - 1} pairs, not {folds} folds of {n} and {n}")
    index, pairs = {}, []
    at = lambda name, k: index.setdefault((name, int(k)), len(index))
    for i, row in enumerate(lines[1:]):
        same = len(row) == 3
        if same != (i % (2 * n) < n):
            raise ValueError(f"{path}: line {i + 2} is not where such a pair belongs")
        a = at(row[0], row[1])
        b = at(row[0], row[2]) if same else at(row[2], row[3])
        pairs.append((i // (2 * n), same, a, b))
    return list(index), pairs


def aligned(pictures, images, cache, mode="points", side=112, tool="build/facegate", quiet=False):
    """(crops uint8 (n, side, side, 3), found bool (n)) of the pictures of a list."""
    paths = [f"{images}/{name}/{name}_{k:04d}.jpg" for name, k in pictures]
    key = hashlib.sha256(repr((pictures, os.path.realpath(images), mode, side)).encode())
    kept = f"{cache}/crops-{key.hexdigest()[:16]}.npz"
    if os.path.exists(kept):
        z = np.load(kept)
        return z["crops"], z["found"]
    out, found = np.zeros((len(paths), side, side, 3), np.uint8), np.zeros(len(paths), bool)
    for i, rgb in enumerate(align.crops(paths, quiet=quiet, side=side, mode=mode, tool=tool)):
        if rgb is not None:
            out[i], found[i] = rgb, True
    os.makedirs(cache, exist_ok=True)
    np.savez(f"{kept}.new.npz", crops=out, found=found)
    os.replace(f"{kept}.new.npz", kept)
    return out, found


def net_of(path):
    """(net, folder of caches) of a run folder or an .npz file."""
    if os.path.isdir(path):
        path = f"{path}/net.npz"
    folder = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    return nets.load(path), f"{folder}/cache"


def scores_of(x, found, pairs):
    """Cosines of the pairs; NO_FACE where a picture has none."""
    x = metrics.normalise(x)
    a, b = (np.array([p[i] for p in pairs]) for i in (2, 3))
    score = (x[a] * x[b]).sum(1)
    return np.where(found[a] & found[b], score, metrics.NO_FACE)


def measure(score, pairs):
    """Accuracy, its deviation and TAR at FAR in percent."""
    fold, same = (np.array([p[i] for p in pairs]) for i in (0, 1))
    accuracy, deviation, threshold = metrics.ten_fold(score, same, fold)
    return {"accuracy": round(100 * accuracy, 3), "accuracy_std": round(100 * deviation, 3),
            "threshold": round(threshold, 4),
            "tar_at_far": {f"{far:g}": round(100 * metrics.tar_at_far(score, same, far), 3)
                           for far in (1e-2, 1e-3)}}


def all_counts(x, found, names):
    """The histogram of all comparisons; those without a face score NO_FACE."""
    names = np.array(names)
    counts = metrics.histogram(x[found], names[found])
    kinds = [genuine_impostor(names), genuine_impostor(names[found])]
    counts[:, 0] += np.array(kinds[0]) - kinds[1]
    return counts


def genuine_impostor(names):
    each = np.unique(names, return_counts=True)[1]
    genuine = int((each * (each - 1) // 2).sum())
    return genuine, len(names) * (len(names) - 1) // 2 - genuine


def write_curves(folder, score, pairs, counts=None):
    """pairs.csv and histogram.csv, as `facegate evaluate --curves` names their columns."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/pairs.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["fold", "same", "score"])
        w.writerows((p[0], int(p[1]), f"{s:.5f}") for p, s in zip(pairs, score))
    if counts is not None:
        with open(f"{folder}/histogram.csv", "w", newline="") as f:
            w = csv.writer(f)
            w.writerow(["score", "genuine", "impostor"])
            w.writerows((f"{i / (metrics.BINS - 1) * 2 - 1:.4f}", *counts[:, i])
                        for i in range(metrics.BINS) if counts[:, i].any())


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("net", help="run folder or .npz")
    ap.add_argument("--images", required=True)
    ap.add_argument("--pairs", required=True)
    ap.add_argument("--align", choices=("points", "margin"), default="points")
    ap.add_argument("--side", type=int, help="of the aligned crops, of which the net sees the "
                    "middle (default: the net's side)")
    ap.add_argument("--mirror", action="store_true", help="mean of crop and mirror")
    ap.add_argument("--all", action="store_true", help="all comparisons of all pictures")
    ap.add_argument("--curves", help="folder for pairs.csv and histogram.csv")
    ap.add_argument("--cache", help="folder of the aligned crops")
    ap.add_argument("--tool", default="build/facegate")
    ap.add_argument("--json", action="store_true")
    args = ap.parse_args()
    net, cache = net_of(args.net)
    pictures, pairs = read_pairs(args.pairs)
    pixels, found = aligned(pictures, args.images, args.cache or cache, args.align,
                            args.side or net.side, args.tool, args.json)
    x = fit.embed(net, torch.from_numpy(pixels), mirror=args.mirror)
    score = scores_of(x, found, pairs)
    result = {**measure(score, pairs), "pairs": len(pairs), "pictures": len(pictures),
              "no_face": int((~found).sum())}
    counts = None
    if args.all:
        counts = all_counts(x, found, [name for name, _ in pictures])
        result["fnmr_at_fmr"] = {}
        for fmr in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
            at = metrics.fnmr_at_fmr(counts, fmr)
            result["fnmr_at_fmr"][f"{fmr:g}"] = None if at is None else round(100 * at[0], 3)
        result["genuine_comparisons"], result["impostor_comparisons"] = map(int, counts.sum(1))
    if args.curves:
        write_curves(args.curves, score, pairs, counts)
    if args.json:
        print(json.dumps(result, indent=1))
        return
    print(f"accuracy {result['accuracy']:.2f} +- {result['accuracy_std']:.2f} %")
    for far, tar in result["tar_at_far"].items():
        print(f"TAR at FAR {far}: {tar:.2f} %")
    for fmr, fnmr in result.get("fnmr_at_fmr", {}).items():
        print(f"FNMR at FMR {fmr}: " + ("finer than one comparison" if fnmr is None
                                        else f"{fnmr:.2f} %"))
    print(f"{len(pairs)} pairs, {len(pictures)} pictures, {result['no_face']} without a face")


if __name__ == "__main__":
    main()
