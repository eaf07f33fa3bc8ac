"""How a pretrained network reduces its features.

A border of ``circular`` continues at the other side; the others repeat the outermost features.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def max_pool(features: Tensor, side: int, border: str) -> Tensor:
    """The maximum of every square; ``border`` is not needed."""
    # Only the 3x3 squares of SqueezeNet can reach beyond the border.
    return F.max_pool2d(features, side, stride=2, ceil_mode=side == 3)


def average_pool(features: Tensor, side: int, border: str) -> Tensor:
    """Twice the mean of every square; Gatys et al. used the mean, for smoother images.

    The next layers were trained with maxima; the factor of two makes means about as large.
    """
    return 2 * F.avg_pool2d(features, side, stride=2, ceil_mode=side == 3)


def blur_pool(features: Tensor, side: int, border: str) -> Tensor:
    """Maxima at every position, blurred by [1, 2, 1] / 4 and only then reduced.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019. Maxima of separate
    squares depend on where a stroke lies in its square, so the image gets a pattern of their grid.
    The blur has no offset: a square has the same center as in :func:`max_pool`.
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
