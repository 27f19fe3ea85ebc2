"""Contenders: processes that do one task, asked in turn.

A contender says {"ready": true, ...} when it has loaded, then answers lines: "run N"
with {"ms": M, "cpu_ms": C}, the milliseconds an item takes over N rounds of all its items, and
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

    def try_to(self, line):
        """Its answer, or None if it has failed, now or before."""
        if self.error is None:
            try:
                return self.ask(line)
            except FAILURES as e:
                self.fail(e)
        return None

    def memory(self):
        """Resident memory now, and the most so far."""
        return {"rss_kib": memory_kib(self.process.pid, "VmRSS"),
                "rss_peak_kib": memory_kib(self.process.pid, "VmHWM")}

    def close(self):
        self.process.kill()
        self.process.wait()

    def row(self):
        """What goes into the results: medians over the rounds. Ratios are of cpu_ms where
        there is one thread, because the time of the processor leaves out what others took
        of the machine, and of ms, by the clock, where there are more."""
        head = {"name": self.name, "kind": self.kind, "threads": self.threads}
        if self.error:
            return {**head, "error": self.error, "ms": None, "rss_kib": None,
                    "ratio_to_best_peer": None}
        return {**head, "ms": statistics.median(self.times), "ms_min": min(self.times),
                "cpu_ms": statistics.median(self.cpu_times),
                **self.memory(), "load_ms": round(self.load_ms, 1),
                **{k: v for k, v in self.about.items() if k != "ready"}}


def interleave(contenders, rounds, round_s):
    """Times the living ones in turn, A B C, B C A, C A B, about round_s seconds each."""
    alive = [c for c in contenders if c.error is None]
    for c in alive:
        if c.try_to("run 1"):
            start = time.monotonic()
            c.try_to("run 1")
            c.repeat = max(1, round(round_s / max(time.monotonic() - start, 1e-4)))
    for i in range(rounds):
        first = i % max(len(alive), 1)
        for c in alive[first:] + alive[:first]:
            spent = c.try_to(f"run {c.repeat}")
            if spent:
                c.times.append(spent["ms"])
                c.cpu_times.append(spent["cpu_ms"])


def cost(row):
    return row["cpu_ms"] if row["threads"] == 1 else row["ms"]


def ratio_to_best(row, rows, kinds):
    """To the cheapest other contender of these kinds with as many threads, or None."""
    others = [cost(r) for r in rows if "error" not in r and r["kind"] in kinds and r is not row
              and r["threads"] == row["threads"]]
    return cost(row) / min(others) if others else None


def rows_of(contenders):
    rows = [c.row() for c in contenders]
    for row in rows:
        if "error" not in row:
            row["ratio_to_best_peer"] = ratio_to_best(row, rows, ("peer", "peer-int8"))
    for c in contenders:
        c.close()
    return rows
