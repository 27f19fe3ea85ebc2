"""Crops that are kept, encrypted, and what another embedder makes of them by itself."""

import os
import re
import sqlite3
import subprocess
import unittest

from daemon import (FACEGATE, MODELS, ROOT, Daemon, FolderCase, clean_environment, multipart,
                    run_to_end, small_face, wait_for)

A1, A2, B1 = (small_face(n) for n in ("obama.jpg", "obama2.jpg", "biden.jpg"))
CROP_BYTES = 112 * 112 * 3


class Case(FolderCase):
    def daemon(self, embedder, keep=True, **keys):
        return super().daemon(embedder=embedder, keep_crops=str(keep).lower(),
                              **{"log_level": "info", **keys})

    def enroll(self, d, who, *pictures):
        body, headers = multipart([("image", p) for p in pictures])
        r = d.request("POST", f"/enroll?duplicate=allow&person_id={who}", body, headers)
        self.assertEqual(r.status, 201, r.body)
        return r.json

    def verify(self, d, who="a", picture=A2):
        j = d.post(f"/verify?person_id={who}", picture).json
        return j["decision"], j["reason"], j["score"]

    def waiting(self, d):
        """How many crops wait, by both who tell it."""
        ready = d.get("/readyz").json["templates_to_reembed"]
        metric = int(re.search(rb"\nfacegate_templates_to_reembed (\d+)",
                               d.get("/metrics").body).group(1))
        return max(ready, metric)

    def done(self, d):
        self.assertTrue(wait_for(lambda: self.waiting(d) == 0 and
                                 self.acts(d)[:1] == ["reembed_end"], 60))

    def acts(self, d):
        return [row["action"] for row in d.get("/audit").json["audit"]]

    def models(self, d, who):
        """The short names of the models of a person's templates, and whether crops are kept."""
        return [(t["model"].split("@")[0], t["crop_kept"])
                for t in d.get(f"/people/{who}/templates").json["templates"]]

    def sql(self, statement):
        db = sqlite3.connect(f"file:{self.dir}/facegate.db?mode=ro", uri=True)
        rows = db.execute(statement).fetchall()
        db.close()
        return rows

    def held(self, *pieces):
        """Those of the byte strings that any file of the folder holds."""
        found = set()
        for entry in os.scandir(self.dir):
            if entry.is_file():
                with open(entry, "rb") as f:
                    data = f.read()
                found |= {p for p in pieces if p in data}
        return found


class Change(Case):
    def test_another_embedder_matches_without_anybody_enrolling_again(self):
        d = self.daemon("accurate", folder=self.folder())
        self.enroll(d, "a", A1)
        direct = self.verify(d), self.verify(d, picture=B1)
        quality = d.get("/people/a/templates").json["templates"][0]["quality"]
        d.stop()
        d = self.daemon("fast")
        self.enroll(d, "a", A1)
        self.enroll(d, "b", B1)
        before = self.verify(d)
        self.assertEqual(before[0], "allow")
        self.assertEqual(self.models(d, "a"), [("fast", True)])
        d.stop()
        d = self.daemon("accurate")
        self.done(d)
        # What enrolling the picture itself gives, to the last digit.
        self.assertEqual((self.verify(d), self.verify(d, picture=B1)), direct)
        self.assertEqual(self.verify(d, "b", B1)[0], "allow")
        self.assertEqual(self.models(d, "a"), [("fast", True), ("accurate", True)])
        self.assertEqual(d.get("/people/a/templates").json["templates"][1]["quality"], quality)
        ready = d.get("/readyz").json
        self.assertEqual((ready["templates"], ready["people_waiting"]), (2, 0))
        self.assertEqual(self.acts(d)[:2], ["reembed_end", "reembed_begin"])
        code, log = d.stop()
        self.assertEqual(code, 0)
        self.assertRegex(log, r"reembed_end model=accurate@\w+ made=2 waiting=0")
        d = self.daemon("fast")  # back: at once, and as it was
        self.assertEqual((self.verify(d), self.waiting(d)), (before, 0))
        self.assertEqual(d.get("/readyz").json["templates"], 2)
        self.enroll(d, "a", A2)
        d.stop()
        d = self.daemon("accurate")  # only what is new
        self.done(d)
        self.assertEqual(d.get("/readyz").json["templates"], 3)

    def test_a_picture_that_is_known_takes_no_other_ones_crop(self):
        d = self.daemon("fast", deepstack_kib=1024)
        for pictures in ([A1], [A1, A2]):  # of the two only the second is new
            body, headers = multipart([("userid", b"a")] + [("image", p) for p in pictures])
            r = d.request("POST", "/v1/vision/face/register", body, headers)
            self.assertEqual(r.status, 200, r.body)
        self.assertEqual(len(self.models(d, "a")), 2)
        d.stop()
        d = self.daemon("accurate")
        self.done(d)
        for picture in (A1, A2):
            self.assertGreater(self.verify(d, picture=picture)[2], 0.99)

    def test_who_has_no_crop_must_be_enrolled_again(self):
        d = self.daemon("fast", keep=False)
        self.enroll(d, "a", A1)
        d.stop()
        d = self.daemon("fast")
        self.enroll(d, "b", B1)
        d.stop()
        d = self.daemon("accurate")
        self.done(d)
        self.assertEqual(self.verify(d), ("deny", "other_model", None))
        self.assertEqual(self.verify(d, "b", B1)[0], "allow")
        people = d.get("/people").json
        self.assertEqual([(p["person_id"], p["needs_enrolment"]) for p in people["people"]],
                         [("a", True), ("b", False)])
        self.assertEqual(people["people_waiting"], 1)

    def test_killed_in_the_middle_it_goes_on_and_makes_each_once(self):
        d = self.daemon("fast")
        for who in "abcd":
            self.enroll(d, who, *[A1, A2] * 5)
        d.stop()
        made = []
        for kills in range(3):
            d = self.daemon("accurate", log_level="error")
            wait_for(lambda: self.waiting(d) < 40 - 10 * kills, 60)
            d.kill()
            count, = self.sql("SELECT count(*) FROM templates WHERE model_id LIKE 'accurate@%'")
            made.append(count[0])
        self.assertEqual(made, sorted(made))
        self.assertGreater(made[0], 0)
        d = self.daemon("accurate")
        self.assertTrue(wait_for(lambda: self.waiting(d) == 0, 60))
        self.assertEqual({self.verify(d, who)[0] for who in "abcd"}, {"allow"})
        self.assertEqual(d.get("/readyz").json["templates"], 40)
        self.assertEqual(self.sql("SELECT count(*) FROM templates GROUP BY crop_id "
                                  "HAVING count(*) <> 2"), [])
        self.assertEqual(len(self.sql("SELECT id FROM crops")), 40)

    def test_a_changed_crop_is_never_embedded(self):
        d = self.daemon("fast")
        self.enroll(d, "a", A1)
        self.enroll(d, "b", B1)
        d.stop()
        with sqlite3.connect(os.path.join(self.dir, "facegate.db")) as db:
            db.execute("UPDATE crops SET sealed = (SELECT sealed FROM crops WHERE id = 2) "
                       "WHERE id = 1")
        db.close()
        d = self.daemon("accurate")
        self.assertTrue(wait_for(lambda: self.acts(d)[0] == "reembed_end"))
        self.assertEqual(self.waiting(d), 1)
        self.assertEqual(self.verify(d), ("deny", "other_model", None))
        self.assertEqual(self.verify(d, "b", B1)[0], "allow")
        self.assertRegex(d.get("/metrics").body, rb"\nfacegate_corrupt_rows_total [1-9]")
        self.assertIn("corrupt_row table=crops row=1 ", d.stop()[1])

    def test_a_full_gallery_is_told(self):
        d = self.daemon("fast")
        self.enroll(d, "a", A1)
        self.enroll(d, "b", B1)
        d.stop()
        d = self.daemon("accurate", gallery_max=1)
        self.assertTrue(wait_for(lambda: self.waiting(d) == 1))
        self.assertEqual(self.verify(d)[0], "allow")
        self.assertEqual(d.get("/readyz").json["status"], "ready")
        self.assertIn("not_reembedded code=gallery_full", d.stop()[1])

    def test_a_template_key_is_taken_into_account(self):
        key = os.path.join(self.dir, "key")
        with open(key, "w", encoding="ascii") as f:
            f.write("a" * 64)
        os.chmod(key, 0o400)
        d = self.daemon("fast")
        self.enroll(d, "a", A1)
        d.stop()
        d = self.daemon("fast", template_key_file=key)
        self.done(d)
        self.assertEqual(self.verify(d)[0], "allow")
        self.assertEqual(self.verify(d, picture=B1)[:2], ("deny", "below_threshold"))


class AtRest(Case):
    def crop(self):
        """The first picture's crop, as the tool makes it."""
        out = os.path.join(self.folder(), "crop.ppm")
        subprocess.run([FACEGATE, "align", "--min_face_px=60", f"--models_dir={MODELS}",
                        os.path.join(ROOT, "tests", "golden", "obama.jpg"), out],
                       env=clean_environment(), check=True, timeout=60)
        with open(out, "rb") as f:
            return f.read()[-CROP_BYTES:]

    def test_nothing_is_kept_unless_it_is_asked_for(self):
        d = self.daemon("fast", keep=False)
        self.enroll(d, "a", A1, A2)
        self.assertEqual(self.models(d, "a"), [("fast", False)] * 2)
        d.stop()
        self.assertEqual(self.sql("SELECT count(*) FROM crops"), [(0,)])
        self.assertLess(os.path.getsize(os.path.join(self.dir, "facegate.db")), 2 * 65536)
        with Daemon() as plain:
            plain.post("/enroll?person_id=a", A1)
            row, = plain.get("/people/a/templates").json["templates"]
            self.assertFalse(row["crop_kept"])

    def test_no_file_shows_the_picture_and_none_holds_what_was_erased(self):
        crop = self.crop()
        plain = [crop[i:i + 48] for i in range(0, CROP_BYTES, 48)]
        plain = [p for p in plain if len(set(p)) > 12]
        self.assertGreater(len(plain), 200)
        d = self.daemon("fast")
        self.enroll(d, "a", A1, A2)
        self.enroll(d, "b", B1)
        rows = self.sql("SELECT sealed FROM crops ORDER BY id")
        self.assertEqual({len(row) for row, in rows}, {CROP_BYTES + 40})
        sealed = [row[i:i + 48] for row, in rows[:2] for i in (0, 20000, CROP_BYTES - 8)]
        self.assertEqual(self.held(*plain), set())
        self.assertEqual(self.held(*sealed), set(sealed))
        done = subprocess.run([FACEGATE, "keys", "rotate", f"--data_dir={self.dir}"],
                              env=clean_environment(), capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.sql("SELECT DISTINCT key_version FROM crops"), [(2,)])
        self.assertEqual(self.held(*plain, *sealed), set())
        sealed = [row[20000:20048] for row, in self.sql("SELECT sealed FROM crops ORDER BY id")]
        self.assertEqual(d.request("DELETE", "/people/a").status, 204)
        self.assertEqual(self.held(*sealed), {sealed[2]})
        d.stop()
        self.assertEqual(self.held(*sealed), {sealed[2]})

    def test_turned_off_they_are_used_once_more_and_erased(self):
        d = self.daemon("fast")
        self.enroll(d, "a", A1, A2)
        d.stop()
        sealed = [row[20000:20048] for row, in self.sql("SELECT sealed FROM crops")]
        d = self.daemon("accurate", keep=False)
        self.assertTrue(wait_for(lambda: self.acts(d)[0] == "crops_erase"))
        self.assertEqual(self.acts(d)[1], "reembed_end")
        self.assertEqual(self.sql("SELECT count(*) FROM crops"), [(0,)])
        # The row that tells of it can be read before the WAL is emptied.
        self.assertTrue(wait_for(lambda: self.held(*sealed) == set()))
        self.assertEqual(self.verify(d)[0], "allow")
        self.assertEqual(self.models(d, "a"), [("fast", False)] * 2 + [("accurate", False)] * 2)

    def test_the_budget_has_what_an_enrolment_holds(self):
        for keep, want in ("true", 2 * 16 * CROP_BYTES), ("false", 0):
            out = run_to_end("--print-budget", f"--models_dir={MODELS}",
                             f"--keep_crops={keep}").stdout
            took = int(re.search(r"^crops of enrolments +(\d+)$", out, re.M).group(1))
            self.assertEqual(took, want)


if __name__ == "__main__":
    unittest.main()
