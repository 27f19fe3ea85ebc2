"""facegate enroll for many people: folders, CSV, the report, a busy daemon."""
import hashlib
import http.server
import json
import threading
import unittest
from pathlib import Path

from daemon import Daemon, add_key, small_face

from clitool import Case, grey_jpeg, run, run_on_terminal

OBAMA, OBAMA2, BIDEN = (small_face(name) for name in ("obama.jpg", "obama2.jpg", "biden.jpg"))


def mark(name):
    """What follows the id of a name that is no id."""
    return "-" + hashlib.sha256(name.encode()).hexdigest()[:8]


class Bulk(Case):
    def setUp(self):
        super().setUp()
        self.people = self.folder / "people"
        self.people.mkdir()
        self.report = self.folder / "report.ndjson"

    def enroll(self, daemon, *args, tool=run, **options):
        return tool("enroll", "--server", f"127.0.0.1:{daemon.port}", "--report", self.report,
                    *args, **options)

    def counts(self, daemon):
        """How many pictures of the folder another run enrols, and how many it passes over."""
        done = self.enroll(daemon, "--from-folder", self.people, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        return found["enrolled"], found["done_before"]

    def picture(self, name, data):
        return self.write(f"people/{name}", data)

    def results(self):
        rows = [json.loads(line) for line in self.report.read_text("utf-8").splitlines()]
        return [(r["person_id"], Path(r["picture"]).name, r["result"]) for r in rows]

    def test_folder_a_person_and_files_named_by_person(self):
        self.picture("Barack Obama/1.jpg", OBAMA)
        self.picture("Barack Obama/2.jpg", OBAMA2)
        self.picture("Barack Obama/.hidden", "x")
        self.picture("Barack Obama/deeper/3.jpg", BIDEN)
        self.picture("biden_2.jpeg", BIDEN)
        with Daemon(min_face_px=60) as d:
            done = self.enroll(d, "--from-folder", self.people)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith(
                "enrolled 3, refused 0, failed 0, done before 0, of 3; see "), done.stdout)
            people = {p["person_id"]: (p["name"], p["templates"])
                      for p in d.get("/people").json["people"]}
        barack = "Barack_Obama" + mark("Barack Obama")
        self.assertEqual(people, {barack: ("Barack Obama", 2), "biden": ("", 1)})
        self.assertEqual(self.results(), [(barack, "1.jpg", "enrolled"),
                                          (barack, "2.jpg", "enrolled"),
                                          ("biden", "biden_2.jpeg", "enrolled")])

    def test_names_that_differ_are_different_people_in_every_run(self):
        with Daemon(min_face_px=60) as d:
            for name, data in (("李明", OBAMA), ("王芳", BIDEN)):
                self.picture(f"{name}/a.jpg", data)
                self.enroll(d, "--from-folder", self.people)
                (self.people / name / "a.jpg").unlink()
            people = {p["person_id"]: p["name"] for p in d.get("/people").json["people"]}
        self.assertEqual(people, {"_" * 6 + mark(name): name for name in ("李明", "王芳")})

    def test_bad_pictures_keep_no_other_out_and_are_tried_again(self):
        self.picture("obama/a.jpg", OBAMA)
        self.picture("obama/b.jpg", grey_jpeg())
        self.picture("obama/c.txt", "no picture")
        self.picture("someone/d.jpg", OBAMA2)
        self.picture("zoe/e.jpg", BIDEN)
        with Daemon(min_face_px=60) as d:
            done = self.enroll(d, "--from-folder", self.people)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(self.results(), [("obama", "a.jpg", "enrolled"),
                                              ("obama", "b.jpg", "no_face"),
                                              ("obama", "c.txt", "not_a_jpeg"),
                                              ("someone", "d.jpg", "duplicate_face"),
                                              ("zoe", "e.jpg", "enrolled")])
            self.assertEqual(done.stderr.count("\n"), 3, done.stderr)
            self.picture("obama/b.jpg", OBAMA2)
            (self.people / "obama/c.txt").unlink()
            done = self.enroll(d, "--from-folder", self.people, "--json")
            self.assertEqual(done.returncode, 1, done.stderr)  # the duplicate alone is left
            found = json.loads(done.stdout)
            self.assertEqual([found[k] for k in ("pictures", "enrolled", "refused", "failed",
                                                 "done_before")], [4, 1, 1, 0, 2])
            self.assertEqual(d.get("/people/obama").json["templates"], 2)
            done = self.enroll(d, "--from-folder", self.people, "--duplicate=allow")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_link_to_nothing_is_a_picture_that_failed(self):
        self.picture("biden.jpg", BIDEN)
        (self.people / "gone.jpg").symlink_to(self.people / "nothing")
        with Daemon(min_face_px=60) as d:
            done = self.enroll(d, "--from-folder", self.people)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(self.results(), [("biden", "biden.jpg", "enrolled"),
                                          ("gone", "gone.jpg", "io_error")])

    def test_csv_with_names_quotes_and_several_files(self):
        self.picture("a.jpg", OBAMA)
        self.picture("b, c.jpg", OBAMA2)
        sheet = self.write("people/list.csv", '\ufeffperson,name,file\r\n'
                           'p-1,"Obama, ""Barack""",a.jpg,"b, c.jpg",\r\n\r\n'
                           f'p-2,,{self.picture("d.jpg", BIDEN)}')
        with Daemon(min_face_px=60) as d:
            done = self.enroll(d, "--from-csv", sheet)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(d.get("/people/p-1").json["name"], 'Obama, "Barack"')
            self.assertEqual(d.get("/people/p-1").json["templates"], 2)
            self.assertEqual(d.get("/people/p-2").json["templates"], 1)
            missing = self.write("more.csv", "p-3,,nowhere.jpg\nnot an id,,people/d.jpg\n")
            self.assertEqual(self.enroll(d, "--from-csv", missing).returncode, 2)
        self.assertEqual(self.results()[3:], [("p-3", "nowhere.jpg", "io_error"),
                                              ("not an id", "d.jpg", "bad_request")])

    def test_report_cut_in_a_line_is_gone_on_from(self):
        self.picture("obama.jpg", OBAMA)
        with Daemon(min_face_px=60) as d:
            self.enroll(d, "--from-folder", self.people)
            line = self.report.read_text("utf-8")
            self.report.write_text(line + line[:20], "utf-8")
            self.picture("biden.jpg", BIDEN)
            self.assertEqual(self.counts(d), (1, 1))
        self.assertIn('"result":"enrolled"', self.report.read_text("utf-8").splitlines()[2])

    def test_a_report_of_an_earlier_build_holds_for_who_is_there(self):
        obama, biden = self.picture("obama.jpg", OBAMA), self.picture("biden.jpg", BIDEN)
        self.report.write_text("".join(
            json.dumps({"person_id": path.stem, "picture": str(path), "result": "enrolled"}) + "\n"
            for path in (obama, biden)), "utf-8")
        with Daemon(min_face_px=60) as d:
            d.post("/enroll?person_id=obama", OBAMA)
            self.assertEqual(self.counts(d), (1, 1))
            self.assertEqual(d.get("/people/obama").json["templates"], 1)
            self.assertEqual(d.get("/people/biden").json["templates"], 1)

    def test_what_the_daemon_lost_is_enrolled_again(self):
        self.picture("obama/a.jpg", OBAMA)
        self.picture("obama/b.jpg", OBAMA2)
        self.picture("biden.jpg", BIDEN)
        with Daemon(min_face_px=60) as d:
            self.assertEqual(self.counts(d), (3, 0))
            self.assertEqual(self.counts(d), (0, 3))
            d.request("DELETE", "/people/obama")
            # One picture comes back, as if the next run had been interrupted.
            hidden = (self.people / "obama/b.jpg").rename(self.folder / "b.jpg")
            self.assertEqual(self.counts(d), (1, 1))
            hidden.rename(self.people / "obama/b.jpg")
            self.assertEqual(self.counts(d), (1, 2))
            with Daemon(min_face_px=60) as other:
                self.assertEqual(self.counts(other), (3, 0))
                self.assertEqual(self.counts(d), (0, 3))
                self.assertEqual(self.counts(other), (0, 3))

    def test_another_model_has_everybody_enrolled_again(self):
        self.picture("obama/a.jpg", OBAMA)
        self.picture("obama/b.jpg", OBAMA2)
        data = self.folder / "data"
        data.mkdir()
        with Daemon(data, min_face_px=60) as d:
            self.assertEqual(self.counts(d), (2, 0))
        with Daemon(data, min_face_px=60, listen=f"127.0.0.1:{d.port}", embedder="fast") as d:
            self.assertEqual(d.get("/people").json["people_waiting"], 1)
            self.assertEqual(self.counts(d), (2, 0))
            self.assertEqual(d.get("/people").json["people_waiting"], 0)
            self.assertEqual(self.counts(d), (0, 2))

    def test_what_no_other_picture_can_mend_stops_the_run(self):
        self.picture("a.jpg", OBAMA)
        self.picture("b.jpg", BIDEN)
        with Daemon(min_face_px=60, gallery_max=1) as d:
            done = self.enroll(d, "--from-folder", self.people)
            self.assertEqual(done.returncode, 2)
            self.assertIn("stopped, run it again to go on: ", done.stderr)
            self.assertIn("(gallery_full)", done.stderr)
            add_key(d.data_dir, "admin")
            self.report.unlink()
            done = self.enroll(d, "--from-folder", self.people)
            self.assertIn("(no_key)", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertEqual(self.results(), [])
        done = self.enroll(d, "--from-folder", self.people)  # it is gone now
        self.assertIn("no daemon answers", done.stderr)

    def test_busy_daemon_is_asked_again(self):
        asked = []

        class Busy(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(self.path)
                status, body = (201, {"person_id": "a"}) if len(asked) > 1 else \
                    (503, {"code": "busy", "detail": "all workers are busy"})
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.picture("a.jpg", OBAMA)
        with http.server.HTTPServer(("127.0.0.1", 0), Busy) as busy:
            busy.port = busy.server_address[1]
            thread = threading.Thread(target=busy.serve_forever)
            thread.start()
            try:
                done = self.enroll(busy, "--from-folder", self.people)
            finally:
                busy.shutdown()
                thread.join()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(asked, ["/enroll", "/enroll"])
        self.assertEqual(self.results(), [("a", "a.jpg", "enrolled")])

    def test_terminal_sees_a_bar(self):
        self.picture("a.jpg", OBAMA)
        with Daemon(min_face_px=60) as d:
            code, out, shown = self.enroll(d, "--from-folder", self.people, tool=run_on_terminal)
            self.assertEqual(code, 0, shown)
            self.assertRegex(shown, r"enrolling \[#+\] 100 %")
            self.assertNotIn("\r", out)

    def test_faulty_plans_are_refused_before_anything_is_sent(self):
        self.picture("Zoë/a.jpg", OBAMA)
        self.picture(f"Zo__{mark('Zoë')}/b.jpg", OBAMA)
        long = self.picture(f"long/{129 * 'x'}/a.jpg", OBAMA).parents[1]
        for words, args in (
                ("would both get the id Zo__", ["--from-folder", self.people]),
                ("is no name of a person", ["--from-folder", long]),
                ("is no folder", ["--from-folder", self.people / "Zoë/a.jpg"]),
                ("No such file", ["--from-folder", "/nowhere"]),
                ("/nowhere: No such file", ["--from-csv", "/nowhere"]),
                ("record 1 is not person,name,file",
                 ["--from-csv", self.write("bad.csv", "anna,a.jpg\n")]),
                ("there is no picture", ["--from-csv", self.write("empty.csv", "person\n")]),
                ("enroll PERSON", ["--from-csv", "x", "--from-folder", "y"]),
                ("/nowhere/r: No such file", ["--from-folder", self.people / "Zoë",
                                              "--report=/nowhere/r"])):
            with self.subTest(args=args):
                self.assert_refused(words, "enroll", "--server=127.0.0.1:9", *args)
        self.assertFalse(self.report.exists())


if __name__ == "__main__":
    unittest.main()
