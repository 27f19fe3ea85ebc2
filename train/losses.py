"""What training minimises. Each takes embeddings (n, d) as the net gives them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Softmax(nn.Module):
    """Cross-entropy of a linear classifier over the people of the training set."""

    def __init__(self, dim, people):
        super().__init__()
        self.linear = nn.Linear(dim, people)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x, label):
        return F.cross_entropy(self.linear(x), label)


class Centre(nn.Module):
    """Centre loss (Wen et al. 2016): half the mean squared distance to the centre of
    one's class. No gradient moves the centres. After each step, update() takes
    c_j -= rate * sum(c_j - x_i) / (1 + n_j) over the n_j embeddings of class j in
    the batch."""

    def __init__(self, dim, people, rate=0.5):
        super().__init__()
        self.rate = rate
        self.register_buffer("centres", torch.zeros(people, dim))

    def forward(self, x, label):
        return ((x - self.centres[label]) ** 2).sum(1).mean() / 2

    @torch.no_grad()
    def update(self, x, label):
        seen, at, count = label.unique(return_inverse=True, return_counts=True)
        away = torch.zeros(len(seen), x.shape[1], device=x.device)
        away.index_add_(0, at, self.centres[label] - x.float())
        self.centres[seen] -= self.rate * away / (1 + count)[:, None]


class Margin(nn.Module):
    """Softmax over scaled cosines with a margin for the right class: cos - m (kind
    cosface, Wang et al. 2018) or cos(angle + m) (kind arcface, Deng et al. 2019)."""

    def __init__(self, dim, people, kind="cosface", scale=32.0, margin=0.35):
        super().__init__()
        if kind not in ("cosface", "arcface"):
            raise ValueError(f"unknown margin {kind}")
        self.kind, self.scale, self.margin = kind, scale, margin
        self.weight = nn.Parameter(torch.randn(people, dim) * 0.01)

    @torch.no_grad()
    def start(self, x, label):
        """The classifier of given embeddings: each class's weights are their mean."""
        self.weight.zero_().index_add_(0, label, F.normalize(x))

    def forward(self, x, label):
        cosine = F.normalize(x.float()) @ F.normalize(self.weight).T
        right = cosine.gather(1, label[:, None])
        if self.kind == "cosface":
            moved = right - self.margin
        else:
            angle = torch.acos(right.clamp(-1 + 1e-6, 1 - 1e-6))
            # Past pi the cosine would rise again.
            moved = torch.cos((angle + self.margin).clamp(max=torch.pi))
        return F.cross_entropy(self.scale * cosine.scatter(1, label[:, None], moved), label)


class Distil(nn.Module):
    """Agreement with a teacher's embeddings: 1 - cosine, plus `pairs` times the mean
    squared difference of the two matrices of cosines within the batch. length: weight
    of the squared difference of the logarithms of the lengths; it means something only
    for teachers whose embeddings still have theirs."""

    def __init__(self, pairs=2.0, length=0.0):
        super().__init__()
        self.pairs, self.length = pairs, length

    def forward(self, x, teacher):
        x, teacher = x.float(), teacher.float()
        ratio = torch.log(x.norm(dim=1) / teacher.norm(dim=1))
        x, teacher = F.normalize(x), F.normalize(teacher)
        loss = 1 - (x * teacher).sum(1).mean() + self.length * (ratio ** 2).mean()
        return loss + self.pairs * ((x @ x.T - teacher @ teacher.T) ** 2).mean()
