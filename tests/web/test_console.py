"""The operator's console in Debian's chromium, with clicks and keys. Needs the
built programs and a browser; .ci/console installs one."""

import json
import os
import sys
import tempfile
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "api")]

from browser import Browser  # noqa: E402
from daemon import ROOT, Daemon, add_key, small_face  # noqa: E402

GOLDEN = os.path.join(ROOT, "tests", "golden")
PAGES = ("log", "people", "enrol", "try", "doors", "health", "keys")
JSON = {"Content-Type": "application/json"}


def picture(name):
    return os.path.join(GOLDEN, name)


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser(camera=picture("obama.jpg"))
        cls.addClassCleanup(cls.browser.__exit__)

    def setUp(self):
        self.d = Daemon(min_face_px=60)
        self.addCleanup(self.d.__exit__)
        self.url = f"http://127.0.0.1:{self.d.port}/"
        self.page = self.browser.page()

    def go(self, where, page=None):
        (page or self.page).open(f"{self.url}#/{where}")

    def enrol(self, person, name="obama.jpg"):
        r = self.d.post(f"/enroll?person_id={person}", small_face(name))
        self.assertEqual(r.status, 201, r.body)

    def decide(self, query, name="obama2.jpg"):
        """What a door does, from outside of the browser."""
        request = urllib.request.Request(f"{self.url}verify?{query}", small_face(name),
                                         {"Content-Type": "image/jpeg"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.assertEqual(answer.status, 200)

    def assert_clean(self, page=None, allowed=()):
        """The browser found nothing to complain of, and went nowhere else."""
        page = page or self.page
        left = [c for c in page.complaints
                if not (c.get("source") == "network" and any(a in c["text"] for a in allowed))]
        self.assertEqual(left, [])
        for url in page.asked:
            self.assertTrue(url.startswith((self.url, "blob:", "data:")), url)

    def rows(self):
        return self.page.evaluate("[...document.querySelectorAll('tbody tr')]"
                                  ".map((r) => r.innerText.replace(/\\s+/g, ' '))")

    def test_enrol_by_file_then_see_a_verify_arrive(self):
        page = self.page
        self.go("log")
        page.wait_text("Nothing was decided yet.")
        page.click("nav a", "Enrol")
        page.wait_text("Enrol", "h1")
        page.fill("Id", "p-17")
        page.fill("Name", "Barack <b>O</b>")
        page.put_files(picture("obama.jpg"))
        page.wait_text("Good enough to enrol.")
        page.wait_text("Sharpness", "figcaption")
        drawn = page.evaluate("document.querySelector('figure canvas').getAttribute('aria-label')")
        self.assertIn("One face", drawn)
        self.assertEqual(self.d.get("/people").json["people"], [])
        page.click("button", "Enrol")
        page.wait_text("with 1 new of 1 templates")
        self.assertEqual(self.d.get("/people/p-17").json["name"], "Barack <b>O</b>")
        page.click("nav a", "Log")
        page.wait_text("live", ".state")
        self.decide("person_id=p-17&door_id=north")
        page.wait_text("allow", "tbody")
        row, = self.rows()
        for word in ("allow", "match", "p-17", "at north", "≥ 0.5"):
            self.assertIn(word, row)
        page.wait_text("1 new: allow p-17 at north", "#announcer")
        page.click("button", "Pause")
        self.decide("person_id=p-17", "biden.jpg")
        page.wait_text("paused", ".state")
        self.assertEqual(len(self.rows()), 1)
        page.click("button", "Pause")
        page.wait_text("below threshold", "tbody")
        self.assertIn("deny", self.rows()[0])  # the newest is on top
        self.assert_clean()

    def test_enrol_by_webcam_and_from_a_picture_that_is_no_jpeg(self):
        page = self.page
        self.go("enrol/cam")
        page.click("button", "Webcam")
        page.click("button", "Take the picture")
        page.wait_text("Good enough to enrol.")
        page.click("button", "Webcam")  # off again
        page.wait("!document.querySelector('video').srcObject")
        with tempfile.TemporaryDirectory() as folder:
            table, cut = (os.path.join(folder, name) for name in ("table.csv", "cut.jpg"))
            with open(table, "wb") as f:
                f.write(b"p-1,Obama\n")
            with open(cut, "wb") as f:
                f.write(small_face("obama2.jpg")[:9000])
            page.put_files(table, cut, os.path.join(ROOT, "docs", "performance", "faces.png"))
            page.wait_text("No face was found.")
        page.wait_text("Enrol 2 pictures", "button")
        faults = page.evaluate("[...document.querySelectorAll('[role=alert]')].map((e) => e.innerText)")
        self.assertEqual([f.split(":")[0] for f in faults], ["table.csv", "cut.jpg"])
        self.assertIn("corrupt_jpeg", faults[1])
        page.click("button", "Enrol 2 pictures")
        page.wait_text("No face found", "[role=alert]")  # all or none
        page.click("figure:last-child button", "Remove")
        page.click("button", "Enrol")
        page.wait_text("with 1 new of 1 templates")
        page.wait("!document.querySelector('form [aria-busy]')")
        self.assertTrue(page.evaluate("[...document.querySelectorAll('form .main')].at(-1).disabled"))
        self.assert_clean(allowed=["400", "422"])

    def test_a_poor_picture_gets_a_hint_before_it_is_sent(self):
        with Daemon(min_face_px=60, enrol_sharpness_min=100) as d:
            self.url = f"http://127.0.0.1:{d.port}/"
            self.go("enrol")
            self.page.put_files(picture("biden.jpg"))
            self.page.wait_text("Hold still, and wipe the camera.", ".notice.poor")
            self.page.wait_text("not good enough", "figcaption")
            self.assert_clean()

    def test_filters(self):
        self.enrol("a")
        self.enrol("b", "biden.jpg")
        self.decide("person_id=a&door_id=north")
        self.decide("person_id=b&door_id=south")
        page = self.page
        self.go("log")
        self.assertEqual(len(self.rows()), 2)
        page.click("summary", "Filters")
        page.choose("Decision", "deny")
        page.click("button", "Apply")
        page.wait("location.hash.includes('decision=deny')")
        page.ready()
        row, = self.rows()
        self.assertIn("at south", row)
        page.fill("Door", "north")
        page.click("button", "Apply")
        page.wait_text("No row passes these filters.")
        page.choose("Decision", "")
        page.click("button", "Apply")
        page.wait_text("at north", "tbody")
        self.decide("person_id=b&door_id=south")  # does not belong here
        self.decide("person_id=a&door_id=north", "biden2.jpg")
        page.wait_text("deny", "tbody")
        self.assertEqual([("at north" in r) for r in self.rows()], [True, True])
        page.click("a", "Clear")
        page.wait("document.querySelectorAll('tbody tr').length === 4")
        for where, start in (("0", "1970-01-01T00:00"), ("1700000000500", "2023-11-14T22:13:20"),
                             ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20")):
            self.go(f"log?from={where}")
            page.wait(f"document.querySelector('[name=from]')?.value === '{start}' "
                      "&& document.querySelectorAll('tbody tr').length === 4")
        self.go("log?from=yesterday")
        page.wait_text("from must be", "[role=alert]")
        self.go("log")
        page.wait("document.querySelectorAll('tbody tr').length === 4")
        page.click("tbody a", page.text("tbody a"))
        page.wait_text("of the match log", "h1")
        page.wait_text("Request", "dl")
        self.assert_clean(allowed=["400"])

    def test_the_log_is_saved_as_csv(self):
        self.enrol("a")
        self.decide("person_id=a")
        with tempfile.TemporaryDirectory() as folder:
            page = self.browser.page(downloads=folder)
            self.go("log", page)
            page.click("button", "Save as CSV")
            path = os.path.join(folder, "facegate-log.csv")
            page.wait("1")
            for _ in range(300):
                if os.path.exists(path):
                    break
                page.evaluate("new Promise((done) => setTimeout(done, 100))")
            with open(path, encoding="utf-8") as f:
                self.assertEqual(len(f.readlines()), 2)
            self.assert_clean(page)

    def test_people(self):
        for i in range(60):
            body = f'{{"person_id":"p-{i:02}","name":"Nr. {i}"}}'
            self.d.request("POST", "/people", body, JSON)
        self.enrol("obama")
        page = self.page
        self.go("people")
        self.assertEqual(len(self.rows()), 50)
        page.click("button", "More")
        page.wait("document.querySelectorAll('tbody tr').length === 61")
        page.fill("Name or id contains", "NR. 1")
        page.click("button", "Find")
        page.wait("document.querySelectorAll('tbody tr').length === 11")
        page.fill("Name or id contains", "nobody")
        page.click("button", "Find")
        page.wait_text("Nobody is called like this.")
        page.fill("Id", "new.one")
        page.fill("Name", "First")
        page.click("button", "Add")
        page.wait_text("First", "h1")
        page.fill("Name", "Second")
        page.fill("Groups", "staff, night")
        page.fill("Card: number", "3456")
        page.fill("Metadata", '{"desk": 4}')
        page.click("button", "Save")
        page.wait_text("Saved.", ".notice")
        person = self.d.get("/people/new.one").json
        self.assertEqual((person["name"], person["groups"], person["card"]["number"],
                          person["metadata"]), ("Second", ["staff", "night"], 3456, {"desk": 4}))
        # What is not touched stays, also what its field cannot show.
        kept = {"groups": ["a", "b"], "valid_until": "2030-01-01T00:00:00.750Z",
                "card": {"facility": None, "number": 2 ** 35 - 1}}
        self.d.request("PATCH", "/people/new.one", json.dumps(
            {**kept, "metadata": {"badge": 2 ** 53 + 1, "f": 1.0}}), JSON)
        page.call("Page.reload")
        page.wait("document.querySelector('[name=metadata]')?.value.includes('badge')")
        page.fill("Name", "Third")
        page.click("button", "Save")
        page.wait_text("Saved.", ".notice")
        person = self.d.get("/people/new.one").json
        self.assertEqual({name: person[name] for name in kept}, kept)
        self.assertEqual((person["name"], json.dumps(person["metadata"])),
                         ("Third", '{"badge": 9007199254740993, "f": 1.0}'))
        page.fill("Metadata", '{"badge":9007199254740993,"f":2.0}')
        page.fill("Card: number", "")
        page.click("button", "Save")
        page.wait_text("Saved.", ".notice")
        person = self.d.get("/people/new.one").json
        self.assertEqual((person["card"], json.dumps(person["metadata"])),
                         (None, '{"badge": 9007199254740993, "f": 2.0}'))
        page.fill("Card: facility", "7")
        page.click("button", "Save")
        page.wait_text("A card has a number", "[role=alert]")
        page.fill("Card: facility", "")
        page.fill("Metadata", '{"desk": 4')
        page.click("button", "Save")
        page.wait_text("Metadata is a JSON object", "[role=alert]")
        self.assertEqual(self.d.get("/people/new.one").json, person)
        page.click("button", "Delete this person")
        page.click("button", "Keep")
        self.assertEqual(self.d.get("/people/new.one").status, 200)
        page.click("button", "Delete this person")
        page.click("button", "Delete")
        page.wait("location.hash === '#/people'")
        self.assertEqual(self.d.get("/people/new.one").status, 404)
        self.go("people/obama")
        page.wait_text("accurate@", "tbody")
        page.click("button", "Delete template 1")
        page.click("button", "Delete")
        page.wait("document.querySelectorAll('tbody tr').length === 0")
        self.assertEqual(self.d.get("/people/obama").json["templates"], 0)
        self.assert_clean()

    def test_doors(self):
        page = self.page
        self.go("doors")
        page.fill("Id", "north")
        page.click("button", "Next")
        page.wait_text("Not there until you save it.")
        page.choose("Strangers who may get by", "0.00001")
        page.fill("Groups let in", "staff")
        page.fill("Time zone", "Europe/Berlin")
        page.click("button", "Add a time")
        for day in ("mon", "tue", "wed", "thu", "fri"):
            page.click("label", day)
        page.click("button", "Save")
        page.wait_text("Each time needs a day of the week", "[role=alert]")
        for day in ("mon", "tue", "wed", "thu", "fri"):
            page.click("label", day)
        page.fill("From", "07:30")
        page.click("button", "Save")
        page.wait_text("Saved.", ".notice")
        door = self.d.get("/doors/north").json
        self.assertEqual((door["target_fmr"], door["groups"], door["timezone"]),
                         (1e-5, ["staff"], "Europe/Berlin"))
        self.assertEqual(door["windows"], [{"days": ["mon", "tue", "wed", "thu", "fri"],
                                            "from": "07:30", "to": "18:00"}])
        page.click("a", "All doors")
        page.wait_text("one stranger in 100,000", "tbody")
        page.click("tbody a", "north")
        page.wait_text("Door north", "h1")
        page.fill("Or: score at least", "0.7")
        page.click("button", "Save")
        page.wait_text("Saved.", ".notice")
        self.assertEqual(self.d.get("/doors/north").json["min_score"], 0.7)
        # Adding a door that is there changes nothing of it.
        rules = {"target_fmr": 1.25e-6, "groups": ["staff", "night"], "credential": "wiegand26",
                 "windows": [{"days": ["sun"], "from": "22:00", "to": "24:00"}],
                 "timezone": "CET-1CEST,M3.5.0,M10.5.0/3"}
        self.d.request("PUT", "/doors/north", json.dumps(rules), JSON)
        page.click("a", "All doors")
        page.fill("Id", "north")
        page.click("button", "Next")
        page.wait_text("It has rules already", ".notice")
        page.click("button", "Save")
        page.wait_text("Saved.", ".notice")
        door = self.d.get("/doors/north").json
        self.assertEqual({name: door[name] for name in rules}, rules)
        page.click("button", "Delete this door")
        page.click("button", "Delete")
        page.wait_text("No door has rules")
        self.assertEqual(self.d.get("/doors").json["doors"], [])
        self.assert_clean(allowed=["404"])

    def test_two_operators_do_not_overwrite_each_other(self):
        def door(**rules):
            return self.d.request("PUT", "/doors/north", json.dumps(rules), JSON)

        page = self.page
        door(groups=["staff"])
        self.go("doors/north")
        door(groups=["staff", "night"])
        page.fill("Time zone", "Europe/Berlin")
        page.click("button", "Save")
        page.wait_text("Changed since it was read", "[role=alert]")
        self.assertEqual(self.d.get("/doors/north").json["timezone"], "UTC")
        page.click("button", "Show it as it is now")
        page.wait("document.querySelector('[name=groups]')?.value === 'staff, night'")
        for zone in ("Europe/Berlin", "Europe/Rome"):  # one's own change is none
            page.fill("Time zone", zone)
            page.click("button", "Save")
            page.wait_text("Saved.", ".notice")
        stored = self.d.get("/doors/north").json
        self.assertEqual((stored["groups"], stored["timezone"]), (["staff", "night"], "Europe/Rome"))
        # Two make the same door.
        self.d.request("DELETE", "/doors/north")
        self.go("doors/north?new")
        door(groups=["guard"])
        page.click("button", "Save")
        page.wait_text("Changed since it was read", "[role=alert]")
        self.assertEqual(self.d.get("/doors/north").json["groups"], ["guard"])
        self.enrol("a")
        self.enrol("a", "obama2.jpg")
        self.go("people/a")
        page.click("button", "Delete template 1")
        page.click("button", "Delete")
        page.wait("document.querySelectorAll('tbody tr').length === 1")
        for name in ("Ann", "Anna"):
            page.fill("Name", name)
            page.click("button", "Save")
            page.wait_text("Saved.", ".notice")
        self.d.request("PATCH", "/people/a", '{"groups":["staff"]}', JSON)
        page.fill("Groups", "night")
        page.click("button", "Save")
        page.wait_text("Changed since it was read", "[role=alert]")
        person = self.d.get("/people/a").json
        self.assertEqual((person["groups"], person["name"]), (["staff"], "Anna"))
        self.assert_clean(allowed=["404", "412"])

    def test_nothing_chosen_is_left_out_while_it_is_looked_at(self):
        page = self.page
        self.go("enrol/a")
        page.evaluate("""(() => {
          const real = window.fetch;
          let n = 0;
          window.fetch = (path, options) => (path !== "/detect" || ++n !== 2 ? real(path, options)
            : new Promise((done) => { window.goOn = done; }).then(() => real(path, options)));
        })()""")
        page.put_files(picture("obama.jpg"), picture("obama2.jpg"))
        page.wait("!!window.goOn")
        usable = "![...document.querySelectorAll('form .main')].at(-1).disabled"
        self.assertFalse(page.evaluate(usable))
        page.evaluate("goOn()")
        page.wait(usable)
        page.click("button", "Enrol 2 pictures")
        page.wait_text("with 2 new of 2 templates")
        self.assert_clean()

    def test_try_a_picture(self):
        self.enrol("a")
        page = self.page
        self.go("try")
        page.put_files(picture("obama2.jpg"))
        page.click("button", "Decide")
        page.wait_text("allow", ".outcome")
        said = page.evaluate("document.querySelector('.outcome svg').getAttribute('aria-label')")
        self.assertRegex(said, r"^score 0\.\d+, at or above the threshold 0\.\d+$")
        page.wait_text("Of comparisons with strangers, one in 10,000 passes it.", ".outcome")
        # A cut that the model's table does not reach.
        self.d.request("PUT", "/doors/open", '{"min_score": -1}', JSON)
        page.fill("Door", "open")
        page.click("button", "Decide")
        page.wait_text("Its false match rate is not known.", ".outcome")
        page.fill("Door", "")
        self.d.request("DELETE", "/doors/open")
        page.choose("Question", "verify")
        page.fill("Person", "a")
        page.put_files(picture("biden.jpg"))
        page.wait("!document.querySelector('.outcome')")
        page.click("button", "Decide")
        page.wait_text("below threshold", ".outcome")
        self.assertEqual(len(self.d.get("/logs").json["logs"]), 3)
        self.assert_clean()

    def test_health_follows_the_counters(self):
        self.enrol("a")
        self.go("health")
        self.page.wait_text("ready", ".verdict")
        self.page.wait_text("1 of 10,000")
        self.decide("person_id=a")
        self.page.wait_text("1 allow, 0 deny, 0 unsure")
        self.page.wait("document.querySelector('.chart polyline').points.length >= 3")
        self.assert_clean()

    def test_a_key_is_asked_for_kept_and_forgotten(self):
        admin, door = (add_key(self.d.data_dir, role) for role in ("admin", "door"))
        page = self.page
        page.call("Page.navigate", url=self.url)
        page.wait_text("This daemon asks for a key", "dialog")
        page.fill("API key", "fg_wrong")
        page.press("Enter", 13)
        page.wait_text("no valid key", "dialog")
        page.fill("API key", door[:6] + "\u2026")  # as a list shows it
        page.click("button", "Use this key")
        page.wait("document.querySelector('#key').matches(':user-invalid')")
        self.assertIsNone(page.evaluate("sessionStorage.getItem('facegate-key')"))
        page.fill("API key", f" {door} ")
        page.click("button", "Use this key")
        page.wait_text("a key with the role door may not do this", "[role=alert]")
        page.click("nav a", "Keys")
        page.wait_text(door[:11])
        page.wait_text("audit log (/audit)", "tbody")
        page.click("button", "Forget the key")
        page.wait_text("This tab holds no key.")
        page.click("nav a", "Log")
        page.fill("API key", admin)
        page.click("button", "Use this key")
        page.wait_text("Nothing was decided yet.")
        page.call("Page.reload")
        page.ready()
        page.wait_text("Nothing was decided yet.")
        self.assertEqual(page.evaluate("[localStorage.length, document.cookie]"), [0, ""])
        self.assert_clean(allowed=["401", "403"])
        other = self.browser.page()  # another tab has not been told
        other.call("Page.navigate", url=self.url)
        other.wait_text("This daemon asks for a key", "dialog")

    def test_pages_fit_a_phone_in_the_dark(self):
        self.enrol("a-rather-long-id-as-directories-give.them@example.org")
        self.decide("person_id=a-rather-long-id-as-directories-give.them@example.org")
        page = self.browser.page(360, 740, phone=True, scheme="dark")
        for where in (*PAGES, "people/a-rather-long-id-as-directories-give.them@example.org",
                      "doors/new?new", "log/1"):
            self.go(where, page)
            wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            self.assertEqual(wide, [360, 360], where)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            self.assertRegex(ground, r"rgb\(\d\d, \d\d, \d\d\)")
        self.assert_clean(page, allowed=["404"])

    def test_an_address_with_another_path_in_it_is_no_page(self):
        for where in ("people/..", "people/x%2f..%2f..%2flogs", "doors/a%20b"):
            self.page.call("Page.navigate", url=f"{self.url}#/{where}")
            self.page.wait_text("There is no such page.", "[role=alert]")
        self.assert_clean()

    def test_keyboard_and_names(self):
        page = self.page
        for where in PAGES:
            self.go(where)
            unnamed = page.evaluate("""[...document.querySelectorAll("input, select, textarea, button, meter")]
              .filter((e) => e.checkVisibility() && !e.labels?.length && !e.ariaLabel && !e.textContent.trim())
              .map((e) => e.outerHTML)""")
            self.assertEqual(unnamed, [], where)
            self.assertEqual(page.evaluate("document.querySelectorAll('h1').length"), 1)
            self.assertEqual(page.evaluate("document.querySelectorAll('[aria-current=page]').length"),
                             1)
        page = self.page = self.browser.page()
        self.go("log")
        page.press("Tab", 9)
        page.wait("document.activeElement.id === 'skip'")
        for _ in range(3):  # over the name to the second page
            page.press("Tab", 9)
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "People")
        self.assertNotEqual(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"),
                            "none")
        page.press("Enter", 13)
        page.wait_text("People", "h1")
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
