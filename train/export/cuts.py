"""Puts the threshold table and the quality table into a model file, leaving
everything else as it is.

    python -m train.export.cuts models/embedder-accurate.fgm \\
        train/export/cuts-accurate.csv train/export/quality-accurate.csv
"""

import argparse
import csv

from . import fgm


def read(path):
    """A table, (fmr, score) or (share, length), as a list of pairs of floats."""
    with open(path) as f:
        rows = list(csv.reader(f))
    return [(float(a), float(b)) for a, b in rows[1:]]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("model")
    ap.add_argument("cuts", help="csv: fmr,score")
    ap.add_argument("quality", help="csv: share,length")
    args = ap.parse_args()
    name, nets, _, _, note = fgm.read(args.model)
    fgm.write(args.model, name, nets, read(args.cuts), read(args.quality), note)


if __name__ == "__main__":
    main()
