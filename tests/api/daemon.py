"""Starts the real daemon for a test and talks to it. Standard library only."""

import base64
import http.client
import json
import lzma
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FACEGATED = os.environ.setdefault("FACEGATED", os.path.join(ROOT, "build", "facegated"))
FACEGATE = os.environ.setdefault("FACEGATE", os.path.join(ROOT, "build", "facegate"))
MODELS = os.environ.setdefault("FACEGATE_MODELS", os.path.join(ROOT, "models"))
MKJPEG = os.environ.setdefault("MKJPEG", os.path.join(ROOT, "build", "mkjpeg"))
FAULTS_LIBRARY = os.environ.setdefault("FAULTS_LIBRARY", os.path.join(ROOT, "build", "tests",
                                                                      "libfaults.so"))
FACES = os.path.join(ROOT, "tests", "data", "faces")
JPEG = {"Content-Type": "image/jpeg"}


def face(name):
    with open(os.path.join(FACES, name), "rb") as f:
        return f.read()


def small_face(name):
    """The same person in a picture that is quick to search."""
    with open(os.path.join(ROOT, "tests", "golden", name), "rb") as f:
        return f.read()


def embedders():
    """The names of the shipped embedders."""
    return sorted(re.fullmatch(r"embedder-(.+)\.fgm", name).group(1)
                  for name in os.listdir(MODELS) if name.startswith("embedder-"))


def renamed_model(data, name):
    """The bytes of a model file under another name, and so with another id."""
    out = bytearray(data)
    out[56:72] = name.encode().ljust(16, b"\0")
    out[12:16] = zlib.crc32(out[16:]).to_bytes(4, "little")
    return bytes(out)


def sanitized():
    """True for a build whose memory says nothing about the real one's."""
    with open(FACEGATED, "rb") as f:
        return re.search(rb"__[amt]san_init", f.read()) is not None


def old_database(version, folder):
    """Puts a database as an earlier version left it into a folder; returns its path."""
    path = os.path.join(folder, "facegate.db")
    with lzma.open(os.path.join(ROOT, "tests", "data", "db", f"version-{version}.db.xz")) as f:
        with open(path, "wb") as out:
            out.write(f.read())
    key = os.path.join(ROOT, "tests", "data", "db", f"version-{version}.key")
    if os.path.exists(key):
        shutil.copy(key, os.path.join(folder, "facegate.key"))
        os.chmod(os.path.join(folder, "facegate.key"), 0o400)
    return path


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("FACEGATE")}


def add_key(data_dir, role, *options):
    """A new key, made by the tool."""
    done = subprocess.run([FACEGATE, "keys", "add", f"--role={role}", f"--data_dir={data_dir}",
                           *options], env=clean_environment(), capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout.strip()


def run_to_end(*args, environment=None):
    """Runs the daemon when it is expected to stop by itself."""
    return subprocess.run([FACEGATED, *args], env={**clean_environment(), **(environment or {})},
                          capture_output=True, text=True, timeout=60, check=False)


def faults(folder):
    """The environment in which files of the folder make the daemon's disk full, its clock
    wrong, a worker hang and more; see tools/faults.c."""
    return {"FAULTS": folder, "LD_PRELOAD": FAULTS_LIBRARY,
            "ASAN_OPTIONS": "verify_asan_link_order=0"}


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Daemon:
    """One daemon on a free port; a context manager. Keys as keyword arguments. What
    starts it may be a command in front, which gets those descriptors. tls is
    the ssl.SSLContext to ask it with when its keys make it speak TLS."""

    def __init__(self, data_dir=None, environment=None, starter=(), pass_fds=(), tls=None,
                 **keys):
        self.own_dir = data_dir is None
        self.tls = tls
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="facegate-api-")
        keys = {"listen": "127.0.0.1:0", "data_dir": self.data_dir, "models_dir": MODELS,
                "log_level": "warn", **keys}
        self.process = subprocess.Popen(
            [*starter, FACEGATED] + [f"--{k}={v}" for k, v in keys.items()],
            env={**clean_environment(), **(environment or {})}, pass_fds=pass_fds,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        first = re.fullmatch(r"first admin key, shown this once: (\S+)\n", line)
        if first:
            line = self.process.stdout.readline()
        self.key = first and first.group(1)  # sent with every request
        found = re.fullmatch(r"listening on https?://([\d.]+):(\d+)\n", line)
        if not found:
            raise RuntimeError(f"did not start: {line!r} {self.process.communicate()[1]!r}")
        self.host, self.port = found.group(1), int(found.group(2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        if self.own_dir:
            shutil.rmtree(self.data_dir)

    def stop(self):
        """SIGTERM; returns the exit status and what was written to stderr."""
        if self.process.poll() is None:
            self.process.terminate()
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def request(self, method, path, body=None, headers=None, timeout=60):
        if self.tls:
            c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                            context=self.tls)
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {**({"X-Api-Key": self.key} if self.key else {}), **(headers or {})}
            try:
                c.request(method, path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                if not c.sock:
                    raise
                # Refused before all of the body was out: the answer may be there.
            return Reply(c.getresponse())
        finally:
            c.close()

    def post(self, path, picture):
        return self.request("POST", path, picture, JPEG)

    def get(self, path):
        return self.request("GET", path)

    def raw(self, data, timeout=20):
        """Sends bytes as they are, or as many as the server takes, and returns everything
        until it closes."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                pass
            return read_all(s)

    def drip(self, first, rest):
        """Sends first, then the rest byte by byte, until the server has enough. Returns
        the seconds, and whether it took every byte."""
        start, all_taken = time.monotonic(), False
        with self.connect() as s:
            s.sendall(first)
            s.settimeout(0.05)
            for byte in rest:
                try:
                    if s.recv(1000) == b"":
                        break
                except TimeoutError:
                    pass
                except (ConnectionResetError, ssl.SSLError):
                    break
                try:
                    s.sendall(bytes([byte]))
                except OSError:
                    break
            else:
                all_taken = True
        return time.monotonic() - start, all_taken

    def chunks_taken(self, head, chunk, most):
        """Sends head, then the chunk again and again: how many of its bytes go out, up
        to most, before the server has enough."""
        sent = 0
        with self.connect() as s:
            s.sendall(head)
            try:
                while sent < most:
                    s.sendall(b"%x\r\n" % len(chunk) + chunk + b"\r\n")
                    sent += len(chunk)
            except OSError:
                pass
        return sent

    def connect(self, timeout=20):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        return self.tls.wrap_socket(s, server_hostname="127.0.0.1") if self.tls else s

    def status(self, key):
        """A number of /proc/PID/status, such as VmRSS in KiB."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.M).group(1))

    def cpu_seconds(self):
        """Processor time of all its threads so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            user, system = f.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except PermissionError:  # the daemon keeps others out: count its connections
            held = ("01", "08", "0A")  # established, closed by the client alone, listening
            with open("/proc/net/tcp") as f:
                rows = [line.split() for line in f]
            return sum(r[1].endswith(f":{self.port:04X}") and r[3] in held for r in rows)


def read_all(s):
    out = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return out
            out += part
    except (TimeoutError, ConnectionResetError, ssl.SSLError):
        return out


def status_of(raw):
    """The status code of a raw reply, 0 for none."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", raw)
    return int(found.group(1)) if found else 0


class FolderCase(unittest.TestCase):
    """A folder of its own for each test, and daemons on it that end with the test."""

    environment = None

    def setUp(self):
        self.dir = self.folder()

    def folder(self, prefix="facegate-api-"):
        path = tempfile.mkdtemp(prefix=prefix)
        self.addCleanup(shutil.rmtree, path)
        return path

    def daemon(self, folder=None, **keys):
        d = Daemon(folder or self.dir, environment=self.environment,
                   **{"min_face_px": 60, **keys})
        self.addCleanup(d.stop)
        return d


def wait_for(condition, seconds=60):
    """Polls until condition() is true; returns whether it ever was."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False


def made(photo, width, height, *options):
    """A JPEG of that size made of a photograph, or of noise for "-"; see mkjpeg.c."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as f:
        source = photo if photo == "-" else os.path.join(FACES, photo)
        subprocess.run([MKJPEG, source, f.name, str(width), str(height), *options], check=True)
        return f.read()


def multipart(parts, boundary="----b7"):
    """parts: (name, bytes). Returns the body and its headers."""
    out = b""
    for name, value in parts:
        kind = b'; filename="../../x.jpg"\r\nContent-Type: image/jpeg' if name == "image" else b""
        out += (b"--" + boundary.encode() + b'\r\nContent-Disposition: form-data; name="'
                + name.encode() + b'"' + kind + b"\r\n\r\n" + value + b"\r\n")
    return (out + b"--" + boundary.encode() + b"--\r\n",
            {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def as_json(pictures, **members):
    coded = [base64.b64encode(p).decode() for p in pictures]
    members.update({"image": coded[0]} if len(coded) == 1 else {"images": coded})
    return json.dumps(members), {"Content-Type": "application/json"}
