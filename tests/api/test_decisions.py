"""Enrol, verify, identify, compare, people, logs, with real photographs."""

import unittest

from daemon import Daemon, as_json, face, multipart, small_face

A1, A2, A3 = "obama.jpg", "obama2.jpg", "obama-720p.jpg"
B1, B2 = "biden.jpg", "biden2.jpg"


class Decisions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=40)
        r = cls.d.post("/enroll?person_id=a&name=First%20Person", face(A1))
        assert r.status == 201, r.body
        assert cls.d.post("/enroll?person_id=b", face(B1)).status == 201

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__()

    def test_the_same_person_is_allowed(self):
        r = self.d.post("/verify?person_id=a&door_id=north", face(A2))
        j = r.json
        self.assertEqual((r.status, j["decision"], j["reason"]), (200, "allow", "match"))
        self.assertEqual((j["person_id"], j["name"], j["door_id"]), ("a", "First Person", "north"))
        self.assertGreaterEqual(j["score"], j["threshold"])
        self.assertEqual(j["liveness"], "not_checked")
        self.assertEqual(len(j["face"]["landmarks"]), 5)
        self.assertLessEqual(j["pool_peak_bytes"], 2 << 20)
        self.assertEqual(set(j["ms"]), {"decode", "detect", "align", "embed", "match", "total"})
        self.assertLess(j["at"], j["expires_at"])

    def test_another_person_is_denied(self):
        j = self.d.post("/verify?person_id=a", face(B2)).json
        self.assertEqual((j["decision"], j["reason"]), ("deny", "below_threshold"))
        self.assertLess(j["score"], j["threshold"])

    def test_all_three_forms_give_the_same_score(self):
        raw = self.d.post("/verify?person_id=a", face(A3)).json
        body, headers = multipart([("image", face(A3)), ("person_id", b"a")])
        form = self.d.request("POST", "/verify", body, headers).json
        body, headers = as_json([face(A3)], person_id="a")
        coded = self.d.request("POST", "/verify", body, headers).json
        self.assertEqual(raw["score"], form["score"])
        self.assertEqual(raw["score"], coded["score"])
        self.assertEqual(raw["face"], coded["face"])

    def test_identify_ranks_persons_and_names_nobody_below_the_cut(self):
        j = self.d.post("/identify?top=5", face(A2)).json
        self.assertEqual((j["decision"], j["person_id"]), ("allow", "a"))
        self.assertEqual([c["person_id"] for c in j["candidates"]], ["a"])
        self.assertGreater(j["threshold"],
                           self.d.post("/verify?person_id=a", face(A2)).json["threshold"])

    def test_compare_says_whether_two_pictures_match(self):
        for other, match in ((A2, True), (B1, False)):
            body, headers = multipart([("image", face(A1)), ("image", face(other))])
            r = self.d.request("POST", "/compare", body, headers)
            self.assertEqual((r.status, r.json["match"]), (200, match))
        r = self.d.post("/compare", face(A1))
        self.assertEqual((r.status, r.json["code"]), (400, "bad_request"))

    def test_detect_gives_boxes_in_full_size_pixels(self):
        large, small = (self.d.post("/detect", face(n)).json for n in (A3, "obama-240p.jpg"))
        self.assertEqual((large["width"], large["height"]), (1280, 720))
        for big, little in zip(large["faces"][0]["box"], small["faces"][0]["box"]):
            self.assertAlmostEqual(big / 3, little, delta=8)

    def test_an_unknown_person_is_404(self):
        r = self.d.post("/verify?person_id=nobody", face(A1))
        self.assertEqual((r.status, r.json["code"]), (404, "no_such_person"))

    def test_the_log_can_be_filtered_and_paged(self):
        for _ in range(3):
            self.d.post("/verify?person_id=a&door_id=south", face(B1))
        j = self.d.get("/logs?door_id=south&decision=deny&limit=2").json
        self.assertEqual(len(j["logs"]), 2)
        rest = self.d.get(f"/logs?door_id=south&limit=2&before={j['next']}").json
        self.assertEqual(len(rest["logs"]), 1)
        self.assertIsNone(rest["next"])
        ids = [e["log_id"] for e in j["logs"] + rest["logs"]]
        self.assertEqual(ids, sorted(ids, reverse=True))
        one = self.d.get(f"/logs/{ids[0]}").json
        self.assertEqual((one["door_id"], one["decision"]), ("south", "deny"))
        self.assertEqual(self.d.get("/logs/999999").status, 404)
        self.assertEqual(self.d.get("/logs?from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z")
                         .json["logs"], [])
        self.assertEqual(self.d.get("/logs?min_score=0.99&door_id=south").json["logs"], [])
        self.assertEqual(self.d.get("/logs?from=yesterday").status, 400)
        self.assertEqual(self.d.get("/logs?decision=maybe").status, 400)


class Enrolment(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(min_face_px=40, gallery_max=4)
        self.addCleanup(self.d.__exit__)

    def test_append_keeps_and_replace_replaces(self):
        for path, templates in (("/enroll?person_id=p", 1), ("/enroll?person_id=p", 2),
                                ("/enroll?person_id=p&mode=replace", 1)):
            r = self.d.post(path, small_face(A1))
            self.assertEqual((r.status, r.json["templates"]), (201, templates))
        self.assertEqual(r.headers["Location"], "/people/p")
        self.assertEqual(self.d.get("/people/p").json["templates"], 1)

    def test_several_pictures_are_taken_all_or_none(self):
        body, headers = multipart([("image", small_face(A1)), ("image", small_face(A2)),
                                   ("person_id", b"p"), ("name", "Zoë".encode())])
        r = self.d.request("POST", "/enroll", body, headers)
        self.assertEqual((r.status, len(r.json["enrolled"]), r.json["name"]), (201, 2, "Zoë"))
        body, headers = multipart([("image", small_face(A1)), ("image", small_face(A2)[:5000]),
                                   ("person_id", b"q")])
        r = self.d.request("POST", "/enroll", body, headers)
        self.assertEqual((r.status, r.json["code"], r.json["part"]),
                         (422, "corrupt_jpeg", "image[1]"))
        self.assertEqual(self.d.get("/people/q").status, 404)

    def test_a_full_gallery_is_507_and_stores_nothing(self):
        for i in range(4):
            self.assertEqual(self.d.post(f"/enroll?person_id=p{i}", small_face(A1)).status, 201)
        r = self.d.post("/enroll?person_id=p9", small_face(A1))
        self.assertEqual((r.status, r.json["code"]), (507, "gallery_full"))
        self.assertEqual(self.d.get("/people/p9").status, 404)
        self.assertEqual(self.d.request("DELETE", "/people/p0").status, 204)
        self.assertEqual(self.d.post("/enroll?person_id=p9", small_face(A1)).status, 201)

    def test_deleted_is_gone_for_the_next_request(self):
        self.d.post("/enroll?person_id=p", small_face(A1))
        self.assertEqual(self.d.request("DELETE", "/people/p").status, 204)
        self.assertEqual(self.d.request("DELETE", "/people/p").status, 404)
        self.assertEqual(self.d.post("/verify?person_id=p", small_face(A1)).status, 404)
        j = self.d.post("/identify", small_face(A1)).json
        self.assertEqual((j["decision"], j["reason"], j["candidates"]),
                         ("deny", "no_templates", []))

    def test_people_are_listed_by_cursor(self):
        for p in ("c", "a", "b"):
            self.d.post(f"/enroll?person_id={p}", small_face(A1))
        first = self.d.get("/people?limit=2").json
        self.assertEqual([p["person_id"] for p in first["people"]], ["a", "b"])
        rest = self.d.get(f"/people?limit=2&after={first['next']}").json
        self.assertEqual([p["person_id"] for p in rest["people"]], ["c"])

    def test_what_was_enrolled_survives_a_restart(self):
        self.d.post("/enroll?person_id=p&name=N", small_face(A1))
        before = self.d.post("/verify?person_id=p", small_face(A2)).json
        code, err = self.d.stop()
        self.assertEqual((code, err), (0, ""))
        with Daemon(self.d.data_dir, min_face_px=40) as again:
            j = again.post("/verify?person_id=p", small_face(A2)).json
            self.assertEqual((j["decision"], j["score"]), ("allow", before["score"]))
            self.assertEqual(len(again.get("/logs").json["logs"]), 2)

    def test_bad_names_and_ids_are_refused(self):
        for query in ("person_id=", "person_id=" + "x" * 65, "person_id=a%2Fb", "person_id=..",
                      "person_id=%E2%80%AEx", "person_id=a%22", "name=x",
                      "person_id=p&name=" + "x" * 129, "person_id=p&name=%01",
                      "person_id=p&mode=sometimes", "person_id=p&person_id=q",
                      "person_id=p&colour=red"):
            r = self.d.post("/enroll?" + query, small_face(A1))
            self.assertEqual(r.status, 400, query)
        self.assertEqual(self.d.get("/people").json["people"], [])


if __name__ == "__main__":
    unittest.main()
