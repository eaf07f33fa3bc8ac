"""Estimate height, normals, roughness and occlusion of a surface from one photograph.

One photograph does not determine the shape of what it shows: this is an estimate that looks
plausible, not a measurement. It follows the observation that dark is deep: hollows get less light
(Langer and Zucker, "Shape-from-shading on a cloudy day", 1994; Glencross et al., "A Perceptually
Validated Model for Surface Depth Hallucination", ACM Transactions on Graphics 27(3), 2008). So it
errs where a surface has dark and bright paint: paint of a dark color becomes a hollow. Shadows that
the sun casts become hollows too.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nca.images.relief import normals_from_height, open_sky
from nca.maps import MapName

LUMINANCE = (0.2126, 0.7152, 0.0722)  # shares of linear red, green and blue (Rec. 709)
FINEST = 0.7  # pixels; std of the smallest blur: below it, a photograph is mostly noise
# Of the side. Coarser differences come from the light, or from the colors of stones and threads.
# With 0.06, estimates are most like the heights of the bundled materials, which are known.
COARSEST = 0.06
DARKEST = 0.01  # linear light that is added before the logarithm: shadows are noisy
CLIPPED = 0.01  # share of the heights that are clipped at either end: specks do not set the range
DEPTH = 0.04  # range of the heights as a share of the side; 0.02 to 0.08 in the bundled materials
# Roughness of a surface with the mean contrast of its picture, and how far contrast changes it.
# Nearly all scanned stone, wood, cloth and soil is between 0.4 and 0.95.
MIDDLE, SPREAD = 0.7, 0.5


def estimate(color: Tensor) -> dict[MapName, Tensor]:
    """Estimate the maps of a photograph [3, H, W] in [0, 1]: [C, H, W] each, color unchanged."""
    light = torch.log(luminance(color) + DARKEST)
    height = estimate_height(light)
    depth = DEPTH * min(height.shape)
    return {
        "color": color,
        "normal": normals_from_height(height, depth, wraps=False),
        "height": height[None],
        "roughness": estimate_roughness(light)[None],
        "occlusion": open_sky(depth * height, wraps=False)[None],
    }


def luminance(color: Tensor) -> Tensor:
    """Linear luminance of sRGB, [3, H, W] -> [H, W]."""
    linear = torch.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return torch.einsum("chw,c->hw", linear, torch.tensor(LUMINANCE).to(color))


def estimate_height(light: Tensor) -> Tensor:
    """Height in [0, 1] from the logarithm of luminance, both [H, W].

    The sum of band-passed images, one an octave, each weighted by the square root of its scale:
    wide hollows are deeper than narrow ones that are as dark.
    """
    side = min(light.shape)
    octaves = max(1, round(math.log2(COARSEST * side / FINEST)))
    finer, height = blur(light, FINEST), torch.zeros_like(light)
    for i in range(1, octaves + 1):
        coarser = blur(light, FINEST * 2**i)
        height += 2.0 ** ((i - octaves) / 2) * (finer - coarser)
        finer = coarser
    low, high = np.quantile(height.numpy(), (CLIPPED, 1 - CLIPPED)).tolist()
    share: Tensor = (height - low) / max(high - low, 1e-6)
    return share.clamp(0, 1)


def estimate_roughness(light: Tensor) -> Tensor:
    """Roughness in [0, 1]: high where there is fine contrast, low where tones are even."""
    fine = (light - blur(light, 2 * FINEST)).square()
    contrast = blur(fine, 4 * FINEST).sqrt()
    share = contrast / (contrast + contrast.mean()).clamp(min=1e-6)  # 0.5 at the mean
    return (MIDDLE + SPREAD * (share - 0.5)).clamp(0, 1)


def blur(field: Tensor, radius: float) -> Tensor:
    """Gaussian blur of [H, W], mirrored at the borders; ``radius`` is its std in pixels."""
    reach = min(math.ceil(3 * radius), min(field.shape) - 1)
    at = torch.arange(-reach, reach + 1).to(field)
    kernel = torch.exp(-((at / radius) ** 2) / 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(field[None, None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])[0, 0]
