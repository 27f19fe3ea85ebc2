"""Reading people and the match log: strict filters, and a network thread that
never waits for the store."""

import json
import os
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
import unittest

from daemon import JPEG, MODELS, ROOT, Daemon, run_to_end, sanitized, small_face, status_of

STORE_READS = ("/people", "/people/p", "/logs", "/logs/1")


def fill_log(data_dir, count):
    """Copies the log's only row until there are count more."""
    with sqlite3.connect(os.path.join(data_dir, "facegate.db")) as c:
        names = [r[1] for r in c.execute("PRAGMA table_info(match_log)") if r[1] != "id"]
        columns = ",".join(names)
        c.execute(f"INSERT INTO match_log({columns}) "
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                  f"SELECT {columns} FROM n, (SELECT * FROM match_log LIMIT 1)", (count,))
    c.close()


class Filters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=60)
        cls.addClassCleanup(shutil.rmtree, cls.d.data_dir)
        cls.addClassCleanup(cls.d.stop)
        cls.d.post("/enroll?person_id=p", small_face("obama.jpg"))
        cls.d.post("/verify?person_id=p", small_face("obama.jpg"))

    def refused(self, path, code="bad_request"):
        r = self.d.get(path)
        self.assertEqual((r.status, r.json["code"]), (400, code), path)

    def test_a_filter_without_a_value_is_refused_and_not_dropped(self):
        for name in ("person_id", "door_id", "decision", "reason", "from", "to", "min_score",
                     "before", "limit"):
            self.refused(f"/logs?{name}")
            self.refused(f"/logs?{name}=")
        for name in ("limit", "after"):
            self.refused(f"/people?{name}")

    def test_numbers_and_times_are_taken_as_written_or_not_at_all(self):
        for score in ("0x1p-1", "%200.5", "nan", "inf", "1.01", "-2", "0.5x", "1e-1"):
            self.refused("/logs?min_score=" + score)
        for when in ("2026-02-31T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
                     "2026-%2B1-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01",
                     "2026-01-01T00:00:00", "-5", "%205"):
            self.refused("/logs?from=" + when)
        for query in ("min_score=-1", "min_score=0.5", "from=2024-02-29T23:59:59.5Z", "from=0"):
            self.assertEqual(len(self.d.get("/logs?" + query).json["logs"]), 1, query)

    def test_unknown_and_repeated_parameters_of_reads_are_refused(self):
        self.refused("/people?colour=red", "unknown_parameter")
        self.refused("/people/p?limit=1", "unknown_parameter")
        self.refused("/logs/1?limit=1", "unknown_parameter")
        self.refused("/logs?limit=1&limit=2")

    def test_head_of_a_read_has_no_body(self):
        for path in STORE_READS:
            r = self.d.request("HEAD", path)
            self.assertEqual((r.status, r.body), (200, b""), path)


class Waiting(unittest.TestCase):
    def test_reads_of_the_store_are_the_workers_and_health_is_not(self):
        with Daemon(workers=1, queue_max=0, request_timeout_ms=20000) as d:
            with d.connect() as s:
                s.sendall(b"POST /verify?person_id=p HTTP/1.1\r\nHost: localhost\r\n"
                          b"Content-Type: image/jpeg\r\nContent-Length: 5000\r\n"
                          b"Expect: 100-continue\r\n\r\n")
                self.assertEqual(status_of(s.recv(100)), 100)  # it has the only place
                for path in STORE_READS:
                    r = d.get(path)
                    self.assertEqual((r.status, r.json["code"], r.headers["Retry-After"]),
                                     (503, "busy", "1"), path)
                for path in ("/healthz", "/version"):
                    self.assertEqual(d.get(path).status, 200, path)

    def test_searching_a_long_log_in_vain_does_not_hold_up_health(self):
        data_dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, data_dir)
        with Daemon(data_dir, min_face_px=60) as d:
            d.post("/enroll?person_id=p", small_face("obama.jpg"))
            d.post("/verify?person_id=p", small_face("obama.jpg"))
        fill_log(data_dir, 300_000)
        with Daemon(data_dir, min_face_px=60, log_max_rows=1_000_000) as d:
            stop, health, searches = threading.Event(), [], []

            def timed(took, path):
                start = time.monotonic()
                answer = d.get(path).json
                took.append(time.monotonic() - start)
                return answer

            def search():
                while not stop.is_set():
                    self.assertEqual(timed(searches, "/logs?reason=outside_schedule")["logs"], [])

            threads = [threading.Thread(target=search) for _ in range(4)]
            for t in threads:
                t.start()
            try:
                while len(health) < 40 or len(searches) < 6:
                    self.assertTrue(any(t.is_alive() for t in threads), "no search is answered")
                    self.assertEqual(timed(health, "/healthz"), {"status": "alive"})
            finally:
                stop.set()
                for t in threads:
                    t.join()
            # The test's own threads share the processors: judge the bulk.
            if not sanitized():
                self.assertLess(sorted(health)[len(health) * 8 // 10],
                                statistics.median(searches) / 4)

    def test_ready_probes_cost_no_worker_a_picture(self):
        with Daemon(min_face_px=20) as d:
            before = d.cpu_seconds()
            for _ in range(100):
                self.assertEqual(d.get("/readyz").json["status"], "ready")
            each = (d.cpu_seconds() - before) / 100
            start = d.cpu_seconds()
            for _ in range(20):
                d.request("POST", "/detect", small_face("obama.jpg"), JPEG)
            self.assertLess(each, (d.cpu_seconds() - start) / 20 / 4)


class Budget(unittest.TestCase):
    def test_budget_as_json_sums_up_and_agrees_with_the_text(self):
        done = run_to_end("--print-budget", "--json", f"--models_dir={MODELS}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        j = json.loads(done.stdout)
        own = sum(r["bytes"] for r in j["rows"] if not r["mapped"] and not r["in_pool"])
        mapped = sum(r["bytes"] for r in j["rows"] if r["mapped"])
        self.assertEqual((j["sum_bytes"], j["mapped_bytes"]), (own, mapped))
        self.assertEqual((j["pool_bytes"], j["workers"]), (2 << 20, 2))
        text = run_to_end("--print-budget", f"--models_dir={MODELS}").stdout
        for row in j["rows"]:
            self.assertRegex(text, rf"(?m)^ *{row['name']} +{row['bytes']}\b")
        self.assertRegex(text, rf"(?m)^memory limit to set +{j['limit_bytes']}$")

    def test_unit_and_container_have_the_budget_s_limit(self):
        printed = run_to_end("--print-budget", "--json", f"--models_dir={MODELS}").stdout
        mib, rest = divmod(json.loads(printed)["limit_bytes"], 1 << 20)
        self.assertEqual(rest, 0)
        for path, line in (("systemd/facegate.service", f"MemoryMax={mib}M"),
                           ("compose.yaml", f"mem_limit: {mib}m"),
                           ("docs/memory.md", f"{mib << 20:,}")):
            with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                self.assertIn(line, f.read(), path)

    def test_json_alone_is_wrong_usage(self):
        for args in (["--json"], ["--print-config", "--json"], ["--json", "--print-budget"]):
            done = run_to_end(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn("--json", done.stderr)


if __name__ == "__main__":
    unittest.main()
