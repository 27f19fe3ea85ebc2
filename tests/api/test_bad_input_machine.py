"""Bad input, part 3: what the machine does to the daemon. Each test is a row of the
table in docs/threat-model.md, by its number. Row 46 is in test_seal, rows 47 and
48, kill and power cut, are in test_kill."""

import http.client
import os
import resource
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest

from daemon import (FACEGATED, MODELS, FolderCase, faults, run_to_end, sanitized, small_face,
                    status_of, wait_for)

PICTURE, OTHER = small_face("obama.jpg"), small_face("obama2.jpg")


class Machine(FolderCase):
    def setUp(self):
        super().setUp()
        self.faults = self.folder("facegate-faults-")
        self.environment = faults(self.faults)

    def daemon(self, **keys):
        d = super().daemon(**keys)
        self.enrol(d, "p", 201)
        return d

    def enrol(self, d, who, status, code=None):
        r = d.post(f"/enroll?duplicate=allow&person_id={who}", PICTURE)
        self.assertEqual((r.status, r.json.get("code")), (status, code), r.body)
        return r

    def allows(self, d):
        r = d.post("/verify?person_id=p", OTHER)
        return r.status == 200 and r.json["decision"] == "allow"

    def refused(self, *words, environment=None, **keys):
        keys = {"listen": "127.0.0.1:0", "data_dir": self.dir, "models_dir": MODELS,
                "log_level": "error", **keys}
        done = run_to_end(*[f"--{k}={v}" for k, v in keys.items()], environment=environment)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def write(self, name, text=""):
        with open(os.path.join(self.faults, name), "w", encoding="ascii") as f:
            f.write(text)

    def test_row_41_the_disk_is_full(self):
        d = self.daemon()
        self.write("full")
        self.enrol(d, "q", 507, "disk_full")
        self.assertEqual(d.get("/people/q").status, 404)
        self.assertEqual(d.get("/people/p").status, 200)
        # Decided, and told that there is no row of it.
        r = d.post("/verify?person_id=p", OTHER)
        self.assertEqual((r.status, r.json["decision"], r.json["log_id"]), (200, "allow", None))
        self.assertEqual(d.get("/healthz").status, 200)
        self.assertEqual(d.get("/readyz").status, 503)
        os.unlink(os.path.join(self.faults, "full"))
        self.assertEqual(d.get("/readyz").status, 200)
        self.enrol(d, "q", 201)
        self.assertTrue(self.allows(d))

    def test_row_41_the_disk_is_full_at_the_start(self):
        self.write("full")
        self.environment.update(FACEGATE_BACKUP_FILE="")
        with self.assertRaisesRegex(RuntimeError, "disk_full"):
            FolderCase.daemon(self)  # there is nobody to serve
        os.unlink(os.path.join(self.faults, "full"))
        for end in ("stop", "kill"):  # without a WAL, and with one
            d = self.daemon() if end == "stop" else FolderCase.daemon(self)
            self.enrol(d, end, 201)
            getattr(d, end)()
            self.write("full")
            d = FolderCase.daemon(self)
            self.assertEqual(d.post(f"/verify?person_id={end}", OTHER).json["log_id"], None)
            self.assertTrue(self.allows(d))
            self.enrol(d, "q", 507, "disk_full")
            self.assertEqual(d.request("DELETE", "/people/p").status, 507)
            r = d.get("/readyz")
            self.assertEqual((r.status, "full" in r.json["detail"]), (503, True))
            code, log = d.stop()
            self.assertEqual((code, log.count("event=disk_full")), (0, 1), log)
            os.unlink(os.path.join(self.faults, "full"))
        d = FolderCase.daemon(self)
        self.assertEqual(d.get("/readyz").json["templates"], 3)
        self.enrol(d, "q", 201)

    def test_row_41_the_disk_is_read_only_at_the_start(self):
        self.write("readonly")
        with self.assertRaisesRegex(RuntimeError, "io_error"):
            FolderCase.daemon(self)  # there is nobody to serve
        os.unlink(os.path.join(self.faults, "readonly"))
        self.daemon().stop()
        before = set(os.listdir(self.dir))
        for end in ("stop", "kill"):  # without a WAL, and with one
            d = FolderCase.daemon(self)
            self.enrol(d, end, 201)
            getattr(d, end)()
            self.write("readonly")
            d = FolderCase.daemon(self)
            self.assertEqual(d.post(f"/verify?person_id={end}", OTHER).json["log_id"], None)
            self.assertTrue(self.allows(d))
            self.enrol(d, "q", 500, "io_error")
            self.assertEqual(d.request("DELETE", "/people/p").status, 500)
            r = d.get("/readyz")
            self.assertEqual((r.status, "read-only" in r.json["detail"]), (503, True), r.body)
            self.refused("io_error", environment=self.environment)  # a second one
            code, log = d.stop()
            self.assertEqual((code, log.count("event=read_only")), (0, 1), log)
            os.unlink(os.path.join(self.faults, "readonly"))
        d = FolderCase.daemon(self)
        self.assertEqual(d.get("/readyz").json["templates"], 3)
        self.enrol(d, "q", 201)
        d.stop()
        self.assertEqual(set(os.listdir(self.dir)), before)

    def test_row_41_the_disk_becomes_read_only(self):
        d = self.daemon()
        self.write("readonly")
        for path in ("/verify?person_id=p", "/identify"):
            j = d.post(path, OTHER).json
            self.assertEqual((j.get("decision"), j.get("log_id", 0)), ("allow", None), j)
        self.enrol(d, "q", 500, "io_error")
        for _ in range(2):
            self.assertEqual(d.get("/readyz").status, 503)
        os.unlink(os.path.join(self.faults, "readonly"))
        self.assertEqual(d.get("/readyz").status, 200)
        self.assertIsNotNone(d.post("/verify?person_id=p", OTHER).json["log_id"])
        self.assertIn("not_logged", d.stop()[1])

    def test_row_41_no_file_may_grow(self):
        d = self.daemon()
        pid = d.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
        self.enrol(d, "q", 500, "io_error")
        j = d.post("/verify?person_id=p", OTHER).json
        self.assertEqual((j["decision"], j["log_id"]), ("allow", None))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        self.enrol(d, "q", 201)

    def test_row_42_another_holds_the_database(self):
        d = self.daemon()
        other = sqlite3.connect(os.path.join(self.dir, "facegate.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        r = self.enrol(d, "q", 503, "database_busy")
        self.assertIsNotNone(r.headers["Retry-After"])
        r = d.post("/verify?person_id=p", OTHER)
        self.assertEqual((r.status, r.json.get("decision"), r.json.get("log_id", 0)),
                         (200, "allow", None), r.body)
        self.assertEqual(d.get("/readyz").status, 503)
        self.assertEqual(d.get("/people/p").status, 200)
        other.execute("ROLLBACK")
        other.close()
        self.enrol(d, "q", 201)

    def test_row_43_the_database_is_damaged(self):
        path = os.path.join(self.dir, "facegate.db")
        d = self.daemon(db_cache_kib=64)
        for i in range(60):
            r = d.request("POST", "/people", '{"person_id":"x%d","metadata":{"a":"%s"}}'
                          % (i, "b" * 400), {"Content-Type": "application/json"})
            self.assertEqual(r.status, 201)
        d.stop()
        with open(path, "rb") as f:
            good = f.read()
        d = self.daemon(db_cache_kib=64)
        with open(path, "r+b") as f:  # while it runs
            f.seek(4096)
            f.write(os.urandom(len(good) - 4096))
        self.assertTrue(wait_for(lambda: d.get("/people?limit=100").status == 500))
        self.assertEqual(d.get("/people?limit=100").json["code"], "bad_database")
        self.assertEqual(d.get("/healthz").status, 200)
        d.kill()
        for name in ("facegate.db-wal", "facegate.db-shm"):
            os.unlink(os.path.join(self.dir, name))
        self.refused("bad_database")  # at start
        with open(path, "wb") as f:
            f.write(b"no database " * 1000)
        self.refused("bad_database")
        with open(path, "wb") as f:
            f.write(good)
        d = self.daemon()
        self.assertTrue(self.allows(d))

    def test_row_43_the_database_or_its_lock_is_taken_away_while_it_runs(self):
        for name in ("facegate.db", "facegate.lock"):
            d = self.daemon() if name == "facegate.db" else FolderCase.daemon(self)
            path = os.path.join(self.dir, name)
            os.rename(path, path + ".away")
            j = d.post("/verify?person_id=p", OTHER).json
            self.assertEqual((j["decision"], j["log_id"]), ("allow", None))
            # Nothing may be acknowledged that the next start does not find.
            self.enrol(d, "q", 500, "io_error")
            self.assertEqual(d.get("/readyz").status, 503)
            os.rename(path + ".away", path)
            self.assertEqual(d.get("/readyz").status, 200)
            self.enrol(d, name, 201)
            d.stop()

    def test_row_44_folders_that_are_missing_or_take_no_file(self):
        self.refused("io_error", data_dir="/nonexistent/data")
        self.refused("io_error", data_dir="/proc")
        self.refused("io_error", data_dir=FACEGATED)

    def test_row_45_model_files(self):
        for change, word in ((lambda b: b[:5000], "bad_model"),
                             (lambda b: b[:4] + b"\x09" + b[5:], "version 9"),
                             (lambda b: b[:9999] + bytes([b[9999] ^ 1]) + b[10000:], "checksum"),
                             (lambda b: b"", "bad_model")):
            folder = tempfile.mkdtemp(dir=self.dir)
            for name in os.listdir(MODELS):
                shutil.copy(os.path.join(MODELS, name), folder)
            path = os.path.join(folder, "mtcnn.fgm")
            with open(path, "rb") as f:
                changed = change(f.read())
            with open(path, "wb") as f:
                f.write(changed)
            self.refused(word, models_dir=folder)

    def test_row_49_the_clock_jumps(self):
        d = self.daemon(request_timeout_ms=2000)
        years = 10 * 365 * 86400
        for seconds in (years, -years, 0):
            self.write("clock", str(seconds))
            with d.connect() as s:  # what is under way is not cut off or let go
                s.sendall(b"POST /verify?person_id=p HTTP/1.1\r\nHost: localhost\r\n"
                          b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n"
                          b"Connection: close\r\n\r\n" % len(OTHER))
                s.sendall(OTHER)
                self.assertEqual(status_of(s.recv(4096)), 200)
            self.assertTrue(self.allows(d))
        rows = [r["at"] for r in d.get("/logs?limit=6").json["logs"]]
        self.assertEqual(len({at[:4] for at in rows}), 3)  # the clock did jump
        start = time.monotonic()
        self.assertEqual(status_of(d.raw(b"GET /healthz HTTP/1.1\r\n")), 0)
        self.assertLess(time.monotonic() - start, 20)

    def test_row_50_a_stop_under_load(self):
        d = self.daemon()
        answers, over = [], threading.Event()

        def door():
            while not over.is_set():
                try:
                    r = d.post("/verify?person_id=p", OTHER)
                    answers.append((r.status, r.json.get("decision") or r.json["code"]))
                except (OSError, http.client.HTTPException):
                    return
        doors = [threading.Thread(target=door) for _ in range(4)]
        for t in doors:
            t.start()
        self.assertTrue(wait_for(lambda: len(answers) > 4, 60))
        code, err = d.stop()
        over.set()
        for t in doors:
            t.join()
        self.assertEqual((code, err), (0, ""))
        self.assertLessEqual(set(answers), {(200, "allow"), (503, "not_ready"), (503, "busy")})
        self.assertNotIn("facegate.db-wal", os.listdir(self.dir))  # written back
        told = sum(a == (200, "allow") for a in answers)
        rows = self.daemon().request("GET", "/logs", None, {"Accept": "application/x-ndjson"})
        self.assertGreaterEqual(rows.body.count(b"\n"), told)

    def test_row_51_no_memory(self):
        d = self.daemon()
        before = resource.prlimit(d.process.pid, resource.RLIMIT_AS)
        used = d.status("VmSize") * 1024
        if not sanitized():  # a sanitizer needs the address space
            resource.prlimit(d.process.pid, resource.RLIMIT_AS, (used, before[1]))
        for _ in range(20):
            try:
                self.assertIn(d.post("/verify?person_id=p", OTHER).status, (200, 503, 507))
                self.assertIn(d.get("/metrics").status, (200, 503))
                self.assertIn(d.get("/logs?limit=100").status, (200, 503))
            except (OSError, http.client.HTTPException):
                pass  # the connection itself had no memory
        resource.prlimit(d.process.pid, resource.RLIMIT_AS, before)
        self.assertTrue(wait_for(lambda: self.allows(d)))

    def test_row_52_no_descriptors(self):
        d = self.daemon()
        before = resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (d.descriptors() + 3, before[1]))
        held = [d.connect() for _ in range(12)]
        cpu = d.cpu_seconds()
        time.sleep(1.5)
        self.assertLess(d.cpu_seconds() - cpu, 0.75)  # it does not spin
        for s in held:
            s.close()
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, before)
        self.assertTrue(wait_for(lambda: self.allows(d)))



if __name__ == "__main__":
    unittest.main()
