"""Train the first layer in units of its filters.

A sobel filter responds 4 times, the laplacian 10 times as strongly as the identity. With the
columns of ``w1`` in those units one learning rate fits all of them, and it can be several times
higher. The rule itself is unchanged: the scale is folded back into ``w1``.
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
        fresh: the weights are random; they are rescaled to be as large in the new units.
    """
    columns = torch.tensor(scale).repeat(rule.settings.channels)
    if fresh:
        with torch.no_grad():
            rule.w1.mul_(columns)
    parametrize.register_parametrization(rule, "w1", ColumnScale(columns))
