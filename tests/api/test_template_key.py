"""Templates rotated by a site's key: a change of it makes all of them void, and the way
back makes them good again."""
import json
import os
import subprocess
import unittest

from daemon import (FACEGATE, MODELS, ROOT, Daemon, FolderCase, clean_environment, run_to_end,
                    small_face)

A1, A2, B1 = (small_face(n) for n in ("obama.jpg", "obama2.jpg", "biden.jpg"))


class TemplateKey(FolderCase):
    def setUp(self):
        super().setUp()
        self.keys = [self.key(f"key-{c}", c * 64) for c in "ab"]

    def key(self, name, text, mode=0o400):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        os.chmod(path, mode)
        return path

    def daemon(self, key):
        keys = {"template_key_file": key} if key else {}
        return Daemon(self.dir, min_face_px=60, log_level="error", **keys)

    def verify(self, d, picture=A2):
        j = d.post("/verify?person_id=a", picture).json
        return j["decision"], j["reason"]

    def test_another_key_makes_templates_void_and_the_old_one_good_again(self):
        plain, mine, other = None, *self.keys
        models = {}
        with self.daemon(mine) as d:
            models[mine] = d.get("/version").json["model"]
            self.assertGreater(d.get("/readyz").json["selftest_score"], 0.98)
            self.assertEqual(d.post("/enroll?person_id=a", A1).status, 201)
            self.assertEqual(self.verify(d), ("allow", "match"))
            self.assertEqual(self.verify(d, B1), ("deny", "below_threshold"))
            self.assertEqual(d.post("/identify", A2).json["person_id"], "a")
        for key in other, plain:
            with self.daemon(key) as d:
                models[key] = d.get("/version").json["model"]
                self.assertEqual(self.verify(d), ("deny", "other_model"))
                self.assertEqual(d.get("/readyz").json["people_waiting"], 1)
        self.assertEqual(len(set(models.values())), 3)
        self.assertEqual({m.split("~")[0] for m in models.values()}, {models[plain]})
        with self.daemon(mine) as d:
            self.assertEqual(self.verify(d), ("allow", "match"))
        with self.daemon(other) as d:  # renewed under the other key
            self.assertEqual(d.post("/enroll?person_id=a&mode=replace", A1).status, 201)
            self.assertEqual(self.verify(d), ("allow", "match"))

    def test_scores_stay_but_for_rounding(self):
        scores = []
        for key in "", *self.keys:
            done = subprocess.run(
                [FACEGATE, "compare", "--json", f"--models_dir={MODELS}",
                 f"--template_key_file={key}",
                 *(os.path.join(ROOT, "tests", "golden", n) for n in ("obama.jpg", "obama2.jpg"))],
                env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            scores.append(json.loads(done.stdout)["score"])
        self.assertLess(max(scores) - min(scores), 0.02, scores)

    def test_a_file_that_is_no_key_stops_the_start(self):
        for path in (self.key("short", "a" * 31), self.key("open", "a" * 64, 0o644),
                     os.path.join(self.dir, "missing")):
            done = run_to_end(f"--data_dir={self.dir}", f"--models_dir={MODELS}",
                              "--listen=127.0.0.1:0", f"--template_key_file={path}")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("template_key_file", done.stderr)
            self.assertIn("bad_config", done.stderr)


if __name__ == "__main__":
    unittest.main()
