"""The relation between the height and the normals of a surface.

A slope is a change of height per pixel, in pixels. Slopes to the right and up are [2, H, W].
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def slopes_of_height(height: Tensor, wraps: bool) -> Tensor:
    """Slopes of a surface by central differences, [H, W] -> [2, H, W].

    Args:
        height: heights in pixels.
        wraps: the image continues on the opposite side. Otherwise, the slope at a border is a
            one-sided difference.
    """
    if wraps:
        right = (height.roll(-1, 1) - height.roll(1, 1)) / 2
        down = (height.roll(-1, 0) - height.roll(1, 0)) / 2
    else:
        down, right = torch.gradient(height)
    return torch.stack([right, -down])


def normals_from_height(height: Tensor, strength: float, wraps: bool) -> Tensor:
    """Normals of a surface, [H, W] -> [3, H, W], as values of a map: (n + 1) / 2.

    Args:
        height: heights.
        strength: the height 1 in pixels.
        wraps: see :func:`slopes_of_height`.
    """
    slopes = slopes_of_height(strength * height, wraps)
    normals = torch.cat([-slopes, torch.ones_like(height)[None]])
    return F.normalize(normals, dim=0) / 2 + 0.5


def slopes_of_normals(normals: Tensor) -> Tensor:
    """Slopes of a surface from its map of normals, [3, H, W] in [0, 1] -> [2, H, W].

    The inverse of :func:`normals_from_height`. Normals that are nearly level with the surface count
    as slopes of at most 100.
    """
    n = normals * 2 - 1
    return -n[:2] / n[2].clamp(min=0.01)
