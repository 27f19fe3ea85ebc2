"""Pictures as they come in the field, where services like this one stumble."""

import json
import socket
import unittest

from daemon import Daemon, as_json, made, sanitized, small_face

JSON = {"Content-Type": "application/json"}


class Pictures(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.__exit__)
        self.d.post("/enroll?person_id=obama", small_face("obama.jpg"))

    def test_a_crowd_is_searched_within_the_pool_and_gets_no_name(self):
        crowd = made("obama.jpg", 2600, 160, "row", "noise=0")
        found = self.d.post("/detect", crowd).json
        sizes = [f["box"][2] * f["box"][3] for f in found["faces"]]
        self.assertGreater(len(sizes), 10)
        for larger, smaller in zip(sizes, sizes[1:]):
            self.assertGreater(larger * 1.01, smaller)  # boxes are rounded
        for path in ("/identify", "/verify?person_id=obama"):
            j = self.d.post(path, crowd).json
            self.assertEqual((j["decision"], j["reason"], j["score"]),
                             ("deny", "several_faces", None))
        self.assertIsNone(self.d.post("/identify", crowd).json["person_id"])
        pool = self.d.get("/version").json["limits"]["pool_bytes"]
        self.assertLessEqual(found["pool_peak_bytes"], pool)
        before = self.d.status("VmRSS")
        for _ in range(10):
            self.d.post("/detect", crowd)
        if not sanitized():
            self.assertLessEqual(self.d.status("VmRSS"), before + 128)

    def test_a_face_that_fills_the_frame_is_found(self):
        close = made("obama.jpg", 360, 500, "crop=370,70,255,354", "noise=0")
        face, = self.d.post("/detect", close).json["faces"]
        self.assertGreater(face["box"][3], 0.8 * 500)
        self.assertEqual(self.d.post("/verify?person_id=obama", close).json["decision"], "allow")

    def test_a_dark_picture_is_judged_like_any_other_and_opens_nothing(self):
        for light in (0, 2):
            dark = made("obama.jpg", 480, 600, f"light={light}", "noise=2")
            j = self.d.post("/verify?person_id=obama", dark).json
            self.assertIn((j["decision"], j["reason"]),
                          (("deny", "no_face"), ("unsure", "low_quality")), light)
            self.assertIsNotNone(j["hint"])
            self.assertEqual(self.d.post("/enroll?person_id=x", dark).status, 422)

    def test_a_picture_without_a_face_is_a_counted_answer_and_no_error(self):
        empty = made("-", 200, 200)
        for _ in range(3):
            self.assertEqual(self.d.post("/verify?person_id=obama", empty).status, 200)
        text = self.d.get("/metrics").body.decode()
        self.assertRegex(text, r'facegate_decisions_total\{[^}]*reason="no_face"[^}]*\} 3\n')
        self.assertEqual(self.d.get("/logs?reason=no_face&limit=1").json["logs"][0]["decision"],
                         "deny")
        self.assertEqual(self.d.stop(), (0, ""))

    def test_pictures_come_from_the_client_alone(self):
        with socket.create_server(("127.0.0.1", 0)) as peer:
            peer.settimeout(0.5)
            url = f"http://127.0.0.1:{peer.getsockname()[1]}/a.jpg"
            for where in (url, "file:///etc/hostname", "/etc/hostname", "../facegate.db"):
                for body in ({"image": where}, {"image_url": where}, {"url": where},
                             {"path": where}):
                    r = self.d.request("POST", "/detect", json.dumps(body), JSON)
                    self.assertIn(r.status, (400, 415), body)
                self.assertEqual(self.d.request(
                    "POST", f"/detect?url={where}", small_face("obama.jpg"),
                    {"Content-Type": "image/jpeg"}).json["code"], "unknown_parameter")
            self.assertRaises(TimeoutError, peer.accept)

    def test_a_template_is_not_taken_for_a_picture(self):
        for name in ("embedding", "template", "faceprint"):
            body, headers = as_json([small_face("obama.jpg")], person_id="obama",
                                    **{name: "0.1,0.2"})
            r = self.d.request("POST", "/verify", body, headers)
            self.assertEqual((r.status, r.json["code"]), (400, "unknown_parameter"))


if __name__ == "__main__":
    unittest.main()
