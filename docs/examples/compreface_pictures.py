#!/usr/bin/env python3
"""Fetches the pictures of a CompreFace recognition service into a folder a
person, for facegate enroll --from-folder.

Usage: COMPREFACE_KEY=... compreface_pictures.py http://HOST:8000 FOLDER
"""
import hashlib
import json
import os
import pathlib
import sys
import urllib.request


def get(url):
    request = urllib.request.Request(url, headers={"x-api-key": os.environ["COMPREFACE_KEY"]})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def folder_of(subject):
    """A subject may be any text, a folder may not; no two subjects share one."""
    name = subject.replace("/", "_").lstrip(".")
    if name and name == subject:
        return name
    return f"{name}-{hashlib.sha256(subject.encode()).hexdigest()[:8]}"


def main(server, folder):
    faces = f"{server.rstrip('/')}/api/v1/recognition/faces"
    page, pages, missing = 0, 1, 0
    while page < pages:
        listed = json.loads(get(f"{faces}?page={page}&size=100"))
        page, pages = page + 1, listed["total_pages"]
        for face in listed["faces"]:
            picture = get(f"{faces}/{face['image_id']}/img")
            if not picture:
                missing += 1
                continue
            person = pathlib.Path(folder, folder_of(face["subject"]))
            person.mkdir(parents=True, exist_ok=True)
            end = ".jpg" if picture.startswith(b"\xff\xd8") else ".other"
            (person / (face["image_id"] + end)).write_bytes(picture)
    if missing:
        sys.exit(f"{missing} pictures are not kept there: see save_images_to_db")


if __name__ == "__main__":
    main(*sys.argv[1:])
