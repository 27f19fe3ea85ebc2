"""Losses against values computed by hand or straight from their definition."""

import math
import unittest

import torch
import torch.nn.functional as F

from train import losses


class Centre(unittest.TestCase):
    def test_loss_is_half_the_mean_squared_distance(self):
        loss = losses.Centre(2, 3)
        loss.centres[:] = torch.tensor([[0.0, 0], [1, 1], [5, 5]])
        x = torch.tensor([[3.0, 4], [1, 2]])
        # Squared distances 25 and 1.
        self.assertAlmostEqual(float(loss(x, torch.tensor([0, 1]))), 26 / 2 / 2)

    def test_centres_move_by_the_running_rule(self):
        loss = losses.Centre(2, 3, rate=0.5)
        loss.centres[:] = torch.tensor([[1.0, 0], [2, 2], [7, 7]])
        x = torch.tensor([[3.0, 4], [5, 0], [0, 0]])
        loss.update(x, torch.tensor([0, 0, 1]))
        # Class 0: (1-3 + 1-5, 0-4 + 0-0) / (1 + 2) = (-2, -4/3), times 0.5 off.
        # Class 1: (2, 2) / (1 + 1) = (1, 1). Class 2 is not in the batch.
        want = torch.tensor([[2.0, 2 / 3], [1.5, 1.5], [7, 7]])
        self.assertTrue(torch.allclose(loss.centres, want))

    def test_no_gradient_moves_the_centres(self):
        loss = losses.Centre(2, 2)
        self.assertEqual(list(loss.parameters()), [])
        x = torch.tensor([[3.0, 4]], requires_grad=True)
        loss(x, torch.tensor([0])).backward()
        self.assertTrue(torch.equal(x.grad, x.detach()))  # away from the centre at 0
        self.assertFalse(loss.centres.requires_grad)


class Margin(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.x, self.label = torch.randn(5, 4), torch.tensor([0, 2, 1, 2, 0])

    def test_without_margin_it_is_softmax_over_scaled_cosines(self):
        for kind in ("cosface", "arcface"):
            loss = losses.Margin(4, 3, kind, scale=8, margin=0)
            cosine = F.normalize(self.x) @ F.normalize(loss.weight).T
            want = F.cross_entropy(8 * cosine, self.label)
            self.assertAlmostEqual(float(loss(self.x, self.label).detach()), float(want), places=5)

    def test_margins_at_a_known_angle(self):
        # The embedding is 60 degrees from its class and at right angles to the other.
        x = torch.tensor([[0.5, math.sqrt(3) / 2, 0]])
        for kind, moved in (("cosface", 0.5 - 0.2), ("arcface", math.cos(math.pi / 3 + 0.2))):
            loss = losses.Margin(3, 2, kind, scale=4, margin=0.2)
            with torch.no_grad():
                loss.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
            want = math.log(1 + math.exp(-4 * moved))
            self.assertAlmostEqual(float(loss(x, torch.tensor([0])).detach()), want, places=5)

    def test_unknown_kind_is_refused(self):
        with self.assertRaises(ValueError):
            losses.Margin(3, 2, "other")


class Distil(unittest.TestCase):
    def test_agreement_costs_nothing_whatever_the_length(self):
        x = torch.randn(6, 8)
        self.assertAlmostEqual(float(losses.Distil()(3 * x, x)), 0, places=5)

    def test_opposite_pairs(self):
        # Cosines to the teacher 1 and 0; the pair's cosine is 1 for the student and 0
        # for the teacher, twice in a matrix of four.
        x = torch.tensor([[1.0, 0], [1, 0]])
        teacher = torch.tensor([[1.0, 0], [0, 1]])
        self.assertAlmostEqual(float(losses.Distil(pairs=2)(x, teacher)), 0.5 + 2 * 2 / 4)


class Softmax(unittest.TestCase):
    def test_starts_near_chance(self):
        torch.manual_seed(1)
        loss = losses.Softmax(16, 100)(torch.randn(50, 16), torch.randint(0, 100, (50,)))
        self.assertAlmostEqual(float(loss.detach()), math.log(100), delta=0.1)


if __name__ == "__main__":
    unittest.main()
