"""A net that begins with the layers of a model file."""

import unittest

import numpy as np
import torch
import torch.nn.functional as F

from train import augment, fit, mobilenetv2, nets
from train.export import fgm, intsim

FAST = "models/embedder-fast.fgm"


def picture():
    rng = np.random.default_rng(1)
    small = torch.from_numpy(rng.uniform(0, 255, (1, 3, 7, 7)).astype(np.float32))
    big = F.interpolate(small, size=(112, 112), mode="bicubic").clamp(0, 255)
    return big.permute(0, 2, 3, 1).to(torch.uint8)


def fast_settings():
    model = dict(fit.read_config("train/configs/fast.toml")["model"])
    for key in ("kind", "freeze", "init"):
        model.pop(key)
    return model


class Start(unittest.TestCase):
    def test_a_whole_model_file_gives_its_own_embeddings(self):
        specs = mobilenetv2.layers(**fast_settings())
        net = nets.Net(specs, 112, plain=len(specs))
        nets.start(net, FAST)
        rgb = picture()
        with torch.no_grad():
            got = net.eval()(augment.standardise(rgb))
        want = intsim.run(fgm.read(FAST)[1][0], intsim.pixels(rgb.numpy(), fgm.S8))[:, 0, 0]
        cosine = F.cosine_similarity(got, torch.from_numpy(want))
        self.assertGreater(float(cosine.min()), 0.97)

    def test_frozen_layers_come_from_the_file_and_the_rest_is_trained(self):
        net = fit.build(fit.read_config("train/configs/paper-softmax.toml")["model"])
        frozen = [l for l in net.layers if not any(p.requires_grad for p in l.parameters())]
        self.assertEqual([l.norm for l in frozen], [None] * 12)
        self.assertEqual(frozen, list(net.layers)[:12])

    def test_a_file_of_other_shapes_is_refused(self):
        specs = mobilenetv2.layers(**{**fast_settings(), "stem": 16})
        net = nets.Net(specs, 112, plain=len(specs))
        with self.assertRaisesRegex(SystemExit, "stem.conv"):
            nets.start(net, FAST)


if __name__ == "__main__":
    unittest.main()
