"""Encryption at rest: what the files show, and what becomes of keys and old stores."""

import json
import os
import sqlite3
import struct
import subprocess
import tempfile
import threading
import unittest
from unittest import mock

from daemon import (FACEGATE, MODELS, Daemon, FolderCase, clean_environment, old_database,
                    run_to_end, sanitized, small_face, wait_for)

OBAMA, OBAMA2, BIDEN = map(small_face, ("obama.jpg", "obama2.jpg", "biden.jpg"))


def tool(*words):
    return subprocess.run([FACEGATE, *words], env=clean_environment(), capture_output=True,
                          text=True, timeout=300, check=False)


def pieces(vector, size=16):
    """Parts of a template that no other bytes look like by chance."""
    parts = [vector[i:i + size] for i in range(0, len(vector), size)]
    return [p for p in parts if len(set(p)) >= size // 2]


class Case(FolderCase):
    def setUp(self):
        super().setUp()
        self.key = os.path.join(self.dir, "facegate.key")

    def found(self, *texts):
        """Those of the byte strings that any file of the folder holds."""
        held = set()
        for name in os.listdir(self.dir):
            with open(os.path.join(self.dir, name), "rb") as f:
                data = f.read()
            held |= {t for t in texts if t in data}
        return held

    def sql(self, *statement):
        with sqlite3.connect(os.path.join(self.dir, "facegate.db")) as db:
            rows = db.execute(*statement).fetchall()
        db.close()
        return rows

    def refused(self, *words):
        done = run_to_end("--listen=127.0.0.1:0", f"--data_dir={self.dir}",
                          f"--models_dir={MODELS}", "--log_level=error")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class AtRest(Case):
    def template(self):
        """The bytes of the first picture's template, as the tool computes them."""
        with tempfile.NamedTemporaryFile(suffix=".jpg") as f:
            f.write(OBAMA)
            f.flush()
            done = tool("embed", "--json", "--min_face_px=60", f"--models_dir={MODELS}", f.name)
        return struct.pack("128b", *json.loads(done.stdout)["template"])

    def test_no_file_shows_a_name_or_a_template(self):
        d = self.daemon()
        self.assertEqual(d.post("/enroll?person_id=p&name=Planted-Name", OBAMA).status, 201)
        r = d.request("PATCH", "/people/p", json.dumps(
            {"metadata": {"desk": "planted-desk"}, "card": {"facility": 77, "number": 987654}}),
            {"Content-Type": "application/json"})
        self.assertEqual(r.status, 200, r.body)
        texts = (b"Planted", b"planted", b"desk", *pieces(self.template()))
        self.assertGreater(len(texts), 6)
        self.assertEqual(self.found(*texts), set())  # the WAL among them
        self.assertEqual(d.post("/verify?person_id=p", OBAMA2).json["name"], "Planted-Name")
        self.assertEqual(d.stop(), (0, ""))
        self.assertEqual(self.found(*texts), set())
        d = self.daemon()
        p = d.get("/people/p").json
        self.assertEqual((p["name"], p["metadata"], p["card"]["number"]),
                         ("Planted-Name", {"desk": "planted-desk"}, 987654))
        self.assertEqual(d.post("/verify?person_id=p", OBAMA2).json["decision"], "allow")

    def test_keys_lie_in_locked_memory_and_no_core_is_dumped(self):
        d = self.daemon()
        with open(f"/proc/{d.process.pid}/limits", encoding="ascii") as f:
            core = next(line for line in f if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])
        if not sanitized():  # a sanitizer makes mlock do nothing
            self.assertGreater(d.status("VmLck"), 0)
        self.assertEqual(os.stat(self.key).st_mode & 0o777, 0o400)

    def test_a_changed_row_lets_nobody_in_and_holds_up_nobody(self):
        d = self.daemon()
        for who, picture in (("p", OBAMA), ("q", BIDEN)):
            self.assertEqual(d.post(f"/enroll?person_id={who}&name=N", picture).status, 201)
        d.stop()
        row, = self.sql("SELECT sealed FROM templates WHERE id = 1")
        flipped = bytearray(row[0])
        flipped[100] ^= 1
        self.sql("UPDATE templates SET sealed = ? WHERE id = 1", (bytes(flipped),))
        self.sql("UPDATE people SET groups = 'boss' WHERE id = 'q'")
        d = self.daemon()
        j = d.post("/verify?person_id=p", OBAMA2).json
        self.assertEqual((j["decision"], j["reason"]), ("deny", "no_templates"))
        r = d.post("/verify?person_id=q", BIDEN)
        self.assertEqual((r.status, r.json["code"]), (500, "bad_database"))
        self.assertEqual(d.post("/identify", BIDEN).status, 500)
        self.assertEqual(d.get("/people/q").status, 500)
        self.assertEqual([(p["person_id"], p["name"]) for p in d.get("/people").json["people"]],
                         [("p", "N"), ("q", "")])
        self.assertRegex(d.get("/metrics").body, rb"\nfacegate_corrupt_rows_total [1-9]")
        # A new enrolment or a deletion puts it right.
        self.assertEqual(d.post("/enroll?person_id=p", OBAMA).status, 201)
        self.assertEqual(d.post("/verify?person_id=p", OBAMA2).json["decision"], "allow")
        self.assertEqual(d.request("DELETE", "/people/q").status, 204)
        _, err = d.stop()
        self.assertIn("corrupt_row table=templates row=1 ", err)
        self.assertIn("corrupt_row table=people row=2 ", err)


class Keys(Case):
    def test_without_its_key_a_store_stays_closed(self):
        d = self.daemon()
        d.post("/enroll?person_id=p", OBAMA)
        d.stop()
        kept = self.key + ".kept"
        os.rename(self.key, kept)
        self.refused("bad_key_file", "No such file")
        other = tempfile.mkdtemp(dir=self.dir)
        with Daemon(other):
            pass
        os.rename(os.path.join(other, "facegate.key"), self.key)
        self.refused("bad_key_file", "not the one")
        os.chmod(self.key, 0o444)
        self.refused("bad_key_file", "0400")
        os.rename(kept, self.key)
        self.assertEqual(self.daemon().post("/verify?person_id=p", OBAMA2).json["decision"],
                         "allow")

    def test_a_credential_or_another_place_holds_the_key(self):
        vault = os.path.join(self.dir, "vault")
        os.mkdir(vault)
        place = os.path.join(vault, "facegate-key")
        self.daemon(key_file=place).stop()
        self.assertFalse(os.path.exists(self.key))
        with mock.patch.dict(os.environ, {"CREDENTIALS_DIRECTORY": vault}):
            d = self.daemon()
        self.assertEqual(d.get("/readyz").status, 200)
        d.stop()
        self.refused("bad_key_file")

    def test_keys_are_changed_while_doors_are_served(self):
        d = self.daemon()
        for i in range(5):
            self.assertEqual(d.post(f"/enroll?duplicate=allow&person_id=p{i}&name=n{i}",
                                    OBAMA).status, 201)
        with open(self.key, encoding="ascii") as f:
            old = f.read()
        row, = self.sql("SELECT sealed FROM templates WHERE id = 1")
        wrong, over = [], threading.Event()

        def ask():
            while not over.is_set():
                r = d.post("/verify?person_id=p3", OBAMA2)
                if (r.status, r.json.get("decision"), r.json.get("name")) != (200, "allow", "n3"):
                    wrong.append(r.body)
        door = threading.Thread(target=ask)
        door.start()
        done = tool("keys", "rotate", "--json", f"--data_dir={self.dir}")
        over.set()
        door.join()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {"version": 2})
        self.assertEqual(wrong, [])
        with open(self.key, encoding="ascii") as f:
            lines = f.read().splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["facegate", "2"])
        self.assertEqual(os.stat(self.key).st_mode & 0o777, 0o400)
        self.assertEqual(self.found(row[0][:40], old.split()[4].encode()), set())
        self.assertEqual(self.sql("SELECT DISTINCT key_version FROM people UNION "
                                  "SELECT key_version FROM templates"), [(2,)])
        self.assertEqual(d.stop(), (0, ""))
        done = tool("keys", "rotate", f"--data_dir={self.dir}")  # no daemon: by the tool itself
        self.assertEqual(done.stdout, "all rows are encrypted with key 3\n", done.stderr)
        self.assertEqual(self.daemon().get("/people/p4").json["name"], "n4")
        self.refused("database_busy")

    def test_a_change_of_keys_that_a_kill_cut_short_goes_on(self):
        d = self.daemon()
        d.post("/enroll?person_id=p&name=n", OBAMA)
        with open(self.key, encoding="ascii") as f:
            text = f.read()
        os.chmod(self.key, 0o600)
        with open(self.key, "a", encoding="ascii") as f:
            f.write("2 " + "5a" * 32 + "\n")
        d.kill()  # at whatever moment of it
        self.assertTrue(text.startswith("facegate key 1\n1 "))
        d = self.daemon()
        self.assertTrue(wait_for(lambda: self.sql("SELECT version FROM seal") == [(2,)]))
        self.assertEqual(d.get("/people/p").json["name"], "n")
        self.assertEqual(d.post("/verify?person_id=p", OBAMA2).json["decision"], "allow")
        self.assertEqual(tool("keys", "rotate", f"--data_dir={self.dir}").returncode, 0)
        with open(self.key, encoding="ascii") as f:
            self.assertEqual(len(f.read().splitlines()), 2)


class Upgrade(Case):
    def check(self, d, groups, card, metadata):
        p, q = d.get("/people").json["people"]
        self.assertEqual((p["person_id"], p["name"], p["templates"], p["groups"], p["metadata"]),
                         ("p", "Old Name", 2, groups, metadata))
        self.assertEqual(p["card"] and p["card"]["number"], card)
        self.assertEqual((q["person_id"], q["templates"]), ("q", 1))
        row, = d.get("/logs").json["logs"]
        self.assertEqual((row["decision"], row["person_id"], row["door_id"]),
                         ("allow", "p", "north"))

    def upgrade(self, version, *rest):
        path = old_database(version, self.dir)
        vectors = [v for v, in self.sql("SELECT vector FROM templates")]
        texts = [b"Old Name", *(p for v in vectors for p in pieces(v))]
        texts += [b"planted-desk"] if version > 1 else []
        self.assertEqual((len(vectors), self.found(*texts)), (3, set(texts)))
        for _ in range(2):  # the second start finds it upgraded
            d = self.daemon(log_level="error")
            self.check(d, *rest)
            self.assertEqual(self.found(*texts), set())
            d.stop()
            self.assertEqual(self.found(*texts), set())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.verifies(self.daemon(log_level="error"))

    def verifies(self, d):
        """Whether the model is still the one of then or not."""
        model = d.get("/version").json["model"]
        same = d.get("/people/p/templates").json["templates"][0]["model"] == model
        j = d.post("/verify?person_id=p", OBAMA).json
        self.assertEqual(j["reason"], "match" if same else "other_model")

    def test_a_database_of_version_1_keeps_everything_and_shows_nothing(self):
        self.upgrade(1, [], None, {})

    def test_a_database_of_version_2_keeps_everything_and_shows_nothing(self):
        self.upgrade(2, ["staff"], 1234, {"desk": "planted-desk"})

    def test_a_database_of_version_4_keeps_everything_and_begins_an_audit_log(self):
        old_database(4, self.dir)
        d = self.daemon(log_level="error")
        self.check(d, ["staff"], 1234, {"desk": "planted-desk"})
        self.verifies(d)
        self.assertEqual(d.request("DELETE", "/people/q").status, 204)
        self.assertEqual(d.get("/audit").json["audit"][0]["action"], "person_erase")
        done = tool("audit", "verify", f"--data_dir={self.dir}")
        self.assertEqual((done.returncode, done.stdout[:6]), (0, "whole:"))

    def test_a_database_of_version_5_keeps_everything_and_can_keep_crops(self):
        old_database(5, self.dir)
        d = self.daemon(log_level="error", keep_crops="true")
        self.check(d, ["staff"], 1234, {"desk": "planted-desk"})
        self.verifies(d)
        actions = [row["action"] for row in d.get("/audit").json["audit"]]
        self.assertEqual(actions.count("enrol"), 3)
        self.assertEqual(d.post("/enroll?person_id=q", BIDEN).status, 201)
        self.assertEqual([t["crop_kept"] for t in d.get("/people/q/templates").json["templates"]],
                         [False, True])
        done = tool("audit", "verify", f"--data_dir={self.dir}")
        self.assertEqual((done.returncode, done.stdout[:6]), (0, "whole:"))

    def test_a_large_database_is_upgraded_in_little_memory(self):
        count = 20000
        old_database(2, self.dir)
        path = os.path.join(self.dir, "facegate.db")
        with sqlite3.connect(path) as db:
            db.executemany("INSERT INTO people(id, name, created_ms, updated_ms) "
                           "VALUES(?, ?, 1, 1)",
                           ((f"x{i:05}", f"Name of x{i:05}") for i in range(count)))
            db.execute("INSERT INTO templates(person_key, model_id, vector, scale, length, "
                       "created_ms) SELECT key, 'old@00000000', randomblob(128), 0.001, 9, 1 "
                       "FROM people WHERE id LIKE 'x%'")
            newest, = db.execute("SELECT max(key) FROM people").fetchone()
            db.execute("DELETE FROM templates WHERE person_key = ?", (newest,))
            db.execute("DELETE FROM people WHERE key = ?", (newest,))
        db.close()
        d = self.daemon(log_level="error", people_max=count + 10, db_cache_kib=64)
        self.assertEqual(self.found(b"Name of x"), set())
        self.assertEqual(d.get("/people?after=x12344&limit=1").json["people"][0]["name"],
                         "Name of x12345")
        # The number of the deleted person is not given to another.
        self.assertEqual(d.post("/enroll?duplicate=allow&person_id=new", OBAMA).status, 201)
        d.stop()
        self.assertEqual(self.sql("SELECT key FROM people WHERE id = 'new'"), [(newest + 1,)])


if __name__ == "__main__":
    unittest.main()
