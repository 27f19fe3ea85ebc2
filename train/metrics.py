"""Verification error rates, by the rules of `facegate evaluate` (cli/metrics.c).

Scores are cosines; FAR and FMR are shares of different pairs that pass (score >= cut),
TAR is the share of same pairs that do, FNMR = 1 - TAR.
"""

import numpy as np

BINS, FOLDS, NO_FACE = 20001, 10, -1.0
BLOCK = 512


def normalise(x):
    x = np.asarray(x, np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def best_cut(score, same):
    """The highest of the cuts that decide most pairs rightly, half way between two
    scores."""
    score, same = np.asarray(score, np.float64), np.asarray(same, bool)
    values, at = np.unique(-score, return_inverse=True)
    values = -values
    genuine = np.bincount(at, same, len(values))
    impostor = np.bincount(at, ~same, len(values))
    # right[i]: the i highest values pass.
    right = np.concatenate([[0], np.cumsum(genuine)]) + impostor.sum() - np.concatenate(
        [[0], np.cumsum(impostor)])
    i = int(np.argmax(right))
    if i == 0:
        return 1 + 1e-6
    return values[-1] if i == len(values) else (values[i - 1] + values[i]) / 2


def ten_fold(score, same, fold):
    """(accuracy, its standard deviation, threshold): each fold is decided by the cut
    that is best on the others; mean and deviation over the folds."""
    score, same, fold = np.asarray(score), np.asarray(same, bool), np.asarray(fold)
    shares, cuts = [], []
    for f in np.unique(fold):
        cut = best_cut(score[fold != f], same[fold != f])
        shares.append(((score[fold == f] >= cut) == same[fold == f]).mean())
        cuts.append(cut)
    return float(np.mean(shares)), float(np.std(shares)), float(np.mean(cuts))


def tar_at_far(score, same, far):
    """Share of same pairs at or above the lowest cut at which at most far of the
    different pairs pass."""
    score, same = np.asarray(score), np.asarray(same, bool)
    impostor = np.sort(score[~same])[::-1]
    allowed = int(np.floor(far * len(impostor) + 1e-9))
    if allowed >= len(impostor):
        return 1.0
    # Everything above the first impostor too many.
    return float((score[same] > impostor[allowed]).mean())


def histogram(x, labels):
    """Score counts (genuine, impostor) over [-1, 1] of every two of the embeddings
    x (n, d). labels: whose they are. Memory: one block of rows against all."""
    x, labels = normalise(x), np.asarray(labels)
    counts = np.zeros((2, BINS), np.int64)
    for i in range(0, len(x), BLOCK):
        score = x[i:i + BLOCK] @ x[i:].T
        bins = np.clip(np.rint((score + 1) / 2 * (BINS - 1)), 0, BINS - 1).astype(np.int32)
        rows, columns = np.ogrid[:score.shape[0], :score.shape[1]]
        later = columns > rows
        same = labels[i:i + BLOCK, None] == labels[None, i:]
        counts[0] += np.bincount(bins[later & same], minlength=BINS)
        counts[1] += np.bincount(bins[later & ~same], minlength=BINS)
    return counts


def curve(counts):
    """(cut, FMR, FNMR) at every bin of a histogram, cuts falling."""
    genuine, impostor = np.asarray(counts, np.float64)[:, ::-1].cumsum(1)
    cuts = (np.arange(BINS)[::-1] - 0.5) / (BINS - 1) * 2 - 1
    return cuts, impostor / impostor[-1], 1 - genuine / genuine[-1]


def fnmr_at_fmr(counts, fmr):
    """(FNMR, cut) at the lowest cut whose FMR is at most fmr; None where fmr is finer
    than one comparison."""
    genuine, impostor = (np.asarray(c) for c in counts)
    allowed = int(np.floor(fmr * impostor.sum() + 1e-9))
    if allowed == 0 or genuine.sum() == 0:
        return None
    passed = impostor[::-1].cumsum()
    n = int(np.searchsorted(passed, allowed, side="right"))
    bin_ = BINS - n
    return (1 - genuine[bin_:].sum() / genuine.sum(), (bin_ - 0.5) / (BINS - 1) * 2 - 1)
