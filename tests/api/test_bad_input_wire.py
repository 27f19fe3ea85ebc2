"""Bad input, part 1: bytes on the wire. Each test is a row of the table in
docs/threat-model.md, by its number; raw sockets, not a polite client."""

import contextlib
import socket
import tempfile
import time
import unittest

from certs import Authority
from daemon import (JPEG, Daemon, add_key, made, read_all, small_face, status_of, wait_for)

PICTURE = small_face("obama.jpg")
TIMEOUT_MS = 900
HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
CLOSE = b"Connection: close\r\n\r\n"
SMUGGLED = b"GET /people HTTP/1.1\r\n" + HOST + b"\r\n"


def post(*lines, path=b"/verify?person_id=p"):
    return (b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Type: image/jpeg\r\n"
            + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def length(n):
    return b"Content-Length: %d" % n


def statuses(raw):
    """Those of all answers in what came back; 0 when it begins with none."""
    return {status_of(raw)} | {status_of(raw[i:]) for i in range(len(raw))
                               if raw.startswith(b"HTTP/1.1 ", i)}


class Case(unittest.TestCase):
    keys = {}

    @classmethod
    def setUpClass(cls, **more):
        cls.d = Daemon(min_face_px=60, body_max_kib=256, **cls.keys, **more)
        assert cls.d.post("/enroll?person_id=p", PICTURE).status == 201

    @classmethod
    def tearDownClass(cls):
        assert cls.d.post("/verify?person_id=p", PICTURE).json["decision"] == "allow"
        assert cls.d.stop() == (0, "")
        cls.d.__exit__()

    def answers(self, table):
        """name: (bytes, status). What follows in the same bytes is never taken for a
        request. (The library sends the head of some of its own errors twice.)"""
        for name, (data, status) in table.items():
            with self.subTest(name):
                raw = self.d.raw(data)
                self.assertEqual(statuses(raw), {status}, raw[:300])


class Deadlines(Case):
    """Apart, since a machine that stalls must not run into them anywhere else."""

    keys = {"request_timeout_ms": TIMEOUT_MS}

    def test_rows_13_14_slow_heads_and_bodies(self):
        for first, rest in ((b"", b"GET /" + b"a" * 3000), (GET, b"X-A: " + b"b" * 3000),
                            (post(length(5000)), PICTURE[:3000])):
            _, all_taken = self.d.drip(first, rest)  # which takes minutes
            self.assertFalse(all_taken)

    def test_row_15_a_body_that_ends_early(self):
        for stop in (lambda s: s.shutdown(socket.SHUT_WR), lambda s: None):
            with self.d.connect() as s:
                s.sendall(post(length(len(PICTURE)), path=b"/enroll?person_id=half")
                          + PICTURE[:-100])
                stop(s)
                self.assertIn(status_of(read_all(s)), (0, 400, 408))
        self.assertEqual(self.d.get("/people/half").status, 404)

    def test_row_20_other_protocols(self):
        self.answers({"HTTP/3.0": (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505)})
        for data in (b"GET /people\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600), b"\0" * 500):
            self.assertIn(status_of(self.d.raw(data)), (0, 400))


class Wire(Case):
    def test_row_01_unknown_path_and_methods(self):
        self.answers({
            "path": (b"GET /nope HTTP/1.1\r\n" + HOST + CLOSE, 404),
            "wrong method": (b"DELETE /verify HTTP/1.1\r\n" + HOST + CLOSE, 405),
            "unknown method": (b"BREW /people HTTP/1.1\r\n" + HOST + CLOSE, 501)})
        raw = self.d.raw(b"DELETE /verify HTTP/1.1\r\n" + HOST + CLOSE)
        self.assertIn(b"\r\nAllow: POST\r\n", raw)

    def test_row_03_post_without_length(self):
        self.answers({"none": (post(), 411)})

    def test_row_04_length_over_the_cap(self):
        raw = self.d.raw(post(length(300000), b"Expect: 100-continue"))
        self.assertEqual(status_of(raw), 413)
        self.assertNotIn(b"100 Continue", raw)
        self.assertIn(b"Connection: close", raw)

    def test_rows_05_06_lengths_that_are_none(self):
        self.answers({
            "2^70": (post(length(1 << 70)), 413),
            **{v.decode(): (post(b"Content-Length: " + v) + SMUGGLED, 400)
               for v in (b"-1", b"3x", b"0x10", b"+3", b"3, 3", b"")}})

    def test_rows_07_08_two_lengths(self):
        chunks = b"0\r\n\r\n" + SMUGGLED
        self.answers({
            "different": (post(length(3), length(40)) + b"abc" + SMUGGLED, 400),
            "equal": (post(length(3), length(3)) + b"abc" + SMUGGLED, 400),
            "and chunked": (post(length(3), b"Transfer-Encoding: chunked") + chunks, 400),
            "chunked and": (post(b"Transfer-Encoding: chunked", length(3)) + chunks, 400)})

    def test_row_09_other_transfer_encodings(self):
        self.answers({
            **{v.decode(): (post(b"Transfer-Encoding: " + v) + SMUGGLED, 501)
               for v in (b"gzip, chunked", b"identity", b"chunked, gzip", b"xchunked")},
            "twice": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip")
                      + SMUGGLED, 400)})

    def test_row_10_chunk_sizes(self):
        start = post(b"Transfer-Encoding: chunked")
        self.answers({
            "letters": (start + b"zz\r\n" + SMUGGLED, 400),
            "negative": (start + b"-5\r\n" + SMUGGLED, 400),
            "huge": (start + b"f" * 18 + b"\r\n", 413)})

    def test_row_11_endless_chunks(self):
        sent = self.d.chunks_taken(post(b"Transfer-Encoding: chunked"), bytes(0x8000), 40 << 20)
        self.assertLess(sent, 40 << 20)
        # One chunk too much: there the answer can still be read.
        body = PICTURE + bytes((256 << 10) + 1 - len(PICTURE))
        self.answers({"one more": (post(b"Transfer-Encoding: chunked")
                                   + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n", 413)})

    def test_row_12_expectations(self):
        self.answers({"other": (post(length(3), b"Expect: cake"), 417)})
        with self.d.connect() as s:
            s.sendall(post(length(len(PICTURE)), b"Expect: 100-continue", b"Connection: close"))
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 100"))
            s.sendall(PICTURE)
            self.assertEqual(status_of(read_all(s)), 200)

    def test_row_18_pipelined_requests_are_answered_in_order(self):
        raw = self.d.raw(GET + b"\r\n" + b"GET /nope HTTP/1.1\r\n" + HOST + b"\r\n"
                         + b"GET /version HTTP/1.1\r\n" + HOST + CLOSE)
        self.assertLess(raw.index(b"alive"), raw.index(b"HTTP/1.1 404"))

    def test_row_19_heads_that_are_too_large(self):
        self.answers({
            "header": (GET + b"X: " + b"a" * 20000 + b"\r\n\r\n", 431),
            "headers": (GET + b"".join(b"X%d: y\r\n" % i for i in range(2000)) + b"\r\n", 431),
            "address": (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
            "path": (b"GET /people/" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414)})

    def test_row_21_nul_in_a_header(self):
        last = b"Connection: close\0"
        self.answers({
            "middle": (GET + b"X-A: a\0b\r\n" + CLOSE, 400),
            "end": (GET + b"X-A: a\0\r\n" + CLOSE, 400),
            "name": (GET + b"X-\0A: a\r\n" + CLOSE, 400),
            "last": (GET + last + b"x\r\n\r\n", 400),
            "last, end": (GET + last + b"\r\n\r\n", 400),
            "many": (GET + last + b"\0\0\0\r\n\r\n", 400),
            "length": (post(b"Content-Length: 3\0 40") + b"abc" + SMUGGLED, 400),
            "version": (b"GET /healthz HTTP/1.1\0x\r\n" + HOST + CLOSE, 400),
            "method": (b"GET\0 /healthz HTTP/1.1\r\n" + HOST + CLOSE, 400),
            "in the method": (b"GET\0JUNK /healthz HTTP/1.1\r\n" + HOST + CLOSE, 400),
            "address": (b"GET /healthz\0 HTTP/1.1\r\n" + HOST + CLOSE, 400),
            "query": (b"GET /healthz?\0 HTTP/1.1\r\n" + HOST + CLOSE, 400),
            "after another": (GET + b"X-A: a\r\nX-B: b\0X-C: c\r\nX-D: d\r\n" + CLOSE, 400)})
        for line in (b"GET \0 /healthz", b"GET /healthz\0 x", b"GET /healthz x"):  # a space in it
            self.assertIn(status_of(self.d.raw(line + b" HTTP/1.1\r\n" + HOST + CLOSE)), (0, 400))
        # What is odd and whole still passes.
        self.answers({
            "spaces before the address": (b"GET   /healthz HTTP/1.1\r\n" + HOST + CLOSE, 200),
            "spaces": (GET + b"X-A:   a  \r\nX-B:\r\n" + CLOSE, 200),
            "many headers": (GET + b"".join(b"X%d: y\r\n" % i for i in range(150)) + CLOSE, 200),
            "cookie": (GET + b"Cookie: a=b; c=d\r\n" + CLOSE, 200),
            "empty lines first": (b"\r\n\r\n" + GET + CLOSE, 200),
            "1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 200)})
        with self.d.connect() as s:  # in pieces, so that the library's buffer grows
            head = GET + b"".join(b"X%d: %s\r\n" % (i, b"y" * 500) for i in range(18)) + CLOSE
            for i in range(0, len(head), 700):
                s.sendall(head[i:i + 700])
                time.sleep(0.01)
            self.assertEqual(status_of(read_all(s)), 200)

    def test_row_22_nul_in_the_address(self):
        end = b" HTTP/1.1\r\n" + HOST + CLOSE
        self.answers({p.decode("latin-1"): (b"GET " + p + end, 400)
                      for p in (b"/people%00x", b"/healthz%00", b"/people?limit=%00",
                                b"/healthz\0x", b"/people?after=\0a", b"/people/%0", b"/%zz")})

    def test_row_23_no_host(self):
        self.answers({"none": (b"GET /healthz HTTP/1.1\r\n" + CLOSE, 400),
                      "two": (GET + HOST + CLOSE, 400)})
        address = b"https://x/healthz" if self.d.tls else b"http://x/healthz"
        self.answers({"another": (b"GET " + address + b" HTTP/1.1\r\n" + HOST + CLOSE, 400)})

    def test_row_24_line_ends_and_folded_lines(self):
        self.answers({
            "folded": (GET + b"X-A: a\r\n b\r\n" + CLOSE, 400),
            "folded length": (post(b"Content-Length:\r\n 3") + b"abc" + SMUGGLED, 400),
            "space before the colon": (GET + b"X-A : b\r\n" + CLOSE, 400),
            "no name": (GET + b": b\r\n" + CLOSE, 400),
            "bare LF": ((GET + CLOSE).replace(b"\r", b""), 200)})


class OverTls(Case):
    """The same bytes inside TLS."""

    @classmethod
    def setUpClass(cls, **more):
        cls.folder = tempfile.TemporaryDirectory()
        authority = Authority(cls.folder.name)
        super().setUpClass(tls=authority.context(), **authority.keys(authority.server()), **more)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()


class DeadlinesOverTls(OverTls, Deadlines):
    pass


class WireOverTls(OverTls, Wire):
    pass


class Crowd(unittest.TestCase):
    def test_row_02_keys(self):
        with Daemon(first_key="true", lockout_failures=3, lockout_s=60) as d:
            door = add_key(d.data_dir, "door")
            head = b"GET /logs HTTP/1.1\r\n" + HOST
            self.assertEqual(status_of(d.raw(head + CLOSE)), 401)
            self.assertEqual(status_of(d.raw(head + b"X-Api-Key: " + door.encode() + b"\r\n"
                                             + CLOSE)), 403)
            wrong = b"X-Api-Key: fg_00000000_" + b"0" * 64 + b"\r\n"
            raw = [d.raw(head + wrong + CLOSE) for _ in range(5)]
            self.assertEqual([status_of(r) for r in raw], [401] * 3 + [429] * 2)
            self.assertIn(b"\r\nRetry-After: ", raw[-1])

    def test_row_16_one_address_has_its_share(self):
        with Daemon(connections_max=8) as d:
            held = [d.connect() for _ in range(6)]
            for s in held:
                s.sendall(GET + b"\r\n")
                self.assertEqual(status_of(s.recv(1000)), 200)
            for _ in range(4):
                self.assertEqual(d.raw(GET + b"\r\n"), b"")
            for s in held:
                s.close()
            self.assertTrue(wait_for(lambda: status_of(d.raw(GET + CLOSE)) == 200))

    def test_row_16_who_has_shown_no_key_gives_way_when_places_are_short(self):
        with Daemon(connections_max=4, connections_per_ip=4, queue_max=4,
                    request_timeout_ms=600000) as d:
            with d.connect() as at_work:  # without keys this is as good as one
                at_work.sendall(post(length(len(PICTURE)), b"Expect: 100-continue", path=b"/detect"))
                self.assertEqual(status_of(at_work.recv(100)), 100)
                held = []
                for i in range(12):
                    held.append(d.connect())
                    held[-1].sendall((b"", b"GET / HTTP/1.1\r\nHost: x\r\n")[i % 2])
                self.assertEqual(d.get("/healthz").status, 200)
                at_work.sendall(PICTURE)
                self.assertEqual(status_of(at_work.recv(1000)), 200)
                for s in held:
                    s.close()

    def test_row_17_all_workers_busy(self):
        with Daemon(workers=1, queue_max=0, min_face_px=60, request_timeout_ms=8000) as d:
            with d.connect() as s:
                s.sendall(post(length(5000), b"Expect: 100-continue", path=b"/detect"))
                self.assertEqual(status_of(s.recv(100)), 100)  # it has its place
                r = d.post("/detect", PICTURE)
                self.assertEqual((r.status, r.json["code"], r.headers["Retry-After"]),
                                 (503, "busy", "1"))

    def test_row_53_clients_that_leave(self):
        large = made("obama.jpg", 1600, 1200)
        with Daemon(min_face_px=20) as d:
            before = d.descriptors()
            for _ in range(6):
                with d.connect() as s, contextlib.suppress(ConnectionError):  # if refused
                    s.sendall(post(length(len(large)), path=b"/detect") + large)
            self.assertTrue(wait_for(
                lambda: d.request("POST", "/detect", PICTURE, JPEG).status == 200, 60))
            self.assertTrue(wait_for(lambda: d.descriptors() <= before, 60))
            self.assertTrue(wait_for(lambda: b"requests_active 1\n" in d.get("/metrics").body, 60))


if __name__ == "__main__":
    unittest.main()
