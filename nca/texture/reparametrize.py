"""Train the weights of a first layer in units that match the size of its inputs.

A Sobel filter responds 4 times as strongly as the identity, the Laplacian 10 times. If the columns
of ``w1`` are trained in matching units, one learning rate suits all of them, and it can be several
times higher. The rule itself is unchanged, because the units are multiplied back into ``w1``.

A decoder also gets the position within the cell as input. Using it is the quickest way to draw fine
detail, but that detail is the same in all cells, which shows as a grid. Small units make the
decoder learn from the position more slowly than from the channels.
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
        fresh: whether the weights are freshly drawn; if so, they are multiplied by ``scale``, so
            that the trained values keep their size.
    """
    columns = torch.tensor(scale).repeat(rule.settings.channels)
    if fresh:
        with torch.no_grad():
            rule.w1.mul_(columns)
    parametrize.register_parametrization(rule, "w1", ColumnScale(columns))


def scale_places(decoder: Decoder) -> None:
    """Train the columns of a decoder's ``w1`` that read the position in a cell in small units."""
    columns = torch.full((decoder.w1.shape[1],), PLACE_UNIT)
    columns[: decoder.channels] = 1
    parametrize.register_parametrization(decoder, "w1", ColumnScale(columns))
