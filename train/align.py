"""Aligned face crops, made by the daemon's own code.

    python -m train.align PICTURES CROPS --side 128

PICTURES is a folder of folders, one a person; CROPS becomes the same with PNG files.
Runs `facegate align` for each picture. Sides: 112 is what the embedder sees, 128 the
same with room for random windows of 112, 250 the same at twice the size, for windows
of 224. `--mode margin` crops the detector's box with 26 pixels more instead.
"""

import argparse
import concurrent.futures
import glob
import os
import subprocess
import tempfile

import numpy as np
from PIL import Image
from tqdm import tqdm

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm")
THREADS = 2


def read_ppm(path):
    with open(path, "rb") as f:
        kind, size, _, pixels = f.read().split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def write_ppm(path, rgb):
    with open(path, "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes())


def crop(picture, side=112, mode="points", face="centre", tool="build/facegate"):
    """The crop (side, side, 3), or None where there is no face. Pictures that are not
    JPEG become JPEG first, since the tool reads nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = picture, f"{folder}/crop.ppm"
        if not picture.lower().endswith((".jpg", ".jpeg")):
            source = f"{folder}/picture.jpg"
            Image.open(picture).convert("RGB").save(source, quality=95, subsampling=0)
        done = subprocess.run([tool, "align", f"--side={side}", f"--align={mode}",
                               f"--face={face}", "--", source, out], capture_output=True, text=True)
        if done.returncode == 1:
            return None
        if done.returncode:
            raise ValueError(f"{picture}: {done.stderr.strip()}")
        return read_ppm(out)


def crops(pictures, quiet=False, **how):
    """Yields a crop or None for each picture, in order, THREADS at a time."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        yield from tqdm(pool.map(lambda p: crop(p, **how), pictures), total=len(pictures),
                        unit="picture", desc="aligning", disable=quiet)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("pictures")
    ap.add_argument("crops")
    ap.add_argument("--side", type=int, default=128)
    ap.add_argument("--mode", choices=("points", "margin"), default="points")
    ap.add_argument("--face", choices=("centre", "largest"), default="centre")
    ap.add_argument("--tool", default="build/facegate")
    args = ap.parse_args()
    todo = []
    for path in sorted(glob.glob(f"{args.pictures}/*/*")):
        person, name = os.path.relpath(path, args.pictures).split(os.sep)
        out = f"{args.crops}/{person}/{os.path.splitext(name)[0]}.png"
        if path.lower().endswith(SUFFIXES) and not os.path.exists(out):
            todo.append((path, out))
    without = []
    found = crops([p for p, _ in todo], side=args.side, mode=args.mode, face=args.face,
                  tool=args.tool)
    for rgb, (path, out) in zip(found, todo):
        if rgb is None:
            without.append(path)
            continue
        os.makedirs(os.path.dirname(out), exist_ok=True)
        Image.fromarray(rgb).save(out)
    print(f"{len(todo) - len(without)} crops; {len(without)} pictures without a face",
          *without, sep="\n  ")


if __name__ == "__main__":
    main()
