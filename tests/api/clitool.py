"""Runs the facegate command for the tests of it."""
import json
import os
import pty
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

FACEGATE = os.environ["FACEGATE"]
MODELS = Path(os.environ["FACEGATE_MODELS"])
FACES = Path(__file__).resolve().parents[1] / "data" / "faces"
OBAMA = [str(FACES / name) for name in
         ("obama.jpg", "obama2.jpg", "obama-720p.jpg", "obama-240p.jpg")]
BIDEN = [str(FACES / name) for name in ("biden.jpg", "biden2.jpg")]

ENV = {name: value for name, value in os.environ.items()
       if not name.startswith("FACEGATE_")}
ENV["FACEGATE_MODELS_DIR"] = str(MODELS)
ENV["TERM"] = "xterm"


def run(*args, env=None, **options):
    return subprocess.run([FACEGATE, *map(str, args)], capture_output=True,
                          text=True, timeout=120, check=False,
                          env=ENV | (env or {}), **options)


def run_on_terminal(*args, env=None):
    """The same with stderr on a terminal: (exit code, stdout, stderr)."""
    ours, theirs = pty.openpty()
    done = subprocess.run([FACEGATE, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=theirs, timeout=120, check=False,
                          env=ENV | (env or {}))
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux tells the end of a terminal
        pass
    os.close(ours)
    return done.returncode, done.stdout.decode(), shown.decode()


def segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def grey_jpeg(width=64, height=64):
    """A flat grey picture. Each block is the two codes "difference 0" and
    "end of block", both of which are the one bit 0."""
    one_code = bytes([1] + 15 * [0] + [0])
    blocks = (width // 8) * (height // 8)
    return b"".join([
        b"\xff\xd8",
        segment(0xDB, b"\0" + 64 * b"\x01"),
        segment(0xC0, struct.pack(">BHHB", 8, height, width, 1)
                + b"\x01\x11\0"),
        segment(0xC4, b"\x00" + one_code),
        segment(0xC4, b"\x10" + one_code),
        segment(0xDA, b"\x01\x01\0\0\x3f\0"),
        bytes(blocks * 2 // 8),
        b"\xff\xd9"])


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="facegate-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def result(self, *args, code=0, **options):
        done = run(*args, "--json", **options)
        self.assertEqual(done.returncode, code, done.stderr)
        if code == 0:
            self.assertEqual(done.stderr, "")
        return json.loads(done.stdout)

    def assert_refused(self, words, *args, **options):
        """Exit code 2, nothing on stdout, one line with the words."""
        done = run(*args, **options)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("facegate: "), done.stderr)
        self.assertIn(words, done.stderr)
