"""Contenders: processes that do one task, asked in turn.

A contender says {"ready": true, ...} when it has loaded, then answers lines: "run N"
with {"ms": M}, the milliseconds an item takes over N rounds of all its items, and
"check" with {"out": [...]}, what came out for each item. While one works the others
are stopped, so that no spinning thread of a peer disturbs the next.
"""

import ctypes
import json
import os
import signal
import statistics
import subprocess
import time

FAILURES = (OSError, ValueError, RuntimeError)
PR_SET_PDEATHSIG = 1


def memory_kib(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def die_with_parent():
    """A stopped process would not notice that its driver has gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Contender:
    def __init__(self, name, command, threads, env=None, kind="peer"):
        """kind: ours, peer, peer-int8; only peers are compared with."""
        self.name, self.kind, self.threads = name, kind, threads
        self.out, self.times, self.cpu_times, self.error = [], [], [], None
        self.errors_path = os.path.join("build", "bench", "stderr", f"{name}-{threads}.txt"
                                        .replace(" ", "-").replace("/", "-"))
        os.makedirs(os.path.dirname(self.errors_path), exist_ok=True)
        limits = {v: str(threads) for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                            "MKL_NUM_THREADS")}
        # Some machines force an old BLAS kernel this way.
        base = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        start = time.monotonic()
        with open(self.errors_path, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                command, env={**base, **limits, **(env or {})}, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                preexec_fn=die_with_parent)
        try:
            self.about = self.answer()
            self.load_ms = (time.monotonic() - start) * 1e3
            self.out = self.ask("check")["out"]
        except FAILURES as e:
            self.fail(e)

    def fail(self, why):
        with open(self.errors_path, encoding="utf-8", errors="replace") as f:
            last = f.read().strip().splitlines()[-1:]
        self.error = f"{why}: {last[0]}" if last else str(why)
        self.close()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError("no answer")

    def ask(self, line):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def memory(self):
        """Resident memory now, and the most so far."""
        return {"rss_kib": memory_kib(self.process.pid, "VmRSS"),
                "rss_peak_kib": memory_kib(self.process.pid, "VmHWM")}

    def cpu_ms(self):
        """Processor time of its threads so far."""
        folder, spent = f"/proc/{self.process.pid}/task", 0
        for thread in os.listdir(folder):
            with open(f"{folder}/{thread}/schedstat", encoding="ascii") as f:
                spent += int(f.read().split()[0])
        return spent / 1e6

    def close(self):
        self.process.kill()
        self.process.wait()

    def row(self):
        """What goes into the results. ms is the median over the rounds; cpu_ms, of one
        thread, counts the whole process and leaves out what others took of the machine."""
        head = {"name": self.name, "kind": self.kind, "threads": self.threads}
        if self.error:
            return {**head, "error": self.error}
        return {**head, "ms": statistics.median(self.times), "ms_min": min(self.times),
                **({"cpu_ms": statistics.median(self.cpu_times)} if self.cpu_times else {}),
                **self.memory(), "load_ms": round(self.load_ms, 1),
                **{k: v for k, v in self.about.items() if k != "ready"}}


def interleave(contenders, rounds, round_s):
    """Times the living ones in turn, A B C A B C, about round_s seconds each."""
    alive = [c for c in contenders if c.error is None]
    for c in alive:
        c.ask("run 1")
        start = time.monotonic()
        c.ask("run 1")
        c.repeat = max(1, round(round_s / max(time.monotonic() - start, 1e-4)))
    for _ in range(rounds):
        for c in alive:
            before = c.cpu_ms()
            c.times.append(c.ask(f"run {c.repeat}")["ms"])
            if c.threads == 1:
                c.cpu_times.append((c.cpu_ms() - before) / c.repeat / len(c.out))


def rows_of(contenders):
    """Rows, with the ratio to the fastest peer of the same number of threads."""
    rows = [c.row() for c in contenders]
    for row in rows:
        peers = [r["ms"] for r in rows if "ms" in r and r["kind"].startswith("peer")
                 and r["threads"] == row["threads"] and r["name"] != row["name"]]
        if "ms" in row:
            row["ratio_to_best_peer"] = row["ms"] / min(peers) if peers else None
    for c in contenders:
        c.close()
    return rows
