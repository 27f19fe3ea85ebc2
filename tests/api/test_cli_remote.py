"""facegate as a client of the daemon: what it says and how it ends."""
import csv
import http.server
import io
import json
import socket
import ssl
import subprocess
import threading
import unittest
from pathlib import Path

from daemon import Daemon, add_key, small_face, wait_for

from clitool import ENV, FACEGATE, Case, grey_jpeg, run

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OBAMA, OBAMA2, BIDEN = (GOLDEN / name for name in
                        ("obama.jpg", "obama2.jpg", "biden.jpg"))


class Remote(Case):
    """Each test has a daemon with obama enrolled."""

    def setUp(self):
        super().setUp()
        self.daemon = Daemon(min_face_px=60)
        self.addCleanup(self.daemon.__exit__)
        self.server = f"http://127.0.0.1:{self.daemon.port}"
        self.daemon.post("/enroll?person_id=obama&name=Barack", small_face("obama.jpg"))

    def ask(self, *args, **options):
        return run("--server", self.server, *args, **options)

    def json_of(self, *args, code=0, **options):
        done = self.ask(*args, "--json", **options)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def refused(self, words, *args, **options):
        self.assert_refused(words, "--server", self.server, *args, **options)


class Visits(Remote):
    def test_match_gives_0_and_no_match_1(self):
        done = self.ask("verify", "obama", OBAMA2, "--door", "north")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^allow  match  obama \(Barack\)  score 0\.\d{4}, cut ")
        done = self.ask("verify", "obama", BIDEN)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(done.stdout.startswith("deny  below_threshold  obama"), done.stdout)
        found = self.json_of("verify", "obama", OBAMA2, "--door=north")
        self.assertEqual((found["decision"], found["door_id"]), ("allow", "north"))

    def test_picture_comes_from_standard_input(self):
        for picture, code in ((OBAMA2, 0), (BIDEN, 1)):
            with open(picture, "rb") as f:
                self.assertEqual(self.ask("identify", "-", stdin=f).returncode, code)

    def test_identify_names_the_best_and_takes_its_options(self):
        self.assertEqual(self.ask("enroll", "twin", OBAMA, "--duplicate=allow").returncode, 0)
        found = self.json_of("identify", OBAMA2, "--top", "2")
        self.assertEqual({c["person_id"] for c in found["candidates"]}, {"obama", "twin"})
        done = self.ask("identify", OBAMA2, "--top", "2")
        self.assertEqual(done.stdout.count("\n"), 2, done.stdout)
        self.assertIn("\n  or ", done.stdout)
        self.assertEqual(self.ask("identify", OBAMA2, "--group=staff").returncode, 1)

    def test_picture_without_a_face_is_no_match_with_a_hint(self):
        done = self.ask("verify", "obama", self.write("grey.jpg", grey_jpeg()))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"^deny  no_face .*\n  Look at the camera")

    def test_an_admin_is_told_whose_face_it_is(self):
        done = self.ask("enroll", "twin", OBAMA)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it is enrolled as obama (duplicate_face)", done.stderr)
        key = self.write("kiosk", add_key(self.daemon.data_dir, "kiosk"))
        done = self.ask("enroll", "twin", OBAMA, "--api-key-file", key)
        self.assertEqual(done.returncode, 1)
        self.assertIn("(duplicate_face)", done.stderr)
        self.assertNotIn("obama", done.stderr)

    def test_enrol_takes_all_pictures_or_none(self):
        done = self.ask("enroll", "biden", BIDEN, GOLDEN / "biden2.jpg", "--name", "Joe")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "enrolled 2 of biden, who has 2 now\n")
        grey = self.write("grey.jpg", grey_jpeg())
        done = self.ask("enroll", "biden", BIDEN, grey)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"image\[1\]: .*\(no_face\)\n$")
        self.assertEqual(self.json_of("people", "show", "biden")["templates"], 2)
        found = self.json_of("enroll", "biden", BIDEN, "--mode=replace")
        self.assertEqual(found["templates"], 1)

    def test_errors_give_2_and_one_line(self):
        for words, *args in (
                ["(no_such_person)", "verify", "nobody", OBAMA],
                ["/nowhere.jpg: No such file", "verify", "obama", "/nowhere.jpg"],
                ["(not_a_jpeg)", "verify", "obama", self.write("a.jpg", "text")],
                ["top must be", "identify", OBAMA, "--top=99"],
                ["mode must be", "enroll", "obama", OBAMA, "--mode=add"],
                ["enroll PERSON PICTURE", "enroll", "obama"],
                ["--report is for many", "enroll", "obama", OBAMA, "--report=x"],
                ["--name and --mode", "enroll", f"--from-folder={self.folder}", "--name=x"],
                ["at most 64", "enroll", "obama", *65 * [OBAMA]],
                ["--door is an option of verify, not of people", "people", "list", "--door=x"]):
            with self.subTest(args=args):
                self.refused(words, *args)


class Lists(Remote):
    def test_people_from_first_to_last(self):
        self.write("p.json", '{"valid_until":"2030-01-01T00:00:00Z"}')
        found = self.json_of("people", "add", "p-2", self.folder / "p.json", "--name=Zoë (x)",
                             "--groups", "staff,night")
        self.assertEqual((found["name"], found["groups"]), ("Zoë (x)", ["staff", "night"]))
        self.assertEqual(found["valid_until"], "2030-01-01T00:00:00.000Z")
        self.assertEqual(self.ask("people", "list").stdout,
                         "obama  1    Barack\np-2  0  staff,night  Zoë (x)\n")
        done = self.ask("people", "rename", "p-2", "Zoë [y]")
        self.assertIn("\nname: Zoë [y]\n", done.stdout)
        done = self.ask("people", "delete", "p-2")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.refused("(no_such_person)", "people", "delete", "p-2")
        self.refused("(person_exists)", "people", "add", "obama")
        self.refused("people list | show", "people", "rename", "obama")

    def test_people_are_listed_over_all_pages(self):
        for i in range(101):
            self.daemon.request("POST", "/people", json.dumps({"person_id": f"p{i:03}"}),
                                {"Content-Type": "application/json"})
        self.assertEqual(len(self.json_of("people", "list")["people"]), 102)
        self.assertEqual(self.ask("people", "list").stdout.count("\n"), 102)
        self.assertEqual(self.ask("people", "list", "--search=bAR").stdout, "obama  1    Barack\n")
        self.assertEqual(self.ask("people", "list", "--search", "p10").stdout, "p100  0    \n")

    def test_doors_from_first_to_last(self):
        rules = '{"target_fmr":1e-5,"windows":[{"days":["mon"],"from":"08:00","to":"18:00"}]}'
        found = self.json_of("doors", "add", "north", "-", "--groups=staff", input=rules)
        self.assertEqual((found["target_fmr"], found["groups"]), (1e-5, ["staff"]))
        self.ask("doors", "add", "south", "-", input='{"min_score":0.6}')
        self.ask("doors", "add", "west")
        self.assertEqual(self.ask("doors", "list").stdout,
                         "north  fmr 1e-05  staff\nsouth  score 0.6000  \nwest  fmr default  \n")
        self.assertEqual(self.ask("doors", "delete", "west").returncode, 0)
        self.assertIn("timezone: UTC\n", self.ask("doors", "show", "north").stdout)
        self.assertEqual(self.ask("doors", "delete", "north").returncode, 0)
        self.assertEqual([d["door_id"] for d in self.json_of("doors", "list")["doors"]], ["south"])
        self.refused("is no JSON object", "doors", "add", "east", "-", input="[]")
        self.refused("(unknown_parameter)", "doors", "add", "east", "-", input='{"cut":1}')
        self.refused("doors list | show", "doors", "rename", "north", "x")


class Log(Remote):
    def setUp(self):
        super().setUp()
        for door, face in (("north", OBAMA2), ("south", BIDEN), ("north", BIDEN)):
            self.daemon.post(f"/verify?person_id=obama&door_id={door}", face.read_bytes())

    def test_newest_first_with_filters(self):
        rows = self.json_of("logs")["logs"]
        self.assertEqual([r["log_id"] for r in rows], [3, 2, 1])
        rows = self.json_of("logs", "--decision=deny", "--door", "north")["logs"]
        self.assertEqual([r["log_id"] for r in rows], [3])
        self.assertEqual([r["log_id"] for r in self.json_of("logs", "--limit=2")["logs"]], [3, 2])
        for option in ("--min-score=0.5", "--reason=match"):
            self.assertEqual([r["log_id"] for r in self.json_of("logs", option)["logs"]], [1])
        for option in ("--person=biden", "--from=2090-01-01T00:00:00Z", "--to=2000-01-01T00:00:00Z"):
            self.assertEqual(self.json_of("logs", option)["logs"], [])
        self.assertRegex(self.ask("logs", "--limit=1").stdout,
                         r"^\S+Z  deny +below_threshold +verify +obama  north  -?0\.\d{4}\n$")
        self.refused("from must be a time", "logs", "--from=yesterday")

    def test_more_rows_than_a_page_has(self):
        for _ in range(205):
            self.daemon.post("/verify?person_id=obama", grey_jpeg())
        self.assertEqual(len(self.json_of("logs", "--limit=207")["logs"]), 207)
        self.assertEqual(self.ask("logs", "--limit=1000").stdout.count("\n"), 208)

    def test_csv_has_every_row(self):
        rows = list(csv.DictReader(io.StringIO(self.ask("logs", "--csv").stdout)))
        self.assertEqual([r["log_id"] for r in rows], ["3", "2", "1"])
        done = self.ask("logs", "--csv", "--limit=1", "--decision=allow")
        self.assertEqual(done.stdout.count("\n"), 2)
        self.refused("decision must be", "logs", "--csv", "--decision=maybe")
        self.refused("--csv goes with", "logs", "--csv", "--follow")

    def test_follow_shows_the_last_rows_and_then_what_happens(self):
        args = [FACEGATE, "logs", "--server", self.server, "--follow", "--json", "--limit=2",
                "--decision=deny"]
        with subprocess.Popen(args, stdout=subprocess.PIPE, text=True, env=ENV) as tool:
            try:
                self.assertEqual([json.loads(tool.stdout.readline())["log_id"]
                                  for _ in range(2)], [2, 3])
                for face in (OBAMA2, BIDEN):
                    self.daemon.post("/verify?person_id=obama", face.read_bytes())
                row = json.loads(tool.stdout.readline())
                self.assertEqual((row["log_id"], row["decision"]), (5, "deny"))
            finally:
                tool.kill()

    def test_follow_waits_for_a_daemon_that_comes_back(self):
        port = self.daemon.port
        args = [FACEGATE, "logs", "--server", self.server, "--follow", "--limit=1"]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=ENV) as tool:
            try:
                self.assertIn("below_threshold", tool.stdout.readline())
                self.daemon.stop()
                # Or it asked while the daemon was stopping, and was told so.
                self.assertRegex(tool.stderr.readline(),
                                 r"waiting: (no daemon answers|.*\((not_ready|io_error)\)$)")
                with Daemon(self.daemon.data_dir, listen=f"127.0.0.1:{port}") as again:
                    again.post("/verify?person_id=obama", grey_jpeg())
                    self.assertIn("no_face", tool.stdout.readline())
            finally:
                tool.kill()


class Access(Remote):
    def test_key_comes_from_a_file_or_the_environment(self):
        key = add_key(self.daemon.data_dir, "door")
        self.assertTrue(wait_for(lambda: self.daemon.get("/people").status == 401))
        verify = ("verify", "obama", OBAMA2)
        self.refused("--api-key-file or FACEGATE_KEY (no_key)", *verify)
        self.refused("(no_key)", *verify, env={"FACEGATE_KEY": key[:-1] + "x"})
        env = {"FACEGATE_KEY": key}
        done = self.ask(*verify, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "allow  match  obama (Barack)  log 1\n")  # no score
        file = self.write("key", f" {key}\n")
        done = self.ask(*verify, "--api-key-file", file, env={"FACEGATE_KEY": "wrong"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.refused("(wrong_role)", "people", "list", env=env)
        for text in ("", "two words\n", "not-ascii-\xe9", 300 * "x"):
            self.refused("does not hold a key", *verify, "--api-key-file", self.write("bad", text))
        self.refused("--api-key-file: No such file", *verify, "--api-key-file=/nowhere")

    def test_server_comes_from_option_environment_or_configuration(self):
        for args, env in (((), {"FACEGATE_SERVER": f"127.0.0.1:{self.daemon.port}/"}),
                          ((f"--listen=0.0.0.0:{self.daemon.port}",), {}),
                          (("--server", self.server), {"FACEGATE_SERVER": "http://127.0.0.1:9"}),
                          # No proxy is asked.
                          (("--server", self.server), {"http_proxy": "http://127.0.0.1:9"})):
            done = run("people", "list", *args, env=env)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_certificates_to_trust_can_be_named(self):
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", str(key), "-out",
                        str(cert)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)

        class Ready(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Ready) as tls:
            tls.handle_error = lambda *_: None  # who does not trust it hangs up
            tls.socket = context.wrap_socket(tls.socket, server_side=True)
            server = f"https://127.0.0.1:{tls.server_address[1]}"
            thread = threading.Thread(target=tls.serve_forever)
            thread.start()
            try:
                self.assert_refused("certificate", "health", "--server", server)
                done = run("health", "--server", server, "--cacert", cert)
            finally:
                tls.shutdown()
                thread.join()
        self.assertEqual((done.returncode, done.stdout), (0, "ready\n"), done.stderr)

    def test_daemon_that_is_away_is_told_from_a_stranger(self):
        self.assert_refused("no daemon answers at http://127.0.0.1:9: is it running?",
                            "people", "list", "--server=http://127.0.0.1:9")
        self.assert_refused("ftp", "people", "list", "--server=ftp://127.0.0.1")
        for answer, words in ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "is not JSON"),
                              (b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", "HTTP 502, but"),
                              (b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:9/\r\n"
                               b"Content-Length: 0\r\n\r\n", "HTTP 302, but"),
                              (b"SSH-2.0-x\r\n\r\n", "http://127.0.0.1"), (b"", "http://127.0.0.1")):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                def serve(listener=listener, answer=answer):
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(answer)
                thread = threading.Thread(target=serve)
                thread.start()
                self.assert_refused(words, "people", "list", "--server",
                                    f"127.0.0.1:{listener.getsockname()[1]}")
                thread.join()


if __name__ == "__main__":
    unittest.main()
