"""What a receiver of decisions that is dead costs the daemon: processor time for one
/verify beside a daemon without a receiver, in turns, the median of the rounds.

    python3 bench/deadsink.py [BUILD_FOLDER]
"""

import contextlib
import os
import socket
import statistics
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("FACEGATED", os.path.join(ROOT, *sys.argv[1:2] or ["build"], "facegated"))
sys.path.insert(0, os.path.join(ROOT, "tests", "api"))

from daemon import Daemon, small_face  # noqa: E402
from receiver import secret_file  # noqa: E402

ROUNDS, REQUESTS = 9, 100


def verified(d, picture):
    """Processor seconds of the daemon for one /verify."""
    before = d.cpu_seconds()
    for _ in range(REQUESTS):
        assert d.post("/verify?person_id=p", picture).json["decision"] == "allow"
    return (d.cpu_seconds() - before) / REQUESTS


def started(stack, sink, picture):
    """A daemon with somebody enrolled, and a receiver unless that is None."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    keys = {}
    if sink is not None:
        keys = {"webhook_url": f"http://127.0.0.1:{sink.getsockname()[1]}/",
                "webhook_secret_file": secret_file(folder)}
    d = stack.enter_context(Daemon(folder, log_level="error", **keys))
    assert d.post("/enroll?person_id=p", small_face("obama.jpg")).status == 201
    verified(d, picture)
    return d


def main():
    picture = small_face("obama2.jpg")
    refusing, silent = socket.socket(), socket.socket()
    refusing.bind(("127.0.0.1", 0))  # and never listens
    silent.bind(("127.0.0.1", 0))
    silent.listen(64)  # connects, and never answers
    with contextlib.ExitStack() as stack:
        daemons = {name: started(stack, sink, picture) for name, sink in (
            ("none", None), ("refuses", refusing), ("never answers", silent))}
        seen = {name: [] for name in daemons}
        for _ in range(ROUNDS):
            for name, d in daemons.items():
                seen[name].append(verified(d, picture))
    for name in list(daemons)[1:]:
        ratios = [a / b for a, b in zip(seen[name], seen["none"])]
        print(f"a receiver that {name}: {statistics.median(ratios):.3f} times the processor time "
              f"of none ({min(ratios):.3f} to {max(ratios):.3f} in {ROUNDS} rounds)")
    print(f"none: {1e3 * statistics.median(seen['none']):.2f} ms")


main()
