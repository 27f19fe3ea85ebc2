"""What clients of services like this one ask for, and must or must not get."""

import json
import unittest

from daemon import Daemon, sanitized, small_face

JSON = {"Content-Type": "application/json"}
FACE = small_face("obama.jpg")
STAGES = {"decode", "detect", "align", "embed", "match", "total"}


class Requests(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(min_face_px=60)
        self.addCleanup(self.d.__exit__)
        self.d.post("/enroll?person_id=obama&name=Barack", FACE)

    def test_a_client_cannot_choose_its_own_threshold(self):
        for name in ("threshold", "min_score", "target_fmr", "min_confidence",
                     "det_prob_threshold"):
            for path in (f"/verify?person_id=obama&{name}=0", f"/identify?{name}=0"):
                r = self.d.post(path, FACE)
                self.assertEqual((r.status, r.json["code"]), (400, "unknown_parameter"), path)
                self.assertIn(name, r.json["detail"])
        self.assertEqual(self.d.get("/logs").json["logs"], [])

    def test_every_verdict_says_that_liveness_was_not_checked(self):
        for path in ("/verify?person_id=obama", "/identify"):
            self.assertEqual(self.d.post(path, FACE).json["liveness"], "not_checked")
        r = self.d.post("/verify?person_id=obama&liveness=required", FACE)
        self.assertEqual((r.status, r.json["code"]), (400, "unknown_parameter"))

    def test_every_verdict_names_cut_rate_model_and_time_by_stage(self):
        for path in ("/verify?person_id=obama", "/identify"):
            j = self.d.post(path, FACE).json
            self.assertGreaterEqual(j["score"], j["threshold"])
            self.assertEqual((j["target_fmr"], j["model"]),
                             (1e-4, self.d.get("/version").json["model"]))
            self.assertEqual(set(j["ms"]), STAGES)
            self.assertLessEqual(sum(v for k, v in j["ms"].items() if k != "total"),
                                 j["ms"]["total"] + 1)
            self.assertEqual((len(j["face"]["box"]), len(j["face"]["landmarks"])), (4, 5))
            self.assertLess(j["at"], j["expires_at"])

    def test_a_person_of_any_name_can_be_renamed_and_deleted(self):
        for name in ("a [b] (c)", "'; DROP TABLE person; --", "../../etc", "%00 {x}", "Zoë 🙂", "?&#"):
            r = self.d.request("POST", "/people", json.dumps({"person_id": "p", "name": name}), JSON)
            self.assertEqual((r.status, r.json["name"]), (201, name))
            r = self.d.request("PATCH", "/people/p", json.dumps({"name": name + "!"}), JSON)
            self.assertEqual(r.json["name"], name + "!")
            self.assertIn(name + "!", [p["name"] for p in self.d.get("/people").json["people"]])
            self.assertEqual(self.d.request("DELETE", "/people/p").status, 204)

    def test_a_second_picture_is_kept_beside_the_first(self):
        self.d.post("/enroll?person_id=obama", small_face("obama2.jpg"))
        ids = [t["template_id"] for t in self.d.get("/people/obama/templates").json["templates"]]
        best = {self.d.post("/verify?person_id=obama", small_face(n)).json["template_id"]
                for n in ("obama.jpg", "obama2.jpg")}
        self.assertEqual((len(ids), best), (2, set(ids)))

    def test_probes_and_reads_leave_memory_flat(self):
        def ask(times):
            for _ in range(times):
                for path in ("/readyz", "/healthz", "/metrics", "/people", "/logs"):
                    self.assertEqual(self.d.get(path).status, 200)
            return self.d.status("VmRSS")
        before = ask(50)
        after = ask(200)
        if not sanitized():
            self.assertLessEqual(after, before + 128)


if __name__ == "__main__":
    unittest.main()
