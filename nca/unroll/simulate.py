"""Simulation: many steps without gradients, with the masks that every shader uses."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca.rule import Rule
from nca.unroll import Backend, unroll

CELLS_AT_ONCE = 2**21  # for which masks are made: 16 MB of hashes


@torch.no_grad()
def simulate(
    rule: Rule,
    state: Tensor,
    stops: Sequence[int],
    *,
    seed: int = 0,
    backend: Backend = "auto",
) -> Iterator[Tensor]:
    """Run a rule and stop now and then.

    Args:
        rule: the rule.
        state: [B, C, H, W], the state at step 0.
        stops: rising numbers of steps.
        seed: of the masks; sample i uses ``seed + i``.
        backend: as for :func:`nca.unroll.unroll`.

    Yields:
        The state after each of ``stops`` steps, [B, C, H, W].
    """
    batch, _, height, width = state.shape
    chunk = max(1, CELLS_AT_ONCE // (batch * height * width))
    step = 0
    for stop in stops:
        while step < stop:
            count = min(chunk, stop - step)
            masks = rule.fire_masks(batch, height, width, count, seed=seed, first_step=step)
            state = unroll(state, rule, masks, backend)
            step += count
        yield state
