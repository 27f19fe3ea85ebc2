#!/usr/bin/env python3
"""Asks facegate whether a picture shows a person; the standard library alone.

Usage: FACEGATE_KEY=... verify.py http://HOST:8080 PERSON DOOR PICTURE.jpg
Status: 0 open, 1 stay shut, 2 error.
"""
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request


def main(server, person, door, picture):
    query = urllib.parse.urlencode({"person_id": person, "door_id": door})
    with open(picture, "rb") as f:
        request = urllib.request.Request(f"{server}/verify?{query}", f.read(),
                                         {"Content-Type": "image/jpeg"})
    if "FACEGATE_KEY" in os.environ:
        request.add_header("X-Api-Key", os.environ["FACEGATE_KEY"])
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        print(problem["code"], problem["detail"], file=sys.stderr)
        return 2
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    print(found["decision"], found["reason"], found["hint"] or "")
    return 0 if found["decision"] == "allow" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
