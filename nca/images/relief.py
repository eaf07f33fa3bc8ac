"""Normals, slopes and open sky of a surface whose height is known.

A slope is a change of height per pixel, in pixels. Slopes to the right and up are [2, H, W].
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

DIRECTIONS, STOPS = 16, 12  # where the horizon is searched for
REACH = 0.1  # of the shorter side; what is farther away is too low to hide much of the sky


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


def normalized(normals: Tensor) -> Tensor:
    """Scale vectors [3, H, W] to length 1; where there is hardly any, the surface is level."""
    level = torch.tensor([0.0, 0.0, 1.0]).to(normals)[:, None, None]
    return F.normalize(torch.where(normals.norm(dim=0) > 0.01, normals, level), dim=0)


def open_sky(height: Tensor, wraps: bool) -> Tensor:
    """Share of the light of an even sky that arrives on a level patch, both [H, W].

    In each direction, the sky is open above the horizon (Max, "Horizon mapping", The Visual
    Computer 4, 1988); the share of the light from above an angle is its cosine squared.

    Args:
        height: heights in pixels.
        wraps: the image continues on the opposite side; otherwise, its border continues level.
    """
    rows, columns = height.shape
    reach = max(1, round(REACH * min(height.shape)))
    around = F.pad(height[None, None], (reach,) * 4, "circular" if wraps else "replicate")[0, 0]
    sky = torch.zeros_like(height)
    for direction in range(DIRECTIONS):
        angle = 2 * math.pi * direction / DIRECTIONS
        steepest = torch.zeros_like(height)
        for stop in range(STOPS):
            distance = reach ** (stop / (STOPS - 1))
            right, down = round(distance * math.cos(angle)), round(distance * math.sin(angle))
            there = around[reach + down :, reach + right :][:rows, :columns]
            steepest = steepest.maximum((there - height) / math.hypot(right, down))
        sky += 1 / (1 + steepest**2) / DIRECTIONS
    return sky
