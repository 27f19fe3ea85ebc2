"""bench/soak.py for some seconds: whether every answer was right. Whether memory is flat and
doors are served ahead takes longer to see, and a machine with nothing else to do."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from daemon import FACEGATED, ROOT


class Soak(unittest.TestCase):
    def test_every_answer_is_right_with_faults_among_them(self):
        with tempfile.NamedTemporaryFile(suffix=".json") as f:
            subprocess.run([sys.executable, os.path.join(ROOT, "bench", "soak.py"), "--seconds=5",
                            "--connections=24", "--faults=0.2", f"--json={f.name}",
                            f"--build={os.path.dirname(FACEGATED)}"],
                           stdout=subprocess.DEVNULL, timeout=300, check=False)
            report = json.load(f)
        self.assertEqual(report["wrong"], [])
        self.assertEqual([w for w in report["why"] if "restart" in w or "ended" in w], [])
        self.assertGreater(sum(report["faults"].values()), 0)
        self.assertGreater(report["kinds"]["verify"]["requests"], 0)


if __name__ == "__main__":
    unittest.main()
