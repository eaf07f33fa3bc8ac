"""Train the weights of a first layer in units that match the size of its inputs.

A Sobel filter responds 4 times as strongly as the identity, the Laplacian 10 times. If the columns
of ``w1`` are trained in matching units, one learning rate suits all of them, and it can be several
times higher. The rule itself is unchanged, because the units are multiplied back into ``w1``.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nca.rule import Rule


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
