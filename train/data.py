"""Training pictures into one uint8 array in memory.

Two kinds of source:
- a folder of folders, one a person (aligned crops, all of one size);
- a packed set: a folder with index.tsv (columns name, shard, source, label; label -
  for none), the zip files it names, and optionally teacher_*.npy, one embedding a row.
"""

import concurrent.futures
import csv
import dataclasses
import glob
import hashlib
import io
import os
import zipfile
from collections import Counter

import numpy as np
import torch
from PIL import Image

from . import namecheck

SUFFIXES = (".webp", ".jpg", ".jpeg", ".png", ".ppm")
PROCESSES, CHUNK = 2, 2000


@dataclasses.dataclass
class Set:
    """pixels: uint8 tensor (n, side, side, 3). labels: int64 (n), -1 for none, else an
    index into people. teacher: float32 (n, d) of length 1, or None."""
    pixels: torch.Tensor
    labels: torch.Tensor
    people: list
    teacher: torch.Tensor = None

    def __len__(self):
        return len(self.pixels)

    def part(self, rows):
        """The rows given, with labels numbered anew."""
        rows = torch.as_tensor(rows)
        old = self.labels[rows]
        seen = old[old >= 0].unique()
        renumber = torch.full((len(self.people) + 1,), -1)
        renumber[seen] = torch.arange(len(seen))
        return Set(self.pixels[rows], renumber[old], [self.people[i] for i in seen],
                   None if self.teacher is None else self.teacher[rows])


def tree_rows(root):
    """(archive or None, path, person) of every picture of a folder of folders."""
    people = sorted(e.name for e in os.scandir(root) if e.is_dir())
    return [(None, path, p) for p in people for path in sorted(glob.glob(f"{root}/{p}/*"))
            if path.lower().endswith(SUFFIXES)]


def packed_rows(root):
    with open(f"{root}/index.tsv") as f:
        return [(f"{root}/{r['shard']}", r["name"], None if r["label"] == "-" else r["label"])
                for r in csv.DictReader(f, delimiter="\t")]


def teacher_of(root):
    found = sorted(glob.glob(f"{root}/teacher_*.npy"))
    if not found:
        return None
    t = np.load(found[0]).astype(np.float32)
    return t / np.linalg.norm(t, axis=1, keepdims=True)


def choose(rows, labelled, min_pictures, max_pictures, lfw_names, rng):
    """Indices of the rows to use."""
    count = Counter(p for _, _, p in rows if p is not None)
    banned = set()
    if lfw_names:
        banned = set(namecheck.matches(count, namecheck.names_of(lfw_names)))
        print(f"people of the test set left out of training: {len(banned)} "
              f"({sum(count[p] for p in banned)} pictures)", *sorted(banned), sep="\n  ")
    used, out = Counter(), []
    for i in rng.permutation(len(rows)):
        p = rows[i][2]
        if p in banned or (labelled and (p is None or count[p] < min_pictures)):
            continue
        used[p] += 1
        if p is None or used[p] <= max_pictures:
            out.append(i)
    return sorted(out)


def _decode(job):
    """A chunk of pictures as one array; runs in a process of its own."""
    open_zips, out = {}, []
    for archive, name, _ in job:
        if archive is None:
            img = Image.open(name)
        else:
            if archive not in open_zips:
                open_zips[archive] = zipfile.ZipFile(archive)
            img = Image.open(io.BytesIO(open_zips[archive].read(name)))
        out.append(np.asarray(img.convert("RGB")))
    return np.stack(out)


def decode(rows, cache=None):
    """uint8 (n, h, w, 3). cache: a folder that keeps the array for the next run."""
    path = None
    if cache:
        key = hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
        path = os.path.join(cache, f"pixels-{key}.npy")
        if os.path.exists(path):
            return np.load(path, mmap_mode="c")  # shared by runs side by side
    jobs = [rows[i:i + CHUNK] for i in range(0, len(rows), CHUNK)]
    out, at = None, 0
    with concurrent.futures.ProcessPoolExecutor(PROCESSES) as pool:
        for part in pool.map(_decode, jobs):
            if out is None:
                out = np.empty((len(rows), *part.shape[1:]), np.uint8)
            out[at:at + len(part)] = part
            at += len(part)
    if path:
        os.makedirs(cache, exist_ok=True)
        np.save(f"{path}.{os.getpid()}.npy", out)
        os.replace(f"{path}.{os.getpid()}.npy", path)
    return out


def load(root, labelled=True, min_pictures=2, max_pictures=10**9, lfw_names=None, seed=1,
         cache=None):
    """A Set of the tree or packed set at root. labelled: only people with at least
    min_pictures; of each person at most max_pictures. lfw_names: a folder of folders
    whose people must not be in training."""
    packed = os.path.exists(f"{root}/index.tsv")
    rows = packed_rows(root) if packed else tree_rows(root)
    keep = choose(rows, labelled, min_pictures, max_pictures, lfw_names,
                  np.random.default_rng(seed))
    if not keep:
        raise SystemExit(f"{root}: no picture to train on")
    teacher = teacher_of(root) if packed else None
    rows = [rows[i] for i in keep]
    people = sorted({p for _, _, p in rows if p is not None})
    number = {p: i for i, p in enumerate(people)}
    labels = torch.tensor([number.get(p, -1) for _, _, p in rows])
    return Set(torch.from_numpy(decode(rows, cache)), labels, people,
               None if teacher is None else torch.from_numpy(teacher[keep]))


def split(data, share, seed=1):
    """(training set, held-out set): a share of the people is held out entirely."""
    order = np.random.default_rng(seed).permutation(len(data.people))
    held = torch.zeros(len(data.people) + 1, dtype=torch.bool)
    held[order[:int(round(share * len(order)))]] = True
    out = held[data.labels]
    return data.part(torch.nonzero(~out)[:, 0]), data.part(torch.nonzero(out)[:, 0])
