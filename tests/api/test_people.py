"""People without pictures, what is known of them, and their templates."""

import http.client
import json
import os
import unittest
import urllib.parse

from daemon import Daemon, add_key, multipart, small_face

JSON = {"Content-Type": "application/json"}
A1, A2 = small_face("obama.jpg"), small_face("obama2.jpg")


class People(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(min_face_px=60, people_max=5)
        self.addCleanup(self.d.__exit__)

    def send(self, method, path, o, headers=None):
        return self.d.request(method, path, o if isinstance(o, (bytes, str)) else json.dumps(o),
                              headers or JSON)

    def held(self, *texts):
        """Those of the texts that stand in any file of the data folder."""
        out = set()
        for name in os.listdir(self.d.data_dir):
            with open(os.path.join(self.d.data_dir, name), "rb") as f:
                data = f.read()
            out.update(t for t in texts if t.encode() in data)
        return out

    def test_a_person_is_made_read_and_listed(self):
        known = {"person_id": "p-1", "name": "Zoë", "groups": ["staff", "night"],
                 "valid_from": "2026-01-01T00:00:00.000Z", "valid_until": "2027-01-01T00:00:00.000Z",
                 "card": {"facility": 12, "number": 3456}, "metadata": {"dept": {"no": 7}}}
        r = self.send("POST", "/people", known)
        self.assertEqual((r.status, r.headers["Location"]), (201, "/people/p-1"))
        for name, value in known.items():
            self.assertEqual(r.json[name], value)
        self.assertEqual(r.json["templates"], 0)
        self.assertEqual(self.d.get("/people/p-1").json, r.json)
        self.assertEqual(self.d.get("/people").json["people"], [r.json])
        r = self.send("POST", "/people", known)
        self.assertEqual((r.status, r.json["code"]), (409, "person_exists"))
        plain = self.send("POST", "/people", {"person_id": "p-2"}).json
        self.assertEqual([plain[k] for k in ("name", "groups", "valid_from", "valid_until", "card",
                                             "metadata")], ["", [], None, None, None, {}])

    def test_times_are_those_of_rfc_3339(self):
        self.send("POST", "/people", {"person_id": "p"})
        for text, utc in (("2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00.000Z"),
                          ("2030-01-01t00:00:00.1239999z", "2030-01-01T00:00:00.123Z"),
                          ("2030-01-01T00:30:00.5+05:30", "2029-12-31T19:00:00.500Z"),
                          ("2029-12-31T23:00:00-01:15", "2030-01-01T00:15:00.000Z"),
                          ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
                          ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z")):
            r = self.send("PATCH", "/people/p", {"valid_until": text})
            self.assertEqual((r.status, r.json.get("valid_until")), (200, utc), text)
            for name in ("from", "to"):
                self.assertEqual(self.d.get(f"/logs?{name}=" + urllib.parse.quote(text)).status, 200)
        for text in ("2030-01-01T00:00:00", "2030-01-01T00:00:00+0100", "2030-01-01T00:00:00+24:00",
                     "2030-01-01T00:00:00+01:60", "2030-01-01T00:00:00.Z", "2030-1-01T00:00:00Z",
                     "2030-01-01T00:00:00Zx", "2030-01-01T00:00:00+01:00x", "2030-13-01T00:00:00Z",
                     "2030-02-29T00:00:00Z", "2030-01-00T00:00:00Z", "2030-01-01T24:00:00Z",
                     "2030-01-01T00:60:00Z", "2030-01-01T00:00:61Z", "9999-12-31T23:59:59-00:01",
                     "1970-01-01T00:00:00+00:01", "2030-01-01 00:00:00Z", "-030-01-01T00:00:00Z", ""):
            r = self.send("PATCH", "/people/p", {"valid_until": text})
            self.assertEqual((r.status, r.json.get("code")), (400, "bad_request"), text)

    def test_metadata_keeps_the_digits_of_its_numbers(self):
        metadata = {"at": [48.1371544123, 11.5761242345], "small": 1.23456789012345e-9, "tenth": 0.1,
                    "id": 2 ** 53 + 1}
        for r in (self.send("POST", "/people", {"person_id": "p", "metadata": metadata}),
                  self.send("PATCH", "/people/p", {"metadata": metadata}), self.d.get("/people/p")):
            self.assertEqual(r.json["metadata"], metadata)
            self.assertIn(b'"tenth":0.1,', r.body)
        self.assertEqual(self.d.get("/people").json["people"], [r.json])

    def test_a_name_has_no_control_character_of_any_kind(self):
        for c in ("\n", "\t", "\x7f", "\x80", "\x9b", "\x9f"):
            for r in (self.send("POST", "/people", {"person_id": "p", "name": f"a{c}b"}),
                      self.d.get("/people?search=" + urllib.parse.quote(c))):
                self.assertEqual((r.status, r.json["code"]), (400, "bad_request"), repr(c))
        for i, name in enumerate(("\xa0Â¿", "\u202eאב", "👩\u200d👧")):
            r = self.send("POST", "/people", {"person_id": f"p-{i}", "name": name})
            self.assertEqual((r.status, r.json.get("name")), (201, name))

    def test_a_person_is_changed_only_as_it_was_read(self):
        made = self.send("POST", "/people", {"person_id": "p"})
        old = {**JSON, "If-Match": made.headers["ETag"]}
        self.assertEqual(self.d.get("/people/p").headers["ETag"], made.headers["ETag"])
        r = self.send("PATCH", "/people/p", {"groups": ["a"]}, old)
        self.assertEqual(r.status, 200)
        for method in ("PATCH", "DELETE"):
            s = self.send(method, "/people/p", {"groups": ["b"]} if method == "PATCH" else b"", old)
            self.assertEqual((s.status, s.json["code"]), (412, "changed_meanwhile"))
            s = self.send(method, "/people/q", {} if method == "PATCH" else b"", old)
            self.assertEqual(s.status, 404)
        self.assertEqual(self.d.get("/people/p").json, r.json)
        now = {**JSON, "If-Match": r.headers["ETag"]}
        self.assertEqual(self.send("DELETE", "/people/p", b"", now).status, 204)

    def test_people_are_found_by_name_or_id_letters_case_apart(self):
        for i, name in (("a-1", "Zoë Ångström"), ("a-2", "ZOË"), ("b-1", "Иван"), ("zo.x", ""),
                        ("c", "100% [a] _")):
            self.send("POST", "/people", {"person_id": i, "name": name})
        for search, ids in (("zoË", ["a-1", "a-2"]), ("ZO", ["a-1", "a-2", "zo.x"]),
                            ("ивАН", ["b-1"]), ("A-", ["a-1", "a-2"]), ("å", ["a-1"]), ("% [A] _", ["c"]),
                            ("%", ["c"]), ("", ["a-1", "a-2", "b-1", "c", "zo.x"]), ("zoe", [])):
            r = self.d.get("/people?search=" + urllib.parse.quote(search)).json
            self.assertEqual(([p["person_id"] for p in r["people"]], r["next"]), (ids, None), search)
        r = self.d.get("/people?search=zo&limit=2").json
        self.assertEqual(([p["person_id"] for p in r["people"]], r["next"]), (["a-1", "a-2"], "a-2"))
        r = self.d.get("/people?search=zo&limit=2&after=a-2").json
        self.assertEqual(([p["person_id"] for p in r["people"]], r["next"]), (["zo.x"], None))
        for bad in ("%00", "%0A", "x" * 129, "%FF"):
            self.assertEqual(self.d.get("/people?search=" + bad).status, 400, bad)

    def test_a_patch_changes_what_it_names(self):
        self.send("POST", "/people", {"person_id": "p", "name": "One", "groups": ["a"],
                                      "metadata": {"x": 1}, "card": {"number": 5}})
        self.d.post("/enroll?person_id=p", A1)
        before = self.d.get("/people/p").json
        for change, after in (({"name": "Two"}, None), ({"groups": ["b", "c"]}, None),
                              ({"groups": None}, {"groups": []}), ({"metadata": None}, {"metadata": {}}),
                              ({"card": None}, None), ({"name": None}, {"name": ""}),
                              ({"valid_until": "2030-01-01T00:00:00Z"},
                               {"valid_until": "2030-01-01T00:00:00.000Z"}),
                              ({"valid_until": None}, None), ({}, None)):
            r = self.send("PATCH", "/people/p", change,
                          {"Content-Type": "application/merge-patch+json"})
            before.update(after or change)
            self.assertEqual(r.status, 200, r.body)
            self.assertGreaterEqual(r.json["updated_at"], before.pop("updated_at"))
            before["updated_at"] = r.json["updated_at"]
            self.assertEqual(r.json, before)
        self.assertEqual(before["templates"], 1)
        self.assertEqual(self.send("PATCH", "/people/q", {}).json["code"], "no_such_person")

    def test_what_cannot_be_known_of_a_person_is_refused(self):
        for o in ({}, {"person_id": ""}, {"person_id": "a b"}, {"person_id": 5},
                  {"person_id": "x" * 65}, {"person_id": ".."}):
            self.assertEqual(self.send("POST", "/people", o).status, 400, o)
        self.assertEqual(self.send("POST", "/people", {"person_id": "p"}).status, 201)
        for o in ({"name": "x" * 129}, {"name": "a\u0001"}, {"name": 5}, {"groups": "a"},
                  {"groups": ["a", "a"]}, {"groups": ["a b"]}, {"groups": [1]},
                  {"groups": ["g" * 33]}, {"groups": [str(i) for i in range(9)]},
                  {"valid_from": "soon"}, {"valid_from": 5}, {"valid_from": "1970-01-01T00:00:00Z"},
                  {"valid_from": "2027-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"},
                  {"metadata": []}, {"metadata": {"x": "y" * 510}}, {"card": 5}, {"card": {}},
                  {"card": {"facility": 1}}, {"card": {"number": -1}}, {"card": {"number": 1.5}},
                  {"card": {"number": 1 << 35}}, {"card": {"facility": 65536, "number": 1}},
                  {"card": {"number": 1, "colour": 2}}):
            r = self.send("PATCH", "/people/p", o)
            self.assertEqual((r.status, r.json["code"]), (400, "bad_request"), o)
        for o in ({"colour": "red"}, {"person_id": "q"}, {"templates": 5}):
            self.assertEqual(self.send("PATCH", "/people/p", o).json["code"], "unknown_parameter")
        self.assertEqual(self.send("PATCH", "/people/p?x=1", {}).json["code"], "unknown_parameter")
        deep = b'{"metadata":' + b'{"a":' * 1000 + b"1" + b"}" * 1001
        for body in (b"", b"[]", b"{", b"5", b'{"name":"a"}x', b'{"name":"a","name":"b"}',
                     b'{"name":"\xff"}', b'{"name":"a\\u0000"}', b'{"card":{"number":1e999}}',
                     b"{}\x00", deep):
            r = self.send("PATCH", "/people/p", body)
            self.assertEqual((r.status, r.json["code"]), (400, "bad_json"), body[:40])
        for kind in ("text/plain", "image/jpeg", "application/jsonx"):
            r = self.send("PATCH", "/people/p", {}, {"Content-Type": kind})
            self.assertEqual((r.status, r.json["code"]), (415, "not_json"))
        r = self.send("PATCH", "/people/p", b" " * 8193)
        self.assertEqual((r.status, r.json["limit"]), (413, 8192))
        self.assertEqual(self.d.get("/people/p").json["name"], "")

    def test_a_deep_text_of_harmless_size_is_taken(self):
        nested = {"a": {"b": {"c": ["]]]{{{\"", {}]}}}
        self.assertEqual(self.send("POST", "/people", {"person_id": "p", "metadata": nested})
                         .json["metadata"], nested)

    def test_there_is_room_for_people_max_people(self):
        for i in range(5):
            self.assertEqual(self.send("POST", "/people", {"person_id": f"p{i}"}).status, 201)
        r = self.send("POST", "/people", {"person_id": "p5"})
        self.assertEqual((r.status, r.json["code"], r.json["limit"]), (507, "store_full", 5))
        r = self.d.post("/enroll?person_id=p5", A1)
        self.assertEqual((r.status, r.json["code"]), (507, "store_full"))
        self.assertEqual(self.d.post("/enroll?person_id=p4", A1).status, 201)
        self.assertEqual(self.d.request("DELETE", "/people/p0").status, 204)
        self.assertEqual(self.send("POST", "/people", {"person_id": "p5"}).status, 201)

    def test_what_is_changed_or_deleted_leaves_no_byte(self):
        self.send("POST", "/people", {"person_id": "gone-id", "name": "Name-of-old",
                                      "groups": ["group-of-old"], "metadata": {"k": "data-of-old"}})
        self.d.post("/enroll?person_id=gone-id", A1)
        old = ("Name-of-old", "group-of-old", "data-of-old")
        self.assertEqual(self.held(*old), {"group-of-old"})  # the rest is encrypted
        new = {"name": "Name-of-new", "groups": ["group-of-new"], "metadata": {"k": "data-of-new"}}
        self.assertEqual(self.send("PATCH", "/people/gone-id", new).status, 200)
        new = ("gone-id", "Name-of-new", "group-of-new", "data-of-new")
        self.assertEqual(self.held(*old, *new), {"gone-id", "group-of-new"})
        self.d.post("/verify?person_id=gone-id", A1)
        self.assertEqual(self.d.request("DELETE", "/people/gone-id").status, 204)
        self.assertEqual(self.held(*new), set())

    def test_one_template_can_be_taken_back(self):
        key = add_key(self.d.data_dir, "admin")
        self.d.key = key
        body, headers = multipart([("image", A1), ("image", A2), ("person_id", b"p")])
        r = self.d.request("POST", "/enroll", body, headers)
        ids = [e["template_id"] for e in r.json["enrolled"]]
        rows = self.d.get("/people/p/templates").json["templates"]
        self.assertEqual([t["template_id"] for t in rows], ids)
        for row, told in zip(rows, r.json["enrolled"]):
            self.assertEqual(set(row), {"template_id", "model", "quality", "key_id",
                                        "created_at", "crop_kept"})
            self.assertEqual((row["model"], row["key_id"]), (r.json["model"], key[3:11]))
            self.assertAlmostEqual(row["quality"], told["quality"]["overall"], delta=0.11)
        page = self.d.get("/people/p/templates?limit=1").json
        self.assertEqual([t["template_id"] for t in page["templates"]], ids[:1])
        page = self.d.get(f"/people/p/templates?limit=1&after={page['next']}").json
        self.assertEqual([t["template_id"] for t in page["templates"]], ids[1:])

        self.assertEqual(self.d.post("/verify?person_id=p", A2).json["template_id"], ids[1])
        path = "/people/p/templates/"
        self.assertEqual(self.d.request("DELETE", f"{path}{ids[1]}").status, 204)
        self.assertEqual(self.d.post("/verify?person_id=p", A2).json["template_id"], ids[0])
        for bad, status in ((f"{path}{ids[1]}", 404), (f"{path}0", 400), (f"{path}x", 400),
                            (f"/people/q/templates/{ids[0]}", 404)):
            self.assertEqual(self.d.request("DELETE", bad).status, status, bad)
        self.assertEqual(self.d.get("/people/q/templates").json["code"], "no_such_person")
        self.assertEqual(self.d.request("DELETE", f"{path}{ids[0]}").status, 204)
        j = self.d.post("/verify?person_id=p", A2).json
        self.assertEqual((j["decision"], j["reason"]), ("deny", "no_templates"))
        self.assertEqual(self.d.get("/people/p").json["templates"], 0)
        self.assertEqual(self.d.get("/readyz").json["templates"], 0)


class ManyPeople(unittest.TestCase):
    def test_one_search_looks_at_a_thousand_people_and_goes_on(self):
        with Daemon() as d:
            c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=60)
            for i in range(1050):
                name = "Last" if i == 1049 else "First" if i == 0 else ""
                c.request("POST", "/people", json.dumps({"person_id": f"p{i:04}", "name": name}), JSON)
                c.getresponse().read()
            c.close()
            page = d.get("/people?search=last").json
            self.assertEqual((page["people"], page["next"]), ([], "p0999"))
            page = d.get("/people?search=last&after=p0999").json
            self.assertEqual(([p["name"] for p in page["people"]], page["next"]), (["Last"], None))
            page = d.get("/people?search=ST").json
            self.assertEqual([p["name"] for p in page["people"]], ["First"])


if __name__ == "__main__":
    unittest.main()
