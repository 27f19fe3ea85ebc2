"""DeepStack's face routes, asked as its clients ask: requests of the shapes that Home
Assistant's integration (Python's requests), Double Take (axios with form-data) and curl
send."""

import http.client
import json
import re
import time
import unittest
import urllib.parse

from daemon import FolderCase, add_key, made, run_to_end, small_face, status_of

OBAMA, OBAMA2, BIDEN = (small_face(n) for n in ("obama.jpg", "obama2.jpg", "biden.jpg"))
FACE = "/v1/vision/face/"
KIB = 1024


def form(fields, files, boundary="d8a9c0b1e2f34567", kind=True, chunk=None):
    """fields and files as (name, value) in the order they are to be sent."""
    out = b""
    for name, value in fields:
        out += (f"--{boundary}\r\nContent-Disposition: form-data; "
                f'name="{name}"\r\n\r\n').encode() + value.encode() + b"\r\n"
    for name, value in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        if kind:
            head += "Content-Type: image/jpeg\r\n"
        out += head.encode() + b"\r\n" + value + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"}


def python_requests(picture, **data):
    """requests.post(url, files={"image": bytes}, data=...): the fields come first, and a
    file without a name of its own is called as its field, without a type."""
    return form(data.items(), [("image", picture)], kind=False)


def double_take(*pictures, **data):
    """form-data under axios: the picture is appended first, and since it is a stream, no
    length is known: it comes in chunks."""
    boundary = "-" * 26 + "515890814546601021194782"
    body, headers = form([], [("image", p) for p in pictures], boundary)
    body = body[:-len(f"--{boundary}--\r\n")]
    rest, _ = form(data.items(), [], boundary)
    whole = body + rest
    return iter([whole[i:i + 65536] for i in range(0, len(whole), 65536)]), headers


class Case(FolderCase):
    def daemon(self, **keys):
        return super().daemon(**{"deepstack_kib": KIB, **keys})

    def ask(self, d, route, body=None, headers=None, status=200):
        r = d.request("POST", FACE + route, body, headers or {})
        self.assertEqual(r.status, status, r.body)
        self.assertEqual(r.headers["Content-Type"], "application/json")
        self.assertEqual(r.json["success"], status == 200, r.body)
        return r.json

    def urlencoded(self, d, route, status=200, **data):
        """requests.post(url, data=...)."""
        return self.ask(d, route, urllib.parse.urlencode(data),
                        {"Content-Type": "application/x-www-form-urlencoded"}, status)


class DeepStack(Case):
    def test_they_are_off_unless_asked_for(self):
        d = self.daemon(deepstack_kib=0)
        for route in ("register", "recognize", "match", "list", "delete"):
            r = d.request("POST", FACE + route, *python_requests(OBAMA))
            self.assertEqual((r.status, r.json["code"]), (404, "no_such_route"))
        self.assertEqual(d.request("GET", FACE + "list").status, 404)
        for kib, forms in ((0, 0), (1024, 3)):
            rows = run_to_end("--print-budget", f"--deepstack_kib={kib}", "--workers=3").stdout
            took = int(re.search(r"^DeepStack's forms +(\d+)$", rows, re.M).group(1))
            self.assertEqual(took // 1048576, forms)
    def test_home_assistant_teaches_recognises_and_forgets(self):
        d = self.daemon()
        # deepstack-python sends an empty api_key where none is set.
        more = {"api_key": "", "min_confidence": "0.45"}
        r = self.ask(d, "register", *python_requests(OBAMA, userid="Barack Obama", **more))
        self.assertEqual(r, {"success": True, "message": "face added"})
        r = self.ask(d, "register", *python_requests(OBAMA2, userid="Barack Obama", **more))
        self.assertEqual(r["message"], "face updated")
        face, = self.ask(d, "recognize", *python_requests(OBAMA2, **more))["predictions"]
        self.assertEqual(face["userid"], "Barack Obama")
        self.assertTrue(0.67 <= face["confidence"] <= 1)
        self.assertEqual(set(face), {"userid", "confidence", "x_min", "y_min", "x_max", "y_max"})
        box = d.request("POST", "/detect", OBAMA2, {"Content-Type": "image/jpeg"}).json["faces"][0]["box"]
        for name, at in (("x_min", box[0]), ("y_min", box[1]), ("x_max", box[0] + box[2]),
                         ("y_max", box[1] + box[3])):
            self.assertIsInstance(face[name], int)
            self.assertAlmostEqual(face[name], at, delta=1)
        face, = self.ask(d, "recognize", *python_requests(BIDEN, **more))["predictions"]
        self.assertEqual((face["userid"], face["confidence"]), ("unknown", 0))
        self.assertEqual(self.urlencoded(d, "list", api_key="")["faces"], ["Barack Obama"])
        self.assertEqual(self.urlencoded(d, "delete", userid="Barack Obama"), {"success": True})
        self.assertEqual(self.ask(d, "list")["faces"], [])
        face, = self.ask(d, "recognize", *python_requests(OBAMA, **more))["predictions"]
        self.assertEqual((face["userid"], face["confidence"]), ("unknown", 0))
        # Gone is gone, however often it is asked for.
        self.urlencoded(d, "delete", userid="Barack Obama")

    def test_double_take_trains_with_its_key_behind_the_picture(self):
        key = add_key(self.dir, "kiosk")
        d = self.daemon()
        large = made("obama-720p.jpg", 1280, 720)
        self.assertGreater(len(large), 4 * 65536)  # beyond any other ring
        for picture in (OBAMA, large):
            self.ask(d, "register", *double_take(picture, userid="obama", api_key=key))
        face, = self.ask(d, "recognize", *double_take(large, api_key=key))["predictions"]
        self.assertEqual(face["userid"], "obama")
        boxless, headers = double_take(userid="obama", api_key=key)
        self.ask(d, "delete", boxless, headers)
        self.assertEqual(self.urlencoded(d, "list", api_key=key)["faces"], [])

    def test_curl_and_code_without_a_body_list(self):
        d = self.daemon()
        self.ask(d, "register", *form([("userid", "p")], [("image1", OBAMA), ("image2", OBAMA2)]))
        self.assertEqual(d.get("/people/p").json["templates"], 2)
        raw = d.raw(b"POST /v1/vision/face/list HTTP/1.1\r\nHost: localhost\r\n"
                    b"Connection: close\r\n\r\n")  # curl -X POST
        self.assertEqual(status_of(raw), 200)
        self.assertEqual(json.loads(raw.partition(b"\r\n\r\n")[2]),
                         {"success": True, "faces": ["p"]})
        self.ask(d, "list", b"", {"Content-Length": "0"})  # PostAsync(url, null)

    def test_match_tells_how_alike_two_pictures_are(self):
        d = self.daemon()
        same = self.ask(d, "match", *form([], [("image1", OBAMA), ("image2", OBAMA2)]))["similarity"]
        other = self.ask(d, "match", *form([], [("image1", OBAMA), ("image2", BIDEN)]))["similarity"]
        self.assertTrue(0 <= other < 0.55 < 0.67 <= same <= 1, (other, same))
        for pictures in ([OBAMA], [OBAMA, OBAMA2, BIDEN], []):
            files = [(f"image{i}", p) for i, p in enumerate(pictures)]
            self.ask(d, "match", *form([], files), status=400)
        nobody = made("-", 100, 100)
        r = self.ask(d, "match", *form([], [("image1", OBAMA), ("image2", nobody)]), status=400)
        self.assertEqual((r["code"], r["part"]), ("no_face", "image[1]"))

    def test_min_confidence_can_ask_for_more_and_never_for_less(self):
        d = self.daemon()
        self.ask(d, "register", *python_requests(OBAMA, userid="obama"))
        one, = self.ask(d, "recognize", *python_requests(OBAMA2))["predictions"]
        for least, named in ((one["confidence"], True), (one["confidence"] + 0.01, False),
                             ("0", True), ("", True), (1, False)):
            face, = self.ask(d, "recognize", *python_requests(
                OBAMA2, min_confidence=str(least)))["predictions"]
            self.assertEqual(face["userid"] == "obama", named, least)
        face, = self.ask(d, "recognize", *python_requests(BIDEN, min_confidence="0"))["predictions"]
        self.assertEqual(face["userid"], "unknown")
        for least in ("80", "-0.1", "x", "nan", "0.5x"):
            r = self.ask(d, "recognize", *python_requests(OBAMA, min_confidence=least), status=400)
            self.assertEqual(r["code"], "bad_request")

    def test_every_face_is_told_and_a_person_once(self):
        d = self.daemon()
        self.ask(d, "register", *python_requests(OBAMA, userid="obama"))
        twice = made("obama.jpg", 1000, 600, "twice", "noise=0")
        faces = self.ask(d, "recognize", *python_requests(twice))["predictions"]
        self.assertEqual(len(faces), 2)
        self.assertEqual(sorted(f["userid"] for f in faces), ["obama", "unknown"])
        nobody = made("-", 100, 100)
        self.assertEqual(self.ask(d, "recognize", *python_requests(nobody))["predictions"], [])

    def test_who_was_named_is_in_the_match_log(self):
        d = self.daemon()
        self.ask(d, "register", *python_requests(OBAMA, userid="obama"))
        for picture in (OBAMA2, BIDEN, made("-", 100, 100)):
            self.ask(d, "recognize", *python_requests(picture))
        rows = d.get("/logs").json["logs"]
        self.assertEqual([(r["route"], r["decision"], r["reason"], r["person_id"]) for r in rows],
                         [("identify", "deny", "no_face", None),
                          ("identify", "deny", "below_threshold", None),
                          ("identify", "allow", "match", "obama")])

    def test_whose_time_is_over_is_nobody(self):
        d = self.daemon()
        self.ask(d, "register", *python_requests(OBAMA, userid="obama"))
        d.request("PATCH", "/people/obama", json.dumps({"valid_until": "2020-01-01T00:00:00Z"}),
                  {"Content-Type": "application/json"})
        face, = self.ask(d, "recognize", *python_requests(OBAMA2))["predictions"]
        self.assertEqual((face["userid"], face["confidence"]), ("unknown", 0))
        row, = d.get("/logs").json["logs"]
        self.assertEqual((row["decision"], row["reason"]), ("deny", "person_expired"))

    def test_the_same_picture_again_takes_no_room(self):
        d = self.daemon()
        for _ in range(3):
            self.ask(d, "register", *python_requests(OBAMA, userid="obama"))
        self.assertEqual(d.get("/people/obama").json["templates"], 1)

    def test_any_name_is_a_userid(self):
        d = self.daemon()
        names = ["Idris Elba", "王伟", "a" * 100, "x&y=z+%", "p-1"]
        for name in names:
            self.ask(d, "register", *python_requests(OBAMA, userid=name))
            face, = self.ask(d, "recognize", *python_requests(OBAMA2))["predictions"]
            self.assertEqual(face["userid"], name)
            self.assertEqual(self.ask(d, "list")["faces"], [name])
            person, = d.get("/people").json["people"]
            self.assertRegex(person["person_id"], r"^[A-Za-z0-9._:@-]{1,64}$")
            self.urlencoded(d, "delete", userid=name)
        # Names that differ only in what an id cannot have are two people.
        self.ask(d, "register", *python_requests(OBAMA, userid="李"))
        self.ask(d, "register", *python_requests(BIDEN, userid="王"))
        self.assertEqual(sorted(self.ask(d, "list")["faces"]), ["李", "王"])
        for bad in ("", "unknown", "a\nb", "a" * 129):
            self.urlencoded(d, "delete", status=400, userid=bad)

    def test_what_is_wrong_is_told_as_deepstack_does(self):
        d = self.daemon()
        for body, code in ((python_requests(b"no jpeg", userid="p"), "not_a_jpeg"),
                           (python_requests(made("-", 100, 100), userid="p"), "no_face"),
                           (python_requests(OBAMA), "bad_request"),
                           (form([("userid", "p")], []), "bad_request"),
                           ((b"{}", {"Content-Type": "application/json"}), "bad_request"),
                           ((b"userid=%zz", {"Content-Type": "application/x-www-form-urlencoded"}),
                            "bad_request"),
                           ((OBAMA, {"Content-Type": "image/jpeg"}), "bad_request")):
            r = self.ask(d, "register", *body, status=400)
            self.assertEqual((set(r) - {"part"}, r["code"]), ({"success", "error", "code"}, code))
        self.ask(d, "register", *python_requests(OBAMA, userid="a"))
        r = self.ask(d, "register", *python_requests(OBAMA2, userid="b"), status=400)
        self.assertEqual(r["code"], "duplicate_face")
        self.assertIn("duplicate=allow", r["error"])
        twin = [("userid", "b"), ("duplicate", "allow")]
        self.assertTrue(self.ask(d, "register", *form(twin, [("image", OBAMA2)]))["success"])
        raw = d.raw(f"POST {FACE}register HTTP/1.1\r\nHost: localhost\r\n"
                    f"Content-Length: {KIB * 1024 + 1}\r\n\r\n".encode())
        self.assertEqual(status_of(raw), 413)
        self.assertIn(b'"code":"body_too_large"', raw)
        r = d.request("GET", FACE + "list")
        self.assertEqual((r.status, r.headers["Allow"]), (405, "POST"))


class Keys(Case):
    def test_a_kiosk_key_does_all_and_a_door_key_reads(self):
        kiosk, door, auditor = (add_key(self.dir, r) for r in ("kiosk", "door", "auditor"))
        d = self.daemon()
        pair = [("image1", OBAMA), ("image2", OBAMA2)]
        for key, status in ((kiosk, 200), (door, 403), (auditor, 403)):
            self.ask(d, "register", *python_requests(OBAMA, userid="p", api_key=key), status=status)
            self.urlencoded(d, "list", api_key=key, status=status)
        for key, status in ((kiosk, 200), (door, 200), (auditor, 403)):
            self.ask(d, "recognize", *python_requests(OBAMA2, api_key=key), status=status)
            self.ask(d, "match", *form([("api_key", key)], pair), status=status)
        for key, status in ((door, 403), (auditor, 403), (kiosk, 200)):
            self.urlencoded(d, "delete", userid="p", api_key=key, status=status)

    def test_a_key_in_the_headers_counts_as_everywhere(self):
        key = add_key(self.dir, "kiosk")
        d = self.daemon()
        good, bad = {"X-Api-Key": key}, {"X-Api-Key": key[:-1] + "g"}
        self.assertEqual(self.ask(d, "list", None, good)["faces"], [])
        self.ask(d, "list", None, {"Authorization": "Bearer " + key})
        body, kind = python_requests(OBAMA, userid="p", api_key=key)
        self.ask(d, "register", body, {**kind, **bad}, status=401)  # and not the form's
        self.ask(d, "list", None, bad, status=401)

    def test_without_a_right_key_nothing_is_done(self):
        key = add_key(self.dir, "kiosk")
        d = self.daemon(lockout_failures=3, log_level="error")
        wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
        for route, body in (("register", python_requests(OBAMA, userid="p")),
                            ("recognize", double_take(OBAMA)), ("list", ()),
                            ("register", python_requests(OBAMA, userid="p", api_key=""))):
            self.assertEqual(self.ask(d, route, *body, status=401)["code"], "no_key")
        before = d.request("GET", "/metrics", None, {"X-Api-Key": add_key(self.dir, "auditor")}).body
        self.assertIn(b'facegate_stage_seconds_count{stage="decode"} 0', before)  # no picture was looked at
        for _ in range(3):
            self.ask(d, "register", *python_requests(OBAMA, userid="p", api_key=wrong), status=401)
        r = self.ask(d, "list", *form([("api_key", key)], []), status=429)
        self.assertEqual(r["code"], "locked_out")
        r = d.request("GET", "/people", None, {"X-Api-Key": key})
        self.assertEqual(r.status, 429)  # one lock-out, however the key comes
        d.stop()
        d = self.daemon()
        self.assertEqual(self.urlencoded(d, "list", api_key=key)["faces"], [])

    def test_strangers_that_hold_every_form_hold_no_door(self):
        key = add_key(self.dir, "admin")
        d = self.daemon(workers=1, queue_max=0, request_timeout_ms=3000)
        d.key = key
        self.assertEqual(d.post("/enroll?person_id=p", OBAMA).status, 201)
        body, headers = python_requests(OBAMA)
        head = (f"POST {FACE}recognize HTTP/1.1\r\nHost: x\r\nContent-Type: "
                f"{headers['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n")
        with d.connect() as s:
            s.sendall(head.encode() + body[:-1])  # all but the last byte
            # The place is taken as soon as the head was read.
            until = time.monotonic() + 10
            while time.monotonic() < until:
                c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=20)
                c.request("POST", FACE + "list", headers={"X-Api-Key": key})
                r = c.getresponse()
                busy = r.status, json.loads(r.read()), r.headers["Retry-After"]
                c.close()
                if busy[0] == 503:
                    break
            self.assertEqual((busy[0], busy[1]["code"], busy[2]), (503, "busy", "1"))
            self.assertEqual(d.post("/verify?person_id=p", OBAMA2).json["decision"], "allow")

    def test_without_keys_no_page_of_a_browser_gets_in(self):
        d = self.daemon()
        body, kind = python_requests(OBAMA, userid="p")
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            self.ask(d, "register", body, {**kind, **headers}, status=401)
        self.assertEqual(self.ask(d, "list")["faces"], [])


if __name__ == "__main__":
    unittest.main()
