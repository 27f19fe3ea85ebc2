"""Starts that must fail: one clear line, a documented exit status, nothing lost."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from daemon import (FACEGATE, FACEGATED, MODELS, Daemon, add_key, clean_environment, run_to_end,
                    small_face)

CANNOT_START, USAGE = 1, 2


class Start(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)

    def refuse(self, exit_status, *words, **keys):
        keys = {"listen": "127.0.0.1:0", "data_dir": self.dir, "models_dir": MODELS,
                "log_level": "error", **keys}
        done = run_to_end(*[f"--{k}={v}" for k, v in keys.items()])
        self.assertEqual(done.returncode, exit_status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def model(self, change):
        folder = os.path.join(self.dir, "models")
        shutil.copytree(MODELS, folder)
        path = os.path.join(folder, "embedder-accurate.fgm")
        with open(path, "rb") as f:
            data = bytearray(f.read())
        data = change(data)
        with open(path, "wb") as f:
            f.write(data)
        return folder

    def test_configuration(self):
        self.refuse(USAGE, "colour", colour="red")
        self.refuse(USAGE, "workers", workers="0")
        self.refuse(USAGE, "pool_kib", pool_kib="lots")
        self.refuse(USAGE, "connections_per_ip", connections_per_ip="100", connections_max="50")
        self.refuse(USAGE, "listen", listen="localhost")
        self.refuse(USAGE, "listen", listen="256.0.0.1:80")
        self.refuse(USAGE, "tls_cert", tls_cert="/nonexistent", tls_key="/nonexistent")
        add_key(self.dir, "admin")  # an address that may yet come is waited for
        self.refuse(CANNOT_START, "cannot listen", listen="192.0.2.1:0")
        env = {**clean_environment(), "FACEGATE_COLOUR": "red"}
        done = subprocess.run([FACEGATED], env=env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("FACEGATE_COLOUR", done.stderr)

    def test_a_pool_that_is_too_small_names_the_bytes(self):
        # The size of libjpeg's structs is the machine's, and so is the pool's.
        budget = run_to_end(f"--models_dir={MODELS}", "--print-budget").stdout
        needed = re.search(r"smallest pool +(\d+)", budget).group(1)
        self.refuse(CANNOT_START, "pool_too_small", needed, pool_kib="256")

    def test_folders(self):
        self.refuse(CANNOT_START, data_dir="/nonexistent/data")
        self.refuse(CANNOT_START, data_dir="/proc")
        self.refuse(CANNOT_START, data_dir=FACEGATED)
        self.refuse(CANNOT_START, "mtcnn.fgm", models_dir="/nonexistent")
        self.refuse(CANNOT_START, "embedder-other.fgm", embedder="other")

    def test_a_pipe_in_the_place_of_keys_is_not_waited_for(self):
        for name, status, code in (("keys", USAGE, "bad_config"),
                                   ("facegate.key", CANNOT_START, "bad_key_file")):
            Daemon(self.dir).stop()
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                os.unlink(path)
            os.mkfifo(path, 0o400)
            done = run_to_end(f"--data_dir={self.dir}", f"--models_dir={MODELS}",
                              "--listen=127.0.0.1:0", "--log_level=error")
            self.assertEqual((done.returncode, code in done.stderr), (status, True), done.stderr)
            os.unlink(path)

    def test_damaged_models(self):
        self.refuse(CANNOT_START, "bad_model", models_dir=self.model(lambda d: d[:5000]))

    def test_a_flipped_bit_in_a_model(self):
        def flip(d):
            d[500000] ^= 1
            return d
        self.refuse(CANNOT_START, "checksum", models_dir=self.model(flip))

    def test_a_newer_model_format(self):
        def newer(d):
            d[4] = 9
            return d
        self.refuse(CANNOT_START, "version 9", models_dir=self.model(newer))

    def test_a_damaged_database_is_left_alone(self):
        with Daemon(self.dir, min_face_px=60) as d:
            d.post("/enroll?person_id=p", small_face("obama.jpg"))
        path = os.path.join(self.dir, "facegate.db")
        with open(path, "r+b") as f:
            f.seek(100)
            f.write(os.urandom(8000))
        with open(path, "rb") as f:
            before = f.read()
        self.refuse(CANNOT_START, "bad_database")
        with open(path, "rb") as f:
            self.assertEqual(f.read(), before)

    def test_a_foreign_file_is_not_touched(self):
        with open(os.path.join(self.dir, "facegate.db"), "w", encoding="ascii") as f:
            f.write("this is no database" * 100)
        self.refuse(CANNOT_START, "bad_database")

    def test_a_second_daemon_on_the_same_data_or_port(self):
        with Daemon(self.dir) as d:
            self.refuse(CANNOT_START, "database_busy")
            other = tempfile.mkdtemp(dir=self.dir)
            self.refuse(CANNOT_START, "cannot listen", data_dir=other,
                        listen=f"127.0.0.1:{d.port}")

    def test_more_templates_than_the_gallery_holds(self):
        with Daemon(self.dir, min_face_px=60) as d:
            for i in range(3):
                d.post(f"/enroll?duplicate=allow&person_id=p{i}", small_face("obama.jpg"))
        self.refuse(CANNOT_START, "gallery_max", gallery_max="2")

    def test_the_database_is_for_its_owner_alone(self):
        with Daemon(self.dir):
            for name in os.listdir(self.dir):
                mode = os.stat(os.path.join(self.dir, name)).st_mode & 0o777
                self.assertEqual(mode & 0o077, 0, name)

    def test_what_is_said_into_closed_descriptors_gets_into_no_file(self):
        with Daemon(self.dir, starter=("sh", "-c", 'exec "$@" 2>&-', "sh"),
                    log_level="debug") as d:
            self.assertEqual(d.post("/enroll?person_id=p", small_face("obama.jpg")).status, 201)
            self.assertEqual(os.stat(os.path.join(self.dir, "facegate.lock")).st_size, 0)
            out = os.path.join(self.dir, "p.ndjson")
            subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", FACEGATE, "export", out, "--plain",
                            "--person", "p", f"--data_dir={self.dir}"],
                           env=clean_environment(), check=True, timeout=60)
        with open(out, encoding="utf-8") as f:
            self.assertEqual([json.loads(line) for line in f][1]["template_id"], 1)

    def test_what_only_prints(self):
        self.assertIn("pool_kib = 2048", run_to_end("--print-config").stdout)
        self.assertEqual(run_to_end("--check-config").returncode, 0)
        handed_over = ["--tls_cert=" + FACEGATED, "--tls_key=tls-key"]  # no file on this shell
        self.assertEqual(run_to_end("--check-config", *handed_over).returncode, 0)
        secret = "--webhook_url=http://127.0.0.1/", "--webhook_secret_file=/nonexistent"
        for key, options in (("listen", ["--listen=nonsense"]),
                             ("tls_cert", ["--tls_cert=/nonexistent", "--tls_key=/nonexistent"]),
                             ("webhook_secret_file", secret)):
            done = run_to_end("--check-config", *options)
            self.assertEqual((done.returncode, done.stdout), (USAGE, ""), options)
            self.assertIn(f"{key}: ", done.stderr)
        done = run_to_end("--print-budget", f"--models_dir={MODELS}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("worker pools", done.stdout)


if __name__ == "__main__":
    unittest.main()
