"""Decisions posted to a webhook: signed, in order, tried again, never late, and never in the way."""

import datetime
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import MODELS, ROOT, Daemon, run_to_end, small_face, wait_for
from receiver import SECRET, Receiver, counts, decide, endless, hang_up, secret_file
from test_openapi import Contract

A1 = small_face("obama.jpg")


def children(d):
    """The processes that the daemon has started."""
    with open(f"/proc/{d.process.pid}/task/{d.process.pid}/children") as f:
        pids = f.read().split()
    for task in os.listdir(f"/proc/{d.process.pid}/task"):
        with open(f"/proc/{d.process.pid}/task/{task}/children") as f:
            pids += f.read().split()
    return sorted({int(p) for p in pids})


class Webhook(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.keys = {"webhook_url": self.receiver.url, "webhook_secret_file": secret_file(self.dir),
                     "event_ttl_s": 300, "min_face_px": 60}

    def daemon(self, **keys):
        d = Daemon(self.dir, **{**self.keys, **keys})
        self.addCleanup(d.stop)
        return d

    def decide_until_one_arrives(self, d):
        """Decisions that live a second may expire on a machine as slow as this one."""
        made = []

        def arrived():
            made.append(decide(d))
            return self.receiver.got

        self.assertTrue(wait_for(arrived, 60))
        return made

    def test_a_decision_arrives_signed_and_tells_what_the_log_tells(self):
        d = self.daemon()
        d.post("/enroll?person_id=p&name=A%22%20B", A1)
        reply = d.post("/verify?person_id=p&door_id=north", A1).json
        self.receiver.wait(1)
        path, headers, body = self.receiver.got[0]
        self.assertEqual(path, "/hook?a=b")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertLess(abs(time.time() - int(headers["Facegate-Timestamp"])), 60)
        mac = hmac.new(SECRET.encode(), headers["Facegate-Timestamp"].encode() + b"." + body,
                       hashlib.sha256).hexdigest()
        self.assertEqual(headers["Facegate-Signature"], "sha256=" + mac)
        event, row = json.loads(body), d.get(f"/logs/{reply['log_id']}").json
        for key in ("score", "threshold", "ms", "pool_peak_bytes"):
            row.pop(key)
        at = datetime.datetime.fromisoformat(reply["at"].removesuffix("Z"))
        until = at + datetime.timedelta(seconds=self.keys["event_ttl_s"])
        self.assertEqual(event, {"type": "decision", "seq": row["log_id"], "name": 'A" B',
                                 "expires_at": until.isoformat(timespec="milliseconds") + "Z",
                                 **row})
        self.assertEqual((event["decision"], event["person_id"]), ("allow", "p"))
        contract = Contract(d.get("/openapi.json").json)
        self.assertIsNone(contract.fault(event, {"$ref": "#/components/schemas/Event"}))
        self.assertTrue(wait_for(lambda: counts(d, "webhook") == {
            "up": 1, "waiting": 0, "sent_total": 1, "failed_total": 0, "expired_total": 0,
            "dropped_total": 0}), counts(d, "webhook"))

    def test_nothing_is_started_unless_asked_for(self):
        with Daemon() as d:
            decide(d)
            self.assertEqual(children(d), [])
            self.assertEqual(counts(d, "webhook"), {})

    def test_whatever_the_receiver_does_decisions_come_in_order_and_none_is_lost(self):
        def redirect(h):
            h.send_response(307)
            h.send_header("Location", "/elsewhere")
            h.send_header("Content-Length", "0")
            h.end_headers()

        release = threading.Event()
        self.addCleanup(release.set)
        d = self.daemon(event_timeout_ms=1000)
        for bad in (500, 404, 301, redirect, endless(503), hang_up, lambda h: release.wait(60)):
            self.receiver.answer = bad
            before = len(self.receiver.got)
            first = decide(d)
            self.receiver.wait(before + 2)  # tried, and tried again
            second = decide(d)  # a door waits for none of it
            self.assertEqual(set(self.receiver.seqs()[before:]), {first})
            self.receiver.answer = 200
            self.assertTrue(wait_for(lambda: counts(d, "webhook")["waiting"] == 0, 60))
            tail = self.receiver.seqs()[before:]
            self.assertEqual(tail[-1], second)
            self.assertEqual(tail, sorted(tail))
            self.assertGreaterEqual(tail.count(first), 2)
        self.assertEqual({p for p, _, _ in self.receiver.got}, {"/hook?a=b"})
        c = counts(d, "webhook")
        self.assertEqual((c["sent_total"], c["expired_total"], c["dropped_total"]), (14, 0, 0))
        self.assertGreaterEqual(c["failed_total"], 7)

    def test_an_answer_that_never_ends_counts_by_its_status(self):
        self.receiver.answer = endless(200)
        d = self.daemon()
        both = [decide(d), decide(d)]
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["sent_total"] == 2, 60))
        self.assertEqual(self.receiver.seqs(), both)

    def test_what_has_expired_is_never_sent(self):
        self.receiver.answer = 500
        d = self.daemon(event_ttl_s=1)
        old = [decide(d) for _ in range(5)]
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["expired_total"] == 5, 60))
        self.receiver.forget()
        self.receiver.answer = 200
        new = self.decide_until_one_arrives(d)
        self.assertGreater(new[0], old[-1])
        self.assertLessEqual(set(self.receiver.seqs()), set(new))

    def test_it_expires_while_the_daemon_is_down(self):
        self.receiver.answer = 500
        d = self.daemon()
        decide(d)
        d.kill()
        # Another one: the dead daemon's last attempt may still be on its way.
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.assertFalse(wait_for(lambda: False, 1.1))  # longer than it lives
        d = self.daemon(event_ttl_s=1, webhook_url=self.receiver.url)
        new = self.decide_until_one_arrives(d)
        self.assertLessEqual(set(self.receiver.seqs()), set(new))

    def test_beyond_events_max_the_oldest_are_dropped(self):
        self.receiver.answer = 500
        d = self.daemon(events_max=3)
        all_of_them = [decide(d) for _ in range(8)]
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["dropped_total"] == 5, 60))
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["waiting"] == 3))
        self.receiver.forget()
        self.receiver.answer = 200
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["waiting"] == 0, 60))
        self.assertEqual(self.receiver.seqs()[-3:], all_of_them[-3:])
        self.assertEqual(counts(d, "webhook")["sent_total"], 3)

    def test_kill_9_loses_nothing_and_no_number_comes_again(self):
        told = {}
        for turn in range(5):
            self.receiver.answer = 500 if turn % 2 else 200
            d = self.daemon()
            for _ in range(4):
                seq = decide(d)
                self.assertNotIn(seq, told)
                told[seq] = d.get(f"/logs/{seq}").json["request_id"]
            d.kill()
        self.assertEqual(len(told), 20)
        self.receiver.answer = 200
        d = self.daemon()
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["waiting"] == 0, 60))
        arrived = {}
        for _, _, body in self.receiver.got:
            event = json.loads(body)
            self.assertEqual(arrived.setdefault(event["seq"], event), event)
        self.assertEqual({s: e["request_id"] for s, e in arrived.items()}, told)
        d.stop()
        self.receiver.forget()
        d = self.daemon()
        new = decide(d)
        self.receiver.wait(1)
        self.assertEqual(self.receiver.seqs(), [new])  # nothing of before

    def test_a_receiver_that_hangs_holds_up_neither_doors_nor_the_end(self):
        release = threading.Event()
        self.addCleanup(release.set)
        self.receiver.answer = lambda h: release.wait(120)
        d = self.daemon(event_timeout_ms=60000)
        decide(d)
        self.receiver.wait(1)
        for _ in range(10):
            decide(d)
        there = children(d)
        self.assertEqual(len(there), 1)
        self.assertEqual(d.stop()[0], 0)
        self.assertFalse(os.path.exists(f"/proc/{there[0]}"))

    def test_a_sender_that_dies_is_started_again(self):
        d = self.daemon()
        decide(d)
        self.receiver.wait(1)
        for how in (signal.SIGKILL, signal.SIGSTOP):
            self.receiver.forget()
            os.kill(children(d)[0], how)
            if how == signal.SIGKILL:
                new = decide(d)
            else:
                self.assertEqual(d.stop()[0], 0)  # one that hangs does not hold up the end
                d = self.daemon()
                new = decide(d)
            self.assertTrue(wait_for(lambda: new in self.receiver.seqs(), 60))

    def test_a_person_deleted_meanwhile_is_not_named(self):
        self.receiver.answer = 500
        d = self.daemon()
        d.post("/enroll?person_id=gone&name=Gone", A1)
        first = decide(d)
        self.receiver.wait(1)
        d.post("/verify?person_id=gone", A1)
        d.request("DELETE", "/people/gone")
        self.receiver.answer = 200
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["waiting"] == 0, 60))
        last = json.loads(self.receiver.got[-1][2])
        self.assertEqual((last["seq"], last["person_id"], last["name"]), (first + 1, None, None))

    def test_a_proxy_of_the_environment_is_not_asked(self):
        os.environ["http_proxy"] = os.environ["ALL_PROXY"] = "http://127.0.0.1:9"
        self.addCleanup(os.environ.pop, "http_proxy")
        self.addCleanup(os.environ.pop, "ALL_PROXY")
        decide(self.daemon())
        self.receiver.wait(1)

    def test_a_secret_that_others_can_read_ends_the_start(self):
        base = [f"--data_dir={self.dir}", f"--models_dir={MODELS}", "--listen=127.0.0.1:0",
                f"--webhook_url={self.receiver.url}"]
        empty = secret_file(self.dir, "", 0o600)
        for bad, why in ((secret_file(self.dir, mode=0o440), "others may read"),
                         (secret_file(self.dir, mode=0o404), "others may read"),
                         (os.path.join(self.dir, "none"), "No such file"),
                         (self.dir, "not a regular file"), (empty, "first line")):
            done = run_to_end(*base, f"--webhook_secret_file={bad}")
            self.assertEqual(done.returncode, 2, bad)
            self.assertIn(why, done.stderr)
        done = run_to_end(*base)
        self.assertEqual(done.returncode, 2)
        self.assertIn("go together", done.stderr)

    def test_a_credential_of_systemd_is_found_by_its_name(self):
        secret_file(self.dir, mode=0o440)
        os.environ["CREDENTIALS_DIRECTORY"] = self.dir
        self.addCleanup(os.environ.pop, "CREDENTIALS_DIRECTORY")
        decide(self.daemon(webhook_secret_file="secret-440"))
        self.receiver.wait(1)

    def test_tls_is_checked_against_the_certificates_given(self):
        cert, key = os.path.join(self.dir, "cert.pem"), os.path.join(self.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        tls = Receiver(context=context)
        self.addCleanup(tls.close)
        d = self.daemon(webhook_url=tls.url)
        decide(d)
        self.assertTrue(wait_for(lambda: counts(d, "webhook")["failed_total"] > 0, 60))
        d.stop()
        self.assertEqual(tls.got, [])
        decide(self.daemon(webhook_url=tls.url, webhook_ca_file=cert))
        tls.wait(2)

    def test_the_checks_of_the_signature_in_the_documents_work(self):
        decide(self.daemon())
        self.receiver.wait(1)
        _, headers, body = self.receiver.got[0]
        stamp, mac = headers["Facegate-Timestamp"], headers["Facegate-Signature"]
        with open(os.path.join(ROOT, "docs", "events.md"), encoding="utf-8") as f:
            text = f.read()
        scope = {}
        exec(re.search(r"```python\n(.*?)```", text, re.S).group(1), scope)
        genuine = scope["genuine"]
        self.assertTrue(genuine(SECRET, stamp, body, mac))
        self.assertFalse(genuine(SECRET, stamp, body + b" ", mac))
        self.assertFalse(genuine(SECRET + "x", stamp, body, mac))
        self.assertFalse(genuine(SECRET, str(int(stamp) + 1), body, mac))
        old = str(int(stamp) - 1000)
        forged = hmac.new(SECRET.encode(), old.encode() + b"." + body, hashlib.sha256).hexdigest()
        self.assertFalse(genuine(SECRET, old, body, "sha256=" + forged))
        with open(os.path.join(self.dir, "body"), "wb") as f:
            f.write(body)
        script = re.search(r"```sh\n(.*?)```", text, re.S).group(1)
        for stamps, rc in ((stamp, 0), (str(int(stamp) + 1), 1)):
            done = subprocess.run(["sh", "-c", script], cwd=self.dir, check=False, env={
                **os.environ, "SECRET": SECRET, "TIMESTAMP": stamps, "SIGNATURE": mac})
            self.assertEqual(done.returncode, rc)


if __name__ == "__main__":
    unittest.main()
