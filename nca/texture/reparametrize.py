"""Train first layers in units of their inputs.

A sobel filter responds 4 times as strongly as the identity, the laplacian 10 times. If the columns
of ``w1`` are trained in those units, one learning rate fits all of them, and it can be several
times higher. The rule itself is unchanged, because the scale is multiplied back into ``w1``.

The place in a cell is the quickest way for a decoder to draw something fine, but it draws the same
in all cells: a visible grid. In small units it is learned more slowly than the channels.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nca.decoder import Decoder
from nca.rule import Rule

PLACE_UNIT = 0.1


class ColumnScale(nn.Module):
    """``w1 = weights * scale``, column by column."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, weights: Tensor) -> Tensor:
        """Trained weights -> ``w1``."""
        return weights * self.scale

    def right_inverse(self, w1: Tensor) -> Tensor:
        """``w1`` -> trained weights."""
        return w1 / self.scale


def scale_filters(rule: Rule, scale: tuple[float, ...], *, fresh: bool) -> None:
    """Train ``w1`` of a rule in units of ``scale``.

    Args:
        rule: rule to change, in place.
        scale: one number per filter.
        fresh: whether the weights are random; they are then rescaled to keep their size in the new
            units.
    """
    columns = torch.tensor(scale).repeat(rule.settings.channels)
    if fresh:
        with torch.no_grad():
            rule.w1.mul_(columns)
    parametrize.register_parametrization(rule, "w1", ColumnScale(columns))


def scale_places(decoder: Decoder) -> None:
    """Train the columns of the place in a cell in smaller units, in ``w1`` of a decoder."""
    columns = torch.full((decoder.w1.shape[1],), PLACE_UNIT)
    columns[: decoder.channels] = 1
    parametrize.register_parametrization(decoder, "w1", ColumnScale(columns))
