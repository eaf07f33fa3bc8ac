"""The GPU texture that stores the fields: what its bytes mean, here and in every shader.

One texel per cell of the grid, RGBA8, row 0 on top:

=======  =========  ==========================================================================
channel  field      meaning of a byte b
=======  =========  ==========================================================================
R        direction  the texture is turned by 2 pi b / 256, clockwise
G        size       with n = b - 128, the size of the pattern is multiplied by 1 + 3 n / 127 or,
                    if n is below 0, divided by 1 + 3 |n| / 127; 1: by 1/4, 255: by 4
B        pace       the length of a step is multiplied by b / 128; 0: the cell stands still
A        share      the probability that the cell fires is multiplied by b / 128, up to 1
=======  =========  ==========================================================================

Directions are added to the rotation of the whole grid; the other fields multiply its settings.
:data:`NEUTRAL` changes no bit of a state. Where the pattern is larger than in training, steps are
shortened, as they are for the whole grid.
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
        """Angle by which each cell turns the texture, in radians, [H, W] float32."""
        return self.texels[..., 0] * (2 * math.pi / 256)

    @property
    def size(self) -> Tensor:
        """Factor for the size of the pattern, [H, W] float32."""
        offset = (self.texels[..., 1] - 128.0) * 3 / 127
        return torch.where(offset < 0, 1 / (1 - offset), 1 + offset)

    @property
    def pace(self) -> Tensor:
        """Factor for the length of a step, [H, W] float32."""
        return self.texels[..., 2] / 128.0

    def largest_firing_hash(self, unscaled: int) -> Tensor:
        """The largest hash with which each cell fires, [H, W] int64.

        Args:
            unscaled: the largest hash where the field ``share`` is neutral.
        """
        share = self.texels[..., 3].to(torch.int64)
        scaled = ((unscaled >> 7) * share).clamp(max=UINT32_MAX)
        return torch.where(share == 128, unscaled, scaled)


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
        offset = (value - 1 if value >= 1 else 1 - 1 / value) * 127 / 3
        return min(max(round(128 + offset), 1), 255)
    return min(max(round(128 * value), 0), 255)
