"""How close the engine's detector stays to the float reference.

    python -m train.export.check_detect --weights DIR --images DIR [--count 200]

Pictures are drawn at random from a folder per person; the face nearest the
centre is compared. Prints the table that docs/memory.md quotes.
"""

import argparse
import glob
import json
import random
import subprocess

import numpy as np
from PIL import Image

from .detector import Detector, iou


def engine_faces(tool, paths, args):
    out = subprocess.run([tool, "detect", "--json", *args, *paths], capture_output=True,
                         text=True, check=False).stdout
    got = json.loads(out)
    return {p["picture"]: p["faces"] for p in got.get("pictures", [got])}


def central(boxes, size):
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return int(((centre - np.array(size) / 2) ** 2).sum(1).argmin())


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--weights", required=True)
    ap.add_argument("--images", required=True)
    ap.add_argument("--count", type=int, default=200)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--tool", default="build/facegate")
    ap.add_argument("--min-face", type=int, default=20)
    args = ap.parse_args()
    paths = sorted(glob.glob(f"{args.images}/*/*.jpg"))
    random.seed(args.seed)
    paths = random.sample(paths, min(args.count, len(paths)))
    engine = engine_faces(args.tool, paths, [f"--min_face_px={args.min_face}"])
    reference = Detector(args.weights, args.min_face)
    overlaps, distances, bad = [], [], []
    for p in paths:
        rgb = np.asarray(Image.open(p).convert("RGB"))
        boxes, _, marks = reference(rgb)
        ours = engine[p]
        if not len(boxes) or not ours:
            overlaps.append(1.0 if len(boxes) == len(ours) else 0.0)
            distances.append(0.0 if len(boxes) == len(ours) else np.inf)
            continue
        size = rgb.shape[1::-1]
        mine = np.array([[b[0], b[1], b[0] + b[2], b[1] + b[3]]
                         for b in (f["box"] for f in ours)])
        i, j = central(boxes, size), central(mine, size)
        overlaps.append(float(iou(boxes[i], mine[j:j + 1])[0]))
        distances.append(float(np.abs(np.array(ours[j]["landmarks"]) - marks[i]).max()))
        if overlaps[-1] < 0.95 or distances[-1] > 1:
            bad.append((p, overlaps[-1], distances[-1]))
    overlaps, distances = np.array(overlaps), np.array(distances)
    good = (overlaps >= 0.95) & (distances <= 1)
    print(f"pictures                     {len(paths)}")
    print(f"same face (IoU >= 0.5)       {100 * (overlaps >= 0.5).mean():.1f} %")
    print(f"IoU >= 0.95                  {100 * (overlaps >= 0.95).mean():.1f} %")
    print(f"landmarks within 1 px        {100 * (distances <= 1).mean():.1f} %")
    print(f"both                         {100 * good.mean():.1f} %")
    print(f"IoU mean, lowest             {overlaps.mean():.4f}, {overlaps.min():.4f}")
    print(f"landmark median, 99 %, worst {np.median(distances):.3f}, "
          f"{np.percentile(distances, 99):.3f}, {distances.max():.3f} px")
    for p, o, d in bad:
        print(f"  {p}: IoU {o:.3f}, landmarks {d:.2f} px")


if __name__ == "__main__":
    main()
