"""Training: stopped and resumed, people held out, frozen layers, configurations."""

import contextlib
import io
import os
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch
from PIL import Image

from train import fit

CONFIG = """
[data]
root = "{folder}/pictures"
holdout = 0.25
[model]
side = 32
stem = 4
table = [[1, 4, 1, 2], [2, 8, 2, 2]]
head = 8
dim = 8
[train]
epochs = 3.0
batch = 8
rate = 1e-2
ema = 0.9
checkpoint_minutes = 0.0
[loss.softmax]
[loss.centre]
weight = 0.01
"""
PEOPLE = [f"Person_{i}" for i in range(8)]


class Small(unittest.TestCase):
    """Eight people of four small pictures: six to train with, nine steps in all."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        rng = np.random.default_rng(1)
        for person in PEOPLE:
            os.makedirs(f"{self.folder}/pictures/{person}")
            for k in range(4):
                pixels = rng.integers(0, 256, (36, 36, 3), np.uint8)
                Image.fromarray(pixels).save(f"{self.folder}/pictures/{person}/{k}.png")
        self.write("small.toml", CONFIG.format(folder=self.folder))
        threads = torch.get_num_threads()
        self.addCleanup(torch.set_num_threads, threads)
        torch.set_num_threads(1)

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write(text)

    def config(self, *changes):
        return fit.read_config(f"{self.folder}/small.toml", changes)

    def train(self, name, *changes):
        return fit.run(self.config(*changes), f"{self.folder}/{name}", quiet=True)

    def begin(self, *changes):
        return fit.Run(self.config(*changes), f"{self.folder}/begun", "cpu")

    def net(self, name):
        with np.load(f"{self.folder}/{name}/net.npz") as z:
            return {k: z[k] for k in z.files}


@contextlib.contextmanager
def stepping(stop=None):
    """Gives a list that fills with the steps taken; stop: breaks off before that one."""
    taken, one_step = [], fit.Run.one_step

    def step(run):
        if run.step == stop:
            raise KeyboardInterrupt
        taken.append(run.step)
        return one_step(run)

    with mock.patch.object(fit.Run, "one_step", step):
        yield taken


class Resuming(Small):
    def test_a_run_stopped_and_resumed_equals_one_that_was_not(self):
        result = self.train("whole")
        self.assertEqual(result["steps"], 9)
        for stop in (2, 4):  # in the first epoch and in the second
            with stepping(stop), self.assertRaises(KeyboardInterrupt):
                self.train("parts")
        with stepping() as taken:
            resumed = self.train("parts")
        self.assertEqual(taken, [4, 5, 6, 7, 8])
        self.assertEqual(resumed["held_out"], result["held_out"])
        whole, parts = self.net("whole"), self.net("parts")
        self.assertEqual(whole.keys(), parts.keys())
        for name, values in whole.items():
            np.testing.assert_array_equal(parts[name], values, name)

    def test_a_finished_run_is_left_alone(self):
        result = self.train("run", "train.epochs=1.0")
        with stepping() as taken:
            self.assertEqual(self.train("run", "train.epochs=1.0"), result)
        self.assertEqual(taken, [])

    def test_a_run_does_not_go_on_with_another_configuration(self):
        with stepping(2), self.assertRaises(KeyboardInterrupt):
            self.train("run")
        with self.assertRaisesRegex(SystemExit, "another configuration"):
            self.train("run", "train.rate=1e-3")


class People(Small):
    def test_people_held_out_are_not_in_training(self):
        run = self.begin()
        self.assertEqual((len(run.data.people), len(run.held.people)), (6, 2))
        self.assertEqual(sorted(run.data.people + run.held.people), PEOPLE)
        self.assertEqual((len(run.data), len(run.held)), (24, 8))
        # Nor are their pictures under another name.
        held = {p.numpy().tobytes() for p in run.held.pixels}
        self.assertFalse(held & {p.numpy().tobytes() for p in run.data.pixels})

    def test_people_of_the_test_set_are_not_in_training(self):
        os.makedirs(f"{self.folder}/lfw/person-3")
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            run = self.begin(f"data.lfw_names={self.folder}/lfw")
        self.assertNotIn("Person_3", run.data.people + run.held.people)
        self.assertEqual(len(run.data) + len(run.held), 28)
        self.assertIn("Person_3", shown.getvalue())


class Freezing(Small):
    def test_frozen_layers_stay_as_they_are(self):
        run = self.begin('model.freeze=["stem", "block0"]')
        before = {k: v.clone() for k, v in run.net.state_dict().items()}
        frozen = {f"layers.{i}." for i, layer in enumerate(run.net.layers)
                  if layer.spec["name"].startswith(("stem", "block0"))}
        self.assertEqual(len(frozen), 3)
        for _ in range(3):
            run.one_step()
        for name, after in run.net.state_dict().items():
            same = torch.equal(after, before[name])
            self.assertEqual(same, name.startswith(tuple(frozen)), name)


class Configurations(Small):
    def test_base_is_changed_by_the_file_and_that_by_the_command_line(self):
        self.write("child.toml", 'base = "small.toml"\n[train]\nrate = 0.5\nbatch = 4\n')
        config = fit.read_config(f"{self.folder}/child.toml", ["train.batch=2"])
        self.assertEqual(config["train"]["batch"], 2)
        self.assertEqual(config["train"]["rate"], 0.5)
        self.assertEqual(config["train"]["ema"], 0.9)
        self.assertEqual(config["train"]["momentum"], fit.DEFAULTS["train"]["momentum"])
        self.assertNotIn("base", config)

    def test_values_of_set_have_types_and_a_bare_word_is_a_string(self):
        config = self.config("train.rate=2", "model.freeze=['a', 'b']", "data.root=some/where",
                             "augment.flip=false", "loss.margin.kind=arcface")
        self.assertEqual(config["train"]["rate"], 2)
        self.assertEqual(config["model"]["freeze"], ["a", "b"])
        self.assertEqual(config["data"]["root"], "some/where")
        self.assertIs(config["augment"]["flip"], False)
        self.assertEqual(config["loss"]["margin"], {"kind": "arcface"})
        self.assertEqual(config["loss"]["centre"], {"weight": 0.01})

    def test_settings_of_another_kind_of_net_are_dropped(self):
        self.write("cnn.toml", 'base = "small.toml"\n[model]\nkind = "cnn"\nchannels = [[4, 2]]\n')
        model = fit.read_config(f"{self.folder}/cnn.toml")["model"]
        self.assertEqual(model, {**fit.DEFAULTS["model"], "kind": "cnn", "channels": [[4, 2]]})

    def test_reading_leaves_the_defaults_as_they_are(self):
        before = repr(fit.DEFAULTS)
        self.config("train.steps=[0.1]", "model.freeze=['x']", "data.holdout=0.5")
        self.assertEqual(repr(fit.DEFAULTS), before)


if __name__ == "__main__":
    unittest.main()
