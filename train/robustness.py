"""How much worse an embedder gets with worse pictures at the door.

    python -m train.robustness accurate --images LFW --pairs lfw_pairs.txt [--folds 5]

The second picture of each pair is the probe: copies of it are spoiled in each way of
HARM, the first stays as it is, as an enrolled picture would. `facegate evaluate` scores
them. Writes robustness-EMBEDDER.md and .json to docs/training and prints the table.

    python -m train.robustness --example PICTURE

only draws a picture in every way.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import tempfile
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from . import evaluate, metrics

OFFSET = 1000   # added to a picture's number for each way; LFW has at most 530 of one person
QUALITY = 0.03  # the daemon's quality_min: the share of LFW below which it answers unsure
FMR = "1e-4"    # the daemon's target_fmr


class Face:
    """Places of a face: units of the distance between the eyes, from the point between
    them, the first axis towards the eye on the right of the picture, the second down."""

    def __init__(self, marks):
        left, right = np.asarray(marks, float)[:2]
        self.middle, self.along = (left + right) / 2, right - left
        self.eyes = float(np.hypot(*self.along))

    def at(self, points):
        x, y = np.asarray(points, float).T
        down = np.array([-self.along[1], self.along[0]])
        return [tuple(p) for p in self.middle + x[:, None] * self.along + y[:, None] * down]


def oval(x, y, width, height):
    t = np.linspace(0, 2 * np.pi, 40)
    return np.stack([x + width * np.cos(t), y + height * np.sin(t)], 1)


def glasses(img, face, dark):
    """Dark frames, or sunglasses."""
    draw, width = ImageDraw.Draw(img), max(2, round(0.09 * face.eyes))
    for x in (-0.5, 0.5):
        rim = face.at(oval(x, 0.05, 0.36, 0.30))
        if dark:
            draw.polygon(rim, (15, 15, 18))
        draw.line(rim, (25, 20, 20), width, "curve")
    for line in ([(-0.14, 0), (0.14, 0)], [(-0.86, 0), (-1.15, -0.05)], [(0.86, 0), (1.15, -0.05)]):
        draw.line(face.at(line), (25, 20, 20), width)
    return img


def mask(img, face):
    """A light blue mask from the bridge of the nose over the chin."""
    draw = ImageDraw.Draw(img)
    edge = [(-0.95, 0.50), (-0.35, 0.42), (0, 0.33), (0.35, 0.42), (0.95, 0.50), (0.85, 1.25),
            (0.4, 1.75), (-0.4, 1.75), (-0.85, 1.25)]
    draw.polygon(face.at(edge), (165, 200, 215))
    for y in (0.8, 1.1, 1.4):
        draw.line(face.at([(-0.85 + y / 6, y), (0.85 - y / 6, y)]), (140, 178, 195), 1)
    return img


def low_light(img, rng):
    """A fifth of the light, with the noise of a sensor that reads it."""
    v = np.asarray(img, float) / 5
    v += rng.normal(0, 1, v.shape) * np.sqrt(v / 3 + 4)
    return Image.fromarray(np.rint(v).clip(0, 255).astype(np.uint8))


def shrink(img, face, eyes):
    scale = min(1, eyes / face.eyes)
    return img.resize([max(1, round(s * scale)) for s in img.size], Image.LANCZOS)


def jpeg(img, quality):
    file = io.BytesIO()
    img.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


HARM = {
    "eyeglasses drawn": lambda img, face, rng: glasses(img, face, False),
    "sunglasses drawn": lambda img, face, rng: glasses(img, face, True),
    "mask drawn over nose, mouth and chin": lambda img, face, rng: mask(img, face),
    "a fifth of the light, and noise": lambda img, face, rng: low_light(img, rng),
    "Gaussian blur, sigma a twentieth of the eyes' distance":
        lambda img, face, rng: img.filter(ImageFilter.GaussianBlur(face.eyes / 20)),
    "Gaussian blur, sigma a tenth": lambda img, face, rng: img.filter(
        ImageFilter.GaussianBlur(face.eyes / 10)),
    "JPEG of quality 20": lambda img, face, rng: jpeg(img, 20),
    "JPEG of quality 10": lambda img, face, rng: jpeg(img, 10),
    "small face, 20 pixels between the eyes": lambda img, face, rng: shrink(img, face, 20),
}


def file_of(folder, name, number):
    return f"{folder}/{name}/{name}_{number:04d}.jpg"


def link(images, folder, name, number):
    """The picture as it is, under the same name in folder."""
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    target = file_of(folder, name, number)
    if not os.path.exists(target):
        os.symlink(os.path.abspath(file_of(images, name, number)), target)


def spoil(images, folder, name, number, marks):
    """Writes all copies of a picture. One without a face stays as it is."""
    original = Image.open(file_of(images, name, number)).convert("RGB")
    for k, harm in enumerate(HARM.values(), 1):
        rng = np.random.default_rng(zlib.crc32(f"{name} {number} {k}".encode()))
        img = harm(original.copy(), Face(marks), rng) if marks else original
        img.save(file_of(folder, name, number + k * OFFSET), quality=95, subsampling=0)


def write_list(path, pairs, pictures, folds, ways):
    """A pair list whose probes are spoiled in the ways given, one after the other."""
    lines = []
    for fold in range(folds):
        for same in (True, False):
            for way in ways:
                for _, _, a, b in (p for p in pairs if p[0] == fold and p[1] == same):
                    (first, i), (second, j) = pictures[a], pictures[b]
                    j += way * OFFSET
                    lines.append(f"{first}\t{i}\t{j}" if same else f"{first}\t{i}\t{second}\t{j}")
    with open(path, "w") as f:
        f.write("\n".join([f"{folds}\t{len(lines) // folds // 2}", *lines]) + "\n")


def run(args, folder, pairs):
    """(rows of pairs.csv, rows of pictures.csv by (name, number))."""
    subprocess.run([args.tool, "evaluate", f"--embedder={args.embedder}", "--pairs", pairs,
                    "--images", folder, "--curves", f"{folder}/curves", "--json"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(f"{folder}/curves/pairs.csv") as f:
        scored = list(csv.DictReader(f))
    with open(f"{folder}/curves/pictures.csv") as f:
        return scored, {(r["name"], int(r["index"])): r for r in csv.DictReader(f)}


def marks_of(row):
    return row["found"] == "1" and [
        (float(row[f"{m}_x"]), float(row[f"{m}_y"]))
        for m in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")]


def row_of(label, pairs, pictures, model):
    """Percent over the pairs of one way."""
    score = np.array([float(r["score"]) for r in pairs])
    same = np.array([r["same"] == "1" for r in pairs])
    probes = [pictures[r["name2"], int(r["index2"])] for r in pairs]
    found = np.array([p["found"] == "1" for p in probes])
    length = np.array([float(p["length"] or 0) for p in probes])
    unsure = found & (length < model["quality_table"][f"{QUALITY:g}"])
    match = found & ~unsure & (score >= model["thresholds"][FMR])
    percent = lambda x: round(100 * float(x), 2)
    return {"probe": label,
            "accuracy": percent(metrics.ten_fold(score, same, [r["fold"] for r in pairs])[0]),
            "tar_at_far_1e-2": percent(metrics.tar_at_far(score, same, 1e-2)),
            "tar_at_far_1e-3": percent(metrics.tar_at_far(score, same, 1e-3)),
            "no_face": percent((~found).mean()), "unsure": percent(unsure.mean()),
            "allow_same": percent(match[same].mean()),
            "allow_different": percent(match[~same].mean())}


def measure(args, folder):
    with open(args.pairs) as f:
        args.folds = min(args.folds, int(f.readline().split()[0]))
    pictures, pairs = evaluate.read_pairs(args.pairs)
    pairs = [p for p in pairs if p[0] < args.folds]
    info = subprocess.run([args.tool, "model-info", "--json",
                           f"{args.models}/embedder-{args.embedder}.fgm"],
                          check=True, capture_output=True, text=True)
    model = json.loads(info.stdout)
    for i in sorted({i for p in pairs for i in p[2:]}):
        link(args.images, folder, *pictures[i])
    write_list(f"{folder}/plain.txt", pairs, pictures, args.folds, [0])
    plain, places = run(args, folder, f"{folder}/plain.txt")
    rows = [row_of("as it is", plain, places, model)]
    for i in tqdm(sorted({p[3] for p in pairs}), unit="picture", desc="spoiling"):
        spoil(args.images, folder, *pictures[i], marks_of(places[pictures[i]]))
    write_list(f"{folder}/spoiled.txt", pairs, pictures, args.folds, range(1, len(HARM) + 1))
    spoiled, places = run(args, folder, f"{folder}/spoiled.txt")
    for k, label in enumerate(HARM, 1):
        rows.append(row_of(label, [r for r in spoiled if int(r["index2"]) // OFFSET == k], places,
                           model))
    return {"embedder": model["id"], "folds": args.folds, "pairs": len(pairs), "rows": rows}


def table(result):
    head = ["probe", "accuracy", "TAR at FAR 1e-2", "TAR at FAR 1e-3", "no face", "unsure",
            "allowed: same person", "allowed: another"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for r in result["rows"]:
        label, *numbers = r.values()
        lines.append("| " + " | ".join([label, *(f"{v:.2f}" for v in numbers)]) + " |")
    return "\n".join(lines)


def draw_example(args):
    """Writes robustness.jpg: every way beside one another."""
    found = subprocess.run([args.tool, "detect", "--json", args.example], check=True,
                           capture_output=True, text=True)
    face = Face(json.loads(found.stdout)["faces"][0]["landmarks"])
    side, eyes = 140, 42  # as in LFW
    (x, y), = face.at([(0, 0.45)])
    half = side / eyes / 2 * face.eyes
    img = Image.open(args.example).convert("RGB").resize(
        (side, side), Image.LANCZOS, (x - half, y - half, x + half, y + half))
    face = Face([((side - eyes) / 2, side / 2 - 0.45 * eyes),
                 ((side + eyes) / 2, side / 2 - 0.45 * eyes)])
    views = [img, *(h(img.copy(), face, np.random.default_rng(1)) for h in HARM.values())]
    sheet = Image.new("RGB", (side * 5, side * 2))
    for k, view in enumerate(views):
        sheet.paste(view.resize((side, side), Image.NEAREST), (k % 5 * side, k // 5 * side))
    sheet.save(f"{args.out}/robustness.jpg", quality=85)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("embedder", nargs="?")
    ap.add_argument("--images")
    ap.add_argument("--pairs")
    ap.add_argument("--folds", type=int, default=10, help="only the first folds of the list")
    ap.add_argument("--example", metavar="PICTURE")
    ap.add_argument("--models", default="models")
    ap.add_argument("--out", default="docs/training")
    ap.add_argument("--tool", default="build/facegate")
    args = ap.parse_args()
    if args.example:
        return draw_example(args)
    if not (args.embedder and args.images and args.pairs):
        ap.error("an embedder, --images and --pairs are needed")
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args, folder)
    with open(f"{args.out}/robustness-{args.embedder}.json", "w") as f:
        json.dump(result, f, indent=1)
    with open(f"{args.out}/robustness-{args.embedder}.md", "w") as f:
        f.write(f"# {result['embedder']} with worse pictures\n\n"
                f"`python -m train.robustness {args.embedder} --folds {result['folds']}` on LFW: "
                f"{result['pairs']} pairs, half of them of one person, the second picture of each "
                "as the row says; percent. What the columns mean is in "
                f"[README.md](README.md).\n\n{table(result)}\n")
    print(table(result))


if __name__ == "__main__":
    main()
