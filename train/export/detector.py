"""MTCNN in float: the reference that the engine's detector is held against.

The cascade of Zhang et al. with the authors' thresholds and the conventions of
the PyPI package facenet-pytorch (area resampling, which sizes are inclusive),
with one difference: crops that leave the picture are filled with black, as in
the authors' own code, where the package squeezes what is left of them.
"""

import numpy as np
import torch
import torch.nn.functional as F

from . import mtcnn

THRESHOLDS = (0.6, 0.7, 0.7)
FACTOR = 0.709


def iou(a, b, minimum=False):
    """a: (4,), b: (n, 4). Over the union, or the smaller with inclusive sizes."""
    extra = 1.0 if minimum else 0.0
    w = np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0]) + extra
    h = np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1]) + extra
    inter = np.maximum(w, 0) * np.maximum(h, 0)
    area = lambda r: (r[..., 2] - r[..., 0] + extra) * (r[..., 3] - r[..., 1] + extra)
    if minimum:
        return inter / np.minimum(area(a), area(b))
    return inter / (area(a) + area(b) - inter)


def nms(boxes, scores, limit, minimum=False):
    order, keep = np.argsort(-scores, kind="stable"), []
    while len(order):
        i, order = order[0], order[1:]
        keep.append(i)
        order = order[iou(boxes[i], boxes[order], minimum) <= limit]
    return np.array(keep, int)


def square(b):
    w, h = b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]
    side = np.maximum(w, h)
    x, y = b[:, 0] + w * 0.5 - side * 0.5, b[:, 1] + h * 0.5 - side * 0.5
    return np.stack([x, y, x + side, y + side], 1)


def refine(b, shift, extra):
    w, h = b[:, 2] - b[:, 0] + extra, b[:, 3] - b[:, 1] + extra
    return b + shift * np.stack([w, h, w, h], 1)


class Detector:
    def __init__(self, weights, min_face=20):
        self.nets = {n: mtcnn.load(weights, n) for n in ("pnet", "rnet", "onet")}
        self.min_face = min_face

    def forward(self, name, pixels):
        with torch.no_grad():
            return mtcnn.forward(self.nets[name], (pixels - 127.5) / 128).numpy()

    def pyramid(self, img):
        """img: (1, 3, h, w) float. Boxes, scores, shifts of P-Net."""
        h, w = img.shape[2:]
        scale, found = 12.0 / self.min_face, []
        while min(h, w) * scale >= 12:
            level = F.interpolate(img, (int(h * scale + 1), int(w * scale + 1)), mode="area")
            out = self.forward("pnet", level)[0]
            prob = 1 / (1 + np.exp(out[0] - out[1]))
            y, x = np.nonzero(prob >= THRESHOLDS[0])
            if len(y):
                corner = np.stack([x, y, x, y], 1) * 2 + np.array([1, 1, 12, 12])
                boxes = np.floor(corner.astype(np.float32) / np.float32(scale))
                scores, shifts = prob[y, x], out[2:6, y, x].T
                keep = nms(boxes, scores, 0.5)
                found.append((boxes[keep], scores[keep], shifts[keep]))
            scale *= FACTOR
        if not found:
            return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4))
        boxes, scores, shifts = (np.concatenate(v) for v in zip(*found))
        keep = nms(boxes, scores, 0.7)
        return boxes[keep], scores[keep], shifts[keep]

    def look(self, name, img, boxes, side):
        """The crops of boxes through a net; also which boxes touch the picture."""
        h, w = img.shape[2:]
        crops, touching = [], []
        for i, (x1, y1, x2, y2) in enumerate(np.trunc(boxes).astype(int)):
            x1, y1 = x1 - 1, y1 - 1
            if x2 <= max(x1, 0) or y2 <= max(y1, 0) or x1 >= w or y1 >= h:
                continue
            part = img[:, :, max(y1, 0):min(y2, h), max(x1, 0):min(x2, w)]
            part = F.pad(part, (max(-x1, 0), max(x2 - w, 0), max(-y1, 0), max(y2 - h, 0)))
            crops.append(F.interpolate(part, (side, side), mode="area"))
            touching.append(i)
        if not crops:
            return np.zeros((0, 16)), np.zeros(0, int)
        out = self.forward(name, torch.cat(crops))
        return out.reshape(len(out), -1), np.array(touching)

    def __call__(self, rgb):
        """rgb: (h, w, 3) uint8. Returns boxes (n, 4) as x1 y1 x2 y2, confidences
        and landmarks (n, 5, 2), best first."""
        img = torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None]
        none = np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))
        boxes, _, shifts = self.pyramid(img)
        if not len(boxes):
            return none
        boxes = square(refine(boxes, shifts, 0))
        for name, side in (("rnet", 24), ("onet", 48)):
            out, touching = self.look(name, img, boxes, side)
            if not len(out):
                return none
            score = 1 / (1 + np.exp(out[:, 0] - out[:, 1]))
            keep = score > THRESHOLDS[1 if name == "rnet" else 2]
            boxes, out, score = boxes[touching[keep]], out[keep], score[keep]
            if not len(boxes):
                return none
            if name == "rnet":
                keep = nms(boxes, score, 0.7)
                boxes = square(refine(boxes[keep], out[keep, 2:6], 1))
        w = boxes[:, 2:3] - boxes[:, 0:1] + 1
        h = boxes[:, 3:4] - boxes[:, 1:2] + 1
        marks = np.stack([boxes[:, 0:1] + w * out[:, 6:11] - 1,
                          boxes[:, 1:2] + h * out[:, 11:16] - 1], 2)
        boxes = refine(boxes, out[:, 2:6], 1)
        keep = nms(boxes, score, 0.7, minimum=True)
        return boxes[keep], score[keep], marks[keep]
