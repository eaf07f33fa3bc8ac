"""Train for programs that store state and weights in 8 bits, and measure a rule by state format.

A byte has 256 levels, and updates smaller than a level have no effect. So a rule that was trained
with floats may freeze if its state is stored in bytes. Here the forward pass rounds as such a
program does, and the gradients ignore the rounding (the straight-through estimator of Bengio et al.
2013, as in Niklasson et al., "Self-Organising Textures", Distill 2021).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nca.backends import unroll
from nca.rule import Rule
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, straight_through

LEVELS = 127  # number of levels on either side of zero
FORMAT_STEPS, FORMAT_SEEDS = 300, 2  # length and number of the measured runs


class ByteLevels(nn.Module):
    """Round weights to 255 levels between minus and plus the largest absolute weight of a filter.

    Args:
        filters: number of filters K. Columns ``c * K + k`` of ``w1`` share the levels of filter k.
            1: all weights share one set of levels.
    """

    def __init__(self, filters: int = 1) -> None:
        super().__init__()
        self.filters = filters

    def forward(self, weights: Tensor) -> Tensor:
        """Round [..., N], with N a multiple of ``filters``."""
        largest = weights.detach().abs().reshape(-1, self.filters).amax(0)
        level = (largest / LEVELS).clamp_min(1e-12).repeat(weights.shape[-1] // self.filters)
        return straight_through(weights, (weights.detach() / level).round() * level)

    def right_inverse(self, weights: Tensor) -> Tensor:
        """Return the weights as they are; training updates the unrounded weights."""
        return weights


def round_weights(rule: Rule) -> None:
    """Round the weights of a rule whenever they are read; changes the rule in place."""
    parametrize.register_parametrization(rule, "w1", ByteLevels(len(rule.filters)))
    for name in ("b1", "w2") if rule.b2 is None else ("b1", "w2", "b2"):
        parametrize.register_parametrization(rule, name, ByteLevels())


# How each state format rounds a state.
KEPT: dict[str, Callable[[Tensor], Tensor]] = {
    "rgba32f": lambda state: state,
    "rgba16f": lambda state: state.half().float(),
    "rgba8": EIGHT_BIT_STATE,
}


@torch.no_grad()
def loss_by_state(
    rule: Rule, score: Callable[[Rule, Tensor, Tensor], Tensor], side: int, seed: int
) -> dict[str, float | None]:
    """Measure a texture after 300 steps, with its state stored in each format.

    Args:
        rule: the rule; the state rounding in its settings is ignored.
        score: :meth:`nca.texture.tasks.base.Task.score`.
        side: side of the grid.
        seed: random seed of the first of two runs; the worse run counts.

    Returns:
        The loss by format; None for a format in which the state blew up.
    """
    plain = rule.with_settings(quantization=Quantization())
    start = rule.initial_state(FORMAT_SEEDS, side, side, seed=seed)
    states = {name: keep(start) for name, keep in KEPT.items()}
    for step in range(FORMAT_STEPS):  # the masks of all steps would take gigabytes
        mask = rule.fire_masks(FORMAT_SEEDS, side, side, 1, seed=seed, first_step=step)
        for name, keep in KEPT.items():
            states[name] = keep(unroll(states[name], plain, mask))
    losses: dict[str, float | None] = {}
    for name, state in states.items():
        loss = float(score(rule, state, torch.arange(FORMAT_SEEDS)).max())
        losses[name] = loss if math.isfinite(loss) else None
    return losses
