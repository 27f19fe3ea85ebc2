"""The facegate command: results, exit codes, and nothing but results on
standard output."""
import json
import re
import subprocess
import unittest
from pathlib import Path

from daemon import made

from clitool import BIDEN, ENV, FACEGATE, MODELS, OBAMA, Case, grey_jpeg, \
    run, run_on_terminal


class Detect(Case):
    def test_face_has_box_landmarks_and_confidence(self):
        found = self.result("detect", OBAMA[0])
        self.assertEqual((found["width"], found["height"]), (910, 1137))
        face = found["faces"][0]
        x, y, width, height = face["box"]
        self.assertEqual(len(face["landmarks"]), 5)
        for px, py in face["landmarks"]:
            self.assertTrue(x < px < x + width and y < py < y + height)
        left, right, nose, left_mouth, right_mouth = face["landmarks"]
        self.assertLess(left[0], right[0])
        self.assertLess(left_mouth[0], right_mouth[0])
        self.assertTrue(left[1] < nose[1] < left_mouth[1])
        self.assertGreater(face["confidence"], 0.99)
        self.assertGreater(found["ms"]["detect"], 0)
        self.assertGreater(found["pool_peak_bytes"], 0)

    def test_faces_come_largest_first(self):
        sizes = [face["box"][2] * face["box"][3]
                 for face in self.result("detect", OBAMA[2])["faces"]]
        self.assertGreater(len(sizes), 0)
        self.assertEqual(sizes, sorted(sizes, reverse=True))

    def test_picture_without_a_face_gives_1_and_an_empty_list(self):
        grey = self.write("grey.jpg", grey_jpeg())
        found = self.result("detect", grey, code=1)
        self.assertEqual(found["faces"], [])
        self.assertEqual((found["width"], found["height"]), (64, 64))
        self.assertEqual(found["error"]["code"], "no_face")

    def test_bad_picture_does_not_stop_the_others(self):
        bad = self.write("bad.jpg", "no picture")
        done = run("detect", "--json", bad, BIDEN[1], "/nowhere.jpg")
        self.assertEqual(done.returncode, 2)
        pictures = json.loads(done.stdout)["pictures"]
        self.assertEqual([p["picture"] for p in pictures],
                         [str(bad), BIDEN[1], "/nowhere.jpg"])
        self.assertEqual(pictures[0]["error"]["code"], "not_a_jpeg")
        self.assertEqual(len(pictures[1]["faces"]), 1)
        self.assertEqual(pictures[2]["error"]["code"], "io_error")
        self.assertEqual(done.stderr.count("\n"), 2)
        self.assertIn("/nowhere.jpg: No such file", done.stderr)

    def test_error_outweighs_a_missing_face(self):
        grey = self.write("grey.jpg", grey_jpeg())
        for order in ((grey, "/nowhere"), ("/nowhere", grey)):
            self.assertEqual(run("detect", *order).returncode, 2)

    def test_cut_picture_is_corrupt(self):
        whole = Path(BIDEN[1]).read_bytes()
        cut = self.write("cut.jpg", whole[:len(whole) // 2])
        found = self.result("detect", cut, code=2)
        self.assertEqual(found["error"]["code"], "corrupt_jpeg")

    def test_folder_is_no_picture(self):
        found = self.result("detect", self.folder, code=2)
        self.assertEqual(found["error"]["text"], "Is a directory")

    def test_name_that_looks_like_an_option_needs_two_dashes(self):
        self.write("--odd.jpg", Path(BIDEN[1]).read_bytes())
        self.assert_refused("unknown option", "detect", "--odd.jpg",
                            cwd=self.folder)
        done = run("detect", "--json", "--", "--odd.jpg", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["faces"]), 1)

    def test_text_has_a_line_a_face(self):
        done = run("detect", BIDEN[1])
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"biden2\.jpg: face \d+,\d+ \d+x\d+")


class Embed(Case):
    def test_template_has_unit_length_and_128_values(self):
        found = self.result("embed", BIDEN[1])
        self.assertEqual(len(found["template"]), 128)
        norm = sum(v * v for v in found["template"]) ** 0.5
        self.assertAlmostEqual(norm * found["scale"], 1.0, places=5)
        self.assertGreater(found["length"], 0)
        quality = found["quality"]
        self.assertTrue(3 < quality["overall"] <= 100)
        self.assertAlmostEqual(quality["embedding_length"], found["length"],
                               places=1)

    def test_same_picture_gives_the_same_template(self):
        first, second = (self.result("embed", BIDEN[1]) for _ in range(2))
        self.assertEqual(first["template"], second["template"])

    def test_picture_without_a_face_gives_1(self):
        grey = self.write("grey.jpg", grey_jpeg())
        found = self.result("embed", grey, code=1)
        self.assertNotIn("template", found)
        self.assertEqual(found["error"]["code"], "no_face")


class Compare(Case):
    def test_one_person_gives_0(self):
        for first, second in ((OBAMA[0], OBAMA[1]), (BIDEN[0], BIDEN[1])):
            found = self.result("compare", first, second)
            self.assertIs(found["match"], True)
            self.assertGreaterEqual(found["score"], found["threshold"])
            self.assertEqual(len(found["faces"]), 2)
            for quality in found["quality"]:
                self.assertGreater(quality["overall"], 3)

    def test_two_persons_give_1(self):
        done = run("compare", OBAMA[0], BIDEN[0], "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stderr, "")
        found = json.loads(done.stdout)
        self.assertIs(found["match"], False)
        self.assertLess(found["score"], found["threshold"])

    def test_score_is_the_cosine_of_the_templates(self):
        a, b = (self.result("embed", p) for p in (OBAMA[0], OBAMA[1]))
        dot = sum(x * y for x, y in zip(a["template"], b["template"]))
        score = self.result("compare", OBAMA[0], OBAMA[1])["score"]
        self.assertAlmostEqual(dot * a["scale"] * b["scale"], score, places=4)

    def test_order_does_not_matter(self):
        self.assertEqual(self.result("compare", *OBAMA[:2])["score"],
                         self.result("compare", *OBAMA[1::-1])["score"])

    def test_finer_match_rate_raises_the_threshold(self):
        coarse, fine = (self.result("compare", *OBAMA[:2],
                                    f"--target_fmr={rate}")
                        for rate in ("1e-2", "1e-6"))
        self.assertLess(coarse["threshold"], fine["threshold"])
        self.assertEqual(coarse["target_fmr"], 0.01)

    def test_picture_without_a_face_is_an_error_that_names_it(self):
        grey = self.write("grey.jpg", grey_jpeg())
        self.assert_refused("grey.jpg: no face", "compare", BIDEN[0], grey)
        self.assert_refused("(no_face)", "compare", grey, BIDEN[0], "--json")

    def test_poor_picture_gives_no_answer(self):
        poor = self.write("poor.jpg", made("obama2.jpg", 420, 420,
                                           "noise=150", "quality=60"))
        self.assert_refused("poor.jpg: the picture's quality is", "compare",
                            OBAMA[0], poor)
        self.assert_refused("(low_quality)", "compare", poor, OBAMA[0],
                            "--json")
        done = run("compare", OBAMA[0], poor, "--quality_min=0")
        self.assertIn(done.returncode, (0, 1), done.stderr)

    def test_limits_of_the_daemon_hold(self):
        self.assert_refused("(face_too_small)", "compare", *OBAMA[2:],
                            "--min_inter_eye_px=60")
        self.assert_refused("(picture_too_large)", "compare", *BIDEN,
                            "--jpeg_max_width_px", "1000")


class Align(Case):
    def test_crop_is_written_as_ppm(self):
        out = self.folder / "crop.ppm"
        found = self.result("align", BIDEN[1], out)
        data = out.read_bytes()
        head = b"P6\n112 112\n255\n"
        self.assertTrue(data.startswith(head))
        pixels = data[len(head):]
        self.assertEqual(len(pixels), 112 * 112 * 3)
        self.assertGreater(len(set(pixels)), 50)
        self.assertEqual(found["chosen"], 0)

    def test_central_face_can_be_chosen(self):
        # The second, small face of this one lies in the corner.
        largest, central = self.folder / "a.ppm", self.folder / "b.ppm"
        self.result("align", OBAMA[0], largest)
        found = self.result("align", OBAMA[0], central, "--face", "centre")
        x, y, width, height = found["face"]["box"]
        faces = self.result("detect", OBAMA[0])["faces"]
        distances = [abs(f["box"][0] + f["box"][2] / 2 - 455) ** 2
                     + abs(f["box"][1] + f["box"][3] / 2 - 568.5) ** 2
                     for f in faces]
        self.assertEqual(found["chosen"], distances.index(min(distances)))
        self.assertEqual([x, y, width, height],
                         faces[found["chosen"]]["box"])

    def crop(self, *options):
        """The pixels of a crop as rows of bytes, and their side."""
        out = self.folder / "crop.ppm"
        self.result("align", BIDEN[1], out, *options)
        kind, size, _, pixels = out.read_bytes().split(b"\n", 3)
        width, height = map(int, size.split())
        self.assertEqual((kind, width), (b"P6", height))
        self.assertEqual(len(pixels), 3 * width * height)
        return [pixels[i:i + 3 * width]
                for i in range(0, len(pixels), 3 * width)]

    def test_larger_crop_has_the_crop_in_its_middle(self):
        small, large = self.crop(), self.crop("--side", "128")
        self.assertEqual(len(large), 128)
        middle = [row[24:-24] for row in large[8:-8]]
        apart = sum(abs(a - b) for s, m in zip(small, middle)
                    for a, b in zip(s, m)) / (112 * 112 * 3)
        self.assertLess(apart, 0.1)

    def test_much_larger_crop_enlarges_it(self):
        small, large = self.crop(), self.crop("--side=250")
        self.assertEqual(len(large), 250)
        # The mean of two by two pixels in the middle is one of the crop.
        apart = 0
        for y, row in enumerate(small):
            for i, value in enumerate(row):
                x, ch = divmod(i, 3)
                four = [large[13 + 2 * y + dy][3 * (13 + 2 * x + dx) + ch]
                        for dy in (0, 1) for dx in (0, 1)]
                apart += abs(sum(four) / 4 - value)
        self.assertLess(apart / (112 * 112 * 3), 3)

    def test_margin_crop_is_another_one(self):
        self.assertNotEqual(self.crop(), self.crop("--align", "margin"))

    def test_crop_embeds_to_the_template_of_its_picture(self):
        out = self.folder / "crop.ppm"
        self.result("align", BIDEN[1], out)
        crop = self.result("embed", out, "--aligned")
        picture = self.result("embed", BIDEN[1])
        for key in ("template", "scale", "length", "model"):
            self.assertEqual(crop[key], picture[key])
        self.assertNotIn("face", crop)

    def test_file_that_is_no_crop_is_refused(self):
        out = self.folder / "crop.ppm"
        self.result("align", BIDEN[1], out)
        data = out.read_bytes()
        for wrong in (data[:-1], data + b"x", b"", data.replace(b"112", b"113")):
            out.write_bytes(wrong)
            self.assert_refused("not a crop", "embed", out, "--aligned")
        self.assert_refused("No such file", "embed", "/nowhere", "--aligned")

    def test_picture_without_a_face_gives_1_and_no_file(self):
        grey = self.write("grey.jpg", grey_jpeg())
        out = self.folder / "crop.ppm"
        self.assertEqual(run("align", grey, out).returncode, 1)
        self.assertFalse(out.exists())

    def test_file_that_cannot_be_written_is_named(self):
        self.assert_refused("/nowhere/crop.ppm: No such file", "align",
                            BIDEN[1], "/nowhere/crop.ppm")
        self.assert_refused("/dev/full: No space left", "align", BIDEN[1],
                            "/dev/full")


class Info(Case):
    def test_budget_sums_up(self):
        found = self.result("budget")
        self.assertEqual(found["pool_bytes"], 2 * 1024 * 1024)
        rows = {row["name"]: row for row in found["rows"]}
        self.assertEqual(rows["worker pools"]["bytes"],
                         found["workers"] * found["pool_bytes"])
        mapped = sum(row["bytes"] for row in found["rows"] if row["mapped"])
        self.assertEqual(mapped, sum((MODELS / name).stat().st_size for name
                                     in ("mtcnn.fgm",
                                         "embedder-accurate.fgm")))

    def test_budget_refuses_what_the_engine_refuses(self):
        for command in (["budget"], ["detect", BIDEN[0]]):
            done = run(*command, "--min_face_px", "5")
            self.assertEqual(done.returncode, 2, command)
            self.assertIn("(bad_config)", done.stderr)

    def test_budget_of_a_pool_that_is_too_small_is_shown_and_gives_2(self):
        done = run("budget", "--json", "--pool_kib", "256")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(json.loads(done.stdout)["pool_bytes"], 256 * 1024)
        self.assertIn("(pool_too_small)", done.stderr)

    def test_model_info_of_the_embedder(self):
        path = MODELS / "embedder-accurate.fgm"
        found = self.result("model-info", path)
        self.assertEqual(found["bytes"], path.stat().st_size)
        self.assertEqual(found["dim"], 128)
        self.assertEqual(found["id"].split("@")[0], found["name"])
        self.assertTrue(0 < found["weights"] < found["bytes"])
        self.assertGreater(found["macs"], 1e6)
        cuts = list(found["thresholds"].values())
        self.assertIn("1e-4", found["thresholds"])
        self.assertEqual(cuts, sorted(cuts))
        lengths = list(found["quality_table"].values())
        self.assertIn("0.03", found["quality_table"])
        self.assertEqual(lengths, sorted(lengths))
        self.assertEqual([net["name"] for net in found["nets"]], ["embed"])

    def test_model_info_of_the_detector(self):
        found = self.result("model-info", MODELS / "mtcnn.fgm")
        self.assertEqual([net["name"] for net in found["nets"]],
                         ["pnet", "rnet", "onet"])
        self.assertIsNone(found["dim"])
        self.assertEqual((found["thresholds"], found["quality_table"]),
                         ({}, {}))
        self.assertEqual(found["weights"],
                         sum(net["weights"] for net in found["nets"]))

    def test_damaged_model_is_refused(self):
        data = bytearray((MODELS / "embedder-accurate.fgm").read_bytes())
        data[len(data) // 2] ^= 1
        bad = self.write("bad.fgm", bytes(data))
        self.assert_refused("(bad_model)", "model-info", bad)
        self.assert_refused("(io_error)", "model-info", "/nowhere.fgm")

    def test_version_names_kernels_and_models(self):
        found = self.result("version")
        self.assertRegex(found["version"], r"^\d+\.\d+\.\d+$")
        self.assertTrue(found["isa"])
        self.assertRegex(found["models"]["embedder"], "^accurate@[0-9a-f]{8}$")
        self.assertRegex(found["models"]["detector"], "^mtcnn@[0-9a-f]{8}$")

    def test_version_and_kernels_are_known_without_models(self):
        done = run("version", "--json", "--models_dir=/nowhere")
        self.assertEqual(done.returncode, 2)
        found = json.loads(done.stdout)
        self.assertRegex(found["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(found["isa"], self.result("version")["isa"])
        self.assertEqual(found["models"], {"embedder": None, "detector": None})
        self.assertIn("/nowhere", done.stderr)

    def test_scalar_kernels_can_be_forced(self):
        found = self.result("version", env={"FACEGATE_ISA": "scalar"})
        self.assertEqual(found["isa"], "scalar")
        self.assertEqual(
            self.result("embed", BIDEN[1], env={"FACEGATE_ISA": "scalar"})
            ["template"], self.result("embed", BIDEN[1])["template"])


class CommandLine(Case):
    def test_help_is_a_result(self):
        for args in (["help"], ["--help"], ["detect", "-h"]):
            done = run(*args)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith("usage: facegate"))
            self.assertEqual(done.stderr, "")

    def test_help_has_every_option(self):
        source = (Path(__file__).resolve().parents[2] / "cli" / "options.c").read_text("utf-8")
        names = re.findall(r'^\t{ "([a-z-]+)", ', source, re.M)
        self.assertGreater(len(names), 40)
        shown = set(re.findall(r"--([a-z-]+)", run("help").stdout))
        self.assertEqual(sorted(set(names) - shown), [])

    def test_no_arguments_show_the_usage_as_an_error(self):
        done = run()
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("usage: facegate"))

    def test_wrong_usage_is_named(self):
        for words, *args in (
                ["no command", "--json"],
                ["unknown command look", "look"],
                ["unknown option --colour", "budget", "--colour", "red"],
                ["unknown option -x", "budget", "-x"],
                ["unknown option --" + 60 * "x", "budget", "--" + 99 * "x"],
                ["detect does not take 0", "detect"],
                ["compare does not take 3", "compare", "a", "b", "c"],
                ["budget does not take 1", "budget", "a"],
                ["--pool_kib needs a value", "budget", "--pool_kib"],
                ["--json takes no value", "budget", "--json=yes"],
                ["--pairs is an option of evaluate, not of detect",
                 "detect", "--pairs", "x", "y"],
                ["--face is an option of align", "embed", "--face=centre",
                 "x"],
                ["--side: 111 is not within 112 and 512", "align", "a", "b",
                 "--side=111"],
                ["--aligned is an option of embed", "detect", "--aligned",
                 "x"],
                ["--align is an option of evaluate", "embed",
                 "--align=margin", "x"],
                ["--face: left", "align", "a", "b", "--face", "left"],
                ["pool_kib", "budget", "--pool_kib=lots"]):
            with self.subTest(args=args):
                self.assert_refused(words, *args)

    def test_command_line_beats_environment_beats_file(self):
        conf = self.write("facegate.conf", "pool_kib = 4096\nworkers = 3\n")
        both = {"FACEGATE_POOL_KIB": "3072"}
        found = self.result("budget", "--config", conf)
        self.assertEqual(found["pool_bytes"], 4096 * 1024)
        self.assertEqual(found["workers"], 3)
        found = self.result("budget", f"--config={conf}", env=both)
        self.assertEqual(found["pool_bytes"], 3072 * 1024)
        found = self.result("--pool_kib=2560", "budget", env=both
                            | {"FACEGATE_CONFIG": str(conf)})
        self.assertEqual(found["pool_bytes"], 2560 * 1024)
        self.assertEqual(found["workers"], 3)

    def test_unknown_key_in_file_or_environment_is_named(self):
        conf = self.write("facegate.conf", "door = north\n")
        self.assert_refused("door", "budget", "--config", conf)
        self.assert_refused("FACEGATE_DOOR", "budget",
                            env={"FACEGATE_DOOR": "north"})

    def test_output_that_cannot_be_written_gives_2(self):
        for args in (["help"], ["budget"], ["compare", "--json", *BIDEN]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([FACEGATE, *args], stdout=full,
                                      stderr=subprocess.PIPE, text=True,
                                      timeout=120, check=False, env=ENV)
            self.assertEqual(done.returncode, 2)
            self.assertIn("cannot write", done.stderr)

    def test_colour_is_for_terminals_alone(self):
        _, _, shown = run_on_terminal("look")
        self.assertTrue(shown.startswith("\033[1;31mfacegate:\033[0m "))
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            _, _, shown = run_on_terminal("look", env=env)
            self.assertTrue(shown.startswith("facegate: "), shown)


if __name__ == "__main__":
    unittest.main()
