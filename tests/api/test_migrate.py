"""docs/migrate.md: pictures out of another service and into this one."""
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

from daemon import ROOT, Daemon, small_face

from clitool import Case, run

SCRIPT = os.path.join(ROOT, "docs", "examples", "compreface_pictures.py")


class CompreFace(http.server.BaseHTTPRequestHandler):
    """As much of its API as hands out pictures; two faces a page."""
    faces = [("1", "Barack Obama", small_face("obama.jpg")),
             ("2", "Barack Obama", small_face("obama2.jpg")),
             ("3", "../biden", small_face("biden.jpg")), ("4", "_biden", b"\x89PNG"),
             ("5", "lost", b"")]

    def do_GET(self):
        url = urlsplit(self.path)
        base = "/api/v1/recognition/faces"
        if self.headers["x-api-key"] != "key" or not url.path.startswith(base):
            self.send_error(401)
            return
        if url.path == base:
            page = int(parse_qs(url.query)["page"][0])
            rows = self.faces[2 * page:2 * page + 2]
            body = json.dumps({"faces": [{"image_id": i, "subject": s} for i, s, _ in rows],
                               "page_number": page, "total_pages": 3}).encode()
        else:
            body = {f"{base}/{i}/img": picture for i, _, picture in self.faces}[url.path]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Migrate(Case):
    def test_compreface_pictures_can_be_enrolled(self):
        people = self.folder / "people"
        # A subject whose name no folder can have is kept apart from one who has it.
        biden = "_biden-" + hashlib.sha256(b"../biden").hexdigest()[:8]
        barack = "Barack_Obama-" + hashlib.sha256(b"Barack Obama").hexdigest()[:8]
        with http.server.HTTPServer(("127.0.0.1", 0), CompreFace) as peer:
            thread = threading.Thread(target=peer.serve_forever)
            thread.start()
            try:
                done = subprocess.run(
                    [sys.executable, SCRIPT, f"http://127.0.0.1:{peer.server_address[1]}/",
                     str(people)], env=os.environ | {"COMPREFACE_KEY": "key"},
                    capture_output=True, text=True, timeout=60, check=False)
            finally:
                peer.shutdown()
                thread.join()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "1 pictures are not kept there: see save_images_to_db\n")
        self.assertEqual(sorted(str(p.relative_to(people)) for p in people.rglob("*.*")),
                         ["Barack Obama/1.jpg", "Barack Obama/2.jpg",
                          f"{biden}/3.jpg", "_biden/4.other"])
        with Daemon(min_face_px=60) as d:
            done = run("enroll", "--from-folder", people, "--server", f"127.0.0.1:{d.port}",
                       "--report", self.folder / "report")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("4.other: the data does not start like a JPEG", done.stderr)
            self.assertEqual({p["person_id"]: p["templates"]
                              for p in d.get("/people").json["people"]},
                             {barack: 2, biden: 1})


if __name__ == "__main__":
    unittest.main()
