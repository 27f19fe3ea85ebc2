"""What the contenders work on, made from the pictures in tests/data/faces."""

import contextlib
import glob
import os
import subprocess

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from . import floatnet

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
WORK = os.path.join(BUILD, "bench")
MODELS = os.path.join(ROOT, "models")
EMBEDDER = "accurate"
PICTURES = sorted(glob.glob(os.path.join(ROOT, "tests", "data", "faces", "*.jpg")))
DIM = 128


def save_jpeg(picture, name):
    path = os.path.join(WORK, name)
    picture.save(path, quality=90)
    return path


def door_pictures():
    """The pictures as 640x480 JPEGs, one person before grey; obama.jpg first."""
    paths = sorted(PICTURES, key=lambda p: os.path.basename(p) != "obama.jpg")
    return [save_jpeg(ImageOps.pad(Image.open(p).convert("RGB"), (640, 480), color="grey"),
                      f"door-{os.path.basename(p)}") for p in paths]


def scaled_picture(width, height):
    """One person in a picture of that size."""
    picture = Image.open(os.path.join(ROOT, "tests", "data", "faces", "obama-720p.jpg"))
    return save_jpeg(ImageOps.fit(picture.convert("RGB"), (width, height), centering=(0.5, 0)),
                     f"size-{width}x{height}.jpg")


def crowd(faces):
    """So many faces, 0 to 12, in one 640x480 picture."""
    canvas = Image.new("RGB", (640, 480), "grey")
    face = Image.open(os.path.join(ROOT, "tests", "data", "faces", "obama.jpg"))
    face = face.convert("RGB").crop((300, 20, 700, 480)).resize((130, 150))
    for i in range(faces):
        canvas.paste(face, (20 + i % 4 * 155, 5 + i // 4 * 158))
    return save_jpeg(canvas, f"crowd-{faces}.jpg")


def crops():
    """Aligned crops of the pictures: (n, 112, 112, 3) bytes."""
    out = []
    for i, path in enumerate(PICTURES):
        to = os.path.join(WORK, f"crop-{i}.ppm")
        subprocess.run([os.path.join(BUILD, "facegate"), "align", f"--models_dir={MODELS}",
                        path, to], check=True, stdout=subprocess.DEVNULL)
        out.append(np.asarray(Image.open(to)))
    return np.stack(out)


def calibration_crops(faces):
    """The same, mirrored and darkened too, to measure ranges on."""
    out = []
    for f in faces:
        for picture in (Image.fromarray(f), ImageOps.mirror(Image.fromarray(f))):
            for light in (0.5, 1.0):
                out.append(np.asarray(ImageEnhance.Brightness(picture).enhance(light)))
    return np.stack(out)


def net_input(faces):
    return np.ascontiguousarray(((faces.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2))


def embedder_files(faces):
    """The float net in every peer's format, and its int8 forms, into WORK. Returns what
    could not be made: {file: why}."""
    source = os.path.join(MODELS, f"embedder-{EMBEDDER}.fgm")
    with open(source, "rb") as f, open(os.path.join(WORK, "embedder.fgm"), "wb") as to:
        to.write(f.read())
    net = floatnet.load(source)
    path = os.path.join(WORK, "embedder")
    x = net_input(calibration_crops(faces))
    even = floatnet.even_out(net, x)
    floatnet.write_onnx(even, f"{path}-even.onnx")
    missing = {}
    for name, make in (
            ("onnx", lambda: floatnet.write_onnx(net, f"{path}.onnx")),
            ("ncnn", lambda: floatnet.write_ncnn(net, path)),
            ("tflite", lambda: floatnet.write_tflite(net, f"{path}.tflite")),
            ("onnx int8", lambda: floatnet.quantise_onnx(path, x)),
            ("ncnn int8", lambda: floatnet.write_ncnn(net, f"{path}-int8",
                                                      floatnet.peaks(net, x))),
            ("tflite, for its quantiser",
             lambda: floatnet.write_tflite(even, f"{path}-even.tflite")),
            ("tflite int8", lambda: floatnet.quantise_tflite(path, x))):
        try:
            with open(os.path.join(WORK, "converters.txt"), "a", encoding="utf-8") as log, \
                    contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                make()
        except Exception as e:  # whatever a peer's own tools raise
            missing[name] = f"{type(e).__name__}: {e}"
    return missing


def clusters(count, seed=1):
    """Unit vectors like embeddings of count persons, and a probe of each of the first
    1,000 that is a different picture: cosines of one person lie around 0.65, those of
    two around 0, as LFW's do."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, DIM), np.float32)
    probes = rows[:1000] * 0.65 + 0.76 * rng.standard_normal((min(count, 1000), DIM), np.float32)
    return unit(rows), unit(probes)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def as_int8(x):
    """Templates as the engine makes them: the largest component is 127."""
    return np.rint(x * (127 / np.abs(x).max(1, keepdims=True))).astype(np.int8)
