"""facegate evaluate on a handful of photographs."""
import csv
import json
import math
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

    def test_all_impostors_takes_pictures_that_the_list_does_not_name(self):
        self.write("lfw/Nobody/Nobody_0001.jpg", grey_jpeg())
        self.write("lfw/Obama/notes.txt", "not a picture")
        found = self.evaluate("--all-impostors")
        self.assertEqual((found["pictures"], found["no_face"]), (7, 1))
        self.assertEqual(found["genuine_comparisons"], 7)
        self.assertEqual(found["impostor_comparisons"], 14)
        self.assertEqual(found["accuracy"], 100)
        self.assertEqual(self.evaluate()["pictures"], 6)

    def test_all_impostors_reports_open_set_and_quality(self):
        found = self.evaluate("--all-impostors")
        self.assertEqual(found["open_set"], {
            "far": 0.01, "trials": 10, "gallery": 2, "genuine_probes": 4,
            "impostor_probes": 0, "rank1_dir_mean": None,
            "rank1_dir_std": None})
        self.assertEqual(set(found["error_vs_reject"]), {
            "length", "inter_eye_px", "confidence", "frontalness"})
        for curves in found["error_vs_reject"].values():
            self.assertEqual(list(curves), ["1e-3", "1e-4"])
            for curve in curves.values():
                self.assertEqual(list(curve),
                                 ["0", "1", "2", "3", "5", "10", "20"])
        table = list(found["quality_table"].values())
        self.assertEqual(table, sorted(table))
        self.assertGreater(table[0], 0)

    def test_text_names_what_there_are_too_few_pictures_for(self):
        done = run("evaluate", "--pairs", self.pairs, "--images",
                   self.folder / "lfw", "--all-impostors")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("accuracy           100.00 %", done.stdout)
        self.assertIn("open set           too few", done.stdout)
        self.assertIn("FNMR at 1e-3, length", done.stdout)
        self.assertNotIn("nan", done.stdout)

    def test_curves_are_written_as_csv(self):
        folder = self.folder / "curves"
        found = self.evaluate("--curves", folder)
        self.assertFalse((folder / "histogram.csv").exists())
        found = self.evaluate("--curves", folder, "--all-impostors")

        def rows(name):
            with open(folder / name, encoding="utf-8", newline="") as f:
                return list(csv.DictReader(f))
        pairs = rows("pairs.csv")
        self.assertEqual(len(pairs), found["pairs"])
        self.assertTrue(all(
            (float(p["score"]) > found["threshold"]) == (p["same"] == "1")
            for p in pairs))
        pictures = rows("pictures.csv")
        self.assertEqual([(p["name"], p["index"]) for p in pictures],
                         [("Biden", "1"), ("Biden", "2")]
                         + [("Obama", str(i)) for i in range(1, 5)])
        for p in pictures:
            self.assertEqual(p["found"], "1")
            self.assertGreater(float(p["length"]), 0)
            self.assertTrue(0 < float(p["frontalness"]) <= 1)
            eyes = (float(p["right_eye_x"]) - float(p["left_eye_x"]),
                    float(p["right_eye_y"]) - float(p["left_eye_y"]))
            self.assertAlmostEqual(float(p["inter_eye_px"]),
                                   math.hypot(*eyes), 1)
        bins = rows("histogram.csv")
        for kind in ("genuine", "impostor"):
            self.assertEqual(sum(int(b[kind]) for b in bins),
                             found[kind + "_comparisons"])
        self.write("lfw/Biden/Biden_0002.jpg", grey_jpeg())
        self.evaluate("--curves", folder)
        blind = rows("pictures.csv")[1]
        self.assertEqual(blind["found"], "0")
        self.assertEqual(set(list(blind.values())[3:]), {""})
        self.assert_refused("--curves: ", "evaluate", "--pairs", self.pairs,
                            "--images", self.folder / "lfw", "--curves",
                            self.pairs / "below")

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
        self.assert_refused("--all-impostors", *common, "--attributes", "x")
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
