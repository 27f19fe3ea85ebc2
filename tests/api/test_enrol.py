"""What is not enrolled, and what a kiosk is told to do about it: poor pictures
by component, and faces that are enrolled already."""

import unittest

from daemon import JPEG, Daemon, add_key, as_json, face, made, multipart, small_face

A, B = "obama.jpg", "biden.jpg"
# mkjpeg options that spoil one component each.
SPOILT = {
    "sharpness": ("blur=13",), "exposure": ("light=14",), "roll_deg": ("tilt=35",),
    "cut_off": ("shift=230",),
}


def picture(*options):
    return made(A, 480, 600, "noise=0", *options)


class Components(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=60, quality_min=0)
        assert cls.d.post("/enroll?person_id=a", picture()).status == 201

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__()

    def test_each_component_refuses_on_its_own(self):
        hints = set()
        for name, options in SPOILT.items():
            spoilt = picture(*options)
            found = self.d.post("/detect", spoilt).json["faces"][0]
            q = found["quality"]
            r = self.d.post("/enroll?person_id=a", spoilt)
            self.assertEqual((r.status, r.json["code"], r.json["part"]),
                             (422, "low_quality", "image[0]"), (name, q))
            self.assertEqual(r.json["failed"], [name], q)
            self.assertIn(name, r.json["detail"])
            self.assertEqual((found["failed"], found["hint"]), (r.json["failed"], r.json["hint"]))
            hints.add(r.json["hint"])
        self.assertEqual(len(hints), len(SPOILT))
        self.assertEqual(self.d.get("/people/a").json["templates"], 1)

    def test_the_limits_are_keys(self):
        with Daemon(min_face_px=60, quality_min=0, enrol_sharpness_min=0, enrol_exposure_min=0,
                    enrol_roll_max=180) as d:
            for name, options in SPOILT.items():
                r = d.post("/enroll?person_id=a", picture(*options))
                self.assertEqual(r.status, 422 if name == "cut_off" else 201, (name, r.body))
        with Daemon(min_face_px=60, enrol_yaw_max=1) as d:
            r = d.post("/enroll?person_id=b", face(B))
            self.assertEqual((r.status, r.json["failed"]), (422, ["yaw_deg"]))

    def test_components_follow_the_picture(self):
        def quality(*options):
            return self.d.post("/detect", picture(*options)).json["faces"][0]["quality"]
        plain = quality()
        self.assertEqual(set(plain), {"inter_eye_px", "sharpness", "exposure", "yaw_deg",
                                      "roll_deg", "cut_off"})
        self.assertGreater(plain["sharpness"], quality("blur=3")["sharpness"] + 20)
        self.assertGreater(plain["exposure"], quality("light=25")["exposure"] + 20)
        for tilt in (-15, 15):
            self.assertAlmostEqual(quality(f"tilt={tilt}")["roll_deg"], plain["roll_deg"] + tilt,
                                   delta=4)
        self.assertFalse(plain["cut_off"])

    def test_detect_says_what_enrolment_would(self):
        good = self.d.post("/detect", picture()).json["faces"][0]
        self.assertEqual((good["failed"], good["hint"]), ([], None))
        with Daemon(min_face_px=60, min_inter_eye_px=1000) as d:
            small = d.post("/detect", picture()).json["faces"][0]
            refused = d.post("/enroll?person_id=b", picture()).json
        self.assertEqual(refused["code"], "face_too_small")
        self.assertEqual((small["failed"], small["hint"]), (["inter_eye_px"], refused["hint"]))

    def test_a_door_judges_by_the_overall_figure_alone(self):
        for options in SPOILT.values():
            j = self.d.post("/verify?person_id=a", picture(*options)).json
            self.assertIn(j["decision"], ("allow", "deny"), j)
            self.assertIn("sharpness", j["quality"])

    def test_every_failure_that_a_person_can_mend_has_a_hint(self):
        two = made(A, 1000, 600, "twice", "noise=0")
        for spoilt, code in ((made("-", 200, 200), "no_face"), (two, "several_faces")):
            r = self.d.post("/enroll?person_id=a", spoilt)
            self.assertEqual((r.status, r.json["code"]), (422, code))
            self.assertEqual(self.d.post("/verify?person_id=a", spoilt).json["hint"],
                             r.json["hint"])
        self.assertIsNone(self.d.post("/verify?person_id=a", picture()).json["hint"])


class Duplicates(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(min_face_px=60)
        self.addCleanup(self.d.__exit__)

    def test_a_face_enrolled_under_another_id_is_refused(self):
        keys = {role: add_key(self.d.data_dir, role) for role in ("kiosk", "admin")}
        self.d.key = keys["kiosk"]
        self.assertEqual(self.d.post("/enroll?person_id=a", small_face(A)).status, 201)
        body, headers = multipart([("image", small_face(B)), ("image", small_face("obama2.jpg")),
                                   ("person_id", b"x")])
        r = self.d.request("POST", "/enroll", body, headers)
        self.assertEqual((r.status, r.json["code"], r.json["part"]),
                         (409, "duplicate_face", "image[1]"))
        self.assertNotIn("person_id", r.json)
        self.assertEqual(self.d.get("/people/x").status, 404)
        self.d.key = keys["admin"]
        r = self.d.request("POST", "/enroll", body, headers)
        self.assertEqual(r.json["person_id"], "a")
        # More of the same person, and replacing, are no duplicates.
        for mode in ("append", "replace"):
            r = self.d.post(f"/enroll?person_id=a&mode={mode}", small_face("obama2.jpg"))
            self.assertEqual(r.status, 201)
        body, headers = as_json([small_face(A)], person_id="x", duplicate="allow")
        self.assertEqual(self.d.request("POST", "/enroll", body, headers).status, 201)
        r = self.d.request("POST", "/enroll?person_id=y&duplicate=perhaps", small_face(A), JPEG)
        self.assertEqual(r.status, 400)
        self.assertEqual(self.d.post("/enroll?person_id=b", small_face(B)).status, 201)


if __name__ == "__main__":
    unittest.main()
