"""Keys and roles: who gets in, who does not, and what is left behind."""

import hashlib
import json
import os
import subprocess
import unittest

from daemon import (FACEGATE, JPEG, MODELS, FolderCase, add_key, clean_environment, multipart,
                    read_all, run_to_end, small_face, status_of, wait_for)

PICTURE = small_face("obama.jpg")
ROLES = ("door", "kiosk", "auditor", "admin")
# What each route lets in besides an admin; None: everybody, without a key.
ROUTES = {
    ("POST", "/enroll"): "kiosk", ("POST", "/verify"): "door", ("POST", "/identify"): "door",
    ("POST", "/compare"): "door", ("POST", "/detect"): "door kiosk auditor",
    ("GET", "/people"): "kiosk", ("GET", "/people/p"): "kiosk", ("DELETE", "/people/q"): "kiosk",
    ("GET", "/logs"): "auditor", ("GET", "/logs/1"): "auditor",
    ("GET", "/metrics"): "auditor",
    ("GET", "/healthz"): None, ("GET", "/readyz"): None, ("GET", "/version"): None,
    ("GET", "/openapi.json"): None, ("GET", "/"): None, ("GET", "/console/app.js"): None,
}


def tool(*words):
    return subprocess.run([FACEGATE, *words], env=clean_environment(), capture_output=True,
                          text=True, timeout=60, check=False)


class Keys(FolderCase):
    def path(self, name):
        return os.path.join(self.dir, name)

    def keys(self):
        return json.loads(tool("keys", "list", "--json", f"--data_dir={self.dir}").stdout)["keys"]

    def test_the_file_holds_a_hash_and_nobody_else_reads_it(self):
        key = add_key(self.dir, "door", "--label=north door")
        self.assertRegex(key, r"^fg_[0-9a-f]{8}_[0-9a-f]{64}$")
        for name in os.listdir(self.dir):
            self.assertEqual(os.stat(self.path(name)).st_mode & 0o777, 0o600, name)
            with open(self.path(name), encoding="ascii") as f:
                text = f.read()
            self.assertNotIn(key[12:], text)
        with open(self.path("keys"), encoding="ascii") as f:
            self.assertIn(hashlib.sha256(key.encode()).hexdigest(), f.read())
        row, = self.keys()
        self.assertEqual((row["id"], row["role"], row["label"]), (key[3:11], "door", "north door"))

    def test_the_tool_refuses_what_is_no_role_label_or_id(self):
        for words in (["add"], ["add", "--role=boss"], ["add", "--role=door", "--label=" + "x" * 65],
                      ["add", "--role=door", "--label=a\nb"], ["revoke", "00000000"], ["revoke"],
                      ["list", "x"], ["frob"]):
            done = tool("keys", *words, f"--data_dir={self.dir}")
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        for _ in range(2):
            add_key(self.dir, "door", "--keys_max=2")
        done = tool("keys", "add", "--role=door", "--keys_max=2", f"--data_dir={self.dir}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("keys_max", done.stderr)
        self.assertEqual(len(self.keys()), 2)

    def test_a_link_in_the_place_of_its_files_is_never_written_through(self):
        add_key(self.dir, "door")
        before = self.keys()
        with open(self.path("victim"), "w", encoding="ascii") as f:
            f.write("untouched")
        os.unlink(self.path("keys.lock"))
        for name, doing in (("keys.lock", "Locking"), ("keys.new", "Writing")):
            os.symlink("victim", self.path(name))
            for words in (["add", "--role=door"], ["revoke", before[0]["id"]]):
                done = tool("keys", *words, f"--data_dir={self.dir}")
                self.assertEqual((done.returncode, done.stdout), (2, ""), (name, words))
                self.assertIn(f"{doing} the file of keys failed", done.stderr)
            os.unlink(self.path(name))
            with open(self.path("victim"), encoding="ascii") as f:
                self.assertEqual(f.read(), "untouched", name)
            self.assertEqual(self.keys(), before, name)

    def test_every_route_lets_in_its_roles_alone(self):
        keys = {role: add_key(self.dir, role) for role in ROLES}
        d = self.daemon()
        for (method, path), allowed in ROUTES.items():
            headers = JPEG if method == "POST" else {}
            body = b"x" if method == "POST" else None
            r = d.request(method, path, body, headers)
            if allowed is None:
                self.assertEqual(r.status, 200, path)
                continue
            self.assertEqual((r.status, r.json["code"]), (401, "no_key"), path)
            self.assertEqual(r.headers["WWW-Authenticate"], "Bearer")
            for role, key in keys.items():
                r = d.request(method, path, body, {**headers, "X-Api-Key": key})
                if role == "admin" or role in allowed.split():
                    self.assertNotIn(r.status, (401, 403, 500), (path, role))
                else:
                    self.assertEqual((r.status, r.json["code"]), (403, "wrong_role"), (path, role))

    def test_a_key_comes_in_one_of_two_headers(self):
        key = add_key(self.dir, "auditor")
        other = add_key(self.dir, "auditor")
        d = self.daemon()
        for headers, status in (({"X-Api-Key": key}, 200), ({"Authorization": "Bearer " + key}, 200),
                                ({"Authorization": "bearer  " + key}, 200),
                                ({"Authorization": "Bearer " + key, "X-Api-Key": key}, 200),
                                ({"Authorization": "Bearer " + key, "X-Api-Key": other}, 400),
                                ({"Authorization": "Basic " + key}, 401), ({"X-Api-Key": ""}, 401),
                                ({"X-Api-Key": key[:-1]}, 401), ({"X-Api-Key": key + "0"}, 401),
                                ({"X-Api-Key": key.upper()}, 401)):
            self.assertEqual(d.request("GET", "/logs", None, headers).status, status, headers)
        twice = f"X-Api-Key: {key}\r\nX-Api-Key: {key}\r\n".encode()
        self.assertEqual(status_of(d.raw(b"GET /logs HTTP/1.1\r\nHost: localhost\r\n" + twice
                                         + b"\r\n")), 400)

    def test_a_request_without_key_is_refused_before_its_body(self):
        add_key(self.dir, "door")
        d = self.daemon()
        with d.connect() as s:
            s.sendall(b"POST /verify?person_id=p HTTP/1.1\r\nHost: localhost\r\n"
                      b"Content-Type: image/jpeg\r\nContent-Length: 100000\r\n"
                      b"Expect: 100-continue\r\n\r\n")
            self.assertEqual(status_of(read_all(s)), 401)

    def test_wrong_keys_lock_out_that_key_from_that_address_alone(self):
        key, other = add_key(self.dir, "auditor"), add_key(self.dir, "auditor")
        d = self.daemon(lockout_failures=3, lockout_s=60, log_level="error")
        wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
        unknown = "fg_00000000_" + "0" * 64
        for bad in (wrong, unknown):
            for _ in range(3):
                self.assertEqual(d.request("GET", "/logs", None, {"X-Api-Key": bad}).status, 401)
            r = d.request("GET", "/logs", None, {"X-Api-Key": bad})
            self.assertEqual((r.status, r.json["code"]), (429, "locked_out"))
            self.assertIn(int(r.headers["Retry-After"]), range(1, 61))
        self.assertEqual(d.request("GET", "/logs", None, {"X-Api-Key": key}).status, 429)
        self.assertEqual(d.request("GET", "/logs", None, {"X-Api-Key": other}).status, 200)
        self.assertEqual(d.get("/healthz").status, 200)
        d.stop()
        d = self.daemon(lockout_failures=1, lockout_s=1, log_level="error")
        d.request("GET", "/logs", None, {"X-Api-Key": wrong})
        self.assertTrue(wait_for(
            lambda: d.request("GET", "/logs", None, {"X-Api-Key": key}).status == 200))

    def test_keys_come_and_go_while_the_daemon_runs(self):
        d = self.daemon()
        self.assertEqual(d.get("/logs").status, 200)  # no key yet
        key = add_key(self.dir, "auditor")
        self.assertEqual(d.get("/logs").status, 401)
        self.assertEqual(d.request("GET", "/logs", None, {"X-Api-Key": key}).status, 200)
        self.assertEqual(tool("keys", "revoke", key[3:11], f"--data_dir={self.dir}").returncode, 0)
        # Having lost its last key does not open the door again.
        self.assertEqual(d.get("/logs").status, 401)
        self.assertEqual(d.request("GET", "/logs", None, {"X-Api-Key": key}).status, 401)
        self.assertEqual(d.stop(), (0, ""))
        d = self.daemon(listen="0.0.0.0:0")  # nor does a start
        self.assertEqual((d.host, d.get("/people").status), ("0.0.0.0", 401))
        key = add_key(self.dir, "auditor")
        self.assertEqual(d.request("GET", "/logs", None, {"X-Api-Key": key}).status, 200)
        os.unlink(self.path("keys"))
        self.assertEqual(d.get("/logs").status, 401)

    def test_a_damaged_file_of_keys_lets_nobody_in(self):
        key = add_key(self.dir, "auditor")
        d = self.daemon(log_level="error")
        with open(self.path("keys"), "r+", encoding="ascii") as f:
            text = f.read()
            f.truncate(len(text) - 3)
        r = d.request("GET", "/logs", None, {"X-Api-Key": key})
        self.assertEqual((r.status, r.json["code"]), (503, "not_ready"))
        code, err = d.stop()
        self.assertEqual(code, 0)
        self.assertEqual(err.count("keys_unreadable"), 1, err)
        done = run_to_end("--listen=127.0.0.1:0", f"--data_dir={self.dir}",
                          f"--models_dir={MODELS}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("line 2", done.stderr)

    def test_without_keys_only_this_machine_is_served(self):
        d = self.daemon(listen="0.0.0.0:0")
        self.assertEqual(d.host, "127.0.0.1")
        _, err = d.stop()
        self.assertRegex(err, "no_keys asked=0.0.0.0 .*facegate keys add --role admin")
        add_key(self.dir, "admin")
        d = self.daemon(listen="0.0.0.0:0")
        self.assertEqual(d.host, "0.0.0.0")
        self.assertEqual(d.stop(), (0, ""))

    def test_without_keys_no_page_of_a_browser_gets_in(self):
        d = self.daemon()
        at = f"127.0.0.1:{d.port}"
        for headers, status in (({"Host": "evil.example"}, 401), ({"Host": "localhost.evil.example"}, 401),
                                ({"Origin": "http://evil.example"}, 401), ({"Origin": "null"}, 401),
                                ({"Origin": f"http://{at}"}, 200), ({"Host": "localhost"}, 200)):
            self.assertEqual(d.request("GET", "/people", None, headers).status, status, headers)

    def test_the_first_key_is_printed_once(self):
        d = self.daemon(first_key="true")
        first = d.key
        self.assertRegex(first, r"^fg_[0-9a-f]{8}_[0-9a-f]{64}$")
        self.assertEqual(d.get("/people").status, 200)
        self.assertEqual(d.stop(), (0, ""))
        d = self.daemon(first_key="true")
        self.assertIsNone(d.key)
        self.assertEqual(d.get("/people").status, 401)
        self.assertEqual(d.request("GET", "/people", None, {"X-Api-Key": first}).status, 200)
        self.assertEqual(d.stop(), (0, ""))
        tool("keys", "revoke", first[3:11], f"--data_dir={self.dir}")
        d = self.daemon(first_key="true")
        self.assertNotIn(d.key, (None, first))
        self.assertEqual(d.get("/people").status, 200)

    def test_scores_are_for_an_admin_and_an_auditor(self):
        admin, door, auditor = (add_key(self.dir, r) for r in ("admin", "door", "auditor"))
        d = self.daemon()
        d.key = admin
        self.assertEqual(d.post("/enroll?person_id=p", PICTURE).status, 201)
        pair, headers = multipart([("image", PICTURE), ("image", PICTURE)])
        for key, seen in ((admin, True), (door, False)):
            d.key = key
            r = d.post("/verify?person_id=p", PICTURE).json
            self.assertEqual((r["decision"], "score" in r), ("allow", seen))
            self.assertIn("threshold", r)
            found = d.post("/identify?top=2", PICTURE).json
            self.assertEqual(("score" in found, "score" in found["candidates"][0]), (seen, seen))
            both = d.request("POST", "/compare", pair, headers).json
            self.assertEqual((both["match"], "score" in both), (True, seen))
        d.key = auditor
        self.assertGreater(d.get(f"/logs/{r['log_id']}").json["score"], 0.9)


if __name__ == "__main__":
    unittest.main()
