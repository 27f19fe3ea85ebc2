"""Hostile and careless HTTP clients, over raw sockets."""

import contextlib
import json
import random
import re
import socket
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from daemon import (JPEG, Daemon, as_json, face, multipart, read_all, small_face, status_of,
                    wait_for)

JSON = {"Content-Type": "application/json"}
PICTURE = small_face("obama.jpg")
HEAD = b"Host: localhost\r\nContent-Type: image/jpeg\r\n"
TIMEOUT_MS = 900


def post(extra, path=b"/verify?person_id=p", head=HEAD):
    return b"POST " + path + b" HTTP/1.1\r\n" + head + extra + b"\r\n"


class Case(unittest.TestCase):
    keys = {}

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(min_face_px=60, body_max_kib=256, **cls.keys)
        assert cls.d.post("/enroll?person_id=p", PICTURE).status == 201

    @classmethod
    def tearDownClass(cls):
        # Whatever the tests sent, the daemon still works and leaves in order.
        assert cls.d.post("/verify?person_id=p", PICTURE).json["decision"] == "allow"
        code, err = cls.d.stop()
        assert (code, err) == (0, ""), err
        cls.d.__exit__()

    def expect(self, raw, status, code=None):
        self.assertEqual(status_of(raw), status, raw[:300])
        if code:
            self.assertEqual(json.loads(raw.split(b"\r\n\r\n", 1)[1])["code"], code)

    def one(self, method, path, **kw):
        return self.d.request(method, path, **kw)


class Deadlines(Case):
    """Apart, since a machine that stalls must not run into them anywhere else."""

    keys = {"request_timeout_ms": TIMEOUT_MS}

    def test_slow_headers_and_bodies_meet_an_absolute_deadline(self):
        for first, rest in ((b"GET /people HTTP/1.1\r\n", b"X-A: " + b"b" * 200),
                            (post(b"Content-Length: 5000\r\n"), PICTURE[:200])):
            _, all_taken = self.d.drip(first, rest)  # which takes ten seconds
            self.assertFalse(all_taken)

    def test_a_short_body_stores_nothing(self):
        with self.d.connect() as s:
            s.sendall(post(b"Content-Length: %d\r\n" % len(PICTURE), b"/enroll?person_id=half")
                      + PICTURE[:-100])
            s.shutdown(socket.SHUT_WR)
            self.assertIn(status_of(read_all(s)), (0, 400))
        self.assertEqual(self.one("GET", "/people/half").status, 404)

    def test_answers_that_nobody_reads_do_not_hold_the_daemon(self):
        before = self.d.descriptors()
        with self.d.connect() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                for _ in range(20000):
                    s.send(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n", socket.MSG_DONTWAIT)
            except OSError:
                pass  # all buffers are full
            self.assertEqual(self.one("GET", "/healthz").status, 200)
            self.assertTrue(wait_for(lambda: self.d.descriptors() <= before))

    def test_a_head_that_leaves_no_room_for_an_answer(self):
        # The library has none left to say so and closes at the deadline.
        start = time.monotonic()
        raw = self.d.raw(b"GET /people?" + b"&".join(b"a%d=1" % i for i in range(900))
                         + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(status_of(raw), (0, 400, 414, 431))
        self.assertLess(time.monotonic() - start, 15)

    def test_other_protocols(self):
        self.expect(self.d.raw(b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n"), 505)
        self.assertIn(status_of(self.d.raw(b"GET /people\r\n\r\n")), (0, 400))
        self.d.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        self.expect(self.d.raw(b"GET /people HTTP/1.1\r\n\r\n"), 400)


class Protocol(Case):
    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.one("GET", "/nope").json["code"], "no_such_route")
        self.assertEqual(self.one("GET", "/people/a/b").status, 404)
        self.assertEqual(self.one("GET", "//people").status, 404)
        r = self.one("PUT", "/verify")
        self.assertEqual((r.status, r.headers["Allow"]), (405, "POST"))
        self.assertEqual(self.one("GET", "/verify").status, 405)
        self.expect(self.d.raw(b"BREW /people HTTP/1.1\r\nHost: localhost\r\n\r\n"), 501)

    def test_unknown_and_repeated_parameters(self):
        for path in ("/people?colour=red", "/logs?limit=1&limit=2", "/people?limit=0",
                     "/people?limit=1e3", "/people?limit=%20%31", "/people?after=a%2Fb",
                     "/logs?before=-1", "/version?x=1", "/people?%ff%fe=1"):
            self.assertEqual(self.one("GET", path).status, 400, path)

    def test_a_body_without_length(self):
        self.expect(self.d.raw(post(b"")), 411, "length_required")

    def test_a_length_over_the_limit_is_refused_before_the_body(self):
        raw = self.d.raw(post(b"Content-Length: 300000\r\nExpect: 100-continue\r\n"))
        self.expect(raw, 413, "body_too_large")
        self.assertIn(b"Connection: close", raw)
        self.assertNotIn(b"100 Continue", raw)
        self.expect(self.d.raw(post(b"Content-Length: 1180591620717411303424\r\n")), 413)

    def test_lengths_that_are_none_or_two(self):
        for value in (b"-1", b"3x", b"0x10"):
            self.expect(self.d.raw(post(b"Content-Length: " + value + b"\r\n")), 400)
        smuggled = b"\xff\xd8\xffGET /people HTTP/1.1\r\nHost: localhost\r\n\r\n"
        raw = self.d.raw(post(b"Content-Length: 3\r\nContent-Length: 40\r\n") + smuggled)
        self.expect(raw, 400)
        self.assertEqual(raw.count(b"HTTP/1.1 "), 1)
        raw = self.d.raw(post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")
                         + b"0\r\n\r\n" + smuggled)
        self.expect(raw, 400)
        self.assertEqual(raw.count(b"HTTP/1.1 "), 1)

    def test_transfer_encodings(self):
        self.expect(self.d.raw(post(b"Transfer-Encoding: gzip, chunked\r\n")), 501)
        self.expect(self.d.raw(post(b"Transfer-Encoding: identity\r\n")), 501)
        self.expect(self.d.raw(post(b"Transfer-Encoding: chunked\r\n"
                                    b"Transfer-Encoding: identity\r\n") + b"0\r\n\r\n"), 400)
        for size, status in ((b"zz", 400), (b"-5", 400), (b"f" * 18, 413)):
            self.expect(self.d.raw(post(b"Transfer-Encoding: chunked\r\n") + size + b"\r\n"),
                        status)
        chunks = b"".join(b"%x\r\n" % len(PICTURE[i:i + 999]) + PICTURE[i:i + 999] + b"\r\n"
                          for i in range(0, len(PICTURE), 999)) + b"0\r\n\r\n"
        self.expect(self.d.raw(post(b"Transfer-Encoding: chunked\r\nConnection: close\r\n")
                               + chunks), 200)

    def test_endless_chunks_end_at_the_limit(self):
        sent = self.d.chunks_taken(post(b"Transfer-Encoding: chunked\r\n"),
                                   b"\xff\xd8\xff" + bytes(0x8000 - 3), 40 << 20)
        self.assertLess(sent, 40 << 20)
        # One chunk too much: there the answer can still be read.
        body = PICTURE + bytes((256 << 10) + 1 - len(PICTURE))
        raw = self.d.raw(post(b"Transfer-Encoding: chunked\r\n")
                         + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        self.expect(raw, 413, "body_too_large")
        self.assertEqual(self.one("GET", "/healthz").status, 200)

    def test_a_body_without_an_end_is_refused_as_fully_as_any_other(self):
        def refusals():
            found = re.findall(rb'problems_total{code="body_too_large"} (\d+)',
                               self.d.get("/metrics").body)
            return int(found[0]) if found else 0
        before = refusals()
        for path, kind, limit in ((b"/detect", b"image/jpeg", 256 << 10),
                                  (b"/people", b"application/json", 8192)):
            raw = self.d.raw(post(b"Transfer-Encoding: chunked\r\nX-Request-Id: my-1\r\n", path,
                                  b"Host: localhost\r\nContent-Type: " + kind + b"\r\n")
                             + b"%x\r\n" % (limit + 1) + bytes(limit + 1) + b"\r\n0\r\n\r\n")
            self.expect(raw, 413, "body_too_large")
            head, body = raw.split(b"\r\n\r\n", 1)
            self.assertIn(b"\r\nX-Request-Id: my-1\r\n", head)
            self.assertIn(b"\r\nContent-Length: %d" % len(body), head)
            problem = json.loads(body)
            self.assertEqual((problem["request_id"], problem["limit"]), ("my-1", limit))
            self.assertIn(str(limit), problem["detail"])
        self.assertEqual(refusals(), before + 2)

    def test_expectations(self):
        with self.d.connect() as s:
            s.sendall(post(b"Content-Length: %d\r\nExpect: 100-continue\r\n"
                           b"Connection: close\r\n" % len(PICTURE)))
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 100"))
            s.sendall(PICTURE)
            self.expect(read_all(s), 200)
        self.expect(self.d.raw(post(b"Content-Length: 3\r\nExpect: cake\r\n")), 417)

    def test_a_client_that_sends_all_and_then_half_closes_is_answered(self):
        with self.d.connect() as s:
            s.sendall(post(b"Content-Length: %d\r\n" % len(PICTURE)) + PICTURE)
            s.shutdown(socket.SHUT_WR)
            self.expect(read_all(s), 200)

    def test_a_kept_connection_serves_many_requests(self):
        with self.d.connect() as s:
            for _ in range(20):
                s.sendall(post(b"Content-Length: 3\r\n") + b"\xff\xd8\xff")
                self.assertEqual(status_of(s.recv(10000)), 422)
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.expect(read_all(s), 200)

    def test_pipelined_requests_are_answered_in_order(self):
        raw = self.d.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         b"GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertLess(raw.find(b" 200 OK"), raw.find(b" 404 "))
        self.assertIn(b" 200 OK", raw)

    def test_oversized_heads(self):
        self.expect(self.d.raw(b"GET /people HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000
                               + b"\r\n\r\n"), 431)
        self.expect(self.d.raw(b"GET /people HTTP/1.1\r\nHost: localhost\r\n"
                               + b"".join(b"X%d: y\r\n" % i for i in range(2000)) + b"\r\n"), 431)
        self.expect(self.d.raw(b"GET /people?after=" + b"a" * 20000
                               + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414)
        self.expect(self.d.raw(b"GET /people/" + b"a" * 5000
                               + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414, "uri_too_long")

    def test_headers_that_are_odd(self):
        end = b"Connection: close\r\n\r\n"
        get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        self.expect(self.d.raw(get + b"Host: y\r\n\r\n"), 400)
        self.expect(self.d.raw(get + b"X-\0A: b\r\n\r\n"), 400)
        # Tolerated, as there is nothing in it that could mean two things.
        self.expect(self.d.raw(get.replace(b"\r", b"") + end.replace(b"\r", b"")), 200)
        self.expect(self.d.raw(b"GET /healthz HTTP/1.0\r\n\r\n"), 200)
        # A length that is not written plainly is none.
        for line in (b"Content-Length:\r\n 3\r\n", b"Content-Length : 3\r\n"):
            self.expect(self.d.raw(post(line) + b"\xff\xd8\xff"), 400)
        for value in (b"3, 3", b"+3", b""):
            self.expect(self.d.raw(post(b"Content-Length: " + value + b"\r\n")), 400)

    def test_nul_and_broken_escapes_in_the_address(self):
        for path in (b"/people%00x", b"/people/a%0", b"/people/%zz", b"/peo\x01ple",
                     b"/people/a%00b", b"/people?limit=%00", b"/people/%2e%2e", b"/people/a%22b",
                     b"/people/%E2%80%AEx", b"/people/" + b"a" * 65, b"/people/" + b"a" * 4000,
                     b"/people/%20", b"/logs/%201", b"/logs/+1", b"/logs/0", b"/logs/1x",
                     b"/logs/" + b"9" * 19):
            self.expect(self.d.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400)
        for path in (b"/people/", b"/people/../healthz", b"/people/a%2fb", b"http:/localhost/people",
                     b"https://localhost/people", b"http://localhost/nope", b"*"):
            self.expect(self.d.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n"
                                   b"Connection: close\r\n\r\n"), 404)

    def test_an_address_with_a_scheme_is_the_same_path_for_everything(self):
        def status(address, host=b"localhost", more=b""):
            return status_of(self.d.raw(b"GET " + address + b" HTTP/1.1\r\nHost: " + host
                                        + b"\r\nConnection: close\r\n" + more + b"\r\n"))
        for address in (b"http://localhost/healthz", b"HTTP://LOCALHOST/healthz",
                        b"http://localhost", b"http://localhost/people?limit=1",
                        b"http://localhost/people/p"):
            self.assertEqual(status(address), 200, address)
        self.assertEqual(status(b"http://localhost/people?limit=0"), 400)
        for address, host in ((b"http://localhost/people", b"x"), (b"http://x/people", b"localhost"),
                              (b"http://a@localhost/people", b"localhost"), (b"http:///people", b"x"),
                              (b"http://localhost:1/people", b"localhost")):
            self.assertEqual(status(address, host), 400, address)
        # Without keys it is Host that a stranger's page cannot choose.
        self.assertEqual(status(b"http://x/people", b"x"), 401)

    def test_content_types(self):
        for kind in ("image/png", "application/octet-stream", "text/plain",
                     "application/x-www-form-urlencoded"):
            r = self.one("POST", "/verify?person_id=p", body=PICTURE,
                         headers={"Content-Type": kind})
            self.assertEqual((r.status, r.json["code"]), (415, "not_a_jpeg"), kind)
        png = b"\x89PNG\r\n\x1a\n" + bytes(100)
        r = self.d.post("/verify?person_id=p", png)
        self.assertEqual((r.status, r.json["code"]), (415, "not_a_jpeg"))
        r = self.d.post("/verify?person_id=p", b"")
        self.assertEqual((r.status, r.json["code"]), (400, "bad_request"))

    def test_multipart_that_is_wrong(self):
        good, headers = multipart([("image", PICTURE), ("person_id", b"p")])
        kind = headers["Content-Type"]
        cases = [(good, "multipart/form-data"), (good, kind + "x" * 70),
                 (good[:-10], kind), (good.replace(b"----b7--", b"----b7"), kind),
                 (multipart([("image", PICTURE), ("person_id", b"p"), ("person_id", b"q")])[0],
                  kind),
                 (multipart([("person_id", b"p")])[0], kind),
                 (multipart([("image", PICTURE), ("person_id", b"p"), ("x", b"y")])[0], kind),
                 (multipart([("image", PICTURE), ("image", PICTURE), ("person_id", b"p")])[0],
                  kind)]
        for body, content_type in cases:
            r = self.one("POST", "/verify", body=body, headers={"Content-Type": content_type})
            self.assertEqual(r.status, 400, (content_type, body[-60:], r.body))
        self.assertEqual(self.one("POST", "/verify", body=good, headers=headers).status, 200)

    def test_an_unknown_name_is_told_as_such_whatever_its_value(self):
        _, headers = multipart([])
        head = b'------b7\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n'
        end = b"\r\n------b7--\r\n"
        coded = json.loads(as_json([PICTURE])[0])["image"]
        for body, kind, words in (
                (head % (b"file", b'; filename="a.jpg"') + PICTURE + end, headers, "image"),
                (head % (b"file", b"") + PICTURE + end, headers, "file"),
                (head % (b"image", b"") + PICTURE + b"\r\n" + head % (b"colour", b"") + b"red"
                 + end, headers, "colour"),
                (json.dumps({"picture": coded}), JSON, "picture"),
                (json.dumps({"image": coded, "imag": "x"}), JSON, "imag"),
                ('{"col\\u006fur":"red","image":"' + coded + '"}', JSON, "colour"),
                ('{"col":[', JSON, "col")):
            for path in ("/detect", "/verify?person_id=p"):
                with self.subTest(path=path, body=body[:60]):
                    r = self.one("POST", path, body=body, headers=kind)
                    self.assertEqual((r.status, r.json["code"]), (400, "unknown_parameter"),
                                     r.body)
                    self.assertIn(words, r.json["detail"])
        # A part that is known may have a file name, and a name may be written in escapes.
        body = (head % (b"person_id", b'; filename="id.txt"') + b"p\r\n" + head % (b"image", b"")
                + PICTURE + end)
        self.assertEqual(self.one("POST", "/verify", body=body, headers=headers).status, 200)
        body = '{"person\\u005fid":"p","image":"' + coded + '"}'
        self.assertEqual(self.one("POST", "/verify", body=body, headers=JSON).status, 200)

    def test_json_that_is_wrong(self):
        good, headers = as_json([PICTURE], person_id="p")
        image = json.loads(good)["image"]
        cases = [good[:-1], good + "x", good.replace("{", "[", 1), '{"image":"%%%%"}',
                 '{"person_id":"p","person_id":"q","image":"' + image + '"}',
                 '{"person_id":"p\\u0000","image":"' + image + '"}',
                 '{"person_id":1e999,"image":"' + image + '"}',
                 '{"a":' + "[" * 2000 + "]" * 2000 + "}",
                 '{"person_id":"p"}', '{"person_id":"p","image":5}', "", "null",
                 '{"person_id":"p","colour":"red","image":"' + image + '"}']
        for body in cases:
            r = self.one("POST", "/verify", body=body.encode(), headers=headers)
            self.assertEqual(r.status, 400, (body[:60], r.body))
        r = self.one("POST", "/verify", body=b'{"person_id":"\xff"}', headers=headers)
        self.assertEqual(r.status, 400)
        self.assertEqual(self.one("POST", "/verify", body=good, headers=headers).status, 200)

    def test_an_error_of_the_body_is_told_whichever_picture_is_read_when_it_shows(self):
        # More than the ring holds: decoded while it arrives.
        large = PICTURE[:2] + (b"\xff\xfe\xff\xff" + bytes(65533)) * 2 + PICTURE[2:]
        form = {"Content-Type": "multipart/form-data; boundary=----b7"}
        for first in (PICTURE, large):
            one, kind = as_json([first])
            two, _ = as_json([first, PICTURE])
            at = two.rindex('"') - 40
            two = two[:at] + "!!" + two[at + 2:]
            twice = multipart([("image", first), ("person_id", b"p"), ("person_id", b"q")])[0]
            for path, body, headers, code, words, part in (
                    ("/enroll?person_id=z", two, kind, "bad_request", "images[1] is not base64",
                     "image[1]"),
                    ("/compare", two, kind, "bad_request", "images[1] is not base64", "image[1]"),
                    ("/enroll", one[:-1] + ',"person_id":"z","name":null}', kind, "bad_json",
                     "strings, numbers or booleans", None),
                    ("/compare", one[:-1] + ",}", kind, "bad_json", "syntax error", None),
                    ("/verify?person_id=p", one + "x", kind, "bad_json", "Something follows", None),
                    ("/verify?person_id=p", one[:-1] + ',"images":[]}', kind, "bad_request",
                     "not both", None),
                    ("/verify", twice, form, "bad_request", "person_id is given twice", None)):
                with self.subTest(body=len(body), path=path, words=words):
                    r = self.one("POST", path, body=body, headers=headers)
                    self.assertEqual((r.status, r.json["code"], r.json.get("part")),
                                     (400, code, part), r.body)
                    self.assertIn(words, r.json["detail"])

    def test_request_ids_are_echoed_if_sane(self):
        r = self.one("GET", "/healthz", headers={"X-Request-Id": "door-7.a_B"})
        self.assertEqual(r.headers["X-Request-Id"], "door-7.a_B")
        r = self.one("GET", "/healthz", headers={"X-Request-Id": "a b\"c"})
        self.assertNotIn('"', r.headers["X-Request-Id"])

    def test_head_and_gets_with_bodies(self):
        r = self.one("HEAD", "/people")
        self.assertEqual((r.status, r.body), (200, b""))
        self.assertEqual(self.one("GET", "/people", body=b"x").status, 400)

    def test_health_and_version(self):
        self.assertEqual(self.one("GET", "/healthz").json, {"status": "alive"})
        j = self.one("GET", "/readyz").json
        self.assertEqual(j["status"], "ready")
        self.assertGreater(j["selftest_score"], 0.98)
        self.assertEqual(self.one("GET", "/version").json["limits"]["body_max_bytes"], 256 << 10)


class Crowds(unittest.TestCase):
    def test_the_last_places_are_for_doors(self):
        with Daemon(min_face_px=60, workers=1, queue_max=1) as d:
            d.post("/enroll?person_id=p", small_face("obama.jpg"))
            with d.connect() as slow:  # takes the only place that is not a door's
                slow.sendall(b"POST /enroll?person_id=q HTTP/1.1\r\nHost: localhost\r\n"
                             b"Content-Type: image/jpeg\r\nContent-Length: 9999\r\n"
                             b"Expect: 100-continue\r\n\r\n")
                self.assertIn(b"100 Continue", slow.recv(100))
                for path in ("/people", "/logs"):
                    r = d.get(path)
                    self.assertEqual((r.status, r.json["code"], r.headers["Retry-After"]),
                                     (503, "busy", "1"))
                self.assertEqual(d.post("/detect", small_face("obama.jpg")).status, 503)
                for path in ("/verify?person_id=p", "/identify"):
                    r = d.post(path, small_face("obama2.jpg"))
                    self.assertEqual((r.status, r.json["decision"]), (200, "allow"))
                self.assertEqual(d.get("/readyz").status, 200)
            self.assertTrue(wait_for(lambda: d.get("/people").status == 200))

    def test_a_probe_takes_no_place_of_a_door(self):
        with Daemon(min_face_px=60, workers=1, queue_max=1) as d, ThreadPoolExecutor() as pool:
            d.post("/enroll?person_id=p", PICTURE)
            stop = threading.Event()

            def probe():
                while not stop.is_set():
                    self.assertEqual(d.get("/readyz").status, 200)
            probes = [pool.submit(probe) for _ in range(4)]
            try:
                found = {d.post("/verify?person_id=p", PICTURE).status for _ in range(20)}
            finally:
                stop.set()
            self.assertEqual(found, {200})
            self.assertEqual([p.result() for p in probes], [None] * 4)

    def test_a_full_house_is_answered_503_at_once(self):
        with Daemon(workers=1, queue_max=0, min_face_px=60, request_timeout_ms=5000) as d:
            d.post("/enroll?person_id=p", PICTURE)
            with d.connect() as s:
                s.sendall(post(b"Content-Length: 5000\r\nExpect: 100-continue\r\n"))
                self.assertEqual(status_of(s.recv(100)), 100)  # it has its place
                s.sendall(PICTURE[:100])
                r = d.post("/verify?person_id=p", PICTURE)
                self.assertEqual((r.status, r.json["code"], r.headers["Retry-After"]),
                                 (503, "busy", "1"))
                # Healthy all the same.
                self.assertEqual(d.get("/readyz").json["status"], "ready")
                self.assertEqual(d.get("/readyz?x=1").json["code"], "unknown_parameter")
                self.assertEqual(d.get("/healthz").status, 200)
            # The client left: its place is free again.
            self.assertTrue(wait_for(
                lambda: d.post("/verify?person_id=p", PICTURE).status == 200))

    def test_one_client_is_never_in_its_own_way(self):
        with Daemon(workers=1, queue_max=0, min_face_px=100) as d:
            self.assertEqual(d.post("/enroll?person_id=p", PICTURE).status, 201)
            for _ in range(150):
                self.assertEqual(d.post("/verify?person_id=p", PICTURE).status, 200)
                self.assertEqual(d.request("DELETE", "/people/nobody").status, 404)

    def test_one_address_has_its_share(self):
        with Daemon(connections_per_ip=3) as d:
            held = [d.connect() for _ in range(3)]
            for s in held:
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(status_of(s.recv(1000)), 200)
            self.assertEqual(d.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), b"")
            for s in held:
                s.close()
            self.assertTrue(wait_for(
                lambda: status_of(d.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                        b"Connection: close\r\n\r\n")) == 200))

    def test_clients_that_leave_while_their_picture_is_worked_on(self):
        large = face("obama-720p.jpg")
        with Daemon(min_face_px=20) as d:
            d.post("/enroll?person_id=p", PICTURE)
            descriptors = d.descriptors()
            for _ in range(20):
                with d.connect() as s, contextlib.suppress(ConnectionError):  # if refused
                    s.sendall(post(b"Content-Length: %d\r\n" % len(large)) + large)
            self.assertTrue(wait_for(
                lambda: d.request("POST", "/verify?person_id=p", PICTURE, JPEG).status == 200))
            self.assertTrue(wait_for(lambda: d.descriptors() <= descriptors))

    def test_no_part_of_a_request_outlives_its_deadline(self):
        large = face("obama-720p.jpg")
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in
                          (large[i:i + 20000] for i in range(0, len(large), 20000)))
        whole = (post(b"Content-Length: %d\r\n" % len(PICTURE)) + PICTURE,
                 post(b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(large)) + large,
                 post(b"Transfer-Encoding: chunked\r\n", b"/enroll?person_id=q") + chunks
                 + b"0\r\nX-End: 1\r\n\r\n",
                 post(b"Content-Length: 4000000\r\n") + large,
                 b"GET /logs HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n" * 3)
        with Daemon(workers=1, min_face_px=60, request_timeout_ms=500) as d:
            before = d.descriptors()

            def until_closed(r):
                data = r.choice(whole)
                data = data[:r.randint(1, len(data))]
                with d.connect(60) as s:
                    try:
                        for i in range(0, len(data), 30000):
                            s.sendall(data[i:i + 30000])
                        end = r.choice(("keep", "half", "leave"))
                        if end == "half":
                            s.shutdown(socket.SHUT_WR)
                        while end != "leave" and s.recv(65536):
                            pass
                    except TimeoutError:
                        raise
                    except OSError:
                        pass  # the daemon has closed it already
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(until_closed, map(random.Random, range(200))))
            self.assertTrue(wait_for(lambda: d.descriptors() <= before))
            self.assertEqual(d.stop(), (0, ""))


if __name__ == "__main__":
    unittest.main()
