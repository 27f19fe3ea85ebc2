"""Any number of embedders can lie in models_dir; the key embedder chooses one."""

import os
import shutil
import subprocess
import tempfile
import unittest

from daemon import FACEGATE, MODELS, ROOT, Daemon, clean_environment, embedders, face, \
    renamed_model, small_face

A1, A2, B1 = "obama.jpg", "obama2.jpg", "biden.jpg"


def tool(*args):
    return subprocess.run([FACEGATE, *args], env=clean_environment(), capture_output=True,
                          text=True, timeout=60, check=False)


class Shipped(unittest.TestCase):
    def test_every_embedder_tells_two_people_apart(self):
        for name in embedders():
            with self.subTest(name), Daemon(min_face_px=40, embedder=name) as d:
                model = d.get("/version").json["model"]
                self.assertTrue(model.startswith(name + "@"), model)
                self.assertEqual(d.post("/enroll?person_id=a", face(A1)).status, 201)
                j = d.post("/verify?person_id=a", face(A2)).json
                self.assertEqual((j["decision"], j["model"]), ("allow", model))
                self.assertEqual(d.post("/verify?person_id=a", face(B1)).json["decision"], "deny")

    def test_the_self_test_knows_every_embedder(self):
        with open(os.path.join(ROOT, "server", "selftest_face.h"), encoding="utf-8") as f:
            known = f.read()
        for name in embedders():
            done = tool("version", f"--models_dir={MODELS}", f"--embedder={name}")
            model = done.stdout.split("embedder ")[1].split(",")[0]
            self.assertIn(f'"{model}"', known)


class Other(unittest.TestCase):
    """A second embedder: the bytes of a shipped one under another name."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.models = os.path.join(self.dir, "models")
        shutil.copytree(MODELS, self.models)
        with open(os.path.join(MODELS, "embedder-accurate.fgm"), "rb") as f:
            data = renamed_model(f.read(), "second")
        self.path = os.path.join(self.models, "embedder-second.fgm")
        with open(self.path, "wb") as f:
            f.write(data)

    def test_what_another_embedder_enrolled_is_no_template(self):
        keys = {"models_dir": self.models, "min_face_px": 40}
        with Daemon(self.dir, embedder="second", **keys) as d:
            second = d.get("/version").json["model"]
            self.assertTrue(second.startswith("second@"), second)
            self.assertEqual(d.get("/readyz").json["status"], "ready")
            r = d.post("/enroll?person_id=a", small_face(A1))
            self.assertEqual((r.status, r.json["model"]), (201, second))
            self.assertEqual(d.post("/verify?person_id=a", small_face(A1)).json["decision"],
                             "allow")
            self.assertEqual(d.stop()[0], 0)
        with Daemon(self.dir, **keys) as d:
            j = d.post("/verify?person_id=a", small_face(A1)).json
            self.assertEqual((j["decision"], j["reason"], j["score"], j["template_id"]),
                             ("deny", "other_model", None, None))
            j = d.post("/identify", small_face(A1)).json
            self.assertEqual((j["decision"], j["reason"]), ("deny", "no_templates"))
            self.assertEqual(d.get("/readyz").json["templates"], 0)
            # Enrolled again, the person has templates of both.
            r = d.post("/enroll?person_id=a", small_face(A1))
            self.assertEqual((r.status, r.json["templates"]), (201, 2))
            self.assertEqual(d.post("/verify?person_id=a", small_face(A1)).json["decision"],
                             "allow")
            code, log = d.stop()
            self.assertEqual(code, 0)
            self.assertIn("other_model", log)

    def test_the_tool_takes_it_too(self):
        done = tool("budget", f"--models_dir={self.models}", "--embedder=second")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = tool("model-info", self.path)
        self.assertRegex(done.stdout, r"^second@[0-9a-f]{8}: ")
        done = tool("compare", "--json", f"--models_dir={self.models}", "--embedder=second",
                    *(os.path.join(ROOT, "tests", "golden", n) for n in (A1, A2)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"model": "second@', done.stdout)


class Change(unittest.TestCase):
    """From one embedder to another and back, over the same people."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)

    def daemon(self, embedder):
        return Daemon(self.dir, embedder=embedder, min_face_px=40, log_level="error")

    def verify(self, d, who, picture=A1):
        j = d.post(f"/verify?person_id={who}", small_face(picture)).json
        return j["decision"], j["reason"]

    def waiting(self, d):
        """Who must be enrolled again, and how many they are by the three who tell it."""
        page = d.get("/people").json
        told = {page["people_waiting"], d.get("/readyz").json["people_waiting"],
                int(d.get("/metrics").body.split(b"\nfacegate_people_waiting ")[1].split()[0])}
        self.assertEqual(len(told), 1)
        return [p["person_id"] for p in page["people"] if p["needs_enrolment"]], told.pop()

    def enroll(self, d, who, picture, *options):
        r = d.post("&".join([f"/enroll?person_id={who}", *options]), small_face(picture))
        self.assertEqual(r.status, 201, r.body)
        return r.json["templates"]

    def test_people_of_both_models_live_side_by_side_and_the_way_back_is_open(self):
        with self.daemon("fast") as d:
            self.enroll(d, "a", A1)
            self.enroll(d, "b", B1)
            d.request("POST", "/people", '{"person_id":"c"}', {"Content-Type": "application/json"})
            self.assertEqual(self.waiting(d), ([], 0))
        with self.daemon("accurate") as d:
            self.assertEqual(self.waiting(d), (["a", "b"], 2))
            self.assertEqual(self.verify(d, "a"), ("deny", "other_model"))
            self.assertEqual(self.verify(d, "c"), ("deny", "no_templates"))
            self.assertEqual(self.enroll(d, "a", A1), 2)  # beside the other
            self.assertEqual(self.verify(d, "a", A2), ("allow", "match"))
            self.assertEqual(self.verify(d, "b", B1), ("deny", "other_model"))
            self.assertEqual(self.waiting(d), (["b"], 1))
        with self.daemon("fast") as d:  # back: both as before
            self.assertEqual(self.waiting(d), ([], 0))
            self.assertEqual(self.verify(d, "a", A2), ("allow", "match"))
            self.assertEqual(self.verify(d, "b", B1), ("allow", "match"))
        with self.daemon("accurate") as d:  # and on again, now for good
            self.assertEqual(self.enroll(d, "a", A1, "mode=replace"), 1)
            self.assertEqual(self.enroll(d, "b", B1, "mode=replace"), 1)
            self.assertEqual(self.waiting(d), ([], 0))
        with self.daemon("fast") as d:
            self.assertEqual(self.waiting(d), (["a", "b"], 2))
            own = d.get("/people/a/templates").json["templates"][0]["template_id"]
            self.enroll(d, "a", A1)
            self.assertEqual(self.waiting(d), (["b"], 1))
            new = d.get("/people/a/templates").json["templates"][-1]["template_id"]
            self.assertEqual(d.request("DELETE", f"/people/a/templates/{new}").status, 204)
            self.assertEqual(self.waiting(d), (["a", "b"], 2))
            self.assertEqual(d.request("DELETE", f"/people/a/templates/{own}").status, 204)
            self.assertEqual(self.waiting(d), (["b"], 1))
            self.assertEqual(self.verify(d, "a"), ("deny", "no_templates"))
            self.assertEqual(d.request("DELETE", "/people/b").status, 204)
            self.assertEqual(self.waiting(d), ([], 0))


if __name__ == "__main__":
    unittest.main()
