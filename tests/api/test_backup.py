"""facegate backup and restore, with the real daemon and files that are damaged in
earnest."""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest

from daemon import FACEGATE, FolderCase, clean_environment, faults, old_database, small_face

OBAMA, OBAMA2 = map(small_face, ("obama.jpg", "obama2.jpg"))


class Case(FolderCase):
    def setUp(self):
        super().setUp()
        self.elsewhere = self.folder("facegate-backup-")
        self.file = os.path.join(self.elsewhere, "facegate.backup")

    def tool(self, *words, folder=None, environment=None):
        return subprocess.run([FACEGATE, *words, f"--data_dir={folder or self.dir}"],
                              env={**clean_environment(), **(environment or {})},
                              capture_output=True, text=True, timeout=300, check=False)

    def done(self, *words, **options):
        done = self.tool(*words, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, code, *words, **options):
        done = self.tool(*words, **options)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(f"({code})", done.stderr)

    def enrol(self, d, who, name="Planted-Name"):
        r = d.post(f"/enroll?duplicate=allow&person_id={who}&name={name}", OBAMA)
        self.assertEqual(r.status, 201, r.body)

    def people(self, d):
        found, after = [], "0"
        while after:
            page = d.get(f"/people?limit=100&after={after}").json
            found += [(p["person_id"], p["name"], p["templates"]) for p in page["people"]]
            after = page["next"]
        return found

    def everything(self):
        """Each file of the data folder, with its bytes."""
        held = {}
        for name in sorted(os.listdir(self.dir)):
            if name != "facegate.lock":
                with open(os.path.join(self.dir, name), "rb") as f:
                    held[name] = f.read()
        return held

    def write(self, data):
        with open(self.file, "wb") as f:
            f.write(data)

    def read(self):
        with open(self.file, "rb") as f:
            return f.read()


class Backup(Case):
    def test_made_beside_a_daemon_that_writes_it_is_whole_and_shows_nothing(self):
        d = self.daemon()
        self.enrol(d, "first")
        over, made = threading.Event(), []

        def enrol():
            while not over.is_set():
                self.enrol(d, f"p{len(made)}")
                made.append(f"p{len(made)}")
        writer = threading.Thread(target=enrol)
        writer.start()
        try:
            for _ in range(5):  # each in the place of the one before
                acknowledged = len(made)
                self.assertEqual(self.done("backup", self.file), "")
        finally:
            over.set()
            writer.join()
        self.assertEqual(os.listdir(self.elsewhere), ["facegate.backup"])
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertNotIn(b"Planted", self.read())
        db = sqlite3.connect(f"file:{self.file}?immutable=1", uri=True)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.assertEqual(db.execute("PRAGMA journal_mode").fetchone(), ("delete",))
        db.close()
        self.assertEqual(d.stop(), (0, ""))
        # On another machine: the key file and the backup are all it takes.
        other = tempfile.mkdtemp(dir=self.elsewhere)
        shutil.copy(os.path.join(self.dir, "facegate.key"), other)
        self.assertEqual(self.done("restore", self.file, folder=other), "")
        d = self.daemon(other)
        found = self.people(d)
        self.assertLessEqual({"first", *made[:acknowledged]}, {p for p, _, _ in found})
        self.assertEqual({(n, t) for _, n, t in found}, {("Planted-Name", 1)})
        self.assertEqual(d.post("/verify?person_id=first", OBAMA2).json["decision"], "allow")

    def test_it_replaces_backups_and_no_other_file(self):
        d = self.daemon()
        self.enrol(d, "p")
        d.stop()  # it moves what is new into the file after some seconds
        before = self.everything()
        for name in ("facegate.key", "facegate.db"):
            self.refused("bad_config", "backup", os.path.join(self.dir, name))
        self.refused("io_error", "backup", os.path.join(self.dir, "none", "x"))
        self.refused("io_error", "backup", self.file, folder=self.elsewhere)
        after = self.everything()
        for name in ("facegate.db-wal", "facegate.db-shm"):  # a reader needs them
            after.pop(name, None)
        self.assertEqual(after, before)
        self.assertEqual(os.listdir(self.elsewhere), [])

    def test_on_a_full_disk_the_last_one_stays(self):
        d = self.daemon()
        self.enrol(d, "p")
        self.done("backup", self.file)
        before = self.read()
        self.enrol(d, "q")
        folder = tempfile.mkdtemp(dir=self.dir)
        with open(os.path.join(folder, "full"), "wb"):
            self.refused("disk_full", "backup", self.file, environment=faults(folder))
        self.assertEqual((os.listdir(self.elsewhere), self.read()),
                         (["facegate.backup"], before))


class Restore(Case):
    def test_the_replaced_database_is_kept_once(self):
        d = self.daemon()
        self.enrol(d, "p")
        self.done("backup", self.file)
        self.enrol(d, "q")
        self.refused("database_busy", "restore", self.file)
        self.assertEqual(len(self.people(d)), 2)
        d.kill()  # its WAL holds q, and is kept as well
        kept = json.loads(self.done("restore", self.file, "--json"))["kept"]
        self.assertRegex(kept, r"^facegate\.db\.replaced-\d{8}T\d{6}Z$")
        d = self.daemon()
        self.assertEqual(self.people(d), [("p", "Planted-Name", 1)])
        d.stop()
        # The way back: what was kept is as good a source.
        self.assertEqual(json.loads(self.done("restore", os.path.join(self.dir, kept),
                                              "--json"))["kept"][:21], kept[:21])
        kept = [n for n in os.listdir(self.dir) if n.startswith("facegate.db.replaced")]
        self.assertEqual(len(kept), 1, kept)
        d = self.daemon()
        self.assertEqual([p for p, _, _ in self.people(d)], ["p", "q"])

    def test_what_is_no_sound_backup_of_ours_is_refused_and_changes_nothing(self):
        d = self.daemon()
        for i in range(12):
            self.enrol(d, f"p{i}")
        self.done("backup", self.file)
        d.stop()
        good, before = self.read(), self.everything()
        pages = len(good) // 4096
        damaged = [good[:4096 * (pages // 2)], b"", b"no database " * 1000,
                   good[:4096 * 2] + b"\xff" * 4096 + good[4096 * 3:],
                   good[:68] + b"\0\0\0\1" + good[72:],  # another program's
                   good[:60] + b"\0\0\1\0" + good[64:]]  # a newer version
        for data in damaged:
            self.write(data)
            self.refused("bad_database" if data else "io_error", "restore", self.file)
            self.assertEqual(self.everything(), before)
        self.refused("io_error", "restore", os.path.join(self.elsewhere, "none"))
        self.refused("bad_config", "restore", os.path.join(self.dir, "facegate.db"))
        self.assertEqual(self.everything(), before)
        self.write(good)
        self.done("restore", self.file)
        self.assertEqual(len(self.people(self.daemon())), 12)

    def test_without_its_key_it_is_refused(self):
        d = self.daemon()
        self.enrol(d, "p")
        self.done("backup", self.file)
        d.stop()
        self.assertEqual(self.tool("keys", "rotate").returncode, 0)
        before = self.everything()
        self.refused("bad_key_file", "restore", self.file)
        self.assertEqual(self.everything(), before)
        empty = tempfile.mkdtemp(dir=self.elsewhere)
        self.refused("bad_key_file", "restore", self.file, folder=empty)

    def test_one_of_an_older_version_is_upgraded_by_the_next_start(self):
        old_database(2, self.elsewhere)
        self.assertEqual(self.done("restore", os.path.join(self.elsewhere, "facegate.db")), "")
        d = self.daemon(log_level="error")
        self.assertEqual([p for p, _, _ in self.people(d)], ["p", "q"])
        self.assertEqual(os.stat(os.path.join(self.dir, "facegate.db")).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
