"""Steps with fields, in plain torch: the reference of the shaders."""

from collections.abc import Iterator, Sequence

import torch
from einops import rearrange
from torch import Tensor

from nca.fields.texels import Fields
from nca.rescaling import calmed, derivative_order, gradient_pairs
from nca.rng import cell_hash, fire_threshold, step_base
from nca.rule import CALM_AFTER, Rule


@torch.no_grad()
def step_with_fields(
    rule: Rule, state: Tensor, fields: Fields, *, step: int, seed: int, coarseness: float = 1.0
) -> Tensor:
    """Make one step.

    Args:
        rule: the rule, already rescaled to ``coarseness`` if that is not 1.
        state: [B, C, H, W].
        fields: of the size of the grid.
        step: number of the step.
        seed: random seed of the masks; sample i uses ``seed + i``.
        coarseness: size of the pattern without fields.

    Returns:
        The next state, [B, C, H, W].
    """
    height, width = state.shape[2:]
    seeds = torch.arange(seed, seed + len(state))
    unscaled = max(fire_threshold(rule.settings.update_rate) - 1, 0)
    bits = cell_hash(height, width, step_base(torch.tensor(step), seeds))
    mask = bits <= fields.largest_firing_hash(unscaled)  # [B, H, W]
    change = fields.pace * rule.change(_steered(rule, rule.perceive(state), fields))
    larger = (coarseness * fields.size).square().clamp(min=1)
    change = change * (max(1.0, coarseness**2) / larger)
    return rule.settled(state, state + mask[:, None] * change)


def _steered(rule: Rule, perception: Tensor, fields: Fields) -> Tensor:
    """Turn the pairs of gradients and strengthen derivatives, [B, C*K, H, W]."""
    channels, filters = rule.settings.channels, rule.filters
    sums = rearrange(perception, "b (c k) h w -> b c k h w", c=channels)
    steered = sums.clone()
    cos, sin = fields.angle.cos(), fields.angle.sin()
    for x, y in gradient_pairs(rule):
        steered[:, :, x] = cos * sums[:, :, x] + sin * sums[:, :, y]
        steered[:, :, y] = cos * sums[:, :, y] - sin * sums[:, :, x]
    for k, coefficients in enumerate(filters):
        steered[:, :, k] *= fields.size ** derivative_order(coefficients)
    return rearrange(steered, "b c k h w -> b (c k) h w")


@torch.no_grad()
def simulate_fields(
    rule: Rule,
    state: Tensor,
    stops: Sequence[int],
    fields: Fields,
    *,
    seed: int = 0,
    calm: bool = False,
) -> Iterator[Tensor]:
    """Run a rule as :func:`nca.backends.simulate.simulate`, with fields.

    Args:
        rule: the rule.
        state: state at step 0, [B, C, H, W].
        stops: numbers of steps, in ascending order.
        fields: of the size of the grid.
        seed: random seed of the masks; sample i uses ``seed + i``.
        calm: let all cells fire from step 300 on.

    Yields:
        The state after each of ``stops`` steps, [B, C, H, W].
    """
    done = 0
    for stop in stops:
        for step in range(done, stop):
            if calm and step == CALM_AFTER:
                rule = calmed(rule)
            state = step_with_fields(rule, state, fields, step=step, seed=seed)
        done = stop
        yield state
