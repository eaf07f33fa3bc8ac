"""Compute slopes, normals and ambient occlusion of a surface from its height.

A slope is the change of height from one pixel to the next, as a multiple of the width of a pixel.
Slopes are stored as [2, H, W]: first the
slope to the right, then the slope upward.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

DIRECTIONS, SAMPLES = 16, 12  # directions of the search for the horizon, and samples in each
REACH = 0.1  # length of the search, as a fraction of the shorter side; farther points hide little


def slopes_of_height(height: Tensor, wraps: bool) -> Tensor:
    """Compute slopes by central differences, [H, W] -> [2, H, W].

    Args:
        height: heights in pixels.
        wraps: whether the image wraps; otherwise, slopes at its border are one-sided differences.
    """
    if wraps:
        right = (height.roll(-1, 1) - height.roll(1, 1)) / 2
        down = (height.roll(-1, 0) - height.roll(1, 0)) / 2
    else:
        down, right = torch.gradient(height)
    return torch.stack([right, -down])


def normals_from_height(height: Tensor, strength: float, wraps: bool) -> Tensor:
    """Compute a normal map, [H, W] -> [3, H, W]; a unit normal n is stored as (n + 1) / 2.

    Args:
        height: heights in any unit.
        strength: number of pixels per unit of height; a larger number makes the surface steeper.
        wraps: see :func:`slopes_of_height`.
    """
    slopes = slopes_of_height(strength * height, wraps)
    normals = torch.cat([-slopes, torch.ones_like(height)[None]])
    return F.normalize(normals, dim=0) / 2 + 0.5


def normalized(normals: Tensor) -> Tensor:
    """Scale vectors, [3, H, W], to length 1; those shorter than 0.01 become (0, 0, 1)."""
    up = torch.tensor([0.0, 0.0, 1.0]).to(normals)[:, None, None]
    return F.normalize(torch.where(normals.norm(dim=0) > 0.01, normals, up), dim=0)


def ambient_occlusion(height: Tensor, wraps: bool) -> Tensor:
    """Compute the fraction of the light of a uniform sky that reaches each point, [H, W] -> [H, W].

    In each direction, the sky is visible above the horizon (Max, "Horizon mapping", The Visual
    Computer 4, 1988). If the horizon is at elevation a, a level patch receives cos(a)**2 of the
    light from that direction.

    Args:
        height: heights in pixels.
        wraps: whether the image wraps; otherwise, its border pixels are repeated outward.
    """
    rows, columns = height.shape
    reach = max(1, round(REACH * min(height.shape)))
    around = F.pad(height[None, None], (reach,) * 4, "circular" if wraps else "replicate")[0, 0]
    sky = torch.zeros_like(height)
    for direction in range(DIRECTIONS):
        angle = 2 * math.pi * direction / DIRECTIONS
        steepest = torch.zeros_like(height)
        for i in range(SAMPLES):
            distance = reach ** (i / (SAMPLES - 1))
            right, down = round(distance * math.cos(angle)), round(distance * math.sin(angle))
            shifted = around[reach + down :, reach + right :][:rows, :columns]
            steepest = steepest.maximum((shifted - height) / math.hypot(right, down))
        sky += 1 / (1 + steepest**2) / DIRECTIONS
    return sky
