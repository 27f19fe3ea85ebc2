"""Enrol, verify, identify, compare, people, logs, with real photographs."""

import unittest

from daemon import Daemon, as_json, face, made, multipart, small_face

A1, A2, A3 = "obama.jpg", "obama2.jpg", "obama-720p.jpg"
B1, B2 = "biden.jpg", "biden2.jpg"


def poor(name):
    """A picture in which the face is found, but hardly more."""
    return made(name, 420, 420, "noise=150", "quality=60")


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

    def forms(self, route, pictures):
        """The same request as a form and as JSON, and raw if it can be."""
        if len(pictures) == 1:
            yield self.d.post(route, pictures[0])
        yield self.d.request("POST", route, *multipart([("image", p) for p in pictures]))
        yield self.d.request("POST", route, *as_json(pictures))

    def test_every_route_takes_every_form(self):
        one, two = [small_face(A1)], [small_face(A1), small_face(A2)]
        for route, pictures, same in (("/identify", one, "score"), ("/detect", one, "faces"),
                                      ("/compare", two, "score"), ("/compare", two, "faces")):
            answers = list(self.forms(route, pictures))
            self.assertEqual([r.status for r in answers], [200] * len(answers), route)
            for r in answers:
                self.assertEqual(r.json[same], answers[0].json[same], route)
        for count in (one, two):
            for i, r in enumerate(self.forms(f"/enroll?duplicate=allow&person_id=forms{len(count)}", count)):
                self.assertEqual((r.status, len(r.json["enrolled"])), (201, len(count)))
                self.assertEqual(r.json["templates"], len(count) * (i + 1))
            self.assertEqual(self.d.request("DELETE", f"/people/forms{len(count)}").status, 204)

    def test_parameters_of_the_query_and_of_the_body_are_one_set(self):
        body, headers = multipart([("image", small_face(A1)), ("door_id", b"east")])
        r = self.d.request("POST", "/verify?person_id=a", body, headers)
        self.assertEqual((r.status, r.json["person_id"], r.json["door_id"]), (200, "a", "east"))
        r = self.d.request("POST", "/verify?person_id=a&door_id=west", body, headers)
        self.assertEqual((r.status, r.json["code"]), (400, "bad_request"))

    def test_a_stranger_is_not_named(self):
        with Daemon(min_face_px=40) as d:
            d.post("/enroll?person_id=a", small_face(A1))
            j = d.post("/identify?top=10", small_face(B1)).json
            self.assertEqual((j["decision"], j["reason"]), ("deny", "below_threshold"))
            self.assertEqual((j["person_id"], j["name"], j["template_id"], j["candidates"]),
                             (None, None, None, []))
            self.assertIsNone(d.get(f"/logs/{j['log_id']}").json["person_id"])

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
        contract = self.d.get("/openapi.json").json
        reasons = contract["components"]["schemas"]["Verification"]["properties"]["reason"]["enum"]
        self.assertEqual(reasons, next(p["schema"]["enum"] for p in
                                       contract["paths"]["/logs"]["get"]["parameters"]
                                       if p.get("name") == "reason"))
        for reason in reasons:
            self.assertEqual(self.d.get("/logs?reason=" + reason).status, 200, reason)
        for reason in ("no-face", "match_", "MATCH", "matc", "match%20no_face"):
            r = self.d.get("/logs?reason=" + reason)
            self.assertEqual((r.status, r.json["code"]), (400, "bad_request"), reason)
        self.assertIn("no_face", self.d.get("/logs?reason=foo").json["detail"])
        self.assertEqual(self.d.get("/logs?to=0").json["logs"], [])

    def test_a_row_of_the_log_says_what_the_answer_said(self):
        name = "r" * 64
        j = self.d.request("POST", "/verify?person_id=a&door_id=row", small_face(A2),
                           {"Content-Type": "image/jpeg", "X-Request-Id": name}).json
        row = self.d.get(f"/logs/{j['log_id']}").json
        for key in ("decision", "reason", "person_id", "door_id", "score", "threshold", "model",
                    "pool_peak_bytes", "at"):
            self.assertEqual(row[key], j[key], key)
        self.assertEqual((row["route"], row["request_id"]), ("verify", name))
        for query in ("person_id=a&door_id=row", "reason=match&door_id=row",
                      f"from={row['at']}&door_id=row", "min_score=0.5&door_id=row"):
            self.assertEqual(self.d.get("/logs?" + query).json["logs"], [row], query)
        for query in ("person_id=b&door_id=row", "reason=no_face&door_id=row",
                      f"to={row['at']}&door_id=row"):
            self.assertEqual(self.d.get("/logs?" + query).json["logs"], [], query)


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
            self.assertEqual(self.d.post(f"/enroll?duplicate=allow&person_id=p{i}", small_face(A1)).status, 201)
        r = self.d.post("/enroll?duplicate=allow&person_id=p9", small_face(A1))
        self.assertEqual((r.status, r.json["code"]), (507, "gallery_full"))
        self.assertEqual(self.d.get("/people/p9").status, 404)
        self.assertEqual(self.d.request("DELETE", "/people/p0").status, 204)
        self.assertEqual(self.d.post("/enroll?duplicate=allow&person_id=p9", small_face(A1)).status, 201)

    def test_deleted_is_gone_for_the_next_request(self):
        self.d.post("/enroll?person_id=p", small_face(A1))
        self.assertEqual(self.d.request("DELETE", "/people/p").status, 204)
        self.assertEqual(self.d.request("DELETE", "/people/p").status, 404)
        self.assertEqual(self.d.post("/verify?person_id=p", small_face(A1)).status, 404)
        j = self.d.post("/identify", small_face(A1)).json
        self.assertEqual((j["decision"], j["reason"], j["candidates"]),
                         ("deny", "no_templates", []))

    def test_identify_ranks_each_person_once(self):
        for who, picture in (("x", A1), ("x", A2), ("y", A2), ("z", B1)):
            self.assertEqual(self.d.post(f"/enroll?duplicate=allow&person_id={who}", small_face(picture)).status,
                             201)
        j = self.d.post("/identify?top=5", small_face(A1)).json
        self.assertEqual([c["person_id"] for c in j["candidates"]], ["x", "y"])
        scores = [c["score"] for c in j["candidates"]]
        self.assertGreater(scores[0], scores[1])
        self.assertGreaterEqual(scores[1], j["threshold"])
        self.assertEqual((j["person_id"], j["score"]), ("x", scores[0]))
        j = self.d.post("/identify?top=1", small_face(A1)).json
        self.assertEqual([c["person_id"] for c in j["candidates"]], ["x"])
        for top in ("0", "11", "-1", "%2B5", "%0A5", "x", ""):
            self.assertEqual(self.d.post(f"/identify?top={top}", small_face(A1)).status, 400, top)

    def test_an_empty_gallery_knows_nobody(self):
        j = self.d.post("/identify", small_face(A1)).json
        self.assertEqual((j["decision"], j["reason"], j["candidates"]),
                         ("deny", "no_templates", []))
        self.assertEqual(self.d.get("/people").json,
                         {"people": [], "next": None, "people_waiting": 0})
        self.assertEqual(self.d.request("DELETE", "/people/p").status, 404)

    def test_a_name_stays_until_another_is_given(self):
        for name, shown in (("&name=One", "One"), ("", "One"), ("&name=Two", "Two")):
            r = self.d.post("/enroll?mode=replace&person_id=p" + name, small_face(A1))
            self.assertEqual(r.json["name"], shown)
            self.assertEqual(self.d.get("/people/p").json["name"], shown)

    def test_two_people_in_one_picture(self):
        both = made(A1, 1000, 600, "twice", "noise=0")
        self.assertEqual(len(self.d.post("/detect", both).json["faces"]), 2)
        r = self.d.post("/enroll?person_id=p", both)
        self.assertEqual((r.status, r.json["code"], r.json["found"]), (422, "several_faces", 2))
        self.assertEqual(self.d.get("/people").json["people"], [])
        self.d.post("/enroll?person_id=p", small_face(A1))
        for route in ("/verify?person_id=p", "/identify"):
            j = self.d.post(route, both).json
            self.assertEqual((j["decision"], j["reason"]), ("deny", "several_faces"))

    def test_people_are_listed_by_cursor(self):
        for p in ("c", "a", "b"):
            self.d.post(f"/enroll?duplicate=allow&person_id={p}", small_face(A1))
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
                      "person_id=p&name=%FF", "person_id=p&mode=sometimes", "person_id=p&person_id=q",
                      "person_id=p&colour=red"):
            r = self.d.post("/enroll?" + query, small_face(A1))
            self.assertEqual(r.status, 400, query)
        self.assertEqual(self.d.get("/people").json["people"], [])


class Quality(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(min_face_px=40)
        self.addCleanup(self.d.__exit__)
        r = self.d.post("/enroll?person_id=a", face(A1))
        self.assertEqual(r.status, 201)
        self.enrolled = r.json["enrolled"][0]["quality"]

    def test_good_pictures_are_above_poor_ones(self):
        good = self.d.post("/verify?person_id=a", face(A2)).json["quality"]
        bad = self.d.post("/verify?person_id=a", poor(A2)).json["quality"]
        for q in (self.enrolled, good, bad):
            self.assertEqual(list(q), ["overall", "inter_eye_px", "embedding_length", "sharpness",
                                       "exposure", "yaw_deg", "roll_deg", "cut_off"])
            self.assertTrue(0 <= q["overall"] <= 100, q)
        self.assertLess(bad["overall"], 3)
        self.assertGreater(good["overall"], 3)
        self.assertLess(bad["embedding_length"], good["embedding_length"])

    def test_a_door_is_unsure_of_a_poor_picture_whatever_its_score(self):
        for picture in (poor(A2), poor(B2)):
            j = self.d.post("/verify?person_id=a&door_id=north", picture).json
            self.assertEqual((j["decision"], j["reason"], j["person_id"]),
                             ("unsure", "low_quality", "a"))
            self.assertIsNotNone(j["score"])
            row = self.d.get(f"/logs/{j['log_id']}").json
            for key in ("decision", "reason", "score", "threshold", "person_id", "door_id"):
                self.assertEqual(row[key], j[key], key)
        rows = self.d.get("/logs?decision=unsure&reason=low_quality").json["logs"]
        self.assertEqual(len(rows), 2)

    def test_a_match_of_a_poor_picture_opens_nothing_and_names_nobody(self):
        same = poor(B2)  # the same poor picture on both sides: a perfect score
        with Daemon(min_face_px=40, quality_min=0) as d:
            data = d.data_dir
            self.assertEqual(d.post("/enroll?person_id=b", same).status, 201)
            self.assertEqual(d.post("/verify?person_id=b", same).json["decision"], "allow")
            self.assertEqual(d.post("/identify", same).json["person_id"], "b")
            d.stop()
            with Daemon(data, min_face_px=40) as strict:
                j = strict.post("/verify?person_id=b", same).json
                self.assertEqual((j["decision"], j["reason"]), ("unsure", "low_quality"))
                self.assertGreater(j["score"], j["threshold"])
                j = strict.post("/identify?top=5", same).json
                self.assertEqual((j["decision"], j["reason"], j["candidates"]),
                                 ("unsure", "low_quality", []))
                self.assertEqual((j["person_id"], j["name"], j["template_id"]),
                                 (None, None, None))
                self.assertGreater(j["score"], j["threshold"])

    def test_nobody_to_compare_with_outweighs_quality(self):
        self.d.request("DELETE", "/people/a")
        j = self.d.post("/identify", poor(A2)).json
        self.assertEqual((j["decision"], j["reason"]), ("deny", "no_templates"))

    def test_a_poor_picture_is_not_enrolled(self):
        body, headers = multipart([("image", small_face(A1)), ("image", poor(A2)),
                                   ("person_id", b"q")])
        r = self.d.request("POST", "/enroll", body, headers)
        self.assertEqual((r.status, r.json["code"], r.json["part"], r.json["limit"]),
                         (422, "low_quality", "image[1]", 3))
        self.assertLess(r.json["found"], 3)
        self.assertRegex(r.json["detail"], r"quality is [0-2]\.\d of 100, 3 is needed")
        self.assertEqual(self.d.get("/people/q").status, 404)

    def test_compare_has_no_answer_for_a_poor_picture(self):
        body, headers = multipart([("image", face(A1)), ("image", poor(A2))])
        r = self.d.request("POST", "/compare", body, headers)
        self.assertEqual((r.status, r.json["code"], r.json["part"]),
                         (422, "low_quality", "image[1]"))
        body, headers = multipart([("image", face(A1)), ("image", face(A2))])
        told = self.d.request("POST", "/compare", body, headers).json["quality"]
        self.assertEqual([list(q)[0] for q in told], ["overall", "overall"])
        self.assertEqual(told[0], self.enrolled)


class EarlyExit(unittest.TestCase):
    """Doors' pictures searched from large faces to small ones."""

    @classmethod
    def setUpClass(cls):
        # So small that most of the time goes into faces that nobody has.
        cls.d = Daemon(early_exit="true", min_face_px=12)
        assert cls.d.post("/enroll?person_id=a", small_face(A1)).status == 201

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__()

    def cost(self, d, route):
        """The answer to a picture, and the processor time of the second of two."""
        for _ in range(2):
            before = d.cpu_seconds()
            answer = d.post(route, face(A2)).json
        return answer, d.cpu_seconds() - before

    def test_a_door_decides_the_same_for_less(self):
        with Daemon(min_face_px=12) as plain:
            plain.post("/enroll?person_id=a", small_face(A1))
            for route in ("/verify?person_id=a", "/identify"):
                (a, dear), (b, cheap) = self.cost(plain, route), self.cost(self.d, route)
                self.assertEqual(b["decision"], "allow")
                for key in ("decision", "reason", "score", "face", "quality", "pool_peak_bytes"):
                    self.assertEqual(a[key], b[key], key)
                self.assertLess(cheap, dear / 2, route)

    def test_other_routes_look_for_every_face(self):
        cheap = self.cost(self.d, "/verify?person_id=a")[1]
        for route in ("/detect", "/enroll?person_id=b&duplicate=allow"):
            self.assertGreater(self.cost(self.d, route)[1], 2 * cheap, route)

    def test_two_people_are_still_several_faces(self):
        both = made(A1, 1000, 600, "twice", "noise=0")
        for route in ("/verify?person_id=a", "/identify"):
            j = self.d.post(route, both).json
            self.assertEqual((j["decision"], j["reason"]), ("deny", "several_faces"))


if __name__ == "__main__":
    unittest.main()
