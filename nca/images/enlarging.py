"""Enlarge images of cells with the filters of ``shaders/screen.glsl``."""

import torch
from torch import Tensor
from torch.nn import functional as F

from nca.options import Scaling

TAPS = 5  # cells that contribute to a pixel: its own, two before and two after


def enlarged(colors: Tensor, scale: int, scaling: Scaling, *, wraps: bool) -> Tensor:
    """Draw every cell as ``scale`` x ``scale`` pixels, [C, H, W] -> [C, scale * H, scale * W].

    Args:
        colors: colors of the cells, in [0, 1].
        scale: pixels per cell along each axis.
        scaling: ``squares``; ``smooth``: the mean of a cubic B-spline and linear blending;
            ``sharp``: a Catmull-Rom spline, clipped to [0, 1].
        wraps: whether the grid wraps around; otherwise, the cells at the border are repeated.
    """
    if scaling == "squares":
        return colors.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    weights = _weights(scale, scaling).to(colors)  # [scale, TAPS]
    border = (TAPS // 2,) * 4
    padded = F.pad(colors[None], border, mode="circular" if wraps else "replicate")[0]
    across = (padded.unfold(2, TAPS, 1) @ weights.T).flatten(2)  # [C, H + 4, scale * W]
    both = across.unfold(1, TAPS, 1) @ weights.T  # [C, H, scale * W, scale]
    return both.transpose(2, 3).flatten(1, 2).clamp(0, 1)


def _weights(scale: int, scaling: Scaling) -> Tensor:
    """Weights of the cells around a pixel, for every position in a cell, [scale, TAPS]."""
    at = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    first = at.floor().long()  # cell whose center is left of the pixel: -1 (the one before) or 0
    f = at - first
    if scaling == "smooth":
        low = (1 - f) ** 3 / 12, (1 - f) / 2 + 1 / 3 - f**2 / 2 + f**3 / 4
        high = f / 2 + 1 / 3 - (1 - f) ** 2 / 2 + (1 - f) ** 3 / 4, f**3 / 12
    else:
        low = -f / 2 + f**2 - f**3 / 2, 1 - 2.5 * f**2 + 1.5 * f**3
        high = f / 2 + 2 * f**2 - 1.5 * f**3, (f**3 - f**2) / 2
    weights = torch.zeros(scale, TAPS, dtype=torch.float64)
    columns = first[:, None] + torch.arange(1, 5)
    return weights.scatter_(1, columns, torch.stack([*low, *high], 1))
