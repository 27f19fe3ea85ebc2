"""Every line after a dollar sign in the documents is run, one document a shell
and a daemon, and says what the document says; times and numbers may differ, but
for scores, cuts, a budget's bytes and the status that a shell shows."""

import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from daemon import FACEGATE, FACEGATED, FACES, MODELS, ROOT, Daemon, clean_environment

MARK = "--- end of a command ---"


def commands(name):
    """(command, what it says) of each line after a dollar sign."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        blocks = re.findall(r"^    \$ ((?:.*\\\n)*.*)\n((?:    (?!\$ ).*\n)*)", f.read(), re.M)
    return [(command, re.sub("^    ", "", text, flags=re.M)) for command, text in blocks]


SCORE = r"-?\d\.\d{4}\b"  # as the tool has them, and cuts of the models everywhere


def same(text):
    """Without numbers and times; three dots stand for what is left out."""
    kept = rf'status \d|"score":[-\d.]+|   +\d{{8}}\b|{SCORE}'  # the third are a budget's bytes
    return re.sub(rf"{kept}|( *(?!{SCORE})-?\d[\d.:TZe+-]*)",
                  lambda found: " 0" if found[1] else found[0], text).rstrip("\n")


class Shell(unittest.TestCase):
    def check(self, name, least):
        told = commands(name)
        self.assertGreaterEqual(len(told), least)
        folder = tempfile.mkdtemp(prefix="facegate-docs-")
        self.addCleanup(shutil.rmtree, folder)
        os.makedirs(os.path.join(folder, "people", "obama"))
        for source, target in (("obama2.jpg", "obama/1.jpg"), ("biden.jpg", "biden.jpg")):
            shutil.copy(os.path.join(FACES, source), os.path.join(folder, "people", target))
        for part in ("tests", "docs", "models"):
            os.symlink(os.path.join(ROOT, part), os.path.join(folder, part))
        for program in (FACEGATE, FACEGATED):
            os.symlink(program, os.path.join(folder, os.path.basename(program)))
        with Daemon(deepstack_kib=1024) as d:
            if "signed" in str(told):
                time.sleep(3)  # what is signed within two seconds of a start is stale
            script = "".join(f"{command}\necho '{MARK}'\n" for command, _ in told)
            script = re.sub(r"(127\.0\.0\.1[: ])8080", rf"\g<1>{d.port}", script)
            script = script.replace("/backup/", f"{folder}/")
            env = clean_environment() | {
                "PATH": folder + ":" + os.environ["PATH"], "FACEGATE_MODELS_DIR": MODELS,
                "FACEGATE_DATA_DIR": d.data_dir}
            done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                                  check=False)
        said = done.stdout.split(MARK + "\n")
        self.assertEqual(len(said), len(told) + 1, done.stdout)
        for (command, expected), real in zip(told, said):
            with self.subTest(document=name, command=command):
                if "..." in expected:
                    pattern = re.escape(same(expected)).replace(r"\.\.\.", ".*")
                    self.assertRegex(same(real), re.compile(f"^{pattern}$", re.S))
                else:
                    self.assertEqual(same(real), same(expected))

    def test_the_first_steps(self):
        self.check("README.md", 4)

    def test_the_tool(self):
        self.check("docs/cli.md", 6)

    def test_doors_kiosks_and_scripts(self):
        self.check("docs/integrate.md", 15)

    def test_running_it(self):
        self.check("docs/operate.md", 6)

    def test_thresholds(self):
        self.check("docs/thresholds.md", 1)

    def test_moving_from_another_service(self):
        self.check("docs/migrate.md", 1)


if __name__ == "__main__":
    unittest.main()
