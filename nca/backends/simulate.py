"""Simulate a rule: run many steps without gradients; the same cells fire as in shaders."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca.backends import Backend, unroll
from nca.backends.choice import choose_backend
from nca.backends.native import library_of
from nca.backends.rounding import rounds_state_only, without_rounding
from nca.rescaling import calmed
from nca.rng import fire_threshold, step_base
from nca.rule import CALM_AFTER, Rule

CELLS_AT_ONCE = 2**21  # number of cells whose masks are computed at a time: 16 MB of hashes


@torch.no_grad()
def simulate(
    rule: Rule,
    state: Tensor,
    stops: Sequence[int],
    *,
    seed: int = 0,
    backend: Backend = "auto",
    calm: bool | None = None,
) -> Iterator[Tensor]:
    """Run a rule and yield the state at each of the given numbers of steps.

    Args:
        rule: the rule.
        state: state at step 0, [B, C, H, W].
        stops: numbers of steps, in ascending order.
        seed: random seed of the masks; sample i uses ``seed + i``.
        backend: see :func:`nca.backends.unroll`.
        calm: let all cells fire from step 300 on; see :func:`nca.rescaling.calmed`. None: as the
            rule's own setting says.

    Yields:
        The state after each number of steps in ``stops``, [B, C, H, W]. If the caller changes this
            state in place, the run continues from the changed state.

    Raises:
        InputError: the requested backend does not support the rule or the state.
    """
    batch, _, height, width = state.shape
    if calm is None:
        calm = rule.settings.calm
    chunk = max(1, CELLS_AT_ONCE // (batch * height * width))
    plain = without_rounding(rule) if rounds_state_only(rule) else rule
    native = choose_backend(backend, state, plain) == "native"
    make_masks = _native_masks if native else _torch_masks
    step = 0
    for stop in stops:
        while step < stop:
            count = min(chunk, stop - step)
            if calm and step < CALM_AFTER:
                count = min(count, CALM_AFTER - step)
            elif calm and step == CALM_AFTER:
                rule = calmed(rule)
            masks = make_masks(rule, (batch, height, width), range(step, step + count), seed)
            state = unroll(state, rule, masks.to(state.device), backend)
            step += count
        yield state


def _torch_masks(rule: Rule, size: tuple[int, int, int], steps: range, seed: int) -> Tensor:
    return rule.fire_masks(*size, len(steps), seed=seed, first_step=steps.start)


def _native_masks(rule: Rule, size: tuple[int, int, int], steps: range, seed: int) -> Tensor:
    """Compute the same masks 100 times faster; in torch, a mask would take longer than a step."""
    batch, height, width = size
    masks = torch.empty(len(steps), *size, dtype=torch.bool)
    fire_mask = library_of(rule).nca_fire_mask
    threshold = fire_threshold(rule.settings.update_rate)
    for t, step in enumerate(steps):
        for i in range(batch):
            base = step_base(step, seed + i)
            fire_mask(masks[t, i].data_ptr(), height, width, base, threshold)
    return masks
