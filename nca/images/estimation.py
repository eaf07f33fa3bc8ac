"""Estimate height, normals, roughness and occlusion of a surface from one photograph.

One photograph does not determine the shape of a surface, so the result is plausible, but not a
measurement. It relies on the rule "dark is deep": hollows receive less light (Langer and Zucker,
"Shape-from-shading on a cloudy day", 1994; Glencross et al., "A Perceptually Validated Model for
Surface Depth Hallucination", ACM Transactions on Graphics 27(3), 2008). The estimate is therefore
wrong where a place is dark for another reason: dark paint and cast shadows become hollows.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nca.images.relief import ambient_occlusion, normals_from_height
from nca.maps import MapName

LUMINANCE = (0.2126, 0.7152, 0.0722)  # weights of linear red, green and blue (Rec. 709)
FINEST = 0.7  # std of the smallest blur, in pixels; finer detail in photographs is mostly noise
# Std of the largest blur, as a fraction of the side. Coarser differences come from the lighting, or
# from the colors of individual stones and threads. With 0.06, the estimates for the bundled
# materials are closest to their known heights.
COARSEST = 0.06
DARKEST = 0.01  # added to the linear luminance before the logarithm, because shadows are noisy
CLIPPED = 0.01  # fraction of heights clipped at either end, so that specks do not set the range
DEPTH = 0.04  # range of heights, as a fraction of the side; bundled materials have 0.02 to 0.08
# Roughness where the local contrast is the mean contrast of the image, and width of the range of
# roughness. Nearly all scanned stone, wood, cloth and soil has a roughness of 0.4 to 0.95.
MIDDLE, SPREAD = 0.7, 0.5


def estimate(color: Tensor) -> dict[MapName, Tensor]:
    """Estimate all maps except metalness from a photograph, [3, H, W] in [0, 1].

    Returns:
        Map name -> [3 or 1, H, W] in [0, 1]; color is the unchanged photograph.
    """
    log_luminance = torch.log(luminance(color) + DARKEST)
    height = estimate_height(log_luminance)
    depth = DEPTH * min(height.shape)
    return {
        "color": color,
        "normal": normals_from_height(height, depth, wraps=False),
        "height": height[None],
        "roughness": estimate_roughness(log_luminance)[None],
        "occlusion": ambient_occlusion(depth * height, wraps=False)[None],
    }


def luminance(color: Tensor) -> Tensor:
    """Compute linear luminance from sRGB, [3, H, W] -> [H, W]."""
    linear = torch.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return torch.einsum("chw,c->hw", linear, torch.tensor(LUMINANCE).to(color))


def estimate_height(log_luminance: Tensor) -> Tensor:
    """Estimate height in [0, 1] from the logarithm of luminance, [H, W] -> [H, W].

    The height is a sum of band-passed images, one per octave. Each is weighted by the square root
    of its scale, because of two hollows of the same darkness, the wider one is deeper.
    """
    side = min(log_luminance.shape)
    octaves = max(1, round(math.log2(COARSEST * side / FINEST)))
    finer, height = blur(log_luminance, FINEST), torch.zeros_like(log_luminance)
    for i in range(1, octaves + 1):
        coarser = blur(log_luminance, FINEST * 2**i)
        height += 2.0 ** ((i - octaves) / 2) * (finer - coarser)
        finer = coarser
    low, high = np.quantile(height.numpy(), (CLIPPED, 1 - CLIPPED)).tolist()
    scaled: Tensor = (height - low) / max(high - low, 1e-6)
    return scaled.clamp(0, 1)


def estimate_roughness(log_luminance: Tensor) -> Tensor:
    """Estimate roughness in [0, 1] from the logarithm of luminance, [H, W] -> [H, W].

    Areas with strong fine contrast count as rough, and even areas as smooth.
    """
    fine = (log_luminance - blur(log_luminance, 2 * FINEST)).square()
    contrast = blur(fine, 4 * FINEST).sqrt()
    relative = contrast / (contrast + contrast.mean()).clamp(min=1e-6)  # 0.5 at the mean
    return (MIDDLE + SPREAD * (relative - 0.5)).clamp(0, 1)


def blur(plane: Tensor, std: float) -> Tensor:
    """Blur a plane, [H, W], with a Gaussian, mirrored at the border; ``std`` is in pixels."""
    reach = min(math.ceil(3 * std), min(plane.shape) - 1)
    at = torch.arange(-reach, reach + 1).to(plane)
    kernel = torch.exp(-((at / std) ** 2) / 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(plane[None, None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])[0, 0]
