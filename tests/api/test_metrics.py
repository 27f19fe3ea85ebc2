"""GET /metrics counts what happened, in a form that Prometheus reads, and the
dashboard asks for nothing else."""

import json
import os
import re
import unittest

from certs import Authority
from daemon import ROOT, Daemon, made, small_face

A1 = small_face("obama.jpg")
SAMPLE = re.compile(r'(facegate_\w+)(?:\{((?:\w+="[^"\\]*",?)+)\})? (\S+)')


class Metrics(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(min_face_px=60)
        self.addCleanup(self.d.__exit__)

    def read(self):
        """The samples by name and labels; checks the form of every line."""
        r = self.d.get("/metrics")
        self.assertEqual(r.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        out, kinds = {}, {}
        for line in r.body.decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.assertNotIn(name, kinds)
                kinds[name] = kind
            elif not line.startswith("# HELP "):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                self.assertIn(kinds.get(name, kinds.get(base)), ("gauge", "counter", "histogram"))
                key = (name, labels or "")
                self.assertNotIn(key, out)
                out[key] = float(value)
        return out

    def test_requests_decisions_errors_and_times_are_counted(self):
        self.d.post("/enroll?person_id=p", A1)
        for _ in range(3):
            self.d.post("/verify?person_id=p", A1)
        self.d.post("/verify?person_id=p", small_face("biden.jpg"))
        self.d.post("/verify?person_id=p", made("-", 100, 100))
        self.d.post("/enroll?person_id=q", made("-", 100, 100))
        self.d.get("/nope")
        m = self.read()
        for name, labels, value in (
                ("requests_total", 'route="/verify",method="POST",status="200"', 5),
                ("requests_total", 'route="/enroll",method="POST",status="201"', 1),
                ("requests_total", 'route="/enroll",method="POST",status="422"', 1),
                ("requests_total", 'route="none",method="none",status="404"', 1),
                ("decisions_total", 'route="/verify",decision="allow",reason="match"', 3),
                ("decisions_total", 'route="/verify",decision="deny",reason="below_threshold"', 1),
                ("decisions_total", 'route="/verify",decision="deny",reason="no_face"', 1),
                ("problems_total", 'code="no_face"', 1),
                ("problems_total", 'code="no_such_route"', 1),
                ("stage_seconds_count", 'stage="total"', 6), ("stage_seconds_count", 'stage="match"', 5),
                ("gallery_templates", "", 1), ("gallery_capacity", "", 10000)):
            self.assertEqual(m[("facegate_" + name, labels)], value, (name, labels))
        for stage in ("decode", "detect", "align", "embed", "match", "total"):
            buckets = [v for (name, labels), v in m.items() if name == "facegate_stage_seconds_bucket"
                       and f'stage="{stage}"' in labels]
            self.assertEqual(buckets, sorted(buckets))
            self.assertEqual(buckets[-1], m[("facegate_stage_seconds_count", f'stage="{stage}"')])
        self.assertGreater(m[("facegate_stage_seconds_sum", 'stage="detect"')], 0)
        self.assertTrue(0 < m[("facegate_pool_peak_bytes", "")] <= m[("facegate_pool_bytes", "")])
        self.assertEqual(m[("facegate_uploads_free", "")], m[("facegate_uploads", "")])
        self.assertGreater(m[("facegate_resident_bytes", "")], 1 << 20)
        self.assertGreater(m[("facegate_database_bytes", "")], 0)

    def test_the_dashboard_asks_for_what_there_is(self):
        with open(os.path.join(ROOT, "docs", "grafana-dashboard.json"), encoding="utf-8") as f:
            board = json.load(f)
        self.d.stop()
        authority = Authority(self.d.data_dir)
        self.d = Daemon(self.d.data_dir, mqtt_host="127.0.0.1", mqtt_port=9, min_face_px=60,
                        tls=authority.context(), **authority.keys(authority.server()))
        self.addCleanup(self.d.stop)
        self.d.post("/enroll?person_id=p", A1)
        self.d.post("/verify?person_id=p", A1)
        self.d.get("/nope")
        there = {name for name, _ in self.read()}
        asked = set(re.findall(r"facegate_\w+", " ".join(t["expr"] for p in board["panels"]
                                                         for t in p["targets"])))
        self.assertEqual(asked - there, set())
        self.assertGreaterEqual(len(asked), 10)


if __name__ == "__main__":
    unittest.main()
