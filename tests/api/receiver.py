"""Receivers of decisions for tests: an HTTP server that does as it is told, and an MQTT broker."""

import http.server
import json
import os
import subprocess
import tempfile
import threading

from daemon import made, wait_for

NOBODY = made("-", 100, 100)  # no face: a decision at next to no cost
SECRET = "s3cret of the door"


def secret_file(folder, text=SECRET, mode=0o400):
    path = os.path.join(folder, f"secret-{mode:o}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text + "\n")
    os.chmod(path, mode)
    return path


def decide(d, door=None):
    """One decision; its number."""
    r = d.post("/identify" + (f"?door_id={door}" if door else ""), NOBODY)
    assert r.status == 200, r.body
    return r.json["log_id"]


def counts(d, sink):
    """What /metrics says of a receiver, by the part of the name behind events_."""
    out = {}
    for line in d.get("/metrics").body.decode().splitlines():
        if line.startswith("facegate_events_") and f'{{sink="{sink}"}}' in line:
            name, value = line.split(" ")
            out[name.removeprefix("facegate_events_").split("{")[0]] = int(value)
    return out


class Receiver:
    """Takes what is posted to it. `answer` is a status, or a function of the handler."""

    def __init__(self, answer=204, context=None):
        self.answer = answer
        self.got = []  # (path, headers, body) of every request, before it is answered
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.got.append((self.path, self.headers, body))
                if callable(receiver.answer):
                    receiver.answer(self)
                    return
                self.send_response(receiver.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/hook?a=b"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def seqs(self):
        with self.lock:
            return [json.loads(body)["seq"] for _, _, body in self.got]

    def forget(self):
        """What came so far. Another answer is set after it: what that lets pass is kept."""
        with self.lock:
            self.got.clear()

    def wait(self, count):
        assert wait_for(lambda: len(self.got) >= count, 60), self.seqs()


def hang_up(handler):
    """Closes without an answer."""
    handler.close_connection = True
    handler.connection.close()


def endless(status):
    """An answer of that status whose body never ends."""
    def answer(handler):
        handler.send_response(status)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            hang_up(handler)

    return answer


class Broker:
    """mosquitto on a port that stays the same when it is started again."""

    def __init__(self, port, *lines):
        self.dir = tempfile.TemporaryDirectory(prefix="facegate-broker-")
        self.port = port
        self.path = os.path.join(self.dir.name, "conf")
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(f"listener {port} 127.0.0.1\nuser root\npersistence false\n"
                    + "\n".join(lines) + "\n")
        self.process = None

    def start(self):
        path = "/usr/sbin:" + os.environ["PATH"]
        self.process = subprocess.Popen(["mosquitto", "-c", self.path], stderr=subprocess.DEVNULL,
                                        env={**os.environ, "PATH": path})

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        self.dir.cleanup()
