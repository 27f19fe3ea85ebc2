"""Table 1: the losses of the paper and its baselines on Labeled Faces in the Wild
(`python -m train.figures table1`)."""

import csv
import json
import os
import shutil
import subprocess
import tempfile

import numpy as np
import torch

from . import baselines, data, evaluate, fit, metrics, nets
from .export import embedder

CONFIGS = "train/configs"
TIMED, ROUNDS = 10, 5  # pairs of each kind and fold, and times around, for the milliseconds
RUNS = {"plain CNN, softmax": "plain-cnn", "MobileNetV2, softmax": "paper-softmax",
        "MobileNetV2, centre": "paper-centre", "MobileNetV2, joint": "paper-joint"}
PAPER = {"MobileNetV2, softmax": 86.32, "MobileNetV2, centre": 88.10, "MobileNetV2, joint": 88.11}
COLUMNS = ("method", "accuracy", "accuracy_std", "distance_accuracy", "tar_at_far_1e-2",
           "tar_at_far_1e-3", "int8_accuracy", "int8_bytes", "engine_ms", "held_out_tar_1e-2",
           "paper_accuracy")


def evaluated(name, pairs, args, folder):
    """What the daemon's own code says of the exported net of that name."""
    done = subprocess.run([args.tool, "evaluate", "--pairs", pairs, "--images", args.images,
                           f"--models_dir={folder}", f"--embedder={name}", "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def engine(name, args, config, folder):
    """The int8 file's size and accuracy."""
    pictures = sorted(os.path.join(config["data"]["root"], n)
                      for n in os.listdir(config["data"]["root"]) if n.endswith(".zip"))
    file = f"{folder}/embedder-{name}.fgm"
    embedder.export(f"{args.runs}/{name}/net.npz", pictures or [config["data"]["root"]],
                    embedder.ANY_TABLES, name, "made by train.table1", file)
    return {"int8_accuracy": evaluated(name, args.pairs, args, folder)["accuracy"],
            "int8_bytes": os.path.getsize(file)}


def times(args, folder):
    """Milliseconds of each net's embedder, all in turn on a few pairs: the best of the
    rounds' medians, since other work on the machine only adds."""
    with open(args.pairs) as f:
        n, lines = int(f.readline().split()[1]), f.readlines()
    short = f"{folder}/pairs.txt"
    with open(short, "w") as f:
        f.write(f"2\t{TIMED}\n")
        for first in range(0, 4 * n, n):  # same and different pairs of two folds
            f.writelines(lines[first:first + TIMED])
    best = {}
    for _ in range(ROUNDS):
        for method, name in RUNS.items():
            ms = evaluated(name, short, args, folder)["ms"]["embed"]["median"]
            best[method] = min(ms, best.get(method, ms))
    return best


def distance_accuracy(x, found, pairs):
    """Accuracy in percent by the Euclidean distance of the embeddings as they are."""
    fold, same, a, b = (np.array([p[i] for p in pairs]) for i in range(4))
    score = -np.linalg.norm(x[a] - x[b], axis=1)
    score[~(found[a] & found[b])] = score.min() - 1
    return round(100 * metrics.ten_fold(score, same, fold)[0], 3)


def row_of(method, score, pairs):
    found = evaluate.measure(score, pairs)
    return {"method": method, "accuracy": found["accuracy"],
            "accuracy_std": found["accuracy_std"],
            "tar_at_far_1e-2": found["tar_at_far"]["0.01"],
            "tar_at_far_1e-3": found["tar_at_far"]["0.001"]}


def pixel_rows(config, pixels, found, pairs):
    """Logistic regression and SVM on PCA of pixels, on pairs of training people."""
    d = dict(config["data"])
    train, _ = data.split(data.load(**{k: v for k, v in d.items() if k != "holdout"}),
                          d["holdout"])
    rows = np.sort(np.random.default_rng(1).permutation(len(train))[:20000])
    crops = lambda p: p[:, (p.shape[1] - 112) // 2:(p.shape[1] + 112) // 2,
                        (p.shape[2] - 112) // 2:(p.shape[2] + 112) // 2]
    project = baselines.Pixels(crops(train.pixels[rows]))
    known, test = project(crops(train.pixels[rows])), project(torch.from_numpy(pixels))
    a, b = (np.array([p[i] for p in pairs]) for i in (2, 3))
    for kind, method in (("lr", "logistic regression, PCA of pixels"),
                         ("svm", "SVM, PCA of pixels")):
        score = baselines.fit_pairs(kind, known, train.labels[rows].numpy())(test[a], test[b])
        yield row_of(method, np.where(found[a] & found[b], score, score.min() - 1), pairs)


def make(args):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy("models/mtcnn.fgm", folder)
        write(*rows(args, folder), args.out)


def rows(args, folder):
    """The table and its notes. folder: takes the exported models."""
    pictures, pairs = evaluate.read_pairs(args.pairs)
    pixels, found = evaluate.aligned(pictures, args.images, f"{args.runs}/cache", tool=args.tool)
    changes = [*args.set, *([f"train.minutes={args.minutes}"] if args.minutes else [])]
    table = list(pixel_rows(fit.read_config(f"{CONFIGS}/paper.toml", changes), pixels, found,
                            pairs))
    notes = []
    for method, name in RUNS.items():
        config = fit.read_config(f"{CONFIGS}/{name}.toml", changes)
        result = fit.run(config, f"{args.runs}/{name}")
        net = nets.load(f"{args.runs}/{name}/net.npz")
        x = fit.embed(net, torch.from_numpy(pixels))
        row = row_of(method, evaluate.scores_of(x, found, pairs), pairs)
        row["distance_accuracy"] = distance_accuracy(x, found, pairs)
        row.update(engine(name, args, config, folder))
        row["held_out_tar_1e-2"] = result["held_out"].get("tar_at_far_0.01")
        row["paper_accuracy"] = PAPER.get(method)
        table.append(row)
        notes.append(f"{name}: {result['pictures']} pictures of {result['people']} people, "
                     f"{result['steps']} steps of {config['train']['batch']}, "
                     f"{result['macs'] / 1e6:.1f} M multiply-accumulates")
        print(row)
    ms = times(args, folder)
    for row in table:
        row["engine_ms"] = ms.get(row["method"])
    return table, notes


def write(table, notes, out):
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/table1.csv", "w", newline="") as f:
        w = csv.DictWriter(f, COLUMNS, restval="")
        w.writeheader()
        w.writerows(table)
    shown = lambda v: "" if v is None else v if isinstance(v, str) else (
        f"{v:,}" if isinstance(v, int) else f"{v:.2f}")
    lines = ["| method | accuracy | by distance | TAR at FAR 1e-2 | 1e-3 | int8 accuracy | "
             "int8 bytes | ms | held-out TAR at FAR 1e-2 | paper's accuracy |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for r in table:
        cells = [r["method"], f"{r['accuracy']:.2f} ± {r['accuracy_std']:.2f}"]
        cells += [shown(r.get(c)) for c in COLUMNS[3:]]
        lines.append("| " + " | ".join(cells) + " |")
    with open(f"{out}/table1.md", "w") as f:
        f.write("# Losses compared\n\n`python -m train.figures table1`, percent. Accuracy: LFW, "
                "6,000 pairs, ten folds, float nets, by the cosine; by distance: by the Euclidean "
                "distance of the embeddings as they come, which is what centre loss makes "
                "small within a person. The int8 columns are the exported model "
                "file in the daemon's engine; ms is the embedder alone, best of "
                f"{ROUNDS} medians with the nets in turn, on the machine at hand. Held-out: "
                "all pairs of people kept out of training, which is where the weight of the "
                "centre loss was chosen.\n\n" + "\n".join(lines) + "\n\n"
                + "".join(f"- {n}\n" for n in notes))
    print(f"{out}/table1.md")
