"""Run a rule while its colors follow an image."""

from collections.abc import Callable

import torch
from torch import Tensor

from nca.backends.simulate import simulate
from nca.fields.steps import simulate_fields
from nca.fields.texels import Fields
from nca.rule import ALPHA, Rule


@torch.no_grad()
def run_guided(
    rule: Rule,
    state: Tensor,
    colors: Tensor,
    pull: Callable[[int], Tensor | float],
    steps: int,
    *,
    seed: int,
    fields: Fields | None = None,
) -> Tensor:
    """Run a rule; after every step, move the colors of its cells toward target colors.

    Args:
        rule: the rule.
        state: state at step 0, [1, C, H, W]. If the rule has an alive threshold, the alpha of all
            cells is set to 1 in place, so that every cell is alive at the start.
        colors: target values of the first three channels, [1, 3, H, W].
        pull: ``pull(step)`` is how far each cell moves toward its target after a step, 0 to 1.
        steps: number of steps.
        seed: random seed that determines which cells fire.
        fields: fields of the grid; None: neutral fields.

    Returns:
        The last state, [1, C, H, W].
    """
    if rule.settings.alive_threshold is not None:
        state[:, ALPHA] = 1.0
    stops = range(1, steps + 1)
    if fields is None:
        # A run that changes after every step is never calm.
        states = simulate(rule, state, stops, seed=seed, calm=False)
    else:
        states = simulate_fields(rule, state, stops, fields, seed=seed)
    for step, now in enumerate(states, 1):
        now[:, :3] += pull(step) * (colors - now[:, :3])  # the run continues from these colors
        state = now
    return state
