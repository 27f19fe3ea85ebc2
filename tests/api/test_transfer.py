"""facegate export and import: people on their way from one gateway to another, with files
that are changed on the way, and processes that end in the middle."""

import json
import os
import sqlite3
import subprocess
import time
import unittest

from daemon import FACEGATE, MODELS, Daemon, FolderCase, clean_environment, faults, small_face

OBAMA, OBAMA2, BIDEN = map(small_face, ("obama.jpg", "obama2.jpg", "biden.jpg"))
NAME = "Planted-Näme"
CROWD = 200  # with nothing but long names: several chunks of a file


class Case(FolderCase):
    def setUp(self):
        super().setUp()
        self.a, self.b = self.folder(), self.folder()
        self.file = os.path.join(self.dir, "people.fgp")
        self.secret = self.write("secret", "correct horse battery\n")
        with Daemon(self.b):
            pass

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def command(self, what, folder, *words, sealed=True):
        secret = [f"--passphrase-file={self.secret}"] if sealed else []
        return [FACEGATE, what, self.file, *secret, f"--data_dir={folder}",
                f"--models_dir={MODELS}", *words]

    def tool(self, *args, environment=None, **options):
        return subprocess.run(self.command(*args, **options),
                              env={**clean_environment(), **(environment or {})},
                              capture_output=True, text=True, timeout=120, check=False)

    def done(self, *args, **options):
        done = self.tool(*args, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, code, *args, **options):
        done = self.tool(*args, **options)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.endswith(f"({code})\n"), done.stderr)
        return done.stderr

    def read(self):
        with open(self.file, "rb") as f:
            return f.read()

    def replace(self, data):
        with open(self.file, "wb") as f:
            f.write(data)

    def rows(self, folder):
        """All of a store, as it is in the file."""
        with sqlite3.connect(os.path.join(folder, "facegate.db")) as db:
            held = [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                    for table in ("people", "templates", "audit")]
        db.close()
        return held

    def enrol(self, d, who, *pictures):
        for picture in pictures:
            r = d.post(f"/enroll?duplicate=allow&person_id={who}", picture)
            self.assertEqual(r.status, 201, r.body)

    def patch(self, d, who, **members):
        r = d.request("PATCH", f"/people/{who}", json.dumps(members),
                      {"Content-Type": "application/json"})
        self.assertEqual(r.status, 200, r.body)

    def crowd(self, d):
        for i in range(CROWD):
            r = d.request("POST", "/people", json.dumps(
                {"person_id": f"crowd-{i:04}", "name": f"{i:04}" * 30}),
                {"Content-Type": "application/json"})
            self.assertEqual(r.status, 201, r.body)

    def known(self, d, who):
        """What the API tells of a person and templates, but for what a store gives."""
        person = d.get(f"/people/{who}").json
        del person["updated_at"]
        return person, [(t["model"], t["quality"], t["created_at"])
                        for t in d.get(f"/people/{who}/templates").json["templates"]]

    def audit(self, d):
        return [(r["action"], r["person_id"]) for r in d.get("/audit?limit=50").json["audit"]
                if not r["action"].startswith("config")][::-1]


class Transfer(Case):
    def test_people_are_the_same_at_the_other_gateway(self):
        a = self.daemon(self.a)
        self.enrol(a, "anna", OBAMA, OBAMA2)
        self.enrol(a, "bert", BIDEN)
        self.patch(a, "anna", name=NAME, groups=["staff", "night"],
                   valid_until="2099-01-01T00:00:00.000Z", card={"facility": 7, "number": 123456},
                   metadata={"note": "a\n\"b\"", "x": 0.1})
        there = [self.known(a, who) for who in ("anna", "bert")]
        score = a.post("/verify?person_id=anna", OBAMA2).json["score"]
        self.assertEqual(self.done("export", self.a), "exported 2 people, 3 templates\n")
        self.assertIn(("export", None), self.audit(a))  # although the daemon has the store
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertEqual(json.loads(self.done("import", self.b, "--json")),
                         {"added": 2, "replaced": 0, "skipped": 0, "templates": 3,
                          "templates_of_other_models": 0})
        b = self.daemon(self.b)
        self.assertEqual([self.known(b, who) for who in ("anna", "bert")], there)
        j = b.post("/verify?person_id=anna", OBAMA2).json
        self.assertEqual((j["decision"], j["score"]), ("allow", score))
        self.assertEqual(b.post("/verify?person_id=bert", OBAMA2).json["decision"], "deny")
        self.assertEqual(self.audit(b), [("import", "anna"), ("import", "bert")])
        self.assertEqual(b.request("DELETE", "/people/anna").status, 204)
        self.assertEqual(b.get("/people/anna").status, 404)

    def test_the_file_shows_no_name_and_no_template(self):
        a = self.daemon(self.a)
        self.enrol(a, "anna", OBAMA)
        self.patch(a, "anna", name=NAME)
        self.done("export", self.a)
        sealed = self.read()
        os.unlink(self.file)
        self.done("export", self.a, "--plain", "--person=anna", sealed=False)
        person, template = [json.loads(line) for line in self.read().splitlines()]
        self.assertEqual((person["person_id"], person["name"]), ("anna", NAME))
        numbers = template["template"]
        self.assertEqual(len(numbers), 128)
        for shown in ("anna", NAME, template["model"], "person_id",
                      ",".join(map(str, numbers[:8]))):
            self.assertNotIn(shown.encode(), sealed)
        self.assertNotIn(bytes(x & 0xff for x in numbers[:8]), sealed)
        self.assertNotIn(self.a.encode(), sealed)

    def test_a_file_that_was_changed_or_cut_stores_nothing(self):
        with Daemon(self.a) as a:
            self.crowd(a)
            self.done("export", self.a)
        whole, before = self.read(), self.rows(self.b)
        self.assertGreater(len(whole), 2 * 16401 + 58)
        size = len(whole)
        cuts = [0, 1, 17, 18, 57, 58, 59, 75, 76, 16458, 16459, 16460, 2 * 16401 + 58,
                size - 17, size - 16, size - 1]
        damaged = [whole[:n] for n in cuts]
        for at in (0, 16, 20, 40, 58, 1000, 16458, 16459, 20000, size - 17, size - 1):
            damaged.append(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        second, third = 58 + 16401, 58 + 2 * 16401
        damaged += [whole + b"\0", whole + whole[58:], whole[:58] + whole[second:],
                    whole[:58] + whole[second:third] + whole[58:second] + whole[third:],
                    b"", b"person" * 1000]
        for data in damaged:
            self.replace(data)
            self.refused("bad_export", "import", self.b)
        self.assertEqual(self.rows(self.b), before)
        self.replace(whole)
        secret, self.secret = self.secret, self.write("other", "incorrect horse battery\n")
        self.assertIn("The passphrase is another", self.refused("bad_export", "import", self.b))
        self.assertEqual(self.rows(self.b), before)
        self.secret = secret
        self.assertIn(f"added {CROWD} people", self.done("import", self.b))

    def test_known_people_are_refused_or_skipped_or_replaced(self):
        with Daemon(self.a, min_face_px=60) as a:
            self.enrol(a, "anna", OBAMA)
            self.enrol(a, "bert", BIDEN)
            self.done("export", self.a)
        with Daemon(self.b, min_face_px=60) as b:
            self.enrol(b, "bert", OBAMA, OBAMA2)
            self.patch(b, "bert", name=NAME)
        before = self.rows(self.b)
        told = self.refused("person_exists", "import", self.b)
        self.assertIn("1 of the people are here already, bert the first", told)
        self.refused("bad_config", "import", self.b, "--existing=ask")
        self.assertEqual(self.rows(self.b), before)
        self.assertIn("added 1 people, replaced 0, skipped 1; 1 templates",
                      self.done("import", self.b, "--existing=skip"))
        with Daemon(self.b, min_face_px=60) as b:
            person, templates = self.known(b, "bert")
            self.assertEqual((person["name"], len(templates)), (NAME, 2))
            self.assertEqual(len(self.known(b, "anna")[1]), 1)
        self.assertIn("added 0 people, replaced 2, skipped 0; 2 templates",
                      self.done("import", self.b, "--existing=replace"))
        b = self.daemon(self.b)
        person, templates = self.known(b, "bert")
        self.assertEqual((person["name"], len(templates)), ("", 1))
        self.assertEqual(b.post("/verify?person_id=bert", BIDEN).json["decision"], "allow")
        self.assertEqual(self.audit(b)[-2:], [("import_replace", "anna"),
                                              ("import_replace", "bert")])

    def test_a_store_or_gallery_that_is_too_small_takes_nobody(self):
        with Daemon(self.a, min_face_px=60) as a:
            self.enrol(a, "anna", OBAMA, OBAMA2)
            self.enrol(a, "bert", BIDEN)
            self.done("export", self.a)
        before = self.rows(self.b)
        self.refused("store_full", "import", self.b, "--people_max=1")
        self.refused("gallery_full", "import", self.b, "--gallery_max=2")
        self.assertEqual(self.rows(self.b), before)
        self.done("import", self.b, "--people_max=2", "--gallery_max=3")

    def test_killed_in_the_middle_it_has_stored_all_or_nothing(self):
        with Daemon(self.a) as a:
            self.crowd(a)
            self.done("export", self.a)
        before = self.rows(self.b)
        for i in range(100):
            p = subprocess.Popen(self.command("import", self.b), env=clean_environment(),
                                 stdout=subprocess.DEVNULL)
            time.sleep(i * 0.03)
            p.kill()
            p.wait()
            held = self.rows(self.b)
            if len(held[0]) == CROWD:
                break
            self.assertEqual(held, before)
        else:  # a machine as slow as this one
            self.done("import", self.b)
        d = self.daemon(self.b)
        self.assertEqual(d.get("/people/crowd-0199").status, 200)

    def test_on_a_full_disk_nothing_is_exported_and_nobody_imported(self):
        with Daemon(self.a, min_face_px=60) as a:
            self.enrol(a, "anna", OBAMA)
            self.done("export", self.a)
        whole, before = self.read(), self.rows(self.b)
        full = faults(self.folder())
        with open(os.path.join(full["FAULTS"], "full"), "wb"):
            self.refused("disk_full", "import", self.b, environment=full)
        self.assertEqual(self.rows(self.b), before)
        self.done("import", self.b)
        self.assertEqual(self.read(), whole)
        os.unlink(self.file)
        with open(os.path.join(full["FAULTS"], "full"), "wb"):
            self.refused("disk_full", "export", self.a, environment=full)
        self.assertFalse(os.path.exists(self.file))

    def test_templates_of_another_model_wait_as_after_a_change_of_it(self):
        with Daemon(self.a, min_face_px=60) as a:
            self.enrol(a, "anna", OBAMA)
            self.done("export", self.a)
        told = self.done("import", self.b, "--embedder=fast")
        self.assertIn("1 of the templates are of no use to fast@", told)
        with Daemon(self.b, embedder="fast", min_face_px=60, log_level="error") as b:
            self.assertEqual(b.get("/readyz").json["people_waiting"], 1)
        b = self.daemon(self.b)
        self.assertEqual(b.post("/verify?person_id=anna", OBAMA2).json["decision"], "allow")

    def test_gateways_with_keys_of_their_own_for_templates_understand_each_other(self):
        mine, other = (f"--template_key_file={self.write(c, c * 64)}" for c in "xy")
        with Daemon(self.a, min_face_px=60, template_key_file=mine[20:]) as a:
            self.enrol(a, "anna", OBAMA)
            score = a.post("/verify?person_id=anna", OBAMA2).json["score"]
            # Without its key they leave as they are: of use where that key is.
            self.done("export", self.a)
            self.assertIn("are of no use", self.done("import", self.b, other))
            os.unlink(self.file)
            self.done("export", self.a, mine)
        for key, keys in ((other, {"template_key_file": other[20:]}), (None, {})):
            told = self.done("import", self.b, *filter(None, [key]), "--existing=replace")
            self.assertNotIn("are of no use", told)
            with Daemon(self.b, min_face_px=60, **keys) as b:
                j = b.post("/verify?person_id=anna", OBAMA2).json
                self.assertEqual(j["decision"], "allow")
                self.assertAlmostEqual(j["score"], score, delta=0.01)

    def test_what_it_needs_is_told_and_nothing_is_left_behind(self):
        self.refused("io_error", "export", self.a)  # no database
        self.assertEqual(os.listdir(self.a), [])
        a = self.daemon(self.a)
        self.enrol(a, "anna", OBAMA)
        self.refused("no_such_person", "export", self.a, "--person=nobody")
        self.refused("bad_config", "export", self.a, "--plain", "--person=anna")
        self.refused("bad_config", "export", self.a, "--plain", sealed=False)
        self.refused("bad_config", "export", self.a, sealed=False)
        self.refused("bad_config", "import", self.b, sealed=False)
        self.write("secret", "too short\n")
        self.refused("bad_config", "export", self.a)
        self.write("secret", "correct horse battery\n")
        os.chmod(self.secret, 0o644)
        self.refused("bad_config", "export", self.a)
        os.chmod(self.secret, 0o600)
        self.assertFalse(os.path.exists(self.file))
        self.assertEqual(self.audit(a), [("enrol", "anna")])
        self.refused("io_error", "import", self.b)
        self.done("export", self.a, "--person=anna")
        self.assertEqual(self.audit(a)[-1], ("export", "anna"))
        whole = self.read()
        self.refused("bad_config", "export", self.a)  # never in a file's place
        self.assertEqual(self.read(), whole)
        self.refused("database_busy", "import", self.a)
        empty = self.folder()
        self.refused("io_error", "import", empty)
        self.assertEqual(os.listdir(empty), [])


if __name__ == "__main__":
    unittest.main()
