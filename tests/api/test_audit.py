"""The audit log: who did what, over HTTP and with the tool, and what is told when somebody
changes it in the file."""
import json
import os
import shutil
import sqlite3
import subprocess
import unittest

from daemon import FACEGATE, FolderCase, add_key, clean_environment, small_face, wait_for

OBAMA = small_face("obama.jpg")
JSON = {"Content-Type": "application/json"}


class Case(FolderCase):
    def tool(self, *args):
        return subprocess.run([FACEGATE, *args, f"--data_dir={self.dir}"], text=True,
                              env=clean_environment(), capture_output=True, timeout=60,
                              check=False)

    def verify(self, *args):
        """(exit status, the report) of the tool's verification."""
        done = self.tool("audit", "verify", "--json", *args)
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)

    def anchor(self):
        done = self.tool("audit", "verify")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()[-1].split()[1]

    def sql(self, text):
        with sqlite3.connect(os.path.join(self.dir, "facegate.db")) as db:
            db.executescript(text)
        db.close()

    @staticmethod
    def acts(d):
        return [(r["action"], r["key_id"], r["person_id"], r["object"])
                for r in reversed(d.get("/audit?limit=200").json["audit"])
                if not r["action"].startswith("config")]


class Acts(Case):
    def test_who_did_what_is_told(self):
        d = self.daemon()
        self.assertEqual(d.post("/enroll?person_id=first", OBAMA).status, 201)
        d.key = add_key(self.dir, "admin")
        admin = d.key[3:11]
        door = add_key(self.dir, "door")[3:11]
        self.assertTrue(wait_for(lambda: len(self.acts(d)) >= 3))
        d.post("/enroll?person_id=first&mode=replace", OBAMA)
        d.request("DELETE", "/people/first/templates/2")
        d.request("POST", "/people", '{"person_id":"second"}', JSON)
        d.request("POST", "/people", '{"person_id":"second"}', JSON)  # 409: no act
        d.request("PATCH", "/people/second", '{"name":"A Name"}', JSON)
        d.request("PUT", "/doors/north", "{}", JSON)
        d.request("PUT", "/doors/north", '{"min_score":0.9}', JSON)
        d.request("DELETE", "/doors/north")
        d.request("GET", "/logs", headers={"Accept": "text/csv"})
        d.get("/logs")  # a page is no export
        d.post("/verify?person_id=first", OBAMA)  # and neither is a decision an act
        self.assertEqual(d.request("DELETE", "/people/first").status, 204)
        self.assertEqual(self.tool("keys", "revoke", door).returncode, 0)
        self.assertTrue(wait_for(lambda: self.acts(d)[-1][0] == "key_revoke"))
        self.assertEqual(self.acts(d), [
            ("enrol", None, None, "1"), ("key_add", None, None, f"{admin} admin"),
            ("key_add", None, None, f"{door} door"),
            ("enrol_replace", admin, None, "2"), ("template_delete", admin, None, "2"),
            ("person_add", admin, "second", None), ("person_change", admin, "second", None),
            ("door_add", admin, None, "north"), ("door_change", admin, None, "north"),
            ("door_delete", admin, None, "north"), ("log_export", admin, None, "csv"),
            ("person_erase", admin, None, None), ("key_revoke", None, None, f"{door} door")])
        rows = d.get("/audit").json["audit"]
        self.assertEqual(rows[0]["seq"], len(rows))
        self.assertEqual([r["person_no"] for r in rows if r["action"] == "person_erase"], [1])
        self.assertNotIn("A Name", json.dumps(rows))
        self.assertEqual(self.verify()[1]["head"], {"seq": rows[0]["seq"],
                                                    "hash": rows[0]["hash"]})
        page = d.get("/audit?limit=3").json
        self.assertEqual([r["seq"] for r in page["audit"]], [r["seq"] for r in rows[:3]])
        following = d.get(f"/audit?limit=3&before={page['next']}").json["audit"]
        self.assertEqual([r["seq"] for r in following], [r["seq"] for r in rows[3:6]])
        listed = self.tool("audit", "list", "--limit=3").stdout.splitlines()
        self.assertEqual([line.split()[3] for line in listed], [r["action"] for r in rows[:3]])
        listed = json.loads(self.tool("audit", "list", "--json").stdout)["audit"]
        self.assertEqual([r["hash"] for r in listed], [r["hash"] for r in rows])

    def test_a_start_tells_configuration_and_keys_that_are_new(self):
        key = add_key(self.dir, "admin")
        d = self.daemon(target_fmr="0.001", listen="127.0.0.1:0", keys_max=5,
                        mqtt_host="127.0.0.1")
        d.key = key
        rows = d.get("/audit").json["audit"]
        lines = {r["object"] for r in rows if r["action"] == "config_key"}
        self.assertLessEqual({"target_fmr=0.001", "keys_max=5", "mqtt_host is set"}, lines)
        self.assertIn("key_add", {r["action"] for r in rows})
        whole, = (r["object"] for r in rows if r["action"] == "config")
        self.assertIn(d.get("/version").json["model"], whole)
        d.stop()
        d = self.daemon(target_fmr="0.001", listen="127.0.0.1:0", keys_max=5,
                        mqtt_host="127.0.0.1")  # the same again
        d.key = key
        self.assertEqual(d.get("/audit").json["audit"], rows)
        d.stop()
        d = self.daemon(keys_max=5)
        d.key = key
        new = [r for r in d.get("/audit").json["audit"] if r["seq"] > rows[0]["seq"]]
        self.assertNotIn("target_fmr=0.001", {r["object"] for r in new})
        self.assertIn("config", {r["action"] for r in new})
        self.assertEqual(self.verify()[0], 0)


class Chain(Case):
    def filled(self):
        d = self.daemon()
        for i in range(5):
            d.request("POST", "/people", json.dumps({"person_id": f"p{i}"}), JSON)
        return d

    def test_a_whole_chain_and_its_anchor(self):
        d = self.filled()
        code, report = self.verify()  # beside the daemon
        self.assertEqual((code, report["whole"], report["broken_at"], report["first"]),
                         (0, True, None, 1))
        anchor = self.anchor()
        self.assertEqual(anchor, "{seq}:{hash}".format(**report["head"]))
        d.request("DELETE", "/people/p1")
        self.assertEqual(self.verify(f"--anchor={anchor}")[0], 0)
        self.assertEqual(d.stop(), (0, ""))
        self.assertEqual(self.verify(f"--anchor={anchor}")[0], 0)
        for wrong in "", "5", "5:", "5:00", f"-{anchor}", f"{anchor}0", anchor[:-1] + "g":
            done = self.tool("audit", "verify", "--anchor", wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)
        self.assertEqual(self.tool("audit", "sing").returncode, 2)

    def test_what_was_changed_in_the_file_is_named(self):
        self.filled().stop()
        seq = self.verify()[1]["last"] - 2
        shutil.copy(os.path.join(self.dir, "facegate.db"), os.path.join(self.dir, "kept"))
        for name, change, at in (
                ("changed", f"UPDATE audit SET key_id = 'x' WHERE seq = {seq}", seq),
                ("dropped", f"DELETE FROM audit WHERE seq = {seq}", seq),
                ("moved", f"UPDATE audit SET seq = 0 WHERE seq = {seq};"
                          f"UPDATE audit SET seq = {seq} WHERE seq = {seq + 1};"
                          f"UPDATE audit SET seq = {seq + 1} WHERE seq = 0", seq),
                ("put in", "INSERT INTO audit SELECT seq + 1, at_ms, key_id, action, person_key, "
                           f"object, hash FROM audit WHERE seq = {seq + 2}", seq + 3),
                ("cut off", f"DELETE FROM audit WHERE seq >= {seq}", seq)):
            with self.subTest(name):
                shutil.copy(os.path.join(self.dir, "kept"),
                            os.path.join(self.dir, "facegate.db"))
                self.sql(change)
                code, report = self.verify()
                self.assertEqual((code, report["broken_at"]), (1, at))
                self.assertEqual(self.tool("audit", "verify").stdout.split()[:3],
                                 ["broken", "at", f"{at}:"])

    def test_a_daemon_says_that_the_chain_is_broken_and_goes_on(self):
        self.filled().stop()
        self.sql("DELETE FROM audit WHERE seq = 2")
        d = self.daemon(log_level="error")
        self.assertEqual(d.request("DELETE", "/people/p1").status, 204)
        code, err = d.stop()
        self.assertEqual(code, 0)
        self.assertIn("event=audit_broken seq=2 ", err)

    def test_a_break_while_the_daemon_runs_is_in_the_log_and_the_metrics(self):
        d = self.filled()

        def broken():
            return b"\nfacegate_audit_broken 1\n" in d.get("/metrics").body
        self.assertIn(b"\nfacegate_audit_broken 0\n", d.get("/metrics").body)
        self.sql("UPDATE audit SET key_id = 'x' WHERE seq = 3")
        self.assertTrue(wait_for(broken))
        d.request("DELETE", "/people/p1")
        self.sql("UPDATE audit SET key_id = '' WHERE seq = 3")  # as it was
        self.assertTrue(wait_for(lambda: not broken()))
        code, err = d.stop()
        self.assertEqual((code, err.count("event=audit_broken seq=3 ")), (0, 1))

    def test_an_older_copy_of_the_database_is_known_by_the_anchor(self):
        d = self.filled()
        d.stop()
        shutil.copy(os.path.join(self.dir, "facegate.db"), os.path.join(self.dir, "kept"))
        d = self.daemon()
        d.request("DELETE", "/people/p1")
        d.stop()
        anchor = self.anchor()
        shutil.move(os.path.join(self.dir, "kept"), os.path.join(self.dir, "facegate.db"))
        self.assertEqual(self.verify()[0], 0)
        code, report = self.verify(f"--anchor={anchor}")
        self.assertEqual((code, report["broken_at"]), (1, report["last"] + 1))

    def test_the_oldest_rows_go_and_the_rest_verifies(self):
        d = self.filled()
        anchor = self.anchor()
        d.stop()
        d = self.daemon(audit_max_rows=100)
        for i in range(150):
            d.request("PATCH", "/people/p0", json.dumps({"name": str(i)}), JSON)
        code, report = self.verify()
        self.assertEqual((code, report["whole"]), (0, True))
        self.assertGreater(report["first"], 40)
        self.assertLessEqual(report["last"] - report["first"], 99)
        done = self.tool("audit", "verify", f"--anchor={anchor}")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("not kept any more", done.stderr)

    def test_no_database_is_an_error(self):
        for what in "verify", "list":
            done = self.tool("audit", what)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("io_error", done.stderr)


if __name__ == "__main__":
    unittest.main()
