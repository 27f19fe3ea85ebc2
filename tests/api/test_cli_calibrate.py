"""facegate calibrate on stores that a daemon has, had, or never had."""
import math
import random
import sqlite3
import struct
import unittest

from clitool import Case, run
from daemon import Daemon, old_database, small_face


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(
        sum(x * x for x in a) * sum(y * y for y in b))


class Calibrate(Case):
    def calibrate(self, *args):
        return self.result("calibrate", "--data_dir", self.folder, *args)

    def model(self):
        return self.result("version")["models"]["embedder"]

    def make_store(self, people, templates, change=""):
        """People whose templates share a direction, so that strangers score
        about 0.4; a person's own templates are equal but for the last. Written
        into a store of the last version with plain rows, which the daemon
        then encrypts."""
        rng = random.Random(4)
        common = [rng.gauss(0, 1) for _ in range(128)]
        made = []
        with sqlite3.connect(old_database(2, self.folder)) as db:
            db.execute("DELETE FROM templates")
            db.execute("DELETE FROM people")
            for p in range(1, people + 1):
                db.execute("INSERT INTO people(key, id, name, created_ms, "
                           "updated_ms) VALUES(?, ?, '', 0, 0)", (p, f"p{p}"))
                v = [0.8 * c + rng.gauss(0, 1) for c in common]
                for t in range(templates):
                    if t and t == templates - 1:
                        v = [rng.gauss(0, 1) for _ in v]
                    top = max(map(abs, v))
                    made.append((p, [round(127 * x / top) for x in v]))
            for p, v in made:
                db.execute(
                    "INSERT INTO templates(person_key, model_id, vector, "
                    "scale, length, created_ms) VALUES(?, ?, ?, ?, 9, 0)",
                    (p, self.model(), struct.pack("128b", *v),
                     1 / math.sqrt(sum(x * x for x in v))))
            db.execute(change)
        db.close()
        with Daemon(data_dir=str(self.folder)):
            pass
        return made

    def test_rates_are_those_of_every_two_templates(self):
        made = self.make_store(80, 2)
        found = self.calibrate("--target_fmr", "0.003")
        same, other = [], []
        for i, (p, a) in enumerate(made):
            for q, b in made[i + 1:]:
                (same if p == q else other).append(cosine(a, b))
        self.assertEqual((found["people"], found["templates"]), (80, 160))
        self.assertEqual(found["model"], self.model())
        self.assertEqual(found["genuine_comparisons"], len(same))
        self.assertEqual(found["impostor_comparisons"], len(other))
        self.assertEqual(list(found["rates"]),
                         ["1e-2", "1e-3", "1e-4", "1e-5", "1e-6"])
        for rate in [*found["rates"].values(), found["at_target"]]:
            cut = rate["threshold"]
            matches = sum(s >= cut for s in other)
            self.assertAlmostEqual(rate["matches"], matches, delta=2)
            exact = rate["matches"] / len(other)
            self.assertAlmostEqual(rate["fmr"], exact, delta=0.006 * exact)
            self.assertAlmostEqual(
                rate["fnmr"], 100 * sum(s < cut for s in same) / len(same), 0)
            self.assertGreater(rate["fmr_at_most"], rate["fmr"])
        # 12,640 comparisons: thirty errors are expected at 0.3 %.
        self.assertEqual(found["target_fmr"], 0.003)
        own = found["at_target"]["site_threshold"]
        passed = sum(s >= own for s in other)
        self.assertAlmostEqual(passed, 0.003 * len(other), delta=3)
        self.assertIsNone(found["rates"]["1e-3"]["site_threshold"])
        self.assertIsNone(found["rates"]["1e-3"]["site_target_fmr"])
        # What it says to set gives the cut that it measured.
        advice = found["at_target"]["site_target_fmr"]
        again = self.calibrate("--target_fmr", advice)
        self.assertAlmostEqual(again["at_target"]["threshold"], own, 2)
        text = run("calibrate", "--data_dir", self.folder, "--target_fmr",
                   "0.003").stdout
        self.assertIn(f"set target_fmr = {advice:.2g}\n", text)

    def test_cut_that_the_table_does_not_reach_gives_no_advice(self):
        self.make_store(
            80, 2, "UPDATE templates SET (vector, scale) = (SELECT vector, "
            "scale FROM templates WHERE person_key = 1) WHERE person_key < 20")
        rate = self.calibrate()["rates"]["1e-2"]
        self.assertGreater(rate["site_threshold"], 0.99)
        self.assertIsNone(rate["site_target_fmr"])

    def test_running_daemon_is_not_disturbed(self):
        with Daemon(data_dir=str(self.folder)) as d:
            for who, picture in (("a", "obama.jpg"), ("b", "biden.jpg")):
                for _ in range(2):
                    r = d.post(f"/enroll?person_id={who}&mode=append",
                               small_face(picture))
                    self.assertEqual(r.status, 201, r.body)
            found = self.calibrate()
            self.assertEqual((found["people"], found["templates"]), (2, 4))
            self.assertEqual(found["genuine_comparisons"], 2)
            self.assertEqual(found["impostor_comparisons"], 4)
            rate = found["rates"]["1e-4"]
            self.assertEqual((rate["fmr"], rate["fnmr"]), (0, 0))
            # No match in four: below 1 - 0.05 ** (1 / 4).
            self.assertAlmostEqual(rate["fmr_at_most"], 0.527, 3)
            text = run("calibrate", "--data_dir", self.folder)
            self.assertEqual(text.returncode, 0, text.stderr)
            self.assertIn("needs 3e+05 comparisons", text.stdout)
            self.assertEqual(
                d.request("DELETE", "/people/a").status, 204)
            self.assertEqual(
                d.post("/verify?person_id=b",
                       small_face("biden.jpg")).json["decision"], "allow")
            self.assert_refused("templates of two people", "calibrate",
                                "--data_dir", self.folder)
            code, log = d.stop()
            self.assertEqual((code, log), (0, ""))

    def test_store_of_another_model_is_counted_and_not_compared(self):
        self.make_store(3, 2, "UPDATE templates SET model_id = "
                        "'other@00000000' WHERE person_key = 3")
        found = self.calibrate()
        self.assertEqual((found["people"], found["templates"],
                          found["templates_of_other_models"]), (2, 4, 2))

    def test_more_templates_than_the_gallery_may_hold_are_refused(self):
        self.make_store(3, 2)
        self.assert_refused("(gallery_full)", "calibrate", "--data_dir",
                            self.folder, "--gallery_max", "5")

    def test_missing_and_foreign_stores_are_refused(self):
        self.assert_refused("(io_error)", "calibrate", "--data_dir",
                            self.folder)
        self.write("facegate.db", b"x" * 8192)
        self.assert_refused("(bad_database)", "calibrate", "--data_dir",
                            self.folder)


if __name__ == "__main__":
    unittest.main()
