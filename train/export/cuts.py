"""Puts a threshold table into a model file, leaving everything else as it is.

    python -m train.export.cuts models/embedder-accurate.fgm train/export/cuts-accurate.csv
"""

import argparse
import csv

from . import fgm


def read(path):
    """The table as a list of (false match rate, score cut)."""
    with open(path) as f:
        return [(float(r["fmr"]), float(r["score"])) for r in csv.DictReader(f)]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("model")
    ap.add_argument("cuts", help="csv: fmr,score")
    args = ap.parse_args()
    name, nets, _, note = fgm.read(args.model)
    fgm.write(args.model, name, nets, read(args.cuts), note)


if __name__ == "__main__":
    main()
