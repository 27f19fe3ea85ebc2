#!/usr/bin/env python3
"""Checks who includes whom, and that every header compiles alone.

A floor may include its own headers and those of the floors below it. From
outside, the engine is engine.h and gallery.h, the store is db.h; the command
line tool alone also looks into model files. A library's header is included by
the floor that owns the library and by no other.
"""
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BELOW = {
    "common": [],
    "config": ["common"],
    "engine": ["common"],
    "db": ["common"],
    "server": ["common", "config", "engine", "db"],
    "cli": ["common", "config", "engine", "db", "server"],
    "senders": ["common", "config"],
}
# (including floor, included floor): what the first may see of the second.
FACADE = {
    ("server", "engine"): {"engine.h", "gallery.h", "transform.h"},
    ("server", "db"): {"audit.h", "db.h"},
    ("cli", "engine"): {"engine.h", "gallery.h", "model/model.h", "nn/nn.h",
                        "transform.h"},
    ("cli", "db"): {"audit.h", "db.h", "exportfile.h", "transfer.h"},
}
LIBRARY = {
    "jpeglib.h": {"engine"},
    "jerror.h": {"engine"},
    "sqlite3.h": {"db"},
    "sodium.h": {"db"},
    "microhttpd.h": {"server"},
    "nettle/sha2.h": {"server"},
    "nettle/memops.h": {"server"},
    "nettle/hmac.h": {"senders", "server"},
    "mosquitto.h": {"senders"},
    "mqtt_protocol.h": {"senders"},
    "gnutls/gnutls.h": {"server"},
    "gnutls/x509.h": {"server"},
    "gnutls/abstract.h": {"server"},
    "gnutls/crypto.h": {"server"},
    "jansson.h": {"server", "cli"},
    "curl/curl.h": {"cli", "senders"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def sources(suffixes):
    for floor in BELOW:
        for path in sorted((ROOT / floor).rglob("*")):
            if path.suffix in suffixes:
                yield floor, path


def resolve(floor, path, name):
    """Every (floor, file) an include could mean."""
    found = []
    if (path.parent / name).is_file():
        found.append((floor, (path.parent / name).resolve()))
    for other in [floor] + BELOW[floor]:
        file = (ROOT / other / name).resolve()
        if file.is_file() and (other, file) not in found:
            found.append((other, file))
    return found


def check_includes():
    errors = []
    for floor, path in sources({".c", ".h"}):
        where = path.relative_to(ROOT)
        for kind, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if kind == "<":
                if floor not in LIBRARY.get(name, {floor}):
                    errors.append(f"{where}: <{name}> belongs to "
                                  f"{', '.join(sorted(LIBRARY[name]))}")
                continue
            found = resolve(floor, path, name)
            if not found:
                errors.append(f'{where}: "{name}" is not on this floor '
                              "or below it")
                continue
            if len(found) > 1:
                errors.append(f'{where}: "{name}" could mean several files')
            other, file = found[0]
            inside = str(file.relative_to(ROOT / other))
            if inside not in FACADE.get((floor, other), {inside}):
                errors.append(f'{where}: "{name}" is internal to {other}')
    return errors


def check_headers():
    """Compiles each header twice over in a file of its own."""
    errors = []
    compiler = shlex.split(os.environ.get("CC", "cc"))
    for floor, path in sources({".h"}):
        flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wundef",
                 "-Werror", "-fsyntax-only", "-x", "c", "-"]
        flags += [f"-I{ROOT / other}" for other in [floor] + BELOW[floor]]
        text = path.read_text(encoding="utf-8")
        if "<arm_neon.h>" in text and os.uname().machine != "aarch64":
            continue
        if "<immintrin.h>" in text:
            if os.uname().machine != "x86_64":
                continue
            flags += ["-mavx2"]
        unit = f'#include "{path}"\n' * 2 + "extern int unit;\n"
        done = subprocess.run(compiler + flags, input=unit, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            errors.append(f"{path.relative_to(ROOT)} does not compile "
                          f"alone:\n{done.stderr}")
    return errors


def main():
    errors = check_includes() + check_headers()
    for error in errors:
        print(error)
    counted = sum(1 for _ in sources({".c", ".h"}))
    print(f"{counted} files, {len(errors)} errors")
    return 1 if errors or counted == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
