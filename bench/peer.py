"""The child side of a contender in Python: `python -m bench.peer TASK NAME THREADS ...`."""

import importlib
import json
import sys
import time


def serve(work, count, about, show=None):
    """Answers the lines of contender.py. work(i) does item i; show(i) gives what comes
    out of it, as JSON can hold it (default: what work returns)."""
    print(json.dumps({"ready": True, **about}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            rounds = int(words[1])
            start, cpu = time.perf_counter(), time.process_time()
            for _ in range(rounds):
                for i in range(count):
                    work(i)
            spent, cpu = time.perf_counter() - start, time.process_time() - cpu
            print(json.dumps({"ms": spent * 1e3 / (rounds * count),
                              "cpu_ms": cpu * 1e3 / (rounds * count)}), flush=True)
        else:
            print(json.dumps({"out": [(show or work)(i) for i in range(count)]}), flush=True)


def main():
    task, name, threads, *args = sys.argv[1:]
    importlib.import_module(f"bench.peers_{task}").start(name, int(threads), args)


if __name__ == "__main__":
    main()
