"""What came before: a plain CNN, and linear and kernel machines on pixels."""

import numpy as np
import torch
import torch.nn.functional as F


def cnn_layers(side, channels, dim=128):
    """A plain CNN: 3x3 convs with ReLU, each row of (c, s) one conv, then the mean."""
    layers, map_side = [], side
    for i, (c, s) in enumerate(channels):
        layers.append(dict(name=f"conv{i}", kind="conv", k=3, stride=s, pad="same", act="relu6",
                           out=c))
        map_side //= s
    layers.append(dict(name="pool", kind="average", k=map_side, stride=1, pad="valid", act=None,
                       out=channels[-1][0]))
    layers.append(dict(name="fc", kind="fc", out=dim))
    return layers


class Pixels:
    """Grey pixels, shrunk, standardised a picture and projected by PCA. Fitted on
    training pictures alone."""

    def __init__(self, pixels, side=32, components=128):
        from sklearn.decomposition import PCA
        self.side = side
        self.pca = PCA(components, whiten=True, random_state=1).fit(self.flat(pixels))

    def flat(self, pixels):
        out = []
        for i in range(0, len(pixels), 1000):
            x = pixels[i:i + 1000].float().mean(3)[:, None]
            x = F.interpolate(x, size=(self.side, self.side), mode="area").flatten(1)
            out.append((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6))
        return torch.cat(out).numpy()

    def __call__(self, pixels):
        return self.pca.transform(self.flat(pixels)).astype(np.float32)


def compared(a, b):
    """Features of a pair that do not depend on its order."""
    return np.concatenate([np.abs(a - b), a * b], 1)


def training_pairs(labels, count, rng):
    """Rows of as many same as different pairs: (first, second, same)."""
    labels = np.asarray(labels)
    by = [np.flatnonzero(labels == p) for p in np.unique(labels)]
    by = [rows for rows in by if len(rows) > 1]
    same = np.array([rng.choice(by[k], 2, replace=False)
                     for k in rng.integers(0, len(by), count)])
    different = rng.integers(0, len(labels), (count * 2, 2))
    different = different[labels[different[:, 0]] != labels[different[:, 1]]][:count]
    both = np.concatenate([same, different])
    return both[:, 0], both[:, 1], np.repeat([True, False], [len(same), len(different)])


def fit_pairs(kind, features, labels, count=6000, seed=1):
    """A machine that tells same from different pairs; its scores rise with likeness."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    machine = {"lr": LogisticRegression(C=0.01, max_iter=1000),
               "svm": SVC(C=1.0, gamma="scale")}[kind]
    first, second, same = training_pairs(labels, count, np.random.default_rng(seed))
    model = make_pipeline(StandardScaler(), machine)
    model.fit(compared(features[first], features[second]), same)
    return lambda a, b: model.decision_function(compared(a, b))
