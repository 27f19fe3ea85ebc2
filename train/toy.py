"""A whole training in about a minute, on pictures made here: fit, export to a model
file, and the engine's answer against the simulation, bit for bit.

    python -m train.toy [--tool build/facegate] [--keep FOLDER]

Each "person" is a random smooth pattern, each picture a shifted, lit and noisy view of
it. So this shows that the parts fit together, and nothing about faces.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageFilter

from . import align, fit
from .export import embedder, fgm, intsim

PEOPLE, PICTURES, SIDE = 24, 26, 128
CONFIG = """
[data]
root = "{root}"
holdout = 0.25
[model]
kind = "mobilenetv2"
side = 112
stem = 8
table = [[1, 8, 1, 2], [4, 16, 2, 2], [4, 24, 2, 2]]
head = 64
[train]
epochs = 8.0
batch = 32
rate = 4e-3
log_every = 5
[loss.softmax]
[loss.centre]
weight = 0.01
"""
# At chance it would be 50.
EER_MOST = 25.0


def make_pictures(root, rng):
    """PEOPLE folders of PICTURES views each."""
    for person in range(PEOPLE):
        os.makedirs(f"{root}/person{person:02d}")
        small = rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)
        pattern = Image.fromarray(small).resize((160, 160), Image.BICUBIC)
        for k in range(PICTURES):
            x, y = rng.integers(8, 25, 2)
            view = pattern.crop((x, y, x + SIDE, y + SIDE))
            view = view.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))
            lit = np.asarray(view) * rng.uniform(0.6, 1.1) + rng.normal(0, 8, (SIDE, SIDE, 3))
            Image.fromarray(lit.clip(0, 255).astype(np.uint8)).save(
                f"{root}/person{person:02d}/{k:02d}.png")


def template(v):
    """The engine's template of an embedding: int8 values, scale and length, in float32
    and in the order of engine/face/embed.c."""
    v = v.astype(np.float32)
    length = np.float32(0)
    for x in v:
        length = length + x * x
    q = np.rint(v / np.abs(v).max() * np.float32(127)).astype(np.int64)
    return q.tolist(), 1 / np.sqrt(np.float32((q * q).sum())), np.sqrt(length)


def engine_templates(tool, models, crops):
    done = subprocess.run([tool, "embed", "--aligned", "--json", f"--models_dir={models}",
                           "--embedder=toy", *crops], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{tool}: {done.stderr}")
    # Nine digits tell one float32 from the next.
    return [(p["template"], np.float32(p["scale"]), np.float32(p["length"]))
            for p in json.loads(done.stdout)["pictures"]]


def check_engine(tool, models, folder, rng):
    """The engine and the simulation on aligned crops and on noise; counts them."""
    net = fgm.read(f"{models}/embedder-toy.fgm")[1][0]
    pixels = rng.integers(0, 256, (8, 112, 112, 3)).astype(np.uint8)
    for i in range(4):
        picture = Image.open(f"{folder}/pictures/person{i:02d}/00.png")
        pixels[i] = np.asarray(picture)[8:120, 8:120]
    names = [f"{folder}/crop{i}.ppm" for i in range(len(pixels))]
    for name, rgb in zip(names, pixels):
        align.write_ppm(name, rgb)
    simulated = intsim.run(net, intsim.pixels(pixels, net.in_type))[:, 0, 0]
    for name, v, got in zip(names, simulated, engine_templates(tool, models, names)):
        if template(v) != got:
            raise SystemExit(f"{name}: the engine gives {got},\nthe simulation {template(v)}")
    return len(names)


def make(folder, tool):
    rng = np.random.default_rng(5)
    make_pictures(f"{folder}/pictures", rng)
    with open(f"{folder}/toy.toml", "w") as f:
        f.write(CONFIG.format(root=f"{folder}/pictures"))
    result = fit.run(fit.read_config(f"{folder}/toy.toml"), f"{folder}/run")
    print(json.dumps(result))
    if result["held_out"]["eer"] > EER_MOST:
        raise SystemExit(f"nothing was learnt: EER {result['held_out']['eer']} % of people held "
                         f"out is above {EER_MOST} %")
    models = f"{folder}/models"
    os.makedirs(models)
    shutil.copy("models/mtcnn.fgm", models)
    embedder.export(f"{folder}/run/net.npz", [f"{folder}/pictures"], embedder.ANY_TABLES, "toy",
                    "made by train.toy", f"{models}/embedder-toy.fgm")
    count = check_engine(tool, models, folder, rng)
    print(f"engine and simulation agree bit for bit on {count} crops")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--tool", default="build/facegate")
    ap.add_argument("--keep", help="a new folder to leave everything in")
    args = ap.parse_args()
    if args.keep:
        os.makedirs(args.keep)
        make(args.keep, args.tool)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(folder, args.tool)


if __name__ == "__main__":
    main()
