"""Pooling for pretrained networks: reduce features to about half the width and height.

With the border ``circular``, features wrap around. Otherwise, the outermost ones are repeated.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def max_pool(features: Tensor, side: int, border: str) -> Tensor:
    """Take the maximum of every square; ``border`` is ignored."""
    # Only the 3x3 squares of SqueezeNet can reach beyond the border.
    return F.max_pool2d(features, side, stride=2, ceil_mode=side == 3)


def average_pool(features: Tensor, side: int, border: str) -> Tensor:
    """Take twice the mean of every square.

    Gatys et al. used the mean, which gives smoother images. The next layers were trained on maxima;
    the factor of two makes the means about as large.
    """
    return 2 * F.avg_pool2d(features, side, stride=2, ceil_mode=side == 3)


def blur_pool(features: Tensor, side: int, border: str) -> Tensor:
    """Take maxima at every position, blur them by [1, 2, 1] / 4, and keep every second one.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019. Without the blur, the
    maximum depends on where a stroke lies in its square, so the grid of squares shows in the image.
    The result is not shifted: squares have the same centers as in :func:`max_pool`.
    """
    mode = "circular" if border == "circular" else "replicate"
    padded = F.pad(features, (1, side - 1, 1, side - 1), mode=mode)
    maxima = F.max_pool2d(padded, side, stride=1)
    # [1, 1] * [1, 1] = [1, 2, 1]
    return F.avg_pool2d(F.avg_pool2d(maxima, 2, stride=1), 2, stride=2)


# By name: features [B, N, h, w], side of the squares, border.
POOLINGS: dict[str, Callable[[Tensor, int, str], Tensor]] = {
    "max": max_pool,
    "average": average_pool,
    "blur": blur_pool,
}
