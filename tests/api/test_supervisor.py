"""What the daemon and the supervisor that starts it tell each other, with this test in
systemd's place: ready, how it is, the watchdog, and sockets handed over."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import (FACEGATE, FACEGATED, JPEG, MODELS, Daemon, add_key, clean_environment, faults,
                    run_to_end, small_face, status_of, wait_for)

BAD_CONFIG = 2


class Told(unittest.TestCase):
    """A supervisor's end of the notify socket."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.told, self.heard = [], 0
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.end.close)
        self.address = os.path.join(self.dir, "notify")
        self.end.bind(self.address)
        self.environment = {"NOTIFY_SOCKET": self.address, **faults(self.dir)}

    def hear(self):
        """Everything it was told since the last time, line by line."""
        new = []
        try:
            while True:
                new += self.end.recv(4096, socket.MSG_DONTWAIT).decode().split("\n")
        except BlockingIOError:
            self.told += new
            return new

    def await_line(self, pattern):
        """Until a line fits behind the one that was awaited before."""
        def heard():
            self.hear()
            while self.heard < len(self.told):
                self.heard += 1
                if re.fullmatch(pattern, self.told[self.heard - 1]):
                    return True
            return False

        self.assertTrue(wait_for(heard, seconds=60), (pattern, self.told[-5:]))

    def fault(self, name):
        with open(os.path.join(self.dir, name), "w", encoding="ascii"):
            pass

    def repair(self, name):
        os.unlink(os.path.join(self.dir, name))

    def daemon(self, **keys):
        return Daemon(self.dir, environment=self.environment, min_face_px=60, **keys)


class Life(Told):
    def test_ready_is_told_after_the_self_test_and_stopping_at_the_end(self):
        with self.daemon() as d:
            self.await_line(f"STATUS=Serving 127.0.0.1 port {d.port}")
            self.assertEqual(d.get("/readyz").status, 200)
            d.stop()
        self.hear()
        words = [line for line in self.told if not line.startswith("STATUS=")]
        self.assertEqual(words, ["READY=1", "STOPPING=1"])
        self.assertLess(self.told.index("STATUS=Checking models, and itself with them"),
                        self.told.index("READY=1"))

    def test_a_reload_is_told_and_leaves_it_ready(self):
        with self.daemon() as d:
            self.await_line("READY=1")
            d.process.send_signal(signal.SIGHUP)
            self.await_line("RELOADING=1")
            self.await_line(r"MONOTONIC_USEC=\d+")
            self.await_line("READY=1")
            self.assertEqual(d.get("/readyz").status, 200)

    def test_a_self_test_that_fails_is_never_ready(self):
        self.fault("black")
        with self.assertRaises(RuntimeError):
            self.daemon()
        self.hear()
        self.assertNotIn("READY=1", self.told)
        self.assertRegex(self.told[-1], "^STATUS=self-test: ")

    def test_names_in_the_abstract_namespace_are_reached(self):
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.end.close)
        name = f"facegate-test-{os.getpid()}"
        self.end.bind("\0" + name)
        self.environment["NOTIFY_SOCKET"] = "@" + name
        with self.daemon():
            self.await_line("READY=1")

    def test_an_address_that_is_none_ends_the_start(self):
        self.environment["NOTIFY_SOCKET"] = "notify"
        with self.assertRaisesRegex(RuntimeError, "NOTIFY_SOCKET"):
            self.daemon()


class Watchdog(Told):
    def setUp(self):
        super().setUp()
        self.environment["WATCHDOG_USEC"] = "2000000"

    def daemon(self, **keys):
        return super().daemon(**{"request_timeout_ms": 1000, **keys})

    def starved(self, d):
        """From the line that says so on the watchdog is not fed, and /readyz says no. That
        it was fed again may be told once before, by a machine too slow for a beat."""
        new, again = [], "STATUS=Serving again"
        while not new or again in new:
            self.await_line(r"STATUS=Self-test: .*")
            new, start = [""], time.monotonic()
            while time.monotonic() - start < 2 and again not in new:
                new += self.hear()
                time.sleep(0.05)
        self.assertNotIn("WATCHDOG=1", new)
        self.heard = len(self.told)
        if d is not None:
            r = d.get("/readyz")
            self.assertEqual((r.status, r.json["code"]), (503, "not_ready"))

    def recovered(self, d):
        self.await_line("WATCHDOG=1")
        self.await_line("STATUS=Serving again")
        self.assertTrue(wait_for(lambda: d.get("/readyz").status == 200))

    def test_it_is_fed_again_and_again_idle_and_at_work(self):
        with self.daemon() as d:
            for _ in range(3):
                self.await_line("WATCHDOG=1")
            stop = threading.Event()

            def work():
                while not stop.is_set():
                    d.request("POST", "/detect", small_face("obama.jpg"), JPEG)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for t in threads:
                t.start()
            try:
                for _ in range(3):
                    self.await_line("WATCHDOG=1")
            finally:
                stop.set()
                for t in threads:
                    t.join()

    def test_kept_connections_in_every_place_do_not_starve_it(self):
        ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with self.daemon(connections_max=4, connections_per_ip=4, queue_max=4) as d:
            held = [d.connect() for _ in range(4)]

            def answered(i):
                try:
                    held[i].sendall(ask)
                    if status_of(held[i].recv(1000)) == 200:
                        return
                except OSError:
                    pass
                held[i].close()  # it gave way to another, as they must in turn
                held[i] = d.connect()

            def beats():
                for i in range(4):
                    answered(i)
                return self.hear().count("WATCHDOG=1")

            self.hear()
            for _ in range(3):
                self.assertTrue(wait_for(beats))
            for s in held:
                s.close()

    def test_one_worker_that_hangs_starves_it(self):
        with self.daemon(workers=2, request_timeout_ms=1000) as d:
            self.await_line("WATCHDOG=1")
            self.fault("hang")
            self.assertTrue(wait_for(lambda: "hang" not in os.listdir(self.dir)))
            self.starved(d)  # the other worker answers
            self.assertEqual(d.request("POST", "/detect", small_face("obama.jpg"),
                                       JPEG).status, 200)
            self.fault("go")
            self.recovered(d)

    def test_a_self_test_that_fails_starves_it(self):
        with self.daemon() as d:
            self.await_line("WATCHDOG=1")
            self.fault("black")
            self.starved(d)
            self.repair("black")
            self.recovered(d)
            self.assertIn("event=selftest_failed", d.stop()[1])

    def test_a_network_thread_that_stands_still_starves_it(self):
        with self.daemon() as d:
            self.await_line("WATCHDOG=1")
            self.fault("silent")
            self.starved(None)
            self.assertIn("silent", self.told[-1])
            self.repair("silent")
            self.recovered(d)

    def test_a_change_of_keys_on_a_slow_disk_is_in_nothing_s_way(self):
        def keys():
            db = sqlite3.connect(os.path.join(self.dir, "facegate.db"))
            try:
                return db.execute("SELECT DISTINCT key_version FROM people "
                                  "ORDER BY key_version").fetchall()
            finally:
                db.close()

        with self.daemon() as d:
            for i in range(400):
                d.request("POST", "/people", json.dumps({"person_id": f"p{i}"}),
                          {"Content-Type": "application/json"})
            self.fault("slow")
            with subprocess.Popen([FACEGATE, "keys", "rotate", f"--data_dir={self.dir}"],
                                  env=clean_environment()) as rotate:
                self.addCleanup(rotate.kill)
                self.assertTrue(wait_for(lambda: keys() == [(1,), (2,)]))
                self.hear()
                self.heard = len(self.told)
                self.await_line("WATCHDOG=1")
                self.assertEqual(keys(), [(1,), (2,)])
                rotate.kill()
            d.process.terminate()
            self.repair("slow")
            d.stop()
            self.assertEqual(keys(), [(1,), (2,)])

    def test_it_must_wait_longer_than_slow_clients_may_take(self):
        with self.assertRaisesRegex(RuntimeError, "request_timeout_ms"):
            self.daemon(request_timeout_ms=1001)

    def test_another_process_s_is_not_fed(self):
        self.environment["WATCHDOG_PID"] = "1"
        with self.daemon(request_timeout_ms=60000) as d:
            self.await_line("READY=1")
            d.stop()
        self.hear()
        self.assertNotIn("WATCHDOG=1", self.told)


class Sockets(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)

    def socket(self, host="127.0.0.1", family=socket.AF_INET, listen=True):
        s = socket.socket(family)
        self.addCleanup(s.close)
        s.bind((host, 0))
        if listen:
            s.listen()
        return s

    def starter(self, s, count=1, pid="$$"):
        """A command that starts another with the socket as systemd does."""
        return ["sh", "-c", f'export LISTEN_FDS={count} LISTEN_PID={pid}; '
                f'exec "$@" 3<&{s.fileno()}', "sh"]

    def daemon(self, s, **options):
        return Daemon(self.dir, starter=self.starter(s, **options), pass_fds=[s.fileno()],
                      listen="127.0.0.1:1")

    def refused(self, s, *words, **options):
        done = subprocess.run(
            [*self.starter(s, **options), FACEGATED, f"--data_dir={self.dir}",
             f"--models_dir={MODELS}", "--log_level=error"], pass_fds=[s.fileno()],
            env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_connections_wait_while_no_daemon_runs(self):
        s = self.socket()
        port = s.getsockname()[1]
        with self.daemon(s) as d:
            self.assertEqual(d.port, port)
            self.assertEqual(d.get("/readyz").status, 200)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with self.daemon(s):
                self.assertIn(b"alive", c.makefile("rb").read())

    def test_over_ipv6(self):
        command = [FACEGATED, f"--data_dir={self.dir}", f"--models_dir={MODELS}",
                   "--log_level=error"]
        try:
            s = self.socket("::1", socket.AF_INET6)
        except OSError:  # this machine has none
            done = run_to_end(*command[1:], "--listen=[::1]:0")
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot listen on [::1]:0", done.stderr)
            return
        with subprocess.Popen([*self.starter(s), *command], pass_fds=[s.fileno()],
                              env=clean_environment(), stdout=subprocess.PIPE, text=True) as p:
            line = p.stdout.readline()
            p.terminate()
            self.assertRegex(line, r"^listening on http://\[::1\]:\d+\n$")

    def test_without_a_key_the_socket_must_be_this_machine_s(self):
        s = self.socket("0.0.0.0")
        self.refused(s, "bad_config", "keys add")
        add_key(self.dir, "admin")
        with Daemon(self.dir, starter=self.starter(s), pass_fds=[s.fileno()]) as d:
            self.assertEqual(d.get("/healthz").status, 200)

    def test_what_cannot_be_served_on_is_refused(self):
        self.refused(self.socket(), "LISTEN_FDS", "2", count=2)
        self.refused(self.socket(listen=False), "LISTEN_FDS", "TCP")
        end, other = socket.socketpair()
        self.addCleanup(end.close)
        self.addCleanup(other.close)
        self.refused(end, "LISTEN_FDS", "TCP")

    def test_another_process_s_socket_is_left_alone(self):
        s = self.socket()
        with Daemon(self.dir, starter=self.starter(s, pid=1), pass_fds=[s.fileno()]) as d:
            self.assertNotEqual(d.port, s.getsockname()[1])


if __name__ == "__main__":
    unittest.main()
