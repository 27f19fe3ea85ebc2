"""No person of the test set may be in training: compares names.

    python -m train.namecheck TREE_OR_INDEX LFW

Names are compared without case, accents and punctuation, also with their words in
another order (Wang_Nan, Nan Wang).
"""

import argparse
import csv
import os
import re
import unicodedata


def keys(name):
    """The forms under which a name is known."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return {"".join(words), "".join(sorted(words))} - {""}


def names_of(source):
    """Folder names of a tree, or the labels of an index.tsv."""
    if os.path.isdir(source):
        return sorted(e.name for e in os.scandir(source) if e.is_dir())
    if not os.path.exists(source):
        raise SystemExit(f"{source} is not there: names cannot be compared with the test set's")
    with open(source) as f:
        return sorted({r["label"] for r in csv.DictReader(f, delimiter="\t")} - {"-"})


def matches(training, test):
    """The names of training that are in test as well, sorted."""
    known = set().union(*(keys(n) for n in test))
    return sorted(n for n in set(training) if keys(n) & known)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("training", help="folder of folders, or index.tsv")
    ap.add_argument("test", help="folder of folders")
    args = ap.parse_args()
    training = names_of(args.training)
    found = matches(training, names_of(args.test))
    print(f"{len(found)} of {len(training)} names are in the test set" +
          "".join(f"\n  {n}" for n in found))


if __name__ == "__main__":
    main()
