"""The automatic backup, and what a start does with a database that is damaged."""

import os
import re
import select
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from daemon import (FACEGATE, MODELS, Daemon, FolderCase, clean_environment, faults, run_to_end,
                    small_face, wait_for)

OBAMA, OBAMA2 = map(small_face, ("obama.jpg", "obama2.jpg"))
PAGE = 4096
CROWD = 48  # templates enough for three pages


CROWD_DIR = tempfile.mkdtemp(prefix="facegate-crowd-")


def setUpModule():
    """A folder with a database of CROWD people and a door."""
    with Daemon(CROWD_DIR, min_face_px=60) as d:
        for i in range(CROWD):
            r = d.post(f"/enroll?duplicate=allow&person_id=p{i:02}&name=N{i:02}", OBAMA)
            assert r.status == 201, r.body
        assert d.request("PUT", "/doors/north", "{}",
                         {"Content-Type": "application/json"}).status == 201


def tearDownModule():
    shutil.rmtree(CROWD_DIR)


class Case(FolderCase):
    def setUp(self):
        super().setUp()
        self.faults = self.folder("facegate-faults-")
        self.environment = faults(self.faults)
        for name in ("facegate.db", "facegate.key"):
            shutil.copy(os.path.join(CROWD_DIR, name), self.dir)
        self.minutes = 0
        self.path, self.backup = (os.path.join(self.dir, name)
                                  for name in ("facegate.db", "facegate.backup"))

    def wait_for_backup(self):
        """A minute after the daemon has noticed that there is none, which may be a moment
        after its start or an erasure."""
        for _ in range(6):
            self.minutes += 2
            self.clock(self.minutes)
            if wait_for(lambda: self.backed_up() is not None, 4):
                return
        self.fail("no backup is made")

    def clock(self, minutes):
        with open(os.path.join(self.faults, "clock.new"), "w", encoding="ascii") as f:
            f.write(str(minutes * 60))
        os.rename(f.name, os.path.join(self.faults, "clock"))

    def read(self, path=None):
        with open(path or self.path, "rb") as f:
            return f.read()

    def write(self, data, path=None):
        with open(path or self.path, "wb") as f:
            f.write(data)

    def metric(self, d, name):
        return float(re.search(rf"^facegate_{name} (\S+)$", d.get("/metrics").body.decode(),
                               re.M).group(1))

    def backed_up(self, path=None):
        """The ids in the backup; None while there is none."""
        if not os.path.exists(path or self.backup):
            return None
        db = sqlite3.connect(f"file:{path or self.backup}?immutable=1", uri=True)
        rows = [i for i, in db.execute("SELECT id FROM people ORDER BY id")]
        db.close()
        return rows

    def make_backup(self):
        subprocess.run([FACEGATE, "backup", self.backup, f"--data_dir={self.dir}"],
                       env=clean_environment(), check=True)

    def kept(self):
        return sorted(n for n in os.listdir(self.dir) if n.startswith("facegate.db.replaced"))

    def sealed(self, table="templates", path=None):
        """The encrypted part of each row, by the row's number."""
        db = sqlite3.connect(f"file:{path or self.path}?mode=ro", uri=True)
        key = "id" if table == "templates" else "key"
        rows = dict(db.execute(f"SELECT {key}, sealed FROM {table}"))
        db.close()
        return rows

    def enrol(self, d, who):
        return d.post(f"/enroll?duplicate=allow&person_id={who}", OBAMA)

    def verdict(self, d, who):
        j = d.post(f"/verify?person_id={who}", OBAMA2).json
        return j.get("decision"), j.get("reason") or j.get("code")

    def spoil_page_of_a_template(self):
        """Noise over one page; returns the numbers of the templates that were in it."""
        data, rows = self.read(), self.sealed()
        start = data.index(rows[CROWD // 2]) // PAGE * PAGE
        gone = {i for i, sealed in rows.items() if sealed in data[start:start + PAGE]}
        self.assertTrue(0 < len(gone) < CROWD // 2)
        self.write(data[:start] + os.urandom(PAGE) + data[start + PAGE:])
        return gone

    def ways(self):
        data = self.read()
        middle = len(data) // PAGE // 2 * PAGE
        yield "first page", os.urandom(PAGE) + data[PAGE:]
        yield "header", b"\0" * 100 + data[100:]
        yield "middle page", data[:middle] + os.urandom(PAGE) + data[middle + PAGE:]
        yield "truncated", data[:middle]
        yield "part of a page", data[:-1000]
        yield "empty", b""

    def refused(self):
        done = run_to_end("--listen=127.0.0.1:0", f"--data_dir={self.dir}",
                          f"--models_dir={MODELS}", "--log_level=error")
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn("bad_database", done.stderr)


class Automatic(Case):
    def test_it_is_made_after_a_minute_then_when_people_changed_and_once_a_day(self):
        d = self.daemon(log_level="error")
        self.assertEqual(self.metric(d, "backup_timestamp_seconds"), 0)
        self.wait_for_backup()
        self.assertEqual(len(self.backed_up()), CROWD)
        self.assertEqual(os.stat(self.backup).st_mode & 0o777, 0o600)
        self.assertTrue(wait_for(lambda: self.metric(d, "backup_timestamp_seconds") > 0))
        self.enrol(d, "q")
        self.clock(80)
        self.assertTrue(wait_for(lambda: "q" in self.backed_up()))
        first = os.stat(self.backup).st_ino
        self.clock(200)  # nobody has changed
        self.assertEqual(self.verdict(d, "q"), ("allow", "match"))
        self.clock(80 + 24 * 60)
        self.assertTrue(wait_for(lambda: os.stat(self.backup).st_ino != first))
        db = sqlite3.connect(f"file:{self.backup}?immutable=1", uri=True)
        self.assertEqual(db.execute("SELECT count(*) FROM match_log").fetchone(), (1,))
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        db.close()
        self.assertEqual(d.stop(), (0, ""))
        self.assertFalse([n for n in os.listdir(self.dir) if ".new" in n])

    def test_one_that_fails_leaves_the_last_and_is_told_once(self):
        self.make_backup()
        before = self.read(self.backup)
        d = self.daemon()
        self.enrol(d, "q")
        self.write(b"", os.path.join(self.faults, "full"))
        self.assertIn("event=backup_failed code=disk_full", self.says(d, range(100, 110, 2)))
        self.assertEqual(self.says(d, [112]), "")
        self.assertEqual(d.get("/readyz").status, 200)
        os.unlink(os.path.join(self.faults, "full"))
        self.assertEqual(self.read(self.backup), before)
        self.clock(114)
        self.assertTrue(wait_for(lambda: "q" in self.backed_up()))
        self.assertEqual(d.stop(), (0, ""))

    def test_off_none_is_made_and_a_damaged_database_is_not_copied(self):
        d = self.daemon(backup_file="")
        self.clock(9999)
        self.assertEqual(self.verdict(d, "p01"), ("allow", "match"))
        d.stop()
        self.assertFalse(os.path.exists(self.backup))
        self.make_backup()
        before = self.read(self.backup)
        self.clock(0)
        d = self.daemon(db_cache_kib=64)
        self.spoil_page_of_a_template()  # while it runs
        err = self.stop_when_failed(d)
        self.assertIn("code=bad_database", err)
        self.assertEqual(self.read(self.backup), before)

    def stop_when_failed(self, d):
        """Once a copy has been begun and given up, which it says."""
        said = self.says(d, range(3000, 3020, 2))
        return said + d.stop()[1]

    def says(self, d, minutes):
        """The next line of its log. The first minute counts from when the daemon looks
        first, which may be after the clock was set: so it is set again."""
        for minute in minutes:
            self.clock(minute)
            if select.select([d.process.stderr], [], [], 3)[0]:
                return d.process.stderr.readline()
        return ""

    def test_what_a_dead_restoration_has_left_goes_at_the_start(self):
        for tail in ("", "-wal"):
            self.write(self.read(), self.path + ".new" + tail)
        self.daemon()
        self.assertFalse([n for n in os.listdir(self.dir) if ".new" in n])

    def test_erased_people_are_in_no_backup_that_is_not_in_use_any_more(self):
        self.make_backup()
        for place in ("", os.path.join(self.folder(), "elsewhere")):
            shutil.copy(self.path, self.backup)
            self.write(self.read(), self.backup + ".new")
            d = self.daemon(backup_file=place)
            for tail in (".new", ".new-wal"):  # should removing it have failed
                self.write(self.read(), self.path + tail)
            who = d.get("/people?limit=1").json["people"][0]["person_id"]
            self.assertEqual(d.request("DELETE", f"/people/{who}").status, 204)
            self.assertFalse([n for n in os.listdir(self.dir)
                              if ".new" in n or n.endswith(".backup")])
            self.assertEqual(d.stop(), (0, ""))

    def test_erased_people_are_in_no_backup_and_no_replaced_database(self):
        self.make_backup()
        d = self.daemon(log_level="error")
        person, = [s for i, s in self.sealed("people").items() if i == 5]
        marks = (b"p04", person, self.sealed()[5])
        self.write(self.read(), self.path + ".replaced-20260101T000000Z")

        def found():
            return {m for m in marks for name in os.listdir(self.dir)
                    if m in self.read(os.path.join(self.dir, name))}
        self.assertEqual(found(), set(marks))
        self.assertEqual(d.request("DELETE", "/people/p04").status, 204)
        self.assertEqual((found(), self.kept()), (set(), []))
        self.assertFalse(os.path.exists(self.backup))
        self.wait_for_backup()  # and a new one is made, without
        self.assertEqual(len(self.backed_up()), CROWD - 1)
        self.assertEqual(found(), set())
        number = d.get("/people/p06/templates").json["templates"][0]["template_id"]
        mark = self.sealed()[7]
        self.assertIn(mark, self.read(self.backup))
        self.assertEqual(d.request("DELETE", f"/people/p06/templates/{number}").status, 204)
        self.assertFalse(os.path.exists(self.backup))

    def test_a_reader_beside_delays_the_wiping_which_is_told(self):
        d = self.daemon()
        mark = self.sealed()[5]
        reader = sqlite3.connect(self.path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM people").fetchone()
        self.assertEqual(d.request("DELETE", "/people/p04").status, 204)
        self.assertEqual(self.metric(d, "wiping_delayed"), 1)
        reader.close()
        self.assertTrue(wait_for(lambda: self.metric(d, "wiping_delayed") == 0))
        self.assertFalse([n for n in os.listdir(self.dir)
                          if mark in self.read(os.path.join(self.dir, n))])
        self.assertEqual(d.stop()[1].count("wiping_delayed"), 1)

    def test_a_change_of_keys_closes_it(self):
        self.make_backup()
        self.daemon(log_level="error")
        subprocess.run([FACEGATE, "keys", "rotate", f"--data_dir={self.dir}"],
                       env=clean_environment(), check=True, capture_output=True)
        self.assertFalse(os.path.exists(self.backup))


class Damage(Case):
    def test_the_backup_takes_its_place_and_the_damaged_file_is_kept(self):
        self.make_backup()
        for way, data in self.ways():
            with self.subTest(way):
                self.write(data)
                d = self.daemon()
                self.assertEqual(d.get("/readyz").json["templates"], CROWD)
                self.assertEqual(self.verdict(d, "p07"), ("allow", "match"))
                self.assertEqual(self.enrol(d, "new").status, 201)
                self.assertEqual(self.metric(d, "database_restored"), 1)
                self.assertIn(b'"restore"', d.get("/audit").body)
                kept = [self.read(os.path.join(self.dir, n)) for n in self.kept()
                        if not n.endswith(("-wal", "-shm"))]
                self.assertEqual(kept, [data])
                code, err = d.stop()
                self.assertEqual((code, len(err.splitlines())), (0, 1), err)
                self.assertRegex(err, r"event=database_restored backup_of=2\S+Z "
                                      r"kept=facegate\.db\.replaced-\d{8}T\d{6}Z ")
                d = self.daemon()  # and that was that
                self.assertEqual(d.get("/people/new").status, 200)
                self.assertEqual(self.metric(d, "database_restored"), 0)
                self.assertEqual(d.stop(), (0, ""))

    def test_a_database_that_is_gone_is_restored(self):
        self.make_backup()
        os.unlink(self.path)
        d = self.daemon()
        self.assertEqual(self.verdict(d, "p07"), ("allow", "match"))

    def test_garbage_in_the_wal_is_not_taken_and_loses_what_is_in_the_file_to_nobody(self):
        for spoil in (lambda wal: os.urandom(len(wal)), lambda wal: wal[:32] + os.urandom(5000),
                      lambda wal: wal[:len(wal) // 2], lambda wal: wal + os.urandom(9999)):
            for _ in range(5):  # it is emptied after some seconds
                d = self.daemon()
                self.assertEqual(self.enrol(d, "late").status, 201)
                d.kill()
                wal = self.read(self.path + "-wal")
                if wal:
                    break
            self.assertGreater(len(wal), PAGE)
            self.write(spoil(wal), self.path + "-wal")
            d = self.daemon()
            self.assertGreaterEqual(d.get("/readyz").json["templates"], CROWD)
            self.assertEqual(self.verdict(d, "p07"), ("allow", "match"))
            self.assertEqual(d.stop(), (0, ""))

    def test_who_was_enrolled_some_seconds_ago_is_in_the_file_and_needs_no_wal(self):
        for i in range(2):
            d = self.daemon()
            self.assertEqual(self.enrol(d, f"late{i}").status, 201)
            self.assertTrue(wait_for(lambda: os.path.getsize(self.path + "-wal") == 0))
            self.assertEqual(self.verdict(d, f"late{i}"), ("allow", "match"))  # a row behind it
            d.kill()
            if i:
                os.remove(self.path + "-wal")
            else:
                self.write(os.urandom(PAGE), self.path + "-wal")
            d = self.daemon()
            self.assertEqual(self.verdict(d, f"late{i}"), ("allow", "match"))
            self.assertEqual(d.stop(), (0, ""))

    def test_a_start_tells_that_the_backup_has_more_than_the_database(self):
        d = self.daemon()
        self.enrol(d, "late")
        d.stop()
        self.make_backup()
        shutil.copy(os.path.join(CROWD_DIR, "facegate.db"), self.dir)
        d = self.daemon()
        self.assertEqual(d.get("/people/late").status, 404)
        self.assertEqual(len(re.findall(r"event=changes_lost last=\d+ backup_last=\d+ ",
                                        d.stop()[1])), 1)

    def test_what_is_not_ours_is_not_replaced(self):
        self.make_backup()
        good = self.read()
        for data in (good[:68] + b"\0\0\0\1" + good[72:], good[:60] + b"\0\0\1\0" + good[64:]):
            self.write(data)
            self.refused()
            self.assertEqual((self.read(), self.kept()), (data, []))


class VerifyOnly(Case):
    def check(self, d, gone):
        self.assertEqual(self.metric(d, "gallery_templates"), CROWD - len(gone))
        self.assertEqual(self.metric(d, "database_verify_only"), 1)
        for i in range(1, CROWD + 1, 5):
            want = ("deny", "no_templates") if i in gone else ("allow", "match")
            self.assertEqual(self.verdict(d, f"p{i - 1:02}"), want)
        j = d.post("/verify?person_id=p00&door_id=north", OBAMA2).json
        self.assertEqual((j["decision"], j["name"], j["log_id"]), ("allow", "N00", None))
        self.assertEqual(d.post("/identify", OBAMA2).json["decision"], "allow")
        self.assertEqual(d.get("/healthz").status, 200)
        r = d.get("/readyz")
        self.assertEqual((r.status, r.json["code"]), (503, "not_ready"))
        self.assertIn("damaged", r.json["detail"])
        document = {"Content-Type": "application/json"}
        for r in (self.enrol(d, "new"), d.request("DELETE", "/people/p00"),
                  d.request("POST", "/people", '{"person_id":"new"}', document),
                  d.request("PATCH", "/people/p00", '{"name":"X"}', document),
                  d.request("PUT", "/doors/south", "{}", document),
                  d.request("DELETE", "/doors/north")):
            self.assertEqual((r.status, r.json["code"]), (503, "verify_only"), r.body)

    def test_without_a_backup_whoever_can_be_read_is_verified_and_nothing_is_stored(self):
        self.spoil_and_check()

    def test_a_backup_that_is_damaged_too_is_none(self):
        self.make_backup()
        self.write(self.read(self.backup)[:PAGE * 3], self.backup)
        self.spoil_and_check()

    def spoil_and_check(self):
        good = self.read()
        gone = self.spoil_page_of_a_template()
        spoiled = self.read()
        for _ in range(2):  # the next start finds it as it was
            d = self.daemon()
            self.check(d, gone)
            code, err = d.stop()
            self.assertEqual((code, err.count("event=verify_only")), (0, 1), err)
            self.assertEqual((self.read(), self.kept()), (spoiled, []))
        with tempfile.NamedTemporaryFile() as f:
            f.write(good)
            f.flush()
            subprocess.run([FACEGATE, "restore", f.name, f"--data_dir={self.dir}"],
                           env=clean_environment(), check=True, capture_output=True)
        d = self.daemon()
        self.assertEqual(self.metric(d, "database_verify_only"), 0)
        self.assertEqual(self.enrol(d, "new").status, 201)

    def test_a_file_of_which_nobody_can_be_read_ends_the_start(self):
        for way, data in self.ways():
            if way in ("first page", "header"):
                self.write(data)
                self.refused()
                self.assertEqual((self.read(), self.kept()), (data, []))


if __name__ == "__main__":
    unittest.main()
