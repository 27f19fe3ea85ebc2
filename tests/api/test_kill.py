"""The daemon ends at any moment of its work, by kill -9 or by a power cut, over and
over. The environment says how often: KILLS and CUTS."""

import http.client
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest

from daemon import JPEG, Daemon, faults, small_face, wait_for

KILLS = int(os.environ.get("KILLS", "30"))
CUTS = int(os.environ.get("CUTS", "30"))
SECTOR = 512


class Case(unittest.TestCase):
    environment = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="facegate-api-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.picture, self.other = small_face("obama.jpg"), small_face("obama2.jpg")
        self.random = random.Random(1)
        self.acknowledged, self.erased = {}, set()
        self.lock = threading.Lock()
        self.made = self.answered = 0

    def daemon(self):
        return Daemon(self.dir, environment=self.environment, min_face_px=100)

    def ask(self, port, method, path, body=None):
        """The status; None once the daemon has gone."""
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            c.request(method, path, body, JPEG if body else {})
            return c.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            c.close()

    def enrol(self, port):
        with self.lock:
            self.made += 1
            who = f"p{self.made}"
        status = self.ask(port, "POST",
                          f"/enroll?duplicate=allow&person_id={who}&name=n-{who}", self.picture)
        if status == 201:
            with self.lock:
                self.answered += 1
                self.acknowledged[who] = f"n-{who}"
        return status

    def erase(self, port):
        with self.lock:
            if len(self.acknowledged) < 20:
                who = None
            else:  # whether it is done is not known until it is acknowledged
                who = self.random.choice(sorted(self.acknowledged))
                del self.acknowledged[who]
        if who is None:
            return self.ask(port, "GET", "/healthz")
        status = self.ask(port, "DELETE", f"/people/{who}")
        if status == 204:
            with self.lock:
                self.erased.add(who)
        return status

    def verify(self, port):
        return self.ask(port, "POST", "/verify?person_id=p1", self.other)

    def work_until_it_ends(self, port, *acts):
        while all(act(port) is not None for act in acts):
            pass

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

    def check(self, d):
        db = sqlite3.connect(f"file:{self.dir}/facegate.db?mode=ro", uri=True)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        db.close()
        # Nor was it a backup that made it so.
        self.assertNotIn("replaced", " ".join(os.listdir(self.dir)))
        found = self.people(d)
        for who, name in self.acknowledged.items():
            self.assertEqual(found.get(who), name)
        self.assertFalse(self.erased & set(found))
        if self.acknowledged:
            who = self.random.choice(sorted(self.acknowledged))
            r = d.post(f"/verify?person_id={who}", self.other)
            self.assertEqual(r.json.get("decision"), "allow", r.body)

    def run_through(self, rounds, end):
        for _ in range(rounds):
            d = self.daemon()
            self.check(d)
            before = self.answered
            threads = [threading.Thread(target=self.work_until_it_ends, args=(d.port, *acts))
                       for acts in ((self.enrol,), (self.enrol, self.erase), (self.verify,))]
            for t in threads:
                t.start()
            # However slow the machine is.
            self.assertTrue(wait_for(lambda: self.answered > before), "no enrolment was answered")
            time.sleep(self.random.uniform(0, 0.2))
            end(d)
            for t in threads:
                t.join()
        with self.daemon() as d:
            self.check(d)
        self.assertGreaterEqual(self.answered, rounds)


class Kill(Case):
    def test_nothing_acknowledged_is_lost_and_nothing_half_is_there(self):
        self.run_through(KILLS, lambda d: d.kill())


class PowerCut(Case):
    """What was not synced is kept or lost by the sector, each by chance: the files then
    hold of every sector what it was at the last sync, or when the power went."""

    def setUp(self):
        super().setUp()
        self.faults = tempfile.mkdtemp(prefix="facegate-faults-")
        self.addCleanup(shutil.rmtree, self.faults)
        self.synced = os.path.join(self.faults, "synced")
        os.mkdir(self.synced)
        self.environment = faults(self.faults)

    def test_nothing_acknowledged_is_lost_and_nothing_half_is_there(self):
        self.run_through(CUTS, self.cut)
        self.assertTrue(os.listdir(self.synced))

    def cut(self, d):
        d.kill()
        for name in os.listdir(self.dir):
            path = os.path.join(self.dir, name)
            if name.endswith("-shm"):  # memory alone
                os.unlink(path)
            elif name.startswith("facegate.db"):
                self.settle(path)

    def settle(self, path):
        synced = os.path.join(self.synced, str(os.stat(path).st_ino))
        if not os.path.exists(synced):
            if self.random.random() < 0.5:
                os.unlink(path)
            return
        with open(path, "rb") as f:
            new = f.read()
        with open(synced, "rb") as f:
            old = f.read()
        size = len(self.random.choice((old, new)))
        longer = new if len(new) > len(old) else old
        held = bytearray(longer[:size])
        for at in range(0, size, SECTOR):
            sector = self.random.choice((old, new))[at:min(at + SECTOR, size)]
            held[at:at + len(sector)] = sector
        with open(path, "r+b") as f:  # the same inode
            f.write(held)
            f.truncate(size)
        with open(synced, "wb") as f:
            f.write(held)


if __name__ == "__main__":
    unittest.main()
