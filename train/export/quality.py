"""Measures the quality table of an embedder: how long the embeddings of the
reference pictures are before they are normalised.

    python -m train.export.quality --images LFW --embedder accurate \
        --out train/export/quality-accurate.csv
"""

import argparse
import csv
import glob
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SHARES = (0, .001, .003, .01, .02, .03, .05, .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .99, .999, 1)
BATCH = 200


def lengths(command, pictures):
    """The length of every picture in which a face is found."""
    done = subprocess.run([*command, *pictures], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    found = json.loads(done.stdout)
    out = []
    for p in found.get("pictures", [found]):
        if "length" in p:
            out.append(p["length"])
        elif p["error"]["code"] != "no_face":
            raise ValueError(f"{p['picture']}: {p['error']['text']}")
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--images", required=True, help="folder of folders of JPEG pictures")
    ap.add_argument("--models", default="models")
    ap.add_argument("--embedder", default="accurate")
    ap.add_argument("--tool", default="build/facegate")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    pictures = sorted(glob.glob(f"{glob.escape(args.images)}/*/*.jpg"))
    command = [args.tool, "embed", "--json", f"--models_dir={args.models}",
               f"--embedder={args.embedder}", "--"]
    batches = [pictures[i:i + BATCH] for i in range(0, len(pictures), BATCH)]
    with ThreadPoolExecutor(args.jobs) as pool:
        v = np.concatenate(list(pool.map(lambda b: lengths(command, b), batches)))
    with open(args.out, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(("share", "length"))
        out.writerows((s, f"{np.quantile(v, s):.2f}") for s in SHARES)
    print(f"{args.out}: {len(v)} of {len(pictures)} pictures have a face")


if __name__ == "__main__":
    main()
