"""Mixed traffic at many connections with faults among it, for as long as is asked. Every
reply is checked against the known right answer; memory must stay flat, waits bounded, and
doors must be served ahead of everything else.

    python3 bench/soak.py [--seconds 3600] [--connections 64] [--faults 0.01]
                          [--build build] [--p99-ms 2000] [--json FILE]

Prints a table and the verdict; its status is 0 for "passed" and 1 for "failed". Standard
library only; needs a finished build.

Each connection enrols and deletes a person of its own, so it always knows what is right.
Ids begin with the letter of the face, o or b, so whoever a search names has to have it.
"""

import argparse
import csv
import http.client
import io
import json
import os
import random
import socket
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = {"o": ("obama.jpg", "obama-240p.jpg"), "b": ("biden.jpg",)}  # enrolled
ASKED = {"o": "obama2.jpg", "b": "biden2.jpg"}  # shown to doors
JPEG = {"Content-Type": "image/jpeg"}
TIMEOUT_MS, QUEUE_MAX, LOG_ROWS = 4000, 24, 4000
RSS_GROWTH_KIB = 256  # over the second half

# How often each is asked for, in percent.
MIX = {"verify": 36, "identify": 18, "enroll": 14, "delete": 5, "person": 7, "search": 4,
       "detect": 4, "log": 5, "logs": 3, "export": 2, "ready": 2}


class Wrong(Exception):
    """An answer that is not the right one."""


def expect(fits, *what):
    if not fits:
        raise Wrong(*what)


class Known:
    """The right answers, found by asking a daemon that nobody else asks."""

    def __init__(self, d, small_face):
        self.pictures = {name: small_face(name)
                         for name in sum(OWN.values(), ()) + tuple(ASKED.values())}
        self.pictures["cut"] = self.pictures["obama2.jpg"][:3000]
        self.pictures["noise"] = random.Random(1).randbytes(20000)
        self.score, self.detect, self.bad = {}, {}, {}
        for enrolled in sum(OWN.values(), ()):
            d.post("/enroll?person_id=known&mode=replace", self.pictures[enrolled])
            for asked in ASKED.values():
                r = d.post("/verify?person_id=known", self.pictures[asked]).json
                self.score[enrolled, asked] = r["decision"], r["score"]
                same = enrolled[0] == asked[0]
                assert r["decision"] == ("allow" if same else "deny"), r
        for asked in ASKED.values():
            self.detect[asked] = d.post("/detect", self.pictures[asked]).json["faces"]
        for name in ("cut", "noise"):
            r = d.post("/verify?person_id=known", self.pictures[name])
            self.bad[name] = r.status, r.json["code"]
        d.request("DELETE", "/people/known")


class Tally:
    """What all connections have seen; under one lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.took, self.busy, self.faults, self.wrong = {}, {}, {}, []

    def add(self, kind, seconds, busy):
        with self.lock:
            self.took.setdefault(kind, []).append((time.monotonic(), seconds))
            self.busy[kind] = self.busy.get(kind, 0) + busy

    def fault(self, kind):
        with self.lock:
            self.faults[kind] = self.faults.get(kind, 0) + 1

    def blame(self, who, kind, error):
        with self.lock:
            self.wrong.append(f"connection {who}, {kind}: {type(error).__name__} {error}"[:600])


class Client:
    def __init__(self, number, d, keys, known, tally):
        self.number, self.d, self.keys, self.known, self.tally = number, d, keys, known, tally
        self.r = random.Random(number)
        self.letter = self.r.choice("ob")
        self.id = f"{self.letter}{number}"
        self.enrolled = None  # the picture
        self.last_log = None
        self.c = None
        self.used = 0.0  # when it was

    def connection(self):
        """One that the daemon has not closed for having been idle."""
        if time.monotonic() - self.used > TIMEOUT_MS / 2000:
            self.hang_up()
        if self.c is None:
            self.c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        return self.c

    def hang_up(self):
        if self.c is not None:
            self.c.close()
        self.c = None

    def send(self, kind, method, path, role, body=None, headers=None):
        """The answer: (status, headers, body). One that is busy is asked for again, as it
        tells to."""
        busy = 0
        while True:
            c, start = self.connection(), time.monotonic()
            c.request(method, path, body, {"X-Api-Key": self.keys[role], **(headers or {})})
            a = c.getresponse()
            text = a.read()
            self.used = time.monotonic()
            if a.status != 503:
                self.tally.add(kind, time.monotonic() - start, busy)
                return a.status, a.headers, text
            expect(json.loads(text)["code"] == "busy", text)
            busy += 1
            time.sleep(int(a.headers["Retry-After"]) * self.r.uniform(0.2, 1))

    def ask(self, kind, method, path, role, body=None, headers=None, status=200):
        got, _, text = self.send(kind, method, path, role, body, headers)
        expect(got == status, path, got, text)
        return json.loads(text) if text else None

    # ---- what is right ----

    def verify(self):
        asked = ASKED[self.r.choice("ob")]
        path = f"/verify?person_id={self.id}"
        status = 200 if self.enrolled else 404
        r = self.ask("verify", "POST", path, "admin", self.known.pictures[asked], JPEG, status)
        if not self.enrolled:
            expect(r["code"] == "no_such_person", r)
            return
        right = self.known.score[self.enrolled, asked]
        expect((r["decision"], r["score"], r["person_id"]) == (*right, self.id), r, right)
        self.last_log = r["log_id"], r["decision"], r["score"]

    def identify(self):
        letter = self.r.choice("ob")
        r = self.ask("identify", "POST", "/identify?top=3", "door",
                     self.known.pictures[ASKED[letter]], JPEG)
        expect((r["decision"], r["reason"]) == ("allow", "match"), r)
        expect(all(c["person_id"][0] == letter for c in r["candidates"]), r)
        expect("score" not in r, r)

    def enroll(self):
        picture = self.r.choice(OWN[self.letter])
        r = self.ask("enroll", "POST", f"/enroll?person_id={self.id}&name=Number%20{self.number}"
                     "&mode=replace&duplicate=allow", "kiosk", self.known.pictures[picture], JPEG, 201)
        expect((r["person_id"], r["templates"]) == (self.id, 1), r)
        self.enrolled = picture

    def delete(self):
        self.ask("delete", "DELETE", f"/people/{self.id}", "kiosk",
                 status=204 if self.enrolled else 404)
        self.enrolled = self.last_log = None

    def person(self):
        r = self.ask("person", "GET", f"/people/{self.id}", "kiosk",
                     status=200 if self.enrolled else 404)
        if self.enrolled:
            expect((r["name"], r["templates"]) == (f"Number {self.number}", 1), r)

    def search(self):
        r = self.ask("search", "GET", f"/people?search=NUMBER%20{self.number}&limit=100", "kiosk")
        found = [p["person_id"] for p in r["people"]]
        expect((self.id in found) == bool(self.enrolled) and r["next"] is None, r)

    def detect(self):
        asked = ASKED[self.r.choice("ob")]
        r = self.ask("detect", "POST", "/detect", "kiosk", self.known.pictures[asked], JPEG)
        expect(r["faces"] == self.known.detect[asked], r)

    def log(self):
        if self.last_log is None:
            return
        number, decision, score = self.last_log
        status, _, text = self.send("log", "GET", f"/logs/{number}", "auditor")
        if status == 404:  # older than the log is long
            newest = self.ask("log", "GET", "/logs?limit=1", "auditor")["logs"][0]["log_id"]
            expect(newest - number > LOG_ROWS * 0.9, text, newest)
            return
        row = json.loads(text)
        expect((row["decision"], row["score"], row["person_id"]) == (decision, score, self.id), row)

    def logs(self):
        rows = self.ask("logs", "GET", "/logs?limit=50&decision=allow", "auditor")["logs"]
        ids = [row["log_id"] for row in rows]
        expect(ids == sorted(set(ids), reverse=True), ids)
        expect({row["decision"] for row in rows} == {"allow"}, rows)

    def export(self):
        status, _, text = self.send("export", "GET", "/logs?after=0", "auditor",
                                    headers={"Accept": "text/csv"})
        expect(status == 200, status, text[:200])
        rows = list(csv.DictReader(io.StringIO(text.decode())))
        ids = [int(row["log_id"]) for row in rows]
        expect(0 < len(rows) <= LOG_ROWS * 1.1 and ids == sorted(set(ids)), len(rows))
        expect({row["decision"] for row in rows} <= {"allow", "deny", "unsure"}, len(rows))

    def ready(self):
        expect(self.ask("ready", "GET", "/readyz", "door")["status"] == "ready")
        expect(self.ask("ready", "GET", "/healthz", "door")["status"] == "alive")

    # ---- what goes wrong ----

    def raw(self, body, declared):
        """A connection of its own that has sent the head of a picture and some of it."""
        s = socket.create_connection(("127.0.0.1", self.d.port), timeout=60)
        s.sendall(f"POST /verify?person_id={self.id} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: "
                  f"{self.keys['door']}\r\nContent-Type: image/jpeg\r\nContent-Length: {declared}"
                  "\r\n\r\n".encode() + body)
        return s

    def bad_picture(self):
        name = self.r.choice(("cut", "noise"))
        status, code = self.known.bad[name]
        r = self.ask("bad picture", "POST", "/verify?person_id=o", "door",
                     self.known.pictures[name], JPEG, status)
        expect(r["code"] == code, r)

    def cut_connection(self):
        picture = self.known.pictures["obama2.jpg"]
        self.raw(picture[:self.r.randrange(len(picture))], len(picture)).close()

    def slow_body(self):
        picture = self.known.pictures["obama2.jpg"]
        with self.raw(picture[:1000], len(picture)) as s:
            start = time.monotonic()
            text = s.recv(65536)  # busy at once, or the end at the deadline
            expect(text == b"" or text.split()[1] in (b"408", b"503"), text)
            expect(time.monotonic() - start < 3 * TIMEOUT_MS / 1000, "held on")

    def wrong_key(self):
        bad = {"X-Api-Key": "fg_00000000_" + "0" * 64}
        status, _, text = self.send("wrong key", "POST", f"/enroll?person_id={self.id}", "door",
                                    self.known.pictures["biden.jpg"][:500], {**JPEG, **bad})
        expect(status in (401, 429), status, text)
        status, _, text = self.send("wrong key", "GET", "/logs", "door")
        expect(status == 403, status, text)

    def run(self, until, faults):
        kinds, weights = list(MIX), list(MIX.values())
        kind = "enroll"
        while time.monotonic() < until:
            try:
                if self.r.random() < faults:
                    kind = self.r.choice(("bad_picture", "cut_connection", "slow_body", "wrong_key"))
                    self.tally.fault(kind)
                getattr(self, kind)()
            except (Wrong, OSError, http.client.HTTPException, ValueError, KeyError) as e:
                self.tally.blame(self.number, kind, e)
                self.hang_up()
            kind = self.r.choices(kinds, weights)[0]
        self.hang_up()


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else 0.0


def growth(samples):
    """KiB by which the line through the second half's samples rises over it."""
    half = samples[len(samples) // 2:]
    mean_t = sum(t for t, _ in half) / len(half)
    mean_v = sum(v for _, v in half) / len(half)
    over = sum((t - mean_t) ** 2 for t, _ in half)
    slope = sum((t - mean_t) * (v - mean_v) for t, v in half) / over if over else 0
    return slope * (half[-1][0] - half[0][0])


def judge(options, tally, rss, left, ended):
    """The report, with the reasons for which it failed."""
    kinds = {}
    for kind, took in sorted(tally.took.items()):
        ms = [1e3 * s for _, s in took]
        kinds[kind] = {"requests": len(ms), "busy": tally.busy[kind],
                       "p50_ms": round(quantile(ms, 0.5), 1), "p99_ms": round(quantile(ms, 0.99), 1),
                       "max_ms": round(max(ms), 1)}
    rises = growth(rss)
    why = [f"{len(tally.wrong)} wrong answers"] if tally.wrong else []
    if rises > RSS_GROWTH_KIB:
        why.append(f"resident memory rose by {rises:.0f} KiB in the second half")
    for door in sorted({"verify", "identify"} & set(kinds)):
        if kinds[door]["p99_ms"] > options.p99_ms:
            why.append(f"{door}: p99 above {options.p99_ms:.0f} ms")
    for other in sorted({"enroll", "export"} & set(kinds)) if "verify" in kinds else ():
        for number in ("p50_ms", "p99_ms"):
            if kinds["verify"][number] > kinds[other][number]:
                why.append(f"/verify waits longer than {other} ({number})")
    if left:
        why.append(f"after a restart: {left}")
    if ended != (0, ""):
        why.append(f"it ended with {ended}")
    return {"verdict": "failed" if why else "passed", "why": why, "seconds": options.seconds,
            "connections": options.connections, "requests": sum(k["requests"] for k in kinds.values()),
            "faults": tally.faults, "kinds": kinds,
            "rss_kib": {"first": rss[0][1], "middle": rss[len(rss) // 2][1], "last": rss[-1][1],
                        "highest": max(v for _, v in rss), "rise_in_second_half": round(rises)},
            "wrong": tally.wrong[:20]}


def show(report):
    print(f"{'':14}{'requests':>9}{'busy':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for kind, k in report["kinds"].items():
        print(f"{kind:14}{k['requests']:9}{k['busy']:7}{k['p50_ms']:9}{k['p99_ms']:9}{k['max_ms']:9}")
    print("faults: " + ", ".join(f"{n} {k}" for k, n in sorted(report["faults"].items())))
    print("resident memory, KiB: " + ", ".join(f"{k} {v}" for k, v in report["rss_kib"].items()))
    for line in report["wrong"] + report["why"]:
        print("  " + line)
    print(f"{report['verdict']}: {report['requests']} requests in {report['seconds']} s "
          f"at {report['connections']} connections")


def check_restart(daemon, folder, key, clients):
    """What is not as the connections left it, "" for nothing."""
    with daemon.Daemon(folder) as d:
        d.key = key
        there = {p["person_id"] for p in d.get("/people?limit=100").json["people"]}
        right = {c.id for c in clients if c.enrolled} | {"o", "b"}
        return "" if there == right else f"people {sorted(there ^ right)}"


def main():
    parser = argparse.ArgumentParser(description="A soak test; see the head of this file.")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--faults", type=float, default=0.01)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--p99-ms", type=float, default=2000, help="that doors may have")
    parser.add_argument("--json")
    options = parser.parse_args()
    for name in ("facegated", "facegate"):
        os.environ[name.upper()] = os.path.join(options.build, name)
    sys.path.insert(0, os.path.join(ROOT, "tests", "api"))
    import daemon  # pylint: disable=import-outside-toplevel

    tally, rss = Tally(), []
    places = options.connections + 16
    with daemon.Daemon(min_face_px=60, connections_max=places, connections_per_ip=places,
                       log_level="error",
                       queue_max=QUEUE_MAX, request_timeout_ms=TIMEOUT_MS, log_max_rows=LOG_ROWS,
                       lockout_s=1) as d:
        keys = {role: daemon.add_key(d.data_dir, role) for role in ("admin", "door", "kiosk", "auditor")}
        d.key = keys["admin"]
        known = Known(d, daemon.small_face)
        for letter in "ob":
            r = d.post(f"/enroll?person_id={letter}", known.pictures[OWN[letter][0]])
            assert r.status == 201, r.body
        until = time.monotonic() + options.seconds
        clients = [Client(i, d, keys, known, tally) for i in range(options.connections)]
        threads = [threading.Thread(target=c.run, args=(until, options.faults)) for c in clients]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            rss.append((time.monotonic(), d.status("VmRSS")))
            time.sleep(0.5)
        for t in threads:
            t.join()
        ended = d.stop()
        left = check_restart(daemon, d.data_dir, d.key, clients)
    report = judge(options, tally, rss, left, ended)
    show(report)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(report, f, indent=1)
    return 0 if report["verdict"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
