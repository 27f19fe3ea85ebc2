"""Writes server/selftest_face.h: the picture of the daemon's self-test and the
template each shipped model gives for it.

    python -m train.export.selftest --models models --tool build/facegate
    clang-format-14 -i server/selftest_face.h
"""

import argparse
import glob
import io
import json
import os
import subprocess
import tempfile

from PIL import Image

HEAD = """/* Written by train/export/selftest.py. The picture is cut from an official
 * photograph of the US government, in the public domain. */
#ifndef FACEGATE_SELFTEST_FACE_H
#define FACEGATE_SELFTEST_FACE_H

#include <stdint.h>

#include "facetypes.h"

static const uint8_t selftest_jpeg[] = {
%s};

/* The face in it is this wide, and its landmarks are here. */
#define SELFTEST_MIN_FACE_PX %d
static const float selftest_landmarks[5][2] = {
%s};

static const struct selftest_known {
	const char *model_id;
	int8_t v[TEMPLATE_DIM];
} selftest_known[] = {
%s};

#endif
"""


def rows(values, per_row, indent="\t"):
    lines = [", ".join(str(v) for v in values[i:i + per_row])
             for i in range(0, len(values), per_row)]
    return "".join(f"{indent}{line},\n" for line in lines)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--picture", default="tests/data/faces/obama2.jpg")
    ap.add_argument("--models", default="models")
    ap.add_argument("--tool", default="build/facegate")
    ap.add_argument("--side", type=int, default=120)
    ap.add_argument("--out", default="server/selftest_face.h")
    args = ap.parse_args()
    run = lambda *a: json.loads(subprocess.run([args.tool, *a, "--json"], check=True,
                                               capture_output=True, text=True).stdout)
    x, y, w, h = run("detect", args.picture)["faces"][0]["box"]
    m = 0.45 * max(w, h)
    cut = Image.open(args.picture).convert("RGB").crop(
        tuple(int(v) for v in (x + w / 2 - w / 2 - m, y - m, x + w + m, y + h + m)))
    cut.thumbnail((args.side, args.side))
    raw = io.BytesIO()
    cut.save(raw, "JPEG", quality=80)
    known = ""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as f:
        f.write(raw.getvalue())
        f.flush()
        found = run("detect", f.name)["faces"][0]
        for path in sorted(glob.glob(f"{args.models}/embedder-*.fgm")):
            name = os.path.basename(path)[len("embedder-"):-len(".fgm")]
            got = run("embed", f.name, f"--embedder={name}", f"--models_dir={args.models}")
            known += f'\t{{ "{got["model"]}",\n\t  {{\n' + rows(got["template"], 12, "\t\t  ")
            known += "\t  } },\n"
    with open(args.out, "w") as f:
        f.write(HEAD % (rows(list(raw.getvalue()), 16), int(min(found["box"][2:]) * 0.8),
                        "".join(f"\t{{ {x}f, {y}f }},\n" for x, y in found["landmarks"]),
                        known))
    print(f"{args.out}: {len(raw.getvalue())} bytes of JPEG")


if __name__ == "__main__":
    main()
