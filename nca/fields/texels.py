"""The texture of fields: what its bytes mean, here and in every shader.

One texel per cell of the grid, RGBA8, row 0 on top:

=======  =========  ==========================================================================
channel  field      meaning of a byte b
=======  =========  ==========================================================================
R        direction  the texture is turned by 2 pi b / 256, clockwise
G        size       with n = b - 128, the pattern is 1 + 3 n / 127 times as large; if n is below
                    0, it is 1 + 3 |n| / 127 times as small: 1 is a quarter, 255 four times
B        pace       a step is b / 128 times as long; 0: the cell stands still
A        share      the probability that the cell fires is b / 128 times as large, at most 1
=======  =========  ==========================================================================

Fields come on top of the settings of the whole grid. :data:`NEUTRAL` changes no bit of a state. As
for the whole grid, steps are shortened where the pattern is larger than in training.
``shaders/fields/`` and ``shaders/page/stepping/fields.js`` follow this module.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from nca.rng import UINT32_MAX

FieldName = Literal["direction", "size", "pace", "share"]
FIELDS: tuple[FieldName, ...] = get_args(FieldName)  # the index is the channel of the texture
NEUTRAL = (0, 128, 128, 128)


@dataclass(frozen=True)
class Fields:
    """The fields of a grid.

    Args:
        texels: the texture, [H, W, 4] uint8.
    """

    texels: Tensor

    @property
    def angle(self) -> Tensor:
        """By how much each cell turns the texture, in radians, [H, W] float32."""
        return self.texels[..., 0] * (2 * math.pi / 256)

    @property
    def size(self) -> Tensor:
        """How much larger the pattern is, [H, W] float32."""
        away = (self.texels[..., 1] - 128.0) * 3 / 127
        return torch.where(away < 0, 1 / (1 - away), 1 + away)

    @property
    def pace(self) -> Tensor:
        """How much longer a step is, [H, W] float32."""
        return self.texels[..., 2] / 128.0

    def chance(self, most: int) -> Tensor:
        """The largest hash with which a cell fires, [H, W] int64; ``most``: without fields."""
        share = self.texels[..., 3].to(torch.int64)
        scaled = ((most >> 7) * share).clamp(max=UINT32_MAX)
        return torch.where(share == 128, most, scaled)


def neutral(height: int, width: int) -> Tensor:
    """Texels that change nothing, [height, width, 4] uint8."""
    return torch.tensor(NEUTRAL, dtype=torch.uint8).expand(height, width, 4).clone()


def direction_byte(angle: Tensor) -> Tensor:
    """The nearest byte for angles in radians, uint8."""
    return (torch.round(angle * (256 / (2 * math.pi))) % 256).to(torch.uint8)


def byte_of(field: FieldName, value: float) -> int:
    """The nearest byte for a direction in radians, or for a factor."""
    if field == "direction":
        return int(direction_byte(torch.tensor(value)))
    if field == "size":
        away = (value - 1 if value >= 1 else 1 - 1 / value) * 127 / 3
        return min(max(round(128 + away), 1), 255)
    return min(max(round(128 * value), 0), 255)
