"""Surfaces: drawings before they are lit, and the maps of a material that follow from them."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nca.images.relief import ambient_occlusion, normalized, normals_from_height
from nca.maps import MapName
from tools.pictures.light import encode, lit
from tools.pictures.torus import Color, Field

PITS = 0.01  # fraction of heights clipped at the bottom, so that narrow holes do not set the range
# Heights use 12 of the 16 bits of their file, which makes the file a quarter smaller.
LEVELS, TOP = 65535 / 16, 4095


@dataclass(frozen=True)
class Light:
    """Settings of :func:`tools.pictures.light.lit`."""

    ambient: float = 0.35
    hollow: float = 0.02
    hollow_depth: float = 0.6
    shadow: float = 0.0
    gloss: float = 0.0
    hardness: float = 40.0


@dataclass(frozen=True)
class Surface:
    """A drawing without light.

    Attributes:
        color: base color in linear light, [n, n, 3].
        height: heights as fractions of the picture's side, [n, n].
        roughness: perceptual roughness, [n, n].
        light: how the picture is lit.
        painted: color of the picture, if it has painted shadows that the base color lacks.
    """

    color: Color
    height: Field
    roughness: Field
    light: Light
    painted: Color | None = None

    def picture(self) -> Color:
        """Light the surface, [n, n, 3] in linear light."""
        color = self.color if self.painted is None else self.painted
        return lit(color, self.height, **asdict(self.light))

    def maps(self, size: int) -> dict[MapName, Tensor]:
        """Make the maps of the material, [1 or 3, size, size] in [0, 1]; ``size`` must divide n."""
        n, floor = len(self.height), np.quantile(self.height, PITS)
        fine = torch.from_numpy(np.maximum(self.height, floor))
        height = torch.from_numpy(average(fine.numpy(), size))
        # Average the normals of the fine surface; normals of the average height have jagged edges.
        facing = F.adaptive_avg_pool2d(normals_from_height(fine, n, wraps=True), size)
        share = (height - floor) / (height.max() - floor)
        return {
            "color": channels(encode(average(self.color, size))),
            "normal": normalized(2 * facing - 1) / 2 + 0.5,
            "height": (TOP * share).round()[None] / LEVELS,
            "roughness": torch.from_numpy(average(self.roughness, size))[None],
            "occlusion": ambient_occlusion(size * height, wraps=True)[None],
        }


def average(field: Field, size: int) -> Field:
    """Average square blocks, [n, n, ...] -> [size, size, ...]."""
    block = len(field) // size
    means: Field = field.reshape(size, block, size, block, *field.shape[2:]).mean((1, 3))
    return means


def channels(color: Color) -> Tensor:
    """Convert [n, n, 3] to [3, n, n]."""
    return torch.from_numpy(color).permute(2, 0, 1).contiguous()
