"""The daemon as a whole: start, memory, and answers under load."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

from . import inputs
from .contender import memory_kib

SIZES = {"small": (640, 480), "12 megapixels": (4000, 3000)}


class Daemon:
    def __init__(self, **keys):
        self.folder = tempfile.mkdtemp(prefix="facegate-bench-")
        keys = {"listen": "127.0.0.1:0", "data_dir": self.folder, "models_dir": inputs.MODELS,
                "log_level": "error", "workers": 2,
                # 64 clients from one address, and none without a request gives way
                "connections_max": 80, "connections_per_ip": 80, **keys}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FACEGATE")}
        environment["LD_BIND_NOW"] = "1"  # as the unit and the image start it
        start = time.monotonic()
        self.process = subprocess.Popen(
            [os.path.join(inputs.BUILD, "facegated")] + [f"--{k}={v}" for k, v in keys.items()],
            env=environment, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.ready_ms = (time.monotonic() - start) * 1e3
        self.port = int(re.search(r":(\d+)$", line).group(1))

    def post(self, path, picture):
        with open(picture, "rb") as f:
            r = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", f.read(),
                                       {"Content-Type": "image/jpeg"})
        with urllib.request.urlopen(r) as reply:
            return json.load(reply)

    def memory(self):
        return {"rss_kib": memory_kib(self.process.pid, "VmRSS"),
                "rss_peak_kib": memory_kib(self.process.pid, "VmHWM"),
                "rss_anonymous_kib": memory_kib(self.process.pid, "RssAnon")}

    def load(self, picture, connections, seconds):
        out = subprocess.run(
            [os.path.join(inputs.BUILD, "bench_load"), str(self.port), "/verify?person_id=p",
             picture, str(connections), str(seconds)],
            check=True, capture_output=True, text=True).stdout
        return json.loads(out)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def run(rounds, seconds):
    """Rows of the daemon: its start, then each load in turn on a fresh process."""
    starts = []
    for _ in range(rounds):
        d = Daemon()
        starts.append((d.ready_ms, d.memory()))
        d.close()
    starts.sort(key=lambda s: s[0])
    ms, memory = starts[len(starts) // 2]
    rows = [{"name": "start to ready", "ms": ms, "ms_min": starts[0][0], **memory,
             "ratio_to_best_peer": None}]
    for size, shape in SIZES.items():
        picture = inputs.scaled_picture(*shape)
        for connections in (1, 2, 8, 64):
            d = Daemon()
            d.post("/enroll?person_id=p&name=P", inputs.scaled_picture(640, 480))
            found = d.load(picture, connections, seconds)
            rows.append({"name": f"verify, {size}, {connections} connections",
                         "connections": connections, "size": size, **found, **d.memory(),
                         "ratio_to_best_peer": None})
            d.close()
    return rows
