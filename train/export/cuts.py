"""Puts the threshold table and the quality table into a model file, leaving
everything else as it is.

    python -m train.export.cuts models/embedder-accurate.fgm \
        train/export/cuts-accurate.csv train/export/quality-accurate.csv

With --evaluation, what `facegate evaluate --all-impostors --json` printed, both
csv files are written first.
"""

import argparse
import csv
import json

from . import fgm


def read(path):
    """A table, (fmr, score) or (share, length), as a list of pairs of floats."""
    with open(path) as f:
        rows = list(csv.reader(f))
    return [(float(a), float(b)) for a, b in rows[1:]]


def write(path, names, entries):
    with open(path, "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([names, *entries])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("model")
    ap.add_argument("cuts", help="csv: fmr,score")
    ap.add_argument("quality", help="csv: share,length")
    ap.add_argument("--evaluation", help="JSON of facegate evaluate")
    args = ap.parse_args()
    if args.evaluation:
        with open(args.evaluation) as f:
            found = json.load(f)
        write(args.cuts, ("fmr", "score"),
              [e for e in found["threshold_at_fmr"].items() if e[1] is not None])
        write(args.quality, ("share", "length"), found["quality_table"].items())
    name, nets, _, _, note = fgm.read(args.model)
    fgm.write(args.model, name, nets, read(args.cuts), read(args.quality), note)


if __name__ == "__main__":
    main()
