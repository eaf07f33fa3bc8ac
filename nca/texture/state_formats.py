"""Train for targets that store state and weights in 8 bits, and measure coarser formats.

Updates smaller than a level vanish, so a rule that was trained in floats may stand still when its
state is stored in bytes. Here the forward pass rounds as the target does, and the gradients ignore
the rounding: the straight-through estimator of Bengio et al. 2013, as in Niklasson et al.,
"Self-Organising Textures", Distill 2021.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nca.backends import unroll
from nca.rule import EIGHT_BIT_STATE, Quantization, Rule, straight_through

LEVELS = 127  # on either side of zero
FORMAT_STEPS, FORMAT_SEEDS = 300, 2


class ByteLevels(nn.Module):
    """Round weights to 255 levels between plus and minus the largest, with one grid per filter.

    Args:
        filters: K, columns of ``w1`` that share their size: column c * K + k is on grid k. 1: one
            grid for the whole tensor.
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
        """Return the weights themselves: they are what is trained."""
        return weights


def round_weights(rule: Rule) -> None:
    """Round the weights of a rule whenever they are read; changes the rule in place."""
    parametrize.register_parametrization(rule, "w1", ByteLevels(len(rule.filters)))
    for name in ("b1", "w2") if rule.b2 is None else ("b1", "w2", "b2"):
        parametrize.register_parametrization(rule, name, ByteLevels())


# What a texture of the target stores of a state.
KEPT: dict[str, Callable[[Tensor], Tensor]] = {
    "rgba32f": lambda state: state,
    "rgba16f": lambda state: state.half().float(),
    "rgba8": EIGHT_BIT_STATE,
}


@torch.no_grad()
def loss_by_state(
    rule: Rule, score: Callable[[Tensor, Tensor], Tensor], side: int, seed: int
) -> dict[str, float | None]:
    """Measure a texture after 300 steps, with its state stored in each format.

    Args:
        rule: the rule; the rounding of its own state is ignored.
        score: :meth:`nca.texture.tasks.base.Task.score`.
        side: of the grid.
        seed: random seed of the first of two runs; the worse one counts.

    Returns:
        The loss by format; None where the state left all bounds.
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
        loss = float(score(state, torch.arange(FORMAT_SEEDS)).max())
        losses[name] = loss if math.isfinite(loss) else None
    return losses
