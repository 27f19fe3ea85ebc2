"""kill -9 in the middle of enrolments, fifty times over."""

import http.client
import random
import shutil
import tempfile
import threading
import time
import unittest

from daemon import JPEG, Daemon, small_face

KILLS = 50


class Kill(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.picture = small_face("obama.jpg")
        self.acknowledged = {}
        self.lock = threading.Lock()
        self.made = 0

    def enrol_until_killed(self, port):
        while True:
            with self.lock:
                self.made += 1
                who = f"p{self.made}"
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                c.request("POST", f"/enroll?duplicate=allow&person_id={who}&name=n-{who}",
                          self.picture, JPEG)
                status = c.getresponse().status
            except (OSError, http.client.HTTPException):
                return
            finally:
                c.close()
            if status == 201:
                with self.lock:
                    self.acknowledged[who] = f"n-{who}"

    def wait_for_one_more(self):
        """Until an enrolment more is acknowledged, however slow the machine is."""
        before, end = len(self.acknowledged), time.monotonic() + 30
        while len(self.acknowledged) == before:
            self.assertLess(time.monotonic(), end, "no enrolment was acknowledged")
            time.sleep(0.005)

    def people(self, d):
        found, after = {}, ""
        while True:
            page = d.get("/people?limit=100" + (f"&after={after}" if after else "")).json
            for p in page["people"]:
                self.assertEqual(p["templates"], 1, "half a person")
                found[p["person_id"]] = p["name"]
            after = page["next"]
            if not after:
                return found

    def check(self, d, r):
        found = self.people(d)
        for who, name in self.acknowledged.items():
            self.assertEqual(found.get(who), name)
        if self.acknowledged:
            who = r.choice(sorted(self.acknowledged))
            self.assertEqual(d.post(f"/verify?person_id={who}", self.picture).json["decision"],
                             "allow")

    def test_nothing_acknowledged_is_lost_and_nothing_half_is_there(self):
        r = random.Random(1)
        for _ in range(KILLS):
            d = Daemon(self.dir, min_face_px=100)
            self.check(d, r)
            threads = [threading.Thread(target=self.enrol_until_killed, args=(d.port,))
                       for _ in range(3)]
            for t in threads:
                t.start()
            self.wait_for_one_more()
            time.sleep(r.uniform(0, 0.2))  # the moment of the power switch
            d.kill()
            for t in threads:
                t.join()
        with Daemon(self.dir, min_face_px=100) as d:
            self.check(d, r)
        self.assertGreaterEqual(len(self.acknowledged), KILLS)


if __name__ == "__main__":
    unittest.main()
