"""Aligned face crops for calibration: zip files or folders of pictures."""

import io
import os
import zipfile

import numpy as np
from PIL import Image

SUFFIXES = (".webp", ".jpg", ".jpeg", ".png")


def load(sources, count, rng):
    """count random crops as one uint8 array (n, h, w, 3)."""
    names = []
    for src in sources:
        if zipfile.is_zipfile(src):
            names += [(src, n) for n in zipfile.ZipFile(src).namelist()
                      if n.lower().endswith(SUFFIXES)]
        else:
            names += [(None, os.path.join(d, f)) for d, _, fs in sorted(os.walk(src))
                      for f in sorted(fs) if f.lower().endswith(SUFFIXES)]
    pick = rng.choice(len(names), min(count, len(names)), replace=False)
    open_zips, out = {}, []
    for i in sorted(pick):
        src, name = names[i]
        if src is None:
            img = Image.open(name)
        else:
            z = open_zips.setdefault(src, zipfile.ZipFile(src))
            img = Image.open(io.BytesIO(z.read(name)))
        out.append(np.asarray(img.convert("RGB")))
    return np.stack(out)
