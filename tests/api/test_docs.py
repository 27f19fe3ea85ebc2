"""docs/api.md is true: its requests are sent and its replies compared, in what
they have and say; times may differ."""

import json
import os
import re
import shlex
import unittest

from daemon import ROOT, Daemon, multipart

WORDS = ("decision", "reason", "person_id", "name", "door_id", "liveness", "status", "code",
         "type", "title", "detail", "route", "match", "next", "templates", "data")
# Codes that end a start or never leave the daemon.
NOT_HTTP = {"ok", "end", "client_gone", "bad_config", "bad_export", "bad_key_file",
            "bad_model", "pool_too_small"}


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


def send(d, command):
    """Sends what the curl command would."""
    words = shlex.split(command)
    headers, body, parts, url, method = {}, None, [], "", None
    while words:
        word = words.pop(0)
        if word == "-H":
            name, value = words.pop(0).split(": ")
            headers[name] = value
        elif word in ("--data-binary", "-F"):
            name, path = words.pop(0).split("@")
            with open(os.path.join(ROOT, path), "rb") as f:
                body = f.read()
            if word == "-F":
                parts.append((name.rstrip("="), body))
        elif word == "-X":
            method = words.pop(0)
        elif word == "-d":
            body = words.pop(0)
        elif word.startswith("$URL"):
            url = word[len("$URL"):]
    if parts:
        body, headers = multipart(parts)
    return d.request(method or ("POST" if body else "GET"), url, body, headers)


class Docs(unittest.TestCase):
    def same(self, told, real, where):
        if isinstance(told, dict):
            self.assertIsInstance(real, dict, where)
            self.assertEqual(list(told), list(real), where)
            for key in told:
                if key in WORDS and not isinstance(told[key], list):
                    self.assertEqual(told[key], real[key], f"{where}.{key}")
                if key != "ms":
                    self.same(told[key], real[key], f"{where}.{key}")
        elif isinstance(told, list):
            self.assertIsInstance(real, list, where)
            self.assertEqual(len(told), len(real), where)
            for a, b in zip(told, real):
                self.same(a, b, where)
        elif isinstance(told, (int, float)) and not isinstance(told, bool):
            self.assertEqual(told, real, where)
        else:
            self.assertIs(type(told), type(real), where)

    def test_every_reply_shown_is_what_the_daemon_says(self):
        shown = re.findall(r"^    \$ (curl .*)\n((?:     *[^$ ].*\n)+)", read("docs/api.md"), re.M)
        self.assertGreaterEqual(len(shown), 10)
        with Daemon() as d:
            for command, text in shown:
                r = send(d, command)
                told = json.loads(text)
                self.same(told, r.json, command)
                self.assertEqual(r.headers["Content-Type"],
                                 "application/problem+json" if "code" in told
                                 else "application/json")

    def test_every_code_has_its_line(self):
        codes = set(re.findall(r'X\((?!NAME)[A-Z_]+, "(\w+)"', read("common/status.h")))
        rows = re.findall(r"^\| ([0-9, ]+) \| (`.*?) \| ", read("docs/api.md"), re.M)
        told = set(re.findall(r"`(\w+)`", " ".join(codes for _, codes in rows)))
        self.assertEqual(told, codes - NOT_HTTP)

    def test_every_code_is_explained_with_its_status(self):
        names = dict(re.findall(r'X\((?!NAME)([A-Z_]+), "(\w+)"', read("common/status.h")))
        source = read("server/reply.c")
        source = source[source.index("switch (st)"):]
        http = {}
        for cases, number in re.findall(r"((?:\s*(?:case ST_\w+|default):)+)\s*return (\d+);",
                                        source):
            for name in re.findall(r"ST_(\w+)|default", cases):
                http[names.get(name)] = number
        text = read("docs/errors.md")
        answers, others = text.split("# Errors that are no answers")
        told = dict(re.findall(r"^## (\w+)\n\nHTTP (\d+)\. ", answers, re.M))
        for code, number in told.items():
            self.assertEqual(number, http.get(code, http[None]), code)
        told = set(told) | set(re.findall(r"^## (\w+)$", others, re.M))
        self.assertEqual(told, set(names.values()) - {"ok", "end", "client_gone"})


if __name__ == "__main__":
    unittest.main()
