"""Requests signed with a key: who has recorded one can neither change nor repeat it."""

import hashlib
import hmac
import os
import socket
import subprocess
import sys
import time
import unittest

from daemon import (FACEGATE, JPEG, ROOT, Daemon, add_key, clean_environment, multipart, read_all,
                    sanitized, small_face, status_of, wait_for)

sys.path.insert(0, os.path.join(ROOT, "docs", "examples"))
from signed import signature  # pylint: disable=wrong-import-position

PICTURE = small_face("obama.jpg")
OTHER = small_face("biden.jpg")
VERIFY = "/verify?person_id=p"


class Signed(unittest.TestCase):
    def daemon(self, role="door", **keys):
        """One that already takes signed requests."""
        d = Daemon(first_key="true", min_face_px=60, **keys)
        self.addCleanup(d.__exit__)
        self.assertEqual(d.post("/enroll?person_id=p", PICTURE).status, 201)
        self.admin, d.key = d.key, None
        self.key = add_key(d.data_dir, role, "--signing")
        self.until_taken(d)
        return d

    def until_taken(self, d):
        """Nothing signed within two seconds of the start is."""
        path = "/compare"
        self.assertTrue(wait_for(lambda: self.ask(d, path, b"x")[1] != "stale_request"))

    def ask(self, d, path=VERIFY, body=PICTURE, method="POST", header=None, headers=JPEG):
        r = d.request(method, path, body if method == "POST" else None,
                      {**(headers if method == "POST" else {}),
                       "Authorization": header or signature(self.key, method, path, body)})
        return r.status, r.json.get("code") or r.json.get("decision")

    def logged(self, d):
        r = d.request("GET", "/logs", None, {"X-Api-Key": self.admin})
        return len(r.json["logs"])

    def test_row_54_a_signed_request_is_taken_once(self):
        d = self.daemon()
        header = signature(self.key, "POST", VERIFY, PICTURE)
        self.assertEqual(self.ask(d, header=header), (200, "allow"))
        for _ in range(3):
            self.assertEqual(self.ask(d, header=header), (401, "replayed_request"))
        self.assertEqual(self.ask(d), (200, "allow"))
        self.assertEqual(self.logged(d), 2)
        body, kind = multipart([("image", PICTURE), ("person_id", b"p")])
        self.assertEqual(self.ask(d, "/verify", body, headers=kind), (200, "allow"))

    def test_nothing_of_it_can_be_changed(self):
        d = self.daemon()
        header = signature(self.key, "POST", VERIFY, PICTURE)
        before = self.logged(d)
        digest = hashlib.sha256(OTHER).hexdigest()
        own = hashlib.sha256(PICTURE).hexdigest()
        for name, asked in {
                "address": {"path": "/verify?person_id=q"},
                "query": {"path": VERIFY + "&door_id=north"},
                "coded": {"path": "/verify?person_id=%70"},
                "digest and body": {"body": OTHER, "header": header.replace(own, digest)},
                "nonce": {"header": header.replace("nonce=", "nonce=0", 1)},
                "time": {"header": header.replace("time=1", "time=2", 1)},
                "key": {"header": header.replace(self.key[3:11], self.admin[3:11])},
                "cut": {"header": header[:-1]}, "empty": {"header": "Facegate-HMAC-SHA256 "}}.items():
            with self.subTest(name):
                self.assertEqual(self.ask(d, **{"header": header, **asked}),
                                 (401, "bad_signature"))
        self.assertEqual(self.ask(d, "/verify?person_id=p", method="GET", header=header)[0], 405)
        # The body is judged when it is there; the signature is used up then.
        for body in (OTHER, PICTURE + b"\0", PICTURE[:-1]):
            self.assertEqual(self.ask(d, body=body, header=signature(self.key, "POST", VERIFY,
                                                                     PICTURE)),
                             (401, "bad_signature"))
        large = PICTURE + bytes(300000)  # more than the ring: a worker has begun
        self.assertEqual(self.ask(d, body=large + b"\1", header=signature(
            self.key, "POST", VERIFY, large)), (401, "bad_signature"))
        self.assertEqual(self.logged(d), before)
        self.assertEqual(self.ask(d, header=header), (200, "allow"))

    def test_a_body_is_refused_before_it_comes(self):
        d = self.daemon()
        header = signature(self.key, "POST", VERIFY, PICTURE)[:-4] + "0000"
        with d.connect() as s:
            s.sendall(f"POST {VERIFY} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
                      f"Content-Length: {len(PICTURE)}\r\nExpect: 100-continue\r\n"
                      f"Authorization: {header}\r\n\r\n".encode())
            self.assertEqual(status_of(read_all(s)), 401)

    def test_old_ones_and_those_of_before_a_start_are_stale(self):
        d = self.daemon(signature_window_s=5)
        header = signature(self.key, "POST", VERIFY, PICTURE)
        self.assertEqual(self.ask(d, header=header), (200, "allow"))
        self.assertTrue(wait_for(
            lambda: self.ask(d, header=header) == (401, "stale_request"), 30))
        fresh = signature(self.key, "POST", VERIFY, PICTURE)
        self.assertEqual(self.ask(d, header=fresh), (200, "allow"))
        folder, d.own_dir = d.data_dir, False
        d.stop()
        with Daemon(folder, min_face_px=60, signature_window_s=300) as again:
            again.own_dir = True
            self.assertEqual(self.ask(again, header=fresh), (401, "stale_request"))
            self.until_taken(again)
            self.assertEqual(self.ask(again, header=fresh), (401, "stale_request"))
            self.assertEqual(self.ask(again), (200, "allow"))

    def test_a_signing_key_is_never_sent_and_others_never_sign(self):
        d = self.daemon()
        r = d.request("POST", VERIFY, PICTURE, {**JPEG, "X-Api-Key": self.key})
        self.assertEqual((r.status, r.json["code"]), (401, "no_key"))
        self.key = add_key(d.data_dir, "door")
        self.assertEqual(self.ask(d), (401, "bad_signature"))

    def test_roles_and_lock_out_are_those_of_any_key(self):
        d = self.daemon("auditor", lockout_failures=3, log_level="error")
        self.assertEqual(self.ask(d), (403, "wrong_role"))
        self.assertEqual(self.ask(d, "/logs", b"", "GET")[0], 200)
        self.assertEqual(self.ask(d, "/logs", b"x", "GET"), (401, "bad_signature"))
        wrong = signature(self.key, "GET", "/logs", b"")[:-8] + "00000000"
        self.assertEqual([self.ask(d, "/logs", b"", "GET", header=wrong)[0] for _ in range(4)],
                         [401] * 3 + [429])

    def test_stored_keys_lie_in_locked_memory(self):
        if sanitized():  # a sanitizer makes mlock do nothing
            return
        locked = []
        for n in (1, 1024):
            with Daemon(keys_max=n) as d:
                locked.append(d.status("VmLck"))
        self.assertGreater(locked[1] - locked[0], 100)

    def test_the_examples_sign_alike(self):
        d = self.daemon()
        picture = os.path.join(ROOT, "tests", "golden", "obama.jpg")
        for program in ([sys.executable, "signed.py"], ["sh", "signed.sh"]):
            path = os.path.join(ROOT, "docs", "examples", program[1])
            done = subprocess.run([program[0], path, f"http://127.0.0.1:{d.port}", VERIFY, picture],
                                  env={**clean_environment(), "FACEGATE_KEY": self.key},
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertIn('"decision":"allow"', done.stdout, done.stderr)

    def tool(self, d, *words, **options):
        done = subprocess.run([FACEGATE, *words, "--signing",
                               *(f"--{k.replace('_', '-')}={v}" for k, v in
                                 {"server": f"http://127.0.0.1:{d.port}", **options}.items())],
                              env={**clean_environment(), "FACEGATE_KEY": self.key},
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout.split()[:2], done.stderr

    def test_the_tool_signs_whatever_it_asks(self):
        picture = os.path.join(ROOT, "tests", "golden", "obama.jpg")
        d = self.daemon()
        self.assertEqual(self.tool(d, "verify", "p", picture), (0, ["allow", "match"], ""))
        self.assertEqual(self.tool(d, "identify", picture, door="north")[:2],
                         (0, ["allow", "match"]))
        self.key = add_key(d.data_dir, "admin", "--signing")
        self.assertEqual(self.tool(d, "enroll", "q r?", picture)[0], 2)
        self.assertEqual(self.tool(d, "enroll", "q", picture, picture, name="A & Ä",
                                   duplicate="allow"), (0, ["enrolled", "2"], ""))
        for words in (("people", "show", "q"), ("people", "list", "--search=a &"),
                      ("people", "rename", "q", "B"), ("doors", "list"), ("logs",),
                      ("logs", "--csv"), ("people", "delete", "q"), ("health",)):
            self.assertEqual(self.tool(d, *words)[::2], (0, ""), words)
        self.key = self.key[:-1] + ("0" if self.key[-1] != "0" else "1")
        self.assertIn("(bad_signature)", self.tool(d, "verify", "p", picture)[2])
        for self.key, said in (("", "needs a key"), ("my-key", "no key of facegate's")):
            code, out, err = self.tool(d, "verify", "p", picture)
            self.assertEqual((code, out), (2, []))
            self.assertIn(said, err)

    def test_the_tool_does_not_send_a_key_that_signs(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.key = "fg_0123abcd_" + "0123456789abcdef" * 4
            with subprocess.Popen([FACEGATE, "people", "list", "--signing", "--server",
                                   f"127.0.0.1:{listening.getsockname()[1]}"],
                                  env={**clean_environment(), "FACEGATE_KEY": self.key},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
                connection, _ = listening.accept()
                with connection:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += connection.recv(65536)
                p.communicate(timeout=60)
        self.assertIn(b"\r\nAuthorization: Facegate-HMAC-SHA256 id=0123abcd, ", head)
        self.assertNotIn(self.key[12:].encode(), head)

    def test_it_is_hmac_sha256_as_described(self):
        d = self.daemon()
        now, nonce, digest = int(time.time()), "n" * 16, hashlib.sha256(PICTURE).hexdigest()
        text = f"{VERIFY}\nPOST\n{now}\n{nonce}\n{digest}".encode()
        mac = hmac.new(hashlib.sha256(self.key.encode()).digest(), hashlib.sha256(text).digest(),
                       "sha256").hexdigest()
        self.assertEqual(self.ask(d, header=f"facegate-hmac-sha256 id={self.key[3:11]},time={now},"
                                            f"nonce={nonce},body={digest},signature={mac}"),
                         (200, "allow"))


if __name__ == "__main__":
    unittest.main()
