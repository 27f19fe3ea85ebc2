"""Decisions published to a real broker: never retained, in order, and never after they expired."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from daemon import Daemon, small_face, wait_for
from receiver import Broker, counts, decide, secret_file

A1 = small_face("obama.jpg")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Subscriber:
    """mosquitto_sub; .got has (topic, retained, qos, expiry, payload) of what came."""

    def __init__(self, port, *options, topic="facegate/#"):
        self.got, self.up = [], False
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", "-V", "5", "-h", "127.0.0.1", "-p", str(port), "-q", "1",
             "-t", topic, "-F", "MSG %t %r %q %E %p", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        assert wait_for(lambda: self.up, 60)

    def read(self):
        for line in self.process.stdout:
            if line.startswith("Subscribed"):
                self.up = True
            if line.startswith("MSG "):
                topic, retained, qos, expiry, payload = line[4:].rstrip("\n").split(" ", 4)
                self.got.append((topic, retained, qos, expiry, payload))

    def seqs(self):
        return [json.loads(p)["seq"] for t, _, _, _, p in list(self.got) if "/decision" in t]

    def states(self):
        return [p for t, _, _, _, p in list(self.got) if t.endswith("/state")]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()


class Mqtt(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.port = free_port()

    def broker(self, *lines):
        b = Broker(self.port, *(lines or ("allow_anonymous true",)))
        self.addCleanup(b.close)
        b.start()
        return b

    def subscriber(self, *options, **names):
        # The broker may not listen yet.
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                wait_for(lambda: False, 0.1)
        s = Subscriber(self.port, *options, **names)
        self.addCleanup(s.close)
        return s

    def daemon(self, **keys):
        d = Daemon(self.dir, **{"mqtt_host": "127.0.0.1", "mqtt_port": self.port, "min_face_px": 60,
                                "event_ttl_s": 300, **keys})
        self.addCleanup(d.stop)
        return d

    def test_decisions_are_published_by_door_in_order_and_never_retained(self):
        self.broker()
        early = self.subscriber()
        d = self.daemon()
        d.post("/enroll?person_id=p&name=Anna", A1)
        reply = d.post("/verify?person_id=p&door_id=north", A1).json
        rest = [decide(d) for _ in range(5)]
        self.assertTrue(wait_for(lambda: len(early.seqs()) == 6, 60), (early.got, counts(d, "mqtt")))
        self.assertEqual(early.seqs(), [reply["log_id"], *rest])
        self.assertEqual(early.states(), ["online"])
        by_topic = [t for t, _, _, _, _ in early.got if "/decision" in t]
        self.assertEqual(by_topic, ["facegate/decision/north"] + 5 * ["facegate/decision"])
        for topic, retained, qos, expiry, _ in early.got:
            self.assertEqual((retained, qos), ("0", "1"), topic)
            if "/decision" in topic:
                self.assertTrue(0 < int(expiry) <= 300)
        event = json.loads(next(p for t, _, _, _, p in early.got if t.endswith("north")))
        self.assertEqual((event["decision"], event["person_id"], event["name"], event["door_id"]),
                         ("allow", "p", "Anna", "north"))
        self.assertNotIn("score", event)
        late = self.subscriber()  # hears only of what comes now
        new = decide(d)
        self.assertTrue(wait_for(lambda: late.seqs() == [new], 60), late.got)
        self.assertEqual(d.stop()[0], 0)
        self.assertTrue(wait_for(lambda: early.states() == ["online", "offline"], 60))
        self.assertEqual({r for _, r, _, _, _ in early.got + late.got}, {"0"})

    def test_after_a_broker_restart_what_waited_arrives_and_what_expired_does_not(self):
        broker = self.broker()
        first = self.subscriber()
        d = self.daemon()
        one = decide(d)
        self.assertTrue(wait_for(lambda: first.seqs() == [one], 60))
        broker.stop()
        self.assertTrue(wait_for(lambda: counts(d, "mqtt")["up"] == 0, 60))
        waited = [decide(d) for _ in range(3)]
        broker.start()
        second = self.subscriber()
        # The daemon may have been quicker than the subscriber: then nothing waits for it.
        last = decide(d)
        self.assertTrue(wait_for(lambda: counts(d, "mqtt")["waiting"] == 0, 60))
        self.assertTrue(wait_for(lambda: last in second.seqs(), 60))
        self.assertEqual(second.seqs(), (waited + [last])[-len(second.seqs()):])
        self.assertTrue(wait_for(lambda: counts(d, "mqtt")["sent_total"] == 5))
        d.stop()

        broker.stop()
        d = self.daemon(event_ttl_s=1)
        old = [decide(d) for _ in range(3)]
        self.assertTrue(wait_for(lambda: counts(d, "mqtt")["expired_total"] == 3, 60))
        broker.start()
        third = self.subscriber()
        new = []

        def arrived():
            new.append(decide(d))
            return third.seqs()

        self.assertTrue(wait_for(arrived, 60))
        self.assertFalse(set(old) & set(third.seqs()))

    def test_a_receiver_that_was_away_does_not_get_what_expired_meanwhile(self):
        self.broker()
        session = ("-c", "-x", "3600", "-i", "door-controller")
        away = self.subscriber(*session)
        away.close()
        d = self.daemon(event_ttl_s=1)
        old = []

        def sent():
            old.append(decide(d))
            return counts(d, "mqtt")["sent_total"] > 0

        self.assertTrue(wait_for(sent, 60))
        self.assertFalse(wait_for(lambda: False, 3))  # longer than it lives
        back = self.subscriber(*session)
        new = []

        def arrived():
            new.append(decide(d))
            return back.seqs()

        self.assertTrue(wait_for(arrived, 60), back.got)
        self.assertLessEqual(set(back.seqs()), set(new))

    def test_password_and_topic_and_a_refusal(self):
        passwords = os.path.join(self.dir, "passwords")
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "gate", "pass word"], check=True)
        os.chmod(passwords, 0o600)
        self.broker("allow_anonymous false", f"password_file {passwords}")
        hears = self.subscriber("-u", "gate", "-P", "pass word", topic="#")
        wrong = self.daemon(mqtt_user="gate", mqtt_password_file=secret_file(self.dir, "no", 0o600))
        decide(wrong)
        self.assertTrue(wait_for(lambda: counts(wrong, "mqtt")["failed_total"] > 0, 60))
        _, log = wrong.stop()
        self.assertRegex(log, "event=event_failed.*Not authori[sz]ed")
        right = self.daemon(mqtt_user="gate", mqtt_topic="house/gate",
                            mqtt_password_file=secret_file(self.dir, "pass word"))
        decide(right)
        self.assertTrue(wait_for(lambda: len(hears.seqs()) == 2, 60), hears.got)
        self.assertEqual({t for t, *_ in hears.got}, {"house/gate/state", "house/gate/decision"})

    def test_tls_is_checked(self):
        cert, key = os.path.join(self.dir, "cert.pem"), os.path.join(self.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        self.broker("allow_anonymous true", f"certfile {cert}", f"keyfile {key}")
        hears = self.subscriber("--cafile", cert)
        unknown = self.daemon(mqtt_tls="true")
        decide(unknown)
        self.assertTrue(wait_for(lambda: counts(unknown, "mqtt")["failed_total"] > 0, 60))
        unknown.stop()
        self.assertEqual(hears.got, [])
        d = self.daemon(mqtt_tls="true", mqtt_ca_file=cert)
        self.assertTrue(wait_for(lambda: len(hears.seqs()) == 1, 60), hears.got)
        self.assertTrue(wait_for(lambda: counts(d, "mqtt")["waiting"] == 0, 60))


if __name__ == "__main__":
    unittest.main()
