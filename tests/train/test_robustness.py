"""Degraded probes: places on a face, the pair list, the rows of the table; and labels of
groups."""

import tempfile
import unittest

import numpy as np
from PIL import Image

from train import attributes, evaluate, robustness

UPRIGHT = [(40, 50), (80, 50), (60, 70), (45, 90), (75, 90)]


class Harm(unittest.TestCase):
    def test_places_follow_the_eyes(self):
        face = robustness.Face([(10, 10), (10, 30)])  # turned by a quarter
        self.assertEqual(face.eyes, 20)
        np.testing.assert_allclose(face.at([(0, 0), (0.5, 0), (0, 1)]),
                                   [(10, 20), (10, 30), (-10, 20)])

    def test_each_way_changes_the_picture_and_drawings_stay_where_they_belong(self):
        pixels = np.full((120, 120, 3), (200, 150, 120), np.uint8)
        pixels[::7] = 90
        img, face = Image.fromarray(pixels), robustness.Face(UPRIGHT)
        for label, harm in robustness.HARM.items():
            out = np.asarray(harm(img.copy(), face, np.random.default_rng(1)))
            self.assertFalse(np.array_equal(out, pixels), label)
            if label.startswith("mask"):  # the eyes are free, the mouth is not
                np.testing.assert_array_equal(out[40:60], pixels[40:60])
                self.assertTrue((out[90, 45:75] != pixels[90, 45:75]).all())
            if label.startswith("small"):
                self.assertEqual(out.shape, (60, 60, 3))
            if label.startswith("a fifth"):
                self.assertAlmostEqual(out.mean() / pixels.mean(), 0.2, delta=0.01)

    def test_a_small_face_is_not_enlarged(self):
        img = Image.new("RGB", (50, 50))
        self.assertEqual(robustness.shrink(img, robustness.Face([(10, 10), (25, 10)]), 20).size,
                         (50, 50))


class PairList(unittest.TestCase):
    def test_probes_alone_are_spoiled_fold_by_fold(self):
        pictures = [("a", 1), ("a", 2), ("b", 1)]
        pairs = [(0, True, 0, 1), (0, False, 0, 2), (1, True, 1, 0), (1, False, 1, 2)]
        with tempfile.NamedTemporaryFile("w") as f:
            robustness.write_list(f.name, pairs, pictures, 2, [1, 2])
            names, read = evaluate.read_pairs(f.name)
        shown = [(fold, same, names[a], names[b]) for fold, same, a, b in read]
        self.assertEqual(shown, [
            (0, True, ("a", 1), ("a", 1002)), (0, True, ("a", 1), ("a", 2002)),
            (0, False, ("a", 1), ("b", 1001)), (0, False, ("a", 1), ("b", 2001)),
            (1, True, ("a", 2), ("a", 1001)), (1, True, ("a", 2), ("a", 2001)),
            (1, False, ("a", 2), ("b", 1001)), (1, False, ("a", 2), ("b", 2001))])


class Rows(unittest.TestCase):
    MODEL = {"thresholds": {"1e-4": 0.5}, "quality_table": {"0.03": 10.0}}

    def test_unsure_and_missing_faces_are_not_let_in(self):
        # Per fold: let in, poor but alike, without a face; a stranger let in, one denied,
        # one poor.
        kinds = [(1, 0.9, "20"), (1, 0.8, "9.9"), (1, -1.0, ""),
                 (0, 0.6, "20"), (0, 0.1, "20"), (0, 0.7, "5")]
        pairs, pictures = [], {}
        for i, (same, score, length) in enumerate(kinds * 2):
            pairs.append({"fold": i // 6, "same": str(same), "score": str(score), "name2": "n",
                          "index2": str(i)})
            pictures["n", i] = {"found": str(int(length != "")), "length": length}
        row = robustness.row_of("way", pairs, pictures, self.MODEL)
        self.assertEqual((row["no_face"], row["unsure"]), (16.67, 33.33))
        self.assertEqual((row["allow_same"], row["allow_different"]), (33.33, 33.33))
        self.assertEqual(row["tar_at_far_1e-2"], 66.67)


class Groups(unittest.TestCase):
    def test_race_is_taken_where_guesses_agree(self):
        guess = lambda race, prob: {"df_race": race, "df_race_prob": prob}
        found = attributes.races({"A_B_0001": guess("black", 90), "A_B_0002": guess("white", 20),
                                  "C_0001": guess("asian", 60), "C_0002": guess("white", 50),
                                  "D_0001": guess("indian", 80)})
        self.assertEqual(found, {"A_B": "black", "C": None, "D": "indian"})


if __name__ == "__main__":
    unittest.main()
