"""facegate evaluate on a handful of photographs."""
import json
import unittest
from pathlib import Path

from clitool import BIDEN, MODELS, OBAMA, Case, grey_jpeg, run, \
    run_on_terminal


class Evaluate(Case):
    def setUp(self):
        super().setUp()
        for name, pictures in (("Obama", OBAMA), ("Biden", BIDEN)):
            for i, path in enumerate(pictures, 1):
                self.write(f"lfw/{name}/{name}_{i:04}.jpg",
                           Path(path).read_bytes())
        self.pairs = self.write("pairs.txt", "\n".join([
            "2\t2", "Obama\t1\t2", "Obama\t2\t3", "Obama\t1\tBiden\t1",
            "Obama\t2\tBiden\t2", "Obama\t1\t4", "Biden\t1\t2",
            "Obama\t3\tBiden\t1", "Obama\t4\tBiden\t2"]) + "\n")

    def evaluate(self, *args, **options):
        return self.result("evaluate", "--pairs", self.pairs, "--images",
                           self.folder / "lfw", *args, **options)

    def test_people_that_are_told_apart_give_100_percent(self):
        found = self.evaluate()
        self.assertEqual(found["pairs"], 8)
        self.assertEqual(found["pictures"], 6)
        self.assertEqual(found["no_face"], 0)
        self.assertEqual(found["accuracy"], 100)
        self.assertEqual(found["accuracy_std"], 0)
        self.assertEqual(found["tar_at_far"], {"1e-2": 100, "1e-3": 100})
        self.assertTrue(0 < found["threshold"] < 1)
        self.assertEqual(found["bytes"],
                         (MODELS / "embedder-accurate.fgm").stat().st_size)
        self.assertTrue(0 < found["pool_peak_bytes"] <= found["pool_bytes"])
        for stage in ("decode", "detect", "align", "embed"):
            self.assertGreater(found["ms"][stage]["median"], 0)
            self.assertGreater(found["ms"][stage]["mean"], 0)

    def test_number_of_threads_does_not_change_the_result(self):
        one, four = (self.evaluate("--threads", n) for n in (1, 4))
        self.assertEqual((one["threads"], four["threads"]), (1, 4))
        for key in ("accuracy", "threshold", "tar_at_far"):
            self.assertEqual(one[key], four[key])

    def test_picture_without_a_face_is_counted_and_matches_nobody(self):
        self.write("lfw/Biden/Biden_0002.jpg", grey_jpeg())
        found = self.evaluate()
        self.assertEqual(found["no_face"], 1)
        self.assertEqual(found["tar_at_far"]["1e-3"], 75)

    def test_all_impostors_compares_every_two_pictures(self):
        found = self.evaluate("--all-impostors")
        self.assertEqual(found["genuine_comparisons"], 6 + 1)
        self.assertEqual(found["impostor_comparisons"], 8)
        self.assertEqual(set(found["fnmr_at_fmr"]), {
            "1e-2", "3e-3", "1e-3", "3e-4", "1e-4", "3e-5", "1e-5", "3e-6",
            "1e-6"})

    def test_errata_are_left_out(self):
        errata = self.write("errata.txt", "# swapped\nObama Biden\n")
        found = self.evaluate("--all-impostors", "--errata", errata)
        self.assertEqual(found["genuine_comparisons"], 7)
        self.assertEqual(found["impostor_comparisons"], 0)
        self.assertEqual(found["errata"],
                         {"used": 1, "unused": 0, "comparisons": 8})

    def test_margin_crop_gives_other_scores(self):
        found = self.evaluate("--align", "margin")
        self.assertEqual(found["align"], "margin")
        self.assertEqual(found["no_face"], 0)
        self.assertNotEqual(found["threshold"], self.evaluate()["threshold"])

    def test_missing_picture_stops_the_run_and_is_named(self):
        (self.folder / "lfw/Obama/Obama_0003.jpg").unlink()
        self.assert_refused("Obama_0003.jpg: No such file", "evaluate",
                            "--pairs", self.pairs, "--images",
                            self.folder / "lfw", "--json")

    def test_damaged_picture_stops_the_run_and_is_named(self):
        self.write("lfw/Biden/Biden_0001.jpg", "text")
        self.assert_refused("Biden_0001.jpg: ", "evaluate", "--pairs",
                            self.pairs, "--images", self.folder / "lfw")

    def test_bad_lists_name_file_and_line(self):
        bad = self.write("bad.txt", "2 2\nObama 1 2\nObama 2\n")
        images = ("--images", self.folder / "lfw")
        self.assert_refused("bad.txt: line 3 ", "evaluate", "--pairs", bad,
                            *images)
        bad = self.write("errata.txt", "Obama Biden\nObama\n")
        self.assert_refused("errata.txt: line 2 ", "evaluate", "--pairs",
                            self.pairs, *images, "--all-impostors",
                            "--errata", bad)

    def test_options_without_effect_are_refused(self):
        common = ("evaluate", "--pairs", self.pairs, "--images", "x")
        self.assert_refused("--all-impostors", *common, "--errata", "x")
        self.assert_refused("--threads", *common, "--threads", "0")
        self.assert_refused("--threads", *common, "--threads", "17")
        self.assert_refused("--align", *common, "--align", "box")
        self.assert_refused("needs --pairs", "evaluate", "--images", "x")

    def test_bar_is_drawn_on_terminals_alone(self):
        args = ("evaluate", "--pairs", self.pairs, "--images",
                self.folder / "lfw", "--json")
        code, out, shown = run_on_terminal(*args)
        self.assertEqual(code, 0)
        json.loads(out)
        self.assertIn("embedding [##############################] 100 %",
                      shown)
        self.assertTrue(shown.endswith("\n"))
        self.assertEqual(run_on_terminal(*args, env={"TERM": "dumb"})[2], "")
        self.assertEqual(run(*args).stderr, "")


if __name__ == "__main__":
    unittest.main()
