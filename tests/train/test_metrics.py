"""Error rates against small cases worked out by hand and against brute force."""

import unittest

import numpy as np

from train import metrics


class TenFold(unittest.TestCase):
    def test_cut_lies_half_way(self):
        self.assertAlmostEqual(metrics.best_cut([0.9, 0.5, 0.3], [True, True, False]), 0.4)

    def test_highest_of_equally_good_cuts(self):
        # One wrong at 0.7 (above the stray impostor) and at 0.25: the higher is taken.
        cut = metrics.best_cut([0.8, 0.6, 0.4, 0.1], [True, False, True, False])
        self.assertAlmostEqual(cut, 0.7)

    def test_all_different_gives_a_cut_that_nothing_passes(self):
        self.assertGreater(metrics.best_cut([1.0, 0.2], [False, False]), 1.0)

    def test_all_same_lets_all_pass(self):
        self.assertAlmostEqual(metrics.best_cut([0.5, 0.2], [True, True]), 0.2)

    def test_each_fold_is_decided_by_the_others(self):
        score = np.array([0.9, 0.1, 0.6, 0.5])
        same = np.array([True, False, False, True])
        accuracy, deviation, threshold = metrics.ten_fold(score, same, np.array([0, 0, 1, 1]))
        # Fold 0 is cut above everything, the highest of the two cuts that are best on
        # fold 1, and its genuine pair fails; fold 1 is cut at 0.5, and its impostor
        # passes.
        self.assertAlmostEqual(accuracy, 0.5)
        self.assertAlmostEqual(deviation, 0)
        self.assertAlmostEqual(threshold, (1 + 1e-6 + 0.5) / 2)


class Rates(unittest.TestCase):
    def test_tar_at_far(self):
        score = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.0])
        same = np.array([True, True, True, False, False, False, False])
        self.assertAlmostEqual(metrics.tar_at_far(score, same, 0.0), 2 / 3)
        self.assertAlmostEqual(metrics.tar_at_far(score, same, 0.25), 1.0)

    def test_equal_scores_pass_together(self):
        score, same = np.array([0.5, 0.5, 0.4]), np.array([True, False, False])
        self.assertAlmostEqual(metrics.tar_at_far(score, same, 0.4), 0.0)

    def test_histogram_counts_every_two_once(self):
        rng = np.random.default_rng(3)
        x, labels = rng.normal(size=(1100, 5)), rng.integers(0, 40, 1100)
        counts = metrics.histogram(x, labels)
        each = np.bincount(labels)
        self.assertEqual(counts[0].sum(), (each * (each - 1) // 2).sum())
        self.assertEqual(counts.sum(), 1100 * 1099 // 2)

    def test_fnmr_at_fmr_agrees_with_brute_force(self):
        rng = np.random.default_rng(4)
        labels = np.repeat(np.arange(60), 4)
        x = rng.normal(size=(60, 16))[labels] + 0.8 * rng.normal(size=(240, 16))
        fnmr, cut = metrics.fnmr_at_fmr(metrics.histogram(x, labels), 1e-2)
        u = metrics.normalise(x)
        first, second = np.triu_indices(240, 1)
        score, same = (u @ u.T)[first, second], (labels[first] == labels[second])
        self.assertLessEqual((score[~same] >= cut).mean(), 1e-2)
        self.assertAlmostEqual((score[same] < cut).mean(), fnmr, delta=2e-3)
        self.assertAlmostEqual(1 - metrics.tar_at_far(score, same, 1e-2), fnmr, delta=5e-3)

    def test_rate_finer_than_one_comparison(self):
        counts = metrics.histogram(np.eye(4), [0, 0, 1, 1])
        self.assertIsNone(metrics.fnmr_at_fmr(counts, 1e-3))


if __name__ == "__main__":
    unittest.main()
