"""facegate health against a listener that answers as told."""
import json
import os
import socket
import subprocess
import threading
import unittest

ENV = {name: value for name, value in os.environ.items()
       if not name.startswith("FACEGATE_")}


def health(listen):
    return subprocess.run(
        [os.environ["FACEGATE"], "health", "--json", "--listen", listen],
        capture_output=True, text=True, timeout=30, check=False, env=ENV)


class Health(unittest.TestCase):
    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]

    def ask(self, answer, host="127.0.0.1"):
        """Runs the command; the answer goes out byte by byte."""
        asked = []

        def serve():
            peer, _ = self.listener.accept()
            with peer:
                asked.append(peer.recv(4096))
                for byte in answer:
                    peer.sendall(bytes([byte]))

        thread = threading.Thread(target=serve)
        thread.start()
        done = health(f"{host}:{self.port}")
        thread.join()
        self.assertTrue(asked[0].startswith(b"GET /readyz HTTP/1.1\r\n"))
        return done

    def test_ready_daemon_gives_0(self):
        done = self.ask(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout),
                         {"ready": True, "http_status": 200})

    def test_daemon_on_every_address_is_asked_on_loopback(self):
        done = self.ask(b"HTTP/1.1 200 OK\r\n\r\n", host="0.0.0.0")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_daemon_that_is_not_ready_gives_1(self):
        done = self.ask(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads(done.stdout),
                         {"ready": False, "http_status": 503})

    def test_foreign_or_missing_answer_gives_2(self):
        for answer in (b"SSH-2.0-server of another kind\r\n", b"", b"HTTP"):
            with self.subTest(answer=answer):
                done = self.ask(answer)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stdout, "")
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_nobody_listening_gives_2(self):
        self.listener.close()
        done = health(f"127.0.0.1:{self.port}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no daemon answers", done.stderr)

    def test_address_that_cannot_be_asked_gives_2(self):
        for listen in ("x", "127.0.0.1:0", "127.0.0.1:70000", "[::1]:12x",
                       ":80"):
            with self.subTest(listen=listen):
                done = health(listen)
                self.assertEqual(done.returncode, 2)
                self.assertIn("listen: ", done.stderr)
        self.assertEqual(health("[]:80").returncode, 2)

    def test_another_server_can_be_named(self):
        self.listener.close()
        done = subprocess.run(
            [os.environ["FACEGATE"], "health", "--server",
             f"http://127.0.0.1:{self.port}"], capture_output=True, text=True,
            timeout=30, check=False, env=ENV)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"http://127.0.0.1:{self.port}", done.stderr)


if __name__ == "__main__":
    unittest.main()
