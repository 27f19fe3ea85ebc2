"""The console's files: what they are served with, and that they need nothing
from elsewhere. What they do is tested in a browser, in tests/web."""

import gzip
import os
import re
import unittest

from daemon import ROOT, Daemon, add_key

WEB = os.path.join(ROOT, "web")
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
          "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
         "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
FILES = {**{f"/console/{name}": name for name in os.listdir(WEB)},
         "/": "index.html", "/favicon.ico": "icon.svg"}


def source(name):
    with open(os.path.join(WEB, name), "rb") as f:
        return f.read()


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon()
        add_key(cls.d.data_dir, "admin")  # and no request here sends one

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__()

    def test_every_file_is_served_as_it_is_and_guarded(self):
        for path, name in FILES.items():
            r = self.d.get(path)
            self.assertEqual(r.status, 200, path)
            self.assertEqual(gzip.decompress(r.body), source(name), path)
            told = {"Content-Type": TYPES[name.rpartition(".")[2]], "Content-Encoding": "gzip",
                    "Cache-Control": "no-cache", "Content-Security-Policy": POLICY,
                    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
            self.assertEqual({k: r.headers[k] for k in told}, told, path)

    def test_what_the_browser_has_is_not_sent_again(self):
        tags = set()
        for path in [*FILES, "/openapi.json"]:
            tag = self.d.get(path).headers["ETag"]
            self.assertRegex(tag, '^"[0-9a-f]{16}"$')
            tags.add(tag)
            for known in (tag, f'"other", W/{tag}', "*"):
                r = self.d.request("GET", path, None, {"If-None-Match": known})
                self.assertEqual((r.status, r.body, r.headers["ETag"]), (304, b"", tag), path)
            r = self.d.request("GET", path, None, {"If-None-Match": '"0000000000000000"'})
            self.assertEqual(r.status, 200)
        self.assertEqual(len(tags), len(os.listdir(WEB)) + 1)

    def test_head_is_get_without_the_body(self):
        for path in FILES:
            whole, head = self.d.get(path), self.d.request("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""))
            for name in ("Content-Length", "ETag", "Content-Type", "Content-Security-Policy"):
                self.assertEqual(head.headers[name], whole.headers[name])

    def test_nothing_else_is_served(self):
        for path in ("/console", "/console/", "/console/nothing.js", "/console/x/app.js", "//",
                     "/console/../keys", "/console/..%2fkeys", "/console/%2e%2e/%2e%2e/etc/passwd",
                     "/console/openapi.json", "/index.html"):
            r = self.d.get(path)
            self.assertEqual((r.status, r.json["code"]), (404, "no_such_route"), path)
        for path in ("/console/..", "/console/%2e%2e", "/console/a%20b"):
            self.assertEqual(self.d.get(path).status, 400, path)
        for path in FILES:
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                r = self.d.request(method, path)
                self.assertEqual((r.status, r.headers["Allow"]), (405, "GET, HEAD"), path)
            self.assertEqual(self.d.get(path + "?x=1").json["code"], "unknown_parameter")

    def test_it_can_be_switched_off(self):
        with Daemon(console="false") as d:
            for path in FILES:
                self.assertEqual((d.get(path).status, d.get(path).json["code"]),
                                 (404, "no_such_route"), path)
            self.assertEqual(d.get("/openapi.json").status, 200)

    def test_the_files_are_small_and_need_nothing_from_elsewhere(self):
        self.assertLess(sum(len(gzip.compress(source(name))) for name in os.listdir(WEB)), 30000)
        for name in os.listdir(WEB):
            text = source(name).decode()
            where = set(re.findall(r"(?:https?:)?//[\w.]+\.[\w/]+", text))
            self.assertLessEqual(where, {"http://www.w3.org/2000/svg"}, name)
            self.assertNotRegex(text, r"innerHTML|insertAdjacentHTML|document\.write|\beval\(", name)
        page = source("index.html").decode()
        self.assertNotRegex(page, r"<script[^>]*>[^<]|<style|\sstyle=|\son\w+=")


if __name__ == "__main__":
    unittest.main()
