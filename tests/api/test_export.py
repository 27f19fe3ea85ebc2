"""The match log in both directions, and as a stream of CSV or JSON lines."""

import csv
import io
import json
import os
import sqlite3
import tempfile
import shutil
import time
import unittest

from daemon import Daemon, read_all, sanitized, small_face, wait_for

ROWS = 6000
A1 = small_face("obama.jpg")
CSV, LINES = {"Accept": "text/csv"}, {"Accept": "application/x-ndjson"}


def insert(folder, rows):
    db = sqlite3.connect(os.path.join(folder, "facegate.db"))
    db.executemany(
        "INSERT INTO match_log(at_ms, route, person_id, door_id, decision, reason, score, "
        "threshold, model_id, request_id, total_us, pool_peak_bytes) "
        "VALUES(?, 'verify', ?, ?, ?, ?, ?, 0.5, 'm@1', ?, 1230, 1000000)", rows)
    db.commit()
    db.close()


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="facegate-api-")
        with Daemon(cls.dir):
            pass
        insert(cls.dir, (
            (1700000000000 + i, f"p{i % 7}", "north" if i % 2 else "", "allow" if i % 3 else "deny",
             "match" if i % 3 else "no_face", 0.75 if i % 3 else None, f"r-{i}")
            for i in range(ROWS)))
        cls.d = Daemon(cls.dir, workers=1, request_timeout_ms=1500)

    @classmethod
    def tearDownClass(cls):
        code, err = cls.d.stop()
        shutil.rmtree(cls.dir)
        assert (code, err) == (0, ""), err

    def get(self, query, accept):
        return self.d.request("GET", "/logs" + query, None, accept)

    def test_the_whole_log_in_both_forms(self):
        r = self.get("", LINES)
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "application/x-ndjson"))
        lines = [json.loads(x) for x in r.body.splitlines()]
        self.assertEqual([x["log_id"] for x in lines], list(range(ROWS, 0, -1)))
        self.assertEqual(lines[:50], self.d.get("/logs?limit=50").json["logs"])
        r = self.get("", CSV)
        self.assertEqual(r.headers["Content-Type"], "text/csv; charset=utf-8")
        table = list(csv.DictReader(io.StringIO(r.body.decode(), newline="")))
        self.assertEqual(len(table), ROWS)
        for row, line in zip(table, lines):
            self.assertEqual(list(row), list(line))
            self.assertEqual(row["log_id"], str(line["log_id"]))
            self.assertEqual(row["person_id"], line["person_id"])
            self.assertEqual(row["door_id"], line["door_id"] or "")
            self.assertEqual(float(row["score"]) if row["score"] else None, line["score"])

    def test_the_form_is_the_one_that_accept_wants_most_and_json_on_a_tie(self):
        for accept, kind in (
                ("TEXT/CSV", "text/csv"), (" text/csv ; q=0.5", "text/csv"),
                ("text/*", "text/csv"), ("text/csv, */*;q=0.1", "text/csv"),
                ("text/html, text/csv;header=absent;q=1.0", "text/csv"),
                ("application/json;q=0.5,text/csv;q=0.6", "text/csv"),
                ("*/*;q=0, text/csv", "text/csv"), ("text/csv;q=0.1, text/*;q=0", "text/csv"),
                ("application/json;q=0.1, application/x-ndjson", "application/x-ndjson"),
                ("text/csv;q=0.4,application/x-ndjson;q=0.6", "application/x-ndjson"),
                ("application/json, application/x-ndjson, text/csv, application/problem+json",
                 "application/json"),
                ("application/json, text/csv;q=0.1", "application/json"),
                ("text/csv;q=0", "application/json"), ("text/csv;q=-1", "application/json"),
                ("text/csv;q=nan", "application/json"), ("text/csv, */*", "application/json"),
                ("application/*, text/csv", "application/json"), ("*/*", "application/json"),
                ("text/html", "application/json"), ("x-text/csv, text/csvx", "application/json"),
                ("", "application/json"), (";q=1,,;", "application/json")):
            with self.subTest(accept):
                r = self.get("?limit=1", {"Accept": accept})
                self.assertEqual(r.status, 200)
                self.assertEqual(r.headers["Content-Type"].split(";")[0], kind)

    def test_filters_cursor_and_limit_hold_for_exports(self):
        r = self.get("?door_id=north&decision=deny&after=0", LINES)
        ids = [json.loads(x)["log_id"] for x in r.body.splitlines()]
        self.assertEqual(ids, [i + 1 for i in range(ROWS) if i % 2 and i % 3 == 0])
        for limit in (1, 63, 64, 65, 128):
            r = self.get(f"?after=100&limit={limit}", LINES)
            self.assertEqual([json.loads(x)["log_id"] for x in r.body.splitlines()],
                             list(range(101, 101 + limit)))
        self.assertEqual(self.get("?person_id=nobody", LINES).body, b"")
        self.assertEqual(len(self.get("?person_id=nobody", CSV).body.splitlines()), 1)
        self.assertEqual(self.get("?limit=0", CSV).status, 400)
        self.assertEqual(self.get("?colour=red", CSV).status, 400)

    def test_pages_go_both_ways(self):
        j = self.d.get("/logs?after=5&limit=3").json
        self.assertEqual(([x["log_id"] for x in j["logs"]], j["next"]), ([6, 7, 8], 8))
        j = self.d.get(f"/logs?after={ROWS - 2}&limit=3").json
        self.assertEqual(([x["log_id"] for x in j["logs"]], j["next"]), ([ROWS - 1, ROWS], None))
        self.assertEqual(self.d.get("/logs?after=1&before=5").status, 400)
        last = 2 ** 63 - 1  # the limit that the refusal names is not one itself
        self.assertEqual(self.d.get(f"/logs?before={last}").status, 200)
        self.assertEqual(self.d.get(f"/logs?before={last + 1}").status, 400)
        self.assertEqual(self.d.get("/logs?after=-1").status, 400)

    def slow(self, kernel_bytes):
        s = self.d.connect()
        s.setsockopt(1, 8, kernel_bytes)  # SO_RCVBUF: what may lie in the kernel
        s.sendall(b"GET /logs HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n")
        s.recv(100)
        return s

    def test_exports_that_are_not_read_hold_no_worker_and_end(self):
        for _ in range(5):  # a machine that stalls may let them end before the third is asked for
            held = [self.slow(4096), self.slow(4096)]
            for s in held:
                self.addCleanup(s.close)
            r = self.get("", CSV)
            if r.status != 200:
                break
        self.assertEqual((r.status, r.json["code"]), (503, "busy"))
        # The only worker goes on for everybody else.
        self.assertEqual(self.d.post("/detect", A1).status, 200)
        self.assertEqual(len(self.d.get("/logs?limit=2").json["logs"]), 2)
        self.assertTrue(wait_for(lambda: self.get("?limit=1", CSV).status == 200, 10))
        whole = len(self.get("", LINES).body)
        for s in held:
            self.assertLess(len(read_all(s)), whole)

    def read_slowly(self):
        with self.slow(65536) as s:
            got = b""
            until = time.monotonic() + 3  # twice the time of a request
            while time.monotonic() < until:
                got += s.recv(4096)
                time.sleep(0.02)
            return got + read_all_until(s, b"\r\n0\r\n\r\n")

    def test_a_slow_reader_that_goes_on_gets_everything(self):
        # One that stands still as long as a request may take is rightly cut off, and a
        # machine may do so once.
        self.assertTrue(any(b'"r-0"' in self.read_slowly() for _ in range(5)))

    def test_memory_does_not_depend_on_the_length(self):
        self.get("", CSV)
        before = self.d.status("VmRSS")
        for _ in range(2):
            self.assertEqual(self.get("", LINES).status, 200)
        if not sanitized():
            self.assertLess(self.d.status("VmRSS") - before, 300)

    def test_a_stop_in_the_middle_ends_in_order(self):
        folder = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, folder)
        for name in ("facegate.db", "facegate.key"):
            shutil.copy(os.path.join(self.dir, name), folder)
        d = Daemon(folder, request_timeout_ms=600)
        with d.connect() as s:
            s.setsockopt(1, 8, 4096)
            s.sendall(b"GET /logs HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n")
            s.recv(100)
            self.assertEqual(d.stop(), (0, ""))


def read_all_until(s, end):
    out = b""
    while not out.endswith(end):
        part = s.recv(65536)
        if not part:
            break
        out += part
    return out


class Retention(unittest.TestCase):
    def test_rows_older_than_log_days_go_while_it_serves(self):
        folder = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, folder)
        with Daemon(folder):
            pass
        now = int(time.time() * 1000)
        insert(folder, ((now - (1 if i % 2 else 31) * 86400000, "", "", "deny", "no_face", None,
                         f"r-{i}") for i in range(1000)))
        with Daemon(folder, log_days=30) as d:
            def left():
                return d.request("GET", "/logs", None, LINES).body.count(b"\n")
            self.assertTrue(wait_for(lambda: left() == 500, 60))
            self.assertEqual(d.get("/logs?limit=1").json["logs"][0]["request_id"], "r-999")
        with Daemon(folder) as d:  # off unless asked for
            self.assertEqual(len(d.get("/logs?limit=200").json["logs"]), 200)


if __name__ == "__main__":
    unittest.main()
