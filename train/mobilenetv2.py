"""MobileNetV2 (Sandler et al. 2018) as a list of layers for nets.Net.

Each row (t, c, n, s) of the table is n inverted residuals with c output channels:
a 1x1 conv to t times the channels (not for t = 1), a 3x3 depthwise conv, both with
ReLU6, and a linear 1x1 conv, the bottleneck. The first of a row has stride s; the
others add their input. Then a 1x1 conv to `head` channels, a global pooling and a
linear layer to the embedding.
"""


def block(name, channels, t, c, stride):
    hidden, layers = round(channels * t), []
    if t > 1:
        layers.append(dict(name=f"{name}.expand", kind="conv", k=1, stride=1, pad="same",
                           act="relu6", out=hidden))
    layers.append(dict(name=f"{name}.dw", kind="depthwise", k=3, stride=stride, pad="same",
                       act="relu6", out=hidden))
    layers.append(dict(name=f"{name}.project", kind="conv", k=1, stride=1, pad="same", act=None,
                       out=c, residual=t > 1 and stride == 1 and channels == c))
    return layers


def layers(side, stem, table, head, dim=128, pool="average", stem_stride=2):
    """side: pixels of the input. pool: average, as the paper, or depthwise, which
    learns the weight of every place and channel (MobileFaceNet, Chen et al. 2018)."""
    out = [dict(name="stem.conv", kind="conv", k=3, stride=stem_stride, pad="same", act="relu6",
                out=stem)]
    channels, map_side, count = stem, side // stem_stride, 0
    for t, c, n, s in table:
        for i in range(n):
            stride = s if i == 0 else 1
            out += block(f"block{count}", channels, t, c, stride)
            channels, map_side, count = c, map_side // stride, count + 1
    out.append(dict(name="head.pw", kind="conv", k=1, stride=1, pad="same", act="relu6", out=head))
    out.append(dict(name="head.pool", kind=pool, k=map_side, stride=1, pad="valid", act=None,
                    out=head))
    out.append(dict(name="fc", kind="fc", out=dim))
    return out
