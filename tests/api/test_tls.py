"""TLS in the daemon: what it speaks, whom it keeps waiting, and certificates that change
while it runs."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from certs import Authority, replace
from daemon import (FACEGATE, MODELS, Daemon, add_key, clean_environment, made, read_all,
                    run_to_end, sanitized, small_face, status_of, wait_for)

PICTURE = small_face("obama.jpg")
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
TIMEOUT_MS = 900


def s_client(port, *options, send=b""):
    """What the openssl command makes of the daemon; (exit status, output)."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options],
                          input=send, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("latin-1")


def shown(d):
    """The certificate that a new connection gets."""
    with d.connect() as s:
        return s.getpeercert(binary_form=True)


def der(pem):
    with open(pem, encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def not_after(pem):
    """When the first certificate of a file ends, in Unix seconds."""
    done = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-enddate"],
                          check=True, capture_output=True, text=True, timeout=60)
    return ssl.cert_time_to_seconds(done.stdout.strip().removeprefix("notAfter="))


def hello(context):
    """The first bytes of a handshake."""
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class WithAuthority(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.authority = Authority(cls.folder)
        cls.pair = cls.authority.server()

    def daemon(self, pair=None, clients=False, client=None, **keys):
        """One that asks as client, the pair of a certificate and its key, or as nobody."""
        d = Daemon(tls=self.authority.context(client), min_face_px=60,
                   **{**self.authority.keys(pair or self.pair, clients), **keys})
        self.addCleanup(d.__exit__)
        return d


class Speaks(WithAuthority):
    def test_modern_versions_and_ciphers_alone(self):
        d = self.daemon()
        old = ("-cipher", "ALL@SECLEVEL=0")
        for options, taken in ((("-tls1_3",), True), (("-tls1_2",), True),
                               (("-tls1_1", *old), False), (("-tls1", *old), False),
                               (("-tls1_2", "-cipher", "AES256-GCM-SHA384"), False),
                               (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"), False),
                               (("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"), True)):
            code, text = s_client(d.port, "-CAfile", self.authority.pem, "-verify_return_error",
                                  *options, send=b"")
            self.assertEqual(code == 0, taken, (options, text))
        self.assertEqual(d.get("/healthz").status, 200)

    def test_plain_http_gets_no_answer(self):
        d = self.daemon()
        with socket.create_connection(("127.0.0.1", d.port), timeout=20) as s:
            s.sendall(GET)
            self.assertEqual(status_of(read_all(s)), 0)
        self.assertEqual(d.get("/healthz").status, 200)

    def test_a_client_does_not_renegotiate(self):
        d = self.daemon(request_timeout_ms=600000)
        with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-tls1_2"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as p:
            p.stdin.write(b"R\n")
            p.stdin.flush()
            # It would stay connected otherwise: its input is still open.
            self.assertIn(b"RENEGOTIATING", p.stdout.read())
        self.assertEqual(d.get("/healthz").status, 200)

    def test_a_handshake_meets_the_absolute_deadline(self):
        d = self.daemon(request_timeout_ms=TIMEOUT_MS)
        first = hello(d.tls)
        tls, d.tls = d.tls, None
        for begin, rest in ((b"", first), (first[:5], bytes(3000)), (first, b"")):
            with self.subTest(len(begin)):
                seconds, _ = d.drip(begin, rest * 10)
                with d.connect() as s:  # says nothing, or no more than its hello
                    s.sendall(begin)
                    start = time.monotonic()
                    read_all(s)
                    self.assertLess(time.monotonic() - start, 15)
                self.assertLess(seconds, 30)
        d.tls = tls
        self.assertEqual(d.get("/healthz").status, 200)

    def test_open_handshakes_take_places_and_are_let_go(self):
        d = self.daemon(connections_max=8, connections_per_ip=8, request_timeout_ms=TIMEOUT_MS)
        held = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(8)]
        self.addCleanup(lambda: [s.close() for s in held])
        self.assertEqual(d.get("/healthz").status, 200)  # waits until one was let go

    def test_large_pictures_pass_whole_while_workers_are_slow(self):
        large = made("obama.jpg", 2400, 3000, "quality=100", "noise=40")
        self.assertGreater(len(large), 1 << 20)
        with Daemon(min_face_px=60) as plain:
            expected = plain.post("/detect", large).json["faces"]
        d = self.daemon(workers=1, request_timeout_ms=600000)  # each waits for those before it
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(d.post("/detect", large)))
                   for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([(r.status, r.json["faces"]) for r in answers], [(200, expected)] * 4)

    def test_without_keys_only_this_machine_is_served_here_too(self):
        d = self.daemon(listen="0.0.0.0:0")
        self.assertEqual(d.host, "127.0.0.1")
        at = f"127.0.0.1:{d.port}"
        for headers, status in (({"Host": "evil.example"}, 401), ({"Origin": f"http://{at}"}, 401),
                                ({"Origin": f"https://{at}"}, 200)):
            self.assertEqual(d.request("GET", "/people", None, headers).status, status, headers)

    def test_connections_are_in_the_budget(self):
        def connections(*keys):
            done = run_to_end("--print-budget", "--json", f"--models_dir={MODELS}",
                              "--connections_max=10", *keys)
            return {r["name"]: r["bytes"] for r in json.loads(done.stdout)["rows"]
                    if r["name"].endswith(", at most") and not r["in_pool"]}
        keys = [f"--{k}={v}" for k, v in self.authority.keys(self.pair).items()]
        plain = connections()
        self.assertEqual(plain["their TLS, at most"], 0)
        self.assertEqual(connections(*keys), {**plain, "their TLS, at most": 10 * 40 * 1024})

    def test_memory_of_connections_stays_within_the_budget(self):
        d = self.daemon(connections_max=64, connections_per_ip=64)
        opened = []
        self.addCleanup(lambda: [s.close() for s in opened])

        def open_some(n):
            for _ in range(n):
                s = d.connect()
                s.sendall(GET)
                s.recv(1000)
                opened.append(s)
            return d.status("RssAnon")
        before = open_some(4)
        more = open_some(56) - before
        if not sanitized():
            self.assertLess(more, 56 * (16 + 40))


class Files(WithAuthority):
    def refused(self, *options):
        # GnuTLS itself loses parts of a certificate that it cannot read.
        known = os.path.join(self.folder, "leaks")
        with open(known, "w", encoding="ascii") as f:
            f.write("leak:libgnutls\n")
        done = run_to_end("--listen=127.0.0.1:0", f"--data_dir={self.folder}",
                          f"--models_dir={MODELS}", *options,
                          environment={"LSAN_OPTIONS": f"suppressions={known}"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("(bad_config)", done.stderr)
        return done.stderr

    def test_what_cannot_be_used_is_named(self):
        pem, key = self.pair
        other = self.authority.server("other")[1]
        loose, junk = self.authority.path("loose.key"), self.authority.path("junk.pem")
        replace(key, loose)
        os.chmod(loose, 0o404)
        with open(junk, "w", encoding="ascii") as f:
            f.write("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        for options, said in (
                ((f"--tls_cert={pem}",), "go together"), ((f"--tls_key={key}",), "go together"),
                ((f"--tls_client_ca={pem}",), "tls_client_ca"),
                ((f"--tls_cert={pem}", f"--tls_key={key}", "--tls_client_required=true"),
                 "tls_client_required"),
                ((f"--tls_cert={pem}", f"--tls_key={loose}"), "chmod 0400"),
                ((f"--tls_cert={pem}", f"--tls_key={other}"), "tls_cert and tls_key"),
                ((f"--tls_cert={junk}", f"--tls_key={key}"), "tls_cert and tls_key"),
                ((f"--tls_cert={pem}", f"--tls_key={self.folder}"), "regular file"),
                ((f"--tls_cert={pem}.no", f"--tls_key={key}"), "No such file"),
                ((f"--tls_cert={pem}", f"--tls_key={key}", f"--tls_client_ca={junk}"),
                 "tls_client_ca")):
            self.assertIn(said, self.refused(*options), options)

    def test_a_key_may_be_a_credential(self):
        pem, key = self.pair
        replace(key, os.path.join(self.folder, "tls-key"))
        d = self.daemon((pem, "tls-key"), environment={"CREDENTIALS_DIRECTORY": self.folder})
        self.assertEqual(d.get("/healthz").status, 200)


class Reload(WithAuthority):
    def setUp(self):
        self.live = self.authority.path("live.pem"), self.authority.path("live.key")
        self.put(self.pair)

    def put(self, pair):
        for source, target in zip(pair, self.live):
            replace(source, target)

    def test_a_new_certificate_is_taken_and_old_connections_go_on(self):
        d = self.daemon(self.live, request_timeout_ms=600000)
        with d.connect() as old:
            new = self.authority.server("new")
            self.put(new)
            self.assertTrue(wait_for(lambda: shown(d) == der(new[0])))
            old.sendall(GET)
            self.assertEqual(status_of(old.recv(1000)), 200)
        self.assertEqual(d.stop(), (0, ""))

    def test_bad_files_keep_the_old_certificate_and_are_told_once(self):
        d = self.daemon(self.live)
        with open(self.live[0], "w", encoding="ascii") as f:
            f.write("this is no certificate\n")
        self.assertIn("event=certificate_refused", d.process.stderr.readline())
        self.assertEqual(shown(d), der(self.pair[0]))
        new = self.authority.server("new")
        self.put((new[0], self.pair[1]))
        self.assertIn("event=certificate_refused", d.process.stderr.readline())
        self.assertEqual(shown(d), der(self.pair[0]))
        self.put(new)
        self.assertTrue(wait_for(lambda: shown(d) == der(new[0])))
        code, err = d.stop()
        self.assertEqual((code, err), (0, ""))

    def test_sighup_reads_them_at_once_and_ends_nothing(self):
        d = self.daemon(self.live)
        self.put(self.authority.server("new"))
        d.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: shown(d) == der(self.live[0])))
        self.assertIsNone(d.process.poll())

    def test_nobody_is_turned_away_while_certificates_change(self):
        d = self.daemon(self.live)
        pairs = [self.authority.server(f"s{i}") for i in range(3)]
        stop, wrong, done = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                try:
                    r = d.get("/healthz")
                    done.append(r.status)
                except OSError as e:
                    wrong.append(e)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        for _ in range(4):
            for pair in pairs:
                self.put(pair)
                d.process.send_signal(signal.SIGHUP)
                wait_for(lambda: shown(d) == der(pair[0]))  # pylint: disable=W0640
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual((wrong, set(done)), ([], {200}))
        self.assertEqual(shown(d), der(pairs[-1][0]))

    def test_an_expired_certificate_is_told(self):
        expired = self.authority.issue("late", "subjectAltName=IP:127.0.0.1", expired=True)
        d = self.daemon(expired)
        with self.assertRaises(ssl.SSLCertVerificationError):
            d.connect()
        self.assertIn("event=certificate_expired", d.stop()[1])

    def test_the_end_of_the_certificate_is_a_metric(self):
        d = self.daemon(self.live)

        def end():
            return int(re.search(rb"\nfacegate_certificate_end_timestamp_seconds (\d+)\n",
                                 d.get("/metrics").body).group(1))
        self.assertEqual(end(), not_after(self.pair[0]))
        # The first to end of a chain counts.
        new, chain = self.authority.server("new", days=60), self.authority.path("chain.pem")
        with open(chain, "w", encoding="ascii") as out:
            for pem in (new[0], self.authority.pem):
                with open(pem, encoding="ascii") as f:
                    out.write(f.read())
        self.put((chain, new[1]))
        self.assertTrue(wait_for(lambda: end() == not_after(self.authority.pem)))
        self.assertLess(end(), not_after(new[0]))


class Tool(WithAuthority):
    def run_tool(self, *words, **environment):
        return subprocess.run([FACEGATE, *words], env={**clean_environment(), **environment},
                              capture_output=True, text=True, timeout=60, check=False)

    def test_the_tool_trusts_whom_it_is_told_to(self):
        d = self.daemon()
        url = f"https://localhost:{d.port}"
        done = self.run_tool("health", "--server", url, "--cacert", self.authority.pem)
        self.assertEqual((done.returncode, done.stdout), (0, "ready\n"), done.stderr)
        for words in ((), ("--cacert", Authority(self.folder).pem)):
            done = self.run_tool("health", "--server", url, *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("is not trusted", done.stderr)

    def test_a_health_check_knows_the_daemon_of_its_own_configuration(self):
        d = self.daemon(listen="127.0.0.1:0")
        pem, key = self.pair
        keys = [f"--listen=0.0.0.0:{d.port}", f"--tls_key={key}"]
        done = self.run_tool("health", f"--tls_cert={pem}", *keys)
        self.assertEqual((done.returncode, done.stdout), (0, "ready\n"), done.stderr)
        other = self.authority.server("other")[0]
        done = self.run_tool("health", f"--tls_cert={other}", *keys)
        self.assertEqual(done.returncode, 2)
        self.assertIn("has not the key of tls_cert", done.stderr)


class Clients(WithAuthority):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.door = cls.authority.client("door")

    def add(self, d, role, pem, *options):
        return add_key(d.data_dir, role, f"--cert={pem}", *options)

    def test_a_certificate_is_a_key_with_its_role(self):
        d = self.daemon(clients=True, client=self.door)
        self.assertEqual(d.get("/people").status, 200)  # no key yet
        key_id = self.add(d, "door", self.door[0], "--label=north")
        self.assertRegex(key_id, "^[0-9a-f]{8}$")
        self.assertEqual(d.post("/verify?person_id=p", PICTURE).json["code"], "no_such_person")
        r = d.get("/people")
        self.assertEqual((r.status, r.json["code"]), (403, "wrong_role"))
        listed = subprocess.run([FACEGATE, "keys", "list", "--json", f"--data_dir={d.data_dir}"],
                                env=clean_environment(), capture_output=True, text=True,
                                check=True)
        row, = json.loads(listed.stdout)["keys"]
        self.assertEqual((row["id"], row["kind"], row["label"]), (key_id, "certificate", "north"))
        # A key in the headers counts before it.
        kiosk = {"X-Api-Key": add_key(d.data_dir, "kiosk")}
        self.assertEqual(d.request("GET", "/people", None, kiosk).status, 200)
        wrong = {"X-Api-Key": f"fg_{key_id}_" + "0" * 64}
        self.assertEqual(d.request("GET", "/people", None, wrong).status, 401)
        twice = subprocess.run([FACEGATE, "keys", "add", "--role=kiosk", "--cert", self.door[0],
                                f"--data_dir={d.data_dir}"], env=clean_environment(),
                               capture_output=True, text=True, check=False)
        self.assertEqual(twice.returncode, 2)
        self.assertIn(key_id, twice.stderr)

    def test_a_revoked_certificate_is_out_at_the_next_request(self):
        d = self.daemon(clients=True, client=self.door)
        key_id = self.add(d, "kiosk", self.door[0])
        kept = http.client.HTTPSConnection("127.0.0.1", d.port, timeout=20, context=d.tls)
        self.addCleanup(kept.close)
        for revoke, status in ((False, 200), (True, 401)):
            if revoke:
                subprocess.run([FACEGATE, "keys", "revoke", key_id, f"--data_dir={d.data_dir}"],
                               env=clean_environment(), check=True)
            kept.request("GET", "/people")
            answer = kept.getresponse()
            answer.read()
            self.assertEqual(answer.status, status)

    def test_certificates_that_are_no_keys_are_locked_out_like_wrong_keys(self):
        d = self.daemon(clients=True, client=self.door, lockout_failures=3, log_level="error")
        other = self.authority.client("other")
        self.add(d, "kiosk", other[0])
        self.assertEqual([d.get("/people").status for _ in range(5)], [401] * 3 + [429] * 2)
        d.tls = self.authority.context(other)
        self.assertEqual(d.get("/people").status, 200)

    def test_who_has_none_may_use_another_key(self):
        d = self.daemon(clients=True)
        self.add(d, "kiosk", self.door[0])
        self.assertEqual(d.get("/healthz").status, 200)
        r = d.get("/people")
        self.assertEqual((r.status, r.json["code"]), (401, "no_key"))
        key = {"X-Api-Key": add_key(d.data_dir, "kiosk")}
        self.assertEqual(d.request("GET", "/people", None, key).status, 200)

    def test_certificates_that_do_not_hold_get_no_connection(self):
        stranger = Authority(self.folder).client()
        late = self.authority.client("late", expired=True)
        server = self.authority.issue("elsewhere", "extendedKeyUsage=serverAuth")
        for required in ("false", "true"):
            d = self.daemon(clients=True, client=self.door, tls_client_required=required)
            self.assertEqual(d.get("/healthz").status, 200)
            for name, pair in (("stranger", stranger), ("late", late), ("server", server),
                               ("none", None)):
                d.tls = self.authority.context(pair)
                with self.subTest(name, required=required):
                    if pair is None and required == "false":
                        self.assertEqual(d.get("/healthz").status, 200)
                        continue
                    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                        d.tls.minimum_version = d.tls.maximum_version = version
                        with self.assertRaises(OSError):
                            d.get("/healthz")
            d.tls = self.authority.context(self.door)
            self.assertEqual(d.get("/healthz").status, 200)

    def test_the_tool_shows_a_certificate(self):
        d = self.daemon(clients=True, client=self.door, tls_client_required="true")
        self.add(d, "admin", self.door[0])
        words = ("people", "list", "--server", f"https://127.0.0.1:{d.port}", "--cacert",
                 self.authority.pem)
        for more, code in ((("--cert", self.door[0], "--key", self.door[1]), 0), ((), 2),
                           (("--cert", self.door[0]), 2)):
            done = subprocess.run([FACEGATE, *words, *more], env=clean_environment(),
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, done.stderr)


if __name__ == "__main__":
    unittest.main()
