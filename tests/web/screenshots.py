"""Takes the pictures of docs/console.md anew. Needs chromium and Pillow:

    python3 tests/web/screenshots.py
"""

import io
import json
import os
import sys

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api")]

from browser import Browser  # noqa: E402
from daemon import ROOT, Daemon, small_face  # noqa: E402

OUT = os.path.join(ROOT, "docs", "console")
GOLDEN = os.path.join(ROOT, "tests", "golden")
JSON = {"Content-Type": "application/json"}


def save(page, name):
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(os.path.join(OUT, name), optimize=True)


def fill_store(d):
    for person, name, groups, faces in (
            ("p-0044", "Barack Obama", ["staff", "night"], ("obama.jpg", "obama-720p.jpg")),
            ("p-0046", "Joe Biden", ["staff"], ("biden.jpg",))):
        for face in faces:
            d.post(f"/enroll?person_id={person}", small_face(face))
        d.request("PATCH", f"/people/{person}", json.dumps({"name": name, "groups": groups}), JSON)
    d.request("POST", "/people", json.dumps({
        "person_id": "p-0051", "name": "Not enrolled yet", "groups": ["visitor"],
        "valid_until": "2030-01-31T18:00:00Z"}), JSON)
    d.request("PUT", "/doors/north", json.dumps({"groups": ["staff"], "target_fmr": 1e-5}), JSON)
    d.request("PUT", "/doors/server-room", json.dumps({
        "groups": ["night"], "credential": "wiegand26", "timezone": "Europe/Berlin",
        "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "22:00",
                     "to": "06:00"}]}), JSON)
    for query, face in (("verify?person_id=p-0044&door_id=north", "obama2.jpg"),
                        ("verify?person_id=p-0046&door_id=north", "obama2.jpg"),
                        ("identify?door_id=server-room", "biden2.jpg"),
                        ("identify?door_id=north", "biden2.jpg"),
                        ("verify?person_id=p-0044&door_id=north", "obama-240p.jpg")):
        d.post("/" + query, small_face(face))


def shoot(d, browser):
    url = f"http://127.0.0.1:{d.port}/#/"
    wide, phone = browser.page(1000, 660), browser.page(360, 740, phone=True, scheme="dark")
    for name in ("log", "people", "doors"):
        wide.open(url + name)
        save(wide, f"{name}.png")
    wide.open(url + "try")
    wide.put_files(os.path.join(GOLDEN, "biden2.jpg"))
    wide.click("button", "Decide")
    wide.wait_text("allow", ".outcome")
    wide.evaluate("document.querySelector('.outcome').scrollIntoView()")
    save(wide, "try.png")
    wide.open(url + "health")
    for i in range(8):
        d.post("/detect", small_face("biden2.jpg" if i % 3 else "obama.jpg"))
        wide.wait(f"document.querySelector('.chart polyline')?.points.length > {i}")
    save(wide, "health.png")
    phone.open(url + "enrol/p-0051")
    phone.put_files(os.path.join(GOLDEN, "obama2.jpg"))
    phone.wait_text("Good enough to enrol.")
    phone.evaluate("document.querySelector('.pictures').scrollIntoView()")
    save(phone, "enrol.png")


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    with Daemon() as daemon, Browser() as chromium:
        fill_store(daemon)
        shoot(daemon, chromium)
