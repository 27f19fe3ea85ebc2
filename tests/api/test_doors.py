"""Doors: their rules, and that verify and identify obey them."""

import datetime
import json
import unittest
from concurrent.futures import ThreadPoolExecutor

from daemon import Daemon, small_face

A1, A2, B1 = small_face("obama.jpg"), small_face("obama2.jpg"), small_face("biden.jpg")
JSON = {"Content-Type": "application/json"}
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def around_now(shift_h=0):
    """A window of two hours around the present time of UTC, shifted."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=shift_h)
    hour = datetime.timedelta(hours=1)
    end = (now + hour).strftime("%H:%M")
    return {"days": DAYS, "from": (now - hour).strftime("%H:%M"),
            "to": "24:00" if end == "00:00" else end}


def wiegand(facility, facility_bits, number, number_bits):
    """The bits, made of text: an even parity in front, an odd one behind."""
    data = format(facility, f"0{facility_bits}b") if facility_bits else ""
    data += format(number, f"0{number_bits}b")
    half = (len(data) + 1) // 2
    return (str(data[:half].count("1") % 2) + data + str(1 - data[-half:].count("1") % 2))


class Doors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=60, doors_max=3)
        for who, picture in (("a", A1), ("b", B1)):
            assert cls.d.post(f"/enroll?person_id={who}", picture).status == 201

    @classmethod
    def tearDownClass(cls):
        code, err = cls.d.stop()
        assert code == 0, err
        cls.d.__exit__()

    def setUp(self):
        self.person(groups=[], valid_from=None, valid_until=None, card=None)
        for door in self.d.get("/doors").json["doors"]:
            self.d.request("DELETE", "/doors/" + door["door_id"])

    def put(self, door="north", **rules):
        return self.d.request("PUT", "/doors/" + door, json.dumps(rules), JSON)

    def person(self, **what):
        r = self.d.request("PATCH", "/people/a", json.dumps(what), JSON)
        self.assertEqual(r.status, 200, r.body)

    def ask(self, picture=A2, door="north"):
        """The decision at the door, the same for both routes, and in the log."""
        v = self.d.post(f"/verify?person_id=a&door_id={door}", picture).json
        i = self.d.post(f"/identify?door_id={door}", picture).json
        self.assertEqual((v["decision"], v["reason"], v["door_id"]),
                         (i["decision"], i["reason"], door))
        row = self.d.get(f"/logs/{i['log_id']}").json
        for key in ("decision", "reason", "door_id", "person_id", "threshold"):
            self.assertEqual(row[key], i[key], key)
        return v

    def test_a_door_is_kept_listed_replaced_and_deleted(self):
        rules = {"target_fmr": 1e-5, "min_score": None, "groups": ["staff"],
                 "windows": [{"days": ["mon", "fri"], "from": "08:00", "to": "24:00"}],
                 "timezone": "CET-1CEST,M3.5.0,M10.5.0/3", "credential": "wiegand26"}
        r = self.put(**rules)
        self.assertEqual(r.status, 201)
        self.assertEqual({k: r.json[k] for k in rules}, rules)
        self.assertEqual(self.d.get("/doors/north").json, r.json)
        r = self.put()  # everything as it was before there were rules
        self.assertEqual(r.status, 200)
        self.assertEqual([r.json[k] for k in rules], [None, None, [], [], "UTC", None])
        for door in ("east", "west"):
            self.assertEqual(self.put(door).status, 201)
        page = self.d.get("/doors?limit=2").json
        self.assertEqual([x["door_id"] for x in page["doors"]], ["east", "north"])
        page = self.d.get(f"/doors?limit=2&after={page['next']}").json
        self.assertEqual([x["door_id"] for x in page["doors"]], ["west"])
        r = self.put("south")
        self.assertEqual((r.status, r.json["code"], r.json["limit"]), (507, "store_full", 3))
        self.assertEqual(self.put("west").status, 200)
        self.assertEqual(self.d.request("DELETE", "/doors/west").status, 204)
        for method in ("GET", "DELETE"):
            r = self.d.request(method, "/doors/west")
            self.assertEqual((r.status, r.json["code"]), (404, "no_such_door"))

    def test_a_door_is_changed_only_as_it_was_read(self):
        def change(method, *tags, **rules):
            r = self.d.request(method, "/doors/north", json.dumps(rules) if method == "PUT" else None,
                               {**JSON, **dict(tags)})
            if r.status == 412:
                self.assertEqual(r.json["code"], "changed_meanwhile")
            return r

        new, there = ("If-None-Match", "*"), ("If-Match", "*")
        self.assertEqual(change("PUT", there).status, 412)
        self.assertEqual(self.d.get("/doors").json["doors"], [])
        first = change("PUT", new, groups=["a"])
        self.assertEqual(first.status, 201)
        self.assertEqual(change("PUT", new).status, 412)
        read = self.d.get("/doors/north")
        self.assertEqual(read.headers["ETag"], first.headers["ETag"])
        self.assertRegex(first.headers["ETag"], '^"[0-9a-f]{16}"$')
        old = ("If-Match", first.headers["ETag"])
        self.assertEqual(change("PUT", old, groups=["a"], min_score=0.123456789).status, 200)
        # A change that the answers, with their seven digits, do not show is one too.
        tag = ("If-Match", self.d.get("/doors/north").headers["ETag"])
        for method, stale in (("PUT", old), ("DELETE", old), ("PUT", ("If-Match", '"x"')),
                              ("PUT", ("If-Match", "x" * 4000)), ("DELETE", new)):
            self.assertEqual(change(method, stale).status, 412, stale)
        self.assertEqual(change("PUT", ("If-Match", "W/" + tag[1])).status, 200)  # by a proxy
        self.assertEqual(change("PUT", there).status, 200)
        self.assertEqual(change("PUT").status, 200)
        self.assertEqual(change("DELETE", ("If-Match", self.d.get("/doors/north").headers["ETag"])).status,
                         204)
        self.assertEqual(change("DELETE", there).status, 412)
        self.assertEqual(change("DELETE").status, 404)

    def test_of_many_changes_at_once_none_is_lost(self):
        self.put(groups=[])

        def add(name):
            while True:
                door = self.d.get("/doors/north")
                groups = sorted([*door.json["groups"], name])
                r = self.d.request("PUT", "/doors/north", json.dumps({"groups": groups}),
                                   {**JSON, "If-Match": door.headers["ETag"]})
                if r.status == 200:
                    return
                assert r.status in (412, 503), r.body

        names = [f"g{i}" for i in range(8)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, names))
        self.assertEqual(self.d.get("/doors/north").json["groups"], names)

    def test_rules_that_cannot_be_kept_are_refused(self):
        day = {"days": ["mon"], "from": "08:00", "to": "18:00"}
        for rules in ({"target_fmr": 0}, {"target_fmr": 0.5}, {"target_fmr": "1e-4"},
                      {"min_score": 2}, {"target_fmr": 1e-4, "min_score": 0.5}, {"groups": "x"},
                      {"windows": None}, {"windows": [5]}, {"windows": [{}]}, {"windows": [day] * 17},
                      {"windows": [{**day, "days": []}]}, {"windows": [{**day, "days": ["Mon"]}]},
                      {"windows": [{**day, "from": "8:00"}]}, {"windows": [{**day, "to": "24:01"}]},
                      {"windows": [{**day, "to": "08:00"}]}, {"windows": [{**day, "x": 1}]},
                      {"windows": [{**day, "from": "24:00"}]}, {"windows": [{**day, "to": "00:00"}]},
                      {"timezone": "Mars/Base"}, {"timezone": None}, {"timezone": "../UTC"},
                      {"credential": "barium"}, {"credential": 5}):
            r = self.put(**rules)
            self.assertEqual((r.status, r.json["code"]), (400, "bad_request"), rules)
        for edge in ({"to": "08:00"}, {"from": "24:00"}, {"to": "00:00"}):
            self.assertIn("must differ", self.put(windows=[{**day, **edge}]).json["detail"])
        self.assertEqual(self.put(colour="red").json["code"], "unknown_parameter")
        self.assertEqual(self.d.request("PUT", "/doors/a%20b", "{}", JSON).status, 400)
        self.assertEqual(self.d.get("/doors").json, {"doors": [], "next": None})

    def test_a_door_has_its_own_cut(self):
        free = self.d.post("/verify?person_id=a", A2).json
        self.put(target_fmr=1e-6)
        strict = self.ask()
        self.assertEqual((free["target_fmr"], strict["target_fmr"]), (1e-4, 1e-6))
        self.assertGreater(strict["threshold"], free["threshold"])
        self.put(min_score=0.9999)
        j = self.ask()
        self.assertEqual((j["decision"], j["reason"], j["threshold"]),
                         ("deny", "below_threshold", 0.9999))
        self.assertEqual(j["target_fmr"], 1e-6)
        self.put(min_score=-1)
        j = self.d.post("/verify?person_id=a&door_id=north", B1).json
        self.assertEqual((j["decision"], j["target_fmr"]), ("allow", None))

    def test_a_cut_below_the_table_has_no_false_match_rate(self):
        self.put(target_fmr=1e-2)  # where the table begins
        first = self.ask()
        self.assertEqual(first["target_fmr"], 1e-2)
        for score in (0, first["threshold"] - 0.01):
            self.put(min_score=score)
            self.assertIsNone(self.ask()["target_fmr"])
        self.put(min_score=first["threshold"] + 0.01)
        self.assertLess(self.ask()["target_fmr"], 1e-2)

    def test_a_door_is_for_its_groups(self):
        self.put(groups=["staff", "guard"])
        self.assertEqual(self.ask()["reason"], "not_in_group")
        self.person(groups=["visitor", "guards"])
        self.assertEqual(self.ask()["reason"], "not_in_group")
        self.person(groups=["visitor", "guard"])
        self.assertEqual(self.ask()["decision"], "allow")
        # Who does not look like the person learns nothing of its groups.
        self.person(groups=[])
        j = self.d.post("/verify?person_id=a&door_id=north", B1).json
        self.assertEqual(j["reason"], "below_threshold")

    def test_a_door_is_open_at_its_times_in_its_zone(self):
        for windows, zone, opened in (
                ([around_now()], "UTC", True), ([around_now(6)], "UTC", False),
                ([around_now()], "ABC-6", False), ([around_now(6)], "ABC-6", True),
                ([around_now(-5)], "ABC5", True), ([around_now(6), around_now()], "UTC", True),
                ([], "ABC-6", True), ([{"days": DAYS, "from": "00:00", "to": "24:00"}], "UTC", True)):
            self.put(windows=windows, timezone=zone)
            j = self.ask()
            self.assertEqual((j["decision"], j["reason"]),
                             ("allow", "match") if opened else ("deny", "outside_schedule"),
                             (windows, zone))

    def test_a_window_is_of_its_weekdays(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        today = (now.weekday() + 1) % 7  # from Sunday
        all_day = {"from": "00:00", "to": "24:00"}
        # Two days off, so that a midnight in between changes nothing.
        self.put(windows=[{"days": [DAYS[(today + 3) % 7]], **all_day}])
        self.assertEqual(self.ask()["reason"], "outside_schedule")
        self.put(windows=[{"days": [DAYS[today], DAYS[(today + 1) % 7]], **all_day}])
        self.assertEqual(self.ask()["reason"], "match")

    def test_a_person_has_a_time_too_with_or_without_a_door(self):
        for what, reason in (({"valid_until": "2020-01-01T00:00:00Z"}, "person_expired"),
                             ({"valid_until": None, "valid_from": "2100-01-01T00:00:00Z"},
                              "person_expired"),
                             ({"valid_from": "2020-01-01T00:00:00Z",
                               "valid_until": "2100-01-01T00:00:00Z"}, "match")):
            self.person(**what)
            self.assertEqual(self.ask()["reason"], reason)
            j = self.d.post("/verify?person_id=a", A2).json
            self.assertEqual((j["reason"], j["door_id"]), (reason, None))

    def test_a_misspelt_door_does_not_lose_its_rules(self):
        self.assertEqual(self.d.post("/verify?person_id=a&door_id=any", A2).json["door_id"], "any")
        self.put("north")
        for route in ("/verify?person_id=a&door_id=nord", "/identify?door_id=nord"):
            r = self.d.post(route, A2)
            self.assertEqual((r.status, r.json["code"]), (404, "no_such_door"))

    def test_an_allow_carries_the_card_to_replay(self):
        self.put(credential="wiegand26")
        self.assertIsNone(self.ask()["credential"])  # no card
        for name, facility, number, bits in (
                ("wiegand26", 12, 3456, wiegand(12, 8, 3456, 16)),
                ("wiegand26", 255, 65535, wiegand(255, 8, 65535, 16)),
                ("wiegand34", 65535, 1, wiegand(65535, 16, 1, 16)),
                ("wiegand37", 1000, 524287, wiegand(1000, 16, 524287, 19)),
                ("wiegand37n", None, 34359738367, wiegand(0, 0, 34359738367, 35))):
            self.put(credential=name)
            self.person(card={"facility": facility, "number": number})
            c = self.ask()["credential"]
            self.assertEqual((c["format"], c["bits"], c["facility"], c["number"]),
                             (name, len(bits), facility, number))
            sent = "".join(format(b, "08b") for b in bytes.fromhex(c["data"]))
            self.assertEqual(sent, bits.ljust(len(sent), "0"))
        self.put(credential="wiegand26")  # the card does not fit
        self.assertIsNone(self.ask()["credential"])
        self.person(card={"facility": 12, "number": 3456})
        for rules in ({}, {"credential": "wiegand26", "groups": ["staff"]}):
            self.put(**rules)
            self.assertIsNone(self.ask()["credential"], rules)


class Groups(unittest.TestCase):
    def test_identify_looks_at_one_group_at_its_own_cut(self):
        with Daemon(min_face_px=60) as d:
            for who, picture, groups in (("a", A1, ["staff"]), ("twin", A2, ["guest", "staff2"]),
                                         ("b", B1, ["guest"])):
                self.assertEqual(d.post(f"/enroll?duplicate=allow&person_id={who}", picture).status,
                                 201)
                d.request("PATCH", "/people/" + who, json.dumps({"groups": groups}), JSON)
            everybody = d.post("/identify?top=5", A1).json
            self.assertEqual([c["person_id"] for c in everybody["candidates"]], ["a", "twin"])
            for group, names in (("staff", ["a"]), ("guest", ["twin"]), ("staff2", ["twin"])):
                j = d.post(f"/identify?top=5&group={group}", A1).json
                self.assertEqual([c["person_id"] for c in j["candidates"]], names)
                self.assertLess(j["threshold"], everybody["threshold"])
            j = d.post("/identify?group=staf", A1).json
            self.assertEqual((j["decision"], j["reason"]), ("deny", "no_templates"))
            j = d.post("/identify?group=staff", B1).json
            self.assertEqual((j["reason"], j["person_id"]), ("below_threshold", None))
            for group in ("", "a%20b", "g" * 33):
                self.assertEqual(d.post("/identify?group=" + group, A1).status, 400)


if __name__ == "__main__":
    unittest.main()
