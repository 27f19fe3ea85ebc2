#!/usr/bin/env python3
"""Makes the pictures of this folder: one of each kind that the photographs are
not. Needs numpy and Pillow; the tests need only the files."""
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 320, 240


def scene():
    """Slopes, an edge and some grain, so that every coefficient is used."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    grain = np.random.default_rng(1).normal(0, 6, (HEIGHT, WIDTH, 3))
    rgb = np.stack([x * 255 / WIDTH, y * 255 / HEIGHT, (x + y) % 256], axis=2)
    rgb[(x - 160) ** 2 + (y - 120) ** 2 < 60 ** 2] = (210, 160, 130)
    return Image.fromarray(np.clip(rgb + grain, 0, 255).astype(np.uint8))


def main():
    picture = scene()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(HERE / "progressive-turned.jpg", quality=85, progressive=True, exif=exif)
    picture.convert("CMYK").save(HERE / "cmyk.jpg", quality=85)
    picture.convert("L").save(HERE / "grey.jpg", quality=85, restart_marker_rows=2)


if __name__ == "__main__":
    main()
