"""Random views of a batch, computed for the whole batch at once.

A batch is uint8 (n, h, w, 3); views() gives float (n, 3, side, side) standardised to
(-1, 1) in channels-last order. Randomness comes from the generator given.
"""

import torch
import torch.nn.functional as F


def standardise(x):
    """uint8 (n, h, w, 3) to float (n, 3, h, w) by the fixed rule (v - 127.5) / 128."""
    return (x.permute(0, 3, 1, 2).float() - 127.5) / 128


def centre(x, side):
    """The middle side x side pixels of (n, h, w, 3)."""
    top, left = (x.shape[1] - side) // 2, (x.shape[2] - side) // 2
    return x[:, top:top + side, left:left + side]


def crop_flip(x, side, rng, flip=True, window=None):
    """A random side x side window of each picture, mirrored half the time. window: at
    most so many pixels from the middle (default: anywhere)."""
    if window is not None:
        x = centre(x, min(x.shape[1], side + 2 * window))
    n, h, w = x.shape[:3]
    pick = lambda top: torch.randint(0, top, (n, 1), generator=rng)
    rows = pick(h - side + 1) + torch.arange(side)
    columns = pick(w - side + 1) + torch.arange(side)
    if flip:
        columns = torch.where(pick(2) == 1, columns.flip(1), columns)
    at = torch.arange(n)[:, None, None].to(x.device)
    return x[at, rows.to(x.device)[:, :, None], columns.to(x.device)[:, None, :]]


def _some(n, share, rng, device):
    return torch.nonzero(torch.rand(n, generator=rng) < share)[:, 0].to(device)


def blur(x, rng):
    """Down to between a third and all of the pixels, and up again: a distant face."""
    scale = float(torch.empty(1).uniform_(0.33, 0.9, generator=rng))
    small = F.interpolate(x, scale_factor=scale, mode="bilinear", antialias=True)
    return F.interpolate(small, size=x.shape[2:], mode="bilinear")


def low_light(x, rng):
    """Darker, with less contrast and more noise."""
    gain = torch.empty(len(x), 1, 1, 1).uniform_(0.25, 0.9, generator=rng).to(x.device)
    noise = torch.randn(x.shape, generator=rng).to(x.device) * 0.04
    return ((x + 1) * gain - 1 + noise).clamp(-1, 1)


def occlude(x, rng):
    """One grey rectangle of up to two fifths of the side each way."""
    n, _, h, w = x.shape
    rand = lambda: torch.rand(n, 1, generator=rng).to(x.device)

    def inside(length):
        size = (0.1 + 0.3 * rand()) * length
        start = rand() * (length - size)
        at = torch.arange(length, device=x.device)
        return (at >= start) & (at < start + size)

    hide = inside(h)[:, None, :, None] & inside(w)[:, None, None, :]
    return torch.where(hide, torch.zeros_like(x), x)


def _dct8():
    k = torch.arange(8.0)
    m = torch.cos(torch.pi / 8 * (k[None, :] + 0.5) * k[:, None]) / 2
    m[0] /= 2 ** 0.5
    return m


def jpeg(x, rng):
    """The loss of JPEG: the cosine transform of 8x8 blocks, rounded with steps that
    grow with frequency. Sides that are no multiple of 8 keep their last pixels."""
    n, c, h, w = x.shape
    h8, w8 = h // 8, w // 8
    d = _dct8().to(x.device)
    blocks = x[:, :, :h8 * 8, :w8 * 8].reshape(n, c, h8, 8, w8, 8).permute(0, 1, 2, 4, 3, 5)
    f = torch.arange(8.0, device=x.device)
    strength = torch.empty(n, 1, 1, 1, 1, 1).uniform_(0.5, 4, generator=rng).to(x.device)
    step = (8 + 3 * (f[:, None] + f[None, :])) / 128 * strength
    loss = torch.round(d @ blocks @ d.T / step) * step
    back = (d.T @ loss @ d).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h8 * 8, w8 * 8)
    out = x.clone()
    out[:, :, :h8 * 8, :w8 * 8] = back.clamp(-1, 1)
    return out


HARM = {"blur": blur, "low_light": low_light, "jpeg": jpeg, "occlude": occlude}


def views(x, side, rng, flip=True, window=None, **shares):
    """shares: for each name of HARM, the part of the batch that suffers it."""
    x = standardise(crop_flip(x, side, rng, flip, window))
    for name, share in shares.items():
        some = _some(len(x), share, rng, x.device)
        if len(some):
            x[some] = HARM[name](x[some], rng).contiguous(memory_format=torch.channels_last)
    return x
