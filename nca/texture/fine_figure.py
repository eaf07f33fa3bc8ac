"""The distance between a grown figure, as a decoder draws it, and the image to grow."""

import torch
from torch import Tensor

from nca.decoder import pixel_places
from nca.losses.features.patchnet import Builtin
from nca.losses.perceptual import PerceptualLoss
from nca.rule import ALPHA, Rule
from nca.rule_settings import RuleSettings

SAMPLES = 2  # compared pixels per cell and axis
CROP = 96  # side of the crop, in pixels
STROKES_WEIGHT = 0.01


class FineFigure:
    """Squared errors of some pixels of each cell, and of the features of a crop, for sharpness.

    Args:
        cutout: premultiplied RGBA, [4, S, S].
        settings: settings of the rule; its background is ``rgb_offset``.
        side: side of the grid, in cells.
        generator: chooses the pixels and the crop that are compared.
        device: device of the states.
    """

    def __init__(
        self,
        cutout: Tensor,
        settings: RuleSettings,
        side: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.scale, self.side, self.generator = settings.pixels_per_cell, side, generator
        size, room = cutout.shape[-1], side * self.scale
        first = (side - size // self.scale) // 2 * self.scale
        shown = cutout[:ALPHA] + (1 - cutout[ALPHA:]) * settings.rgb_offset
        picture = torch.full((3, room, room), settings.rgb_offset)
        picture[:, first : first + size, first : first + size] = shown
        self.picture = picture.to(device)
        self.strokes = PerceptualLoss(Builtin(self.picture[None]), self.picture[None])

    def __call__(self, rule: Rule, state: Tensor) -> dict[str, Tensor]:
        """Distance of every state, [B, C, H, W]: name -> [B]."""
        stride = max(1, self.scale // SAMPLES)
        y, x = torch.randint(stride, (2,), generator=self.generator).tolist()
        rows, columns = slice(y, None, stride), slice(x, None, stride)
        pixels, expected_pixels = self._compared(rule, state, rows, columns)
        length = min(CROP, self.side * self.scale)
        room = self.side * self.scale - length + 1
        top, left = torch.randint(room, (2,), generator=self.generator).tolist()
        rows, columns = slice(top, top + length), slice(left, left + length)
        crop, expected_crop = self._compared(rule, state, rows, columns)
        return {
            "pixels": (pixels - expected_pixels).square().mean((1, 2, 3)),
            "strokes": STROKES_WEIGHT * self.strokes(crop, expected_crop[None]),
        }

    def _compared(
        self, rule: Rule, state: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """Return the drawn and the expected colors of the pixels in some rows and columns."""
        centers = pixel_places(0, self.side, self.side * self.scale)
        drawn = rule.colors_at(state, centers[rows], centers[columns])
        return drawn, self.picture[:, rows, columns]
