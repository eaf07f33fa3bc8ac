"""Compare a run of exported shaders with torch."""

from collections.abc import Callable
from dataclasses import dataclass

import moderngl
import torch

from nca.errors import GraphicsError
from nca.gl.context import open_headless
from nca.rule import Rule

MEASURED_GRID = (48, 64)


class NotMeasuredError(Exception):
    """The exported shader cannot be run here; the message gives the reason."""


@dataclass(frozen=True)
class Difference:
    """Difference between an exported rule and torch.

    Attributes:
        largest: largest absolute difference of any value; None if it was not measured.
        steps: number of steps from a grown state.
        reason: reason why nothing was measured; otherwise empty.
        notes: other information for users.
    """

    largest: float | None
    steps: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.largest is None:
            return f"not measured: {self.reason}"
        return f"largest difference from torch after {self.steps} steps: {self.largest:.2g}"


def compare(
    run: Callable[[torch.Tensor, moderngl.Context], torch.Tensor],
    rule: Rule,
    size: tuple[int, int],
    steps: int,
    seed: int,
    context: moderngl.Context | None = None,
    draw: Callable[[torch.Tensor, moderngl.Context], torch.Tensor] | None = None,
) -> Difference:
    """Compare ``run(state, context)``, from a grown state [C, H, W], with steps in torch.

    If given, ``draw(state, context)`` of the result is compared with its :func:`picture`, too.
    """
    state = grown_state(rule, *size, seed)
    expected = rule(state, steps, seed=seed)[0]
    own = context is None
    try:
        used = open_headless() if context is None else context
        try:
            got = run(state[0], used)
            largest = (got - expected).abs().max()
            if draw is not None:
                drawn = (draw(got, used) - picture(rule, expected)).abs().max()
                largest = torch.maximum(largest, drawn)
        finally:
            if own:
                used.release()
    except (GraphicsError, NotMeasuredError) as error:
        return Difference(None, reason=str(error), notes=rounding_notes(rule))
    return Difference(float(largest), steps, notes=rounding_notes(rule))


@torch.no_grad()
def picture(rule: Rule, state: torch.Tensor) -> torch.Tensor:
    """Draw a state [C, H, W]: its picture, or all maps of a material in order, [N, h, w].

    Values are in [0, 1].
    """
    return torch.cat(list(rule.to_maps(state[None]).values()), 1)[0].clamp(0, 1)


def rounding_notes(rule: Rule) -> tuple[str, ...]:
    """Explain why a rule that rounds differs from torch; empty for other rules."""
    steps = [q.range / (q.levels - 1) for q in vars(rule.settings.quantization).values() if q]
    if not steps:
        return ()
    return (
        f"this rule rounds to levels up to {max(steps):.2g} apart; a sum computed in another"
        " order may be rounded to the neighboring level",
    )


def grown_state(rule: Rule, height: int, width: int, seed: int) -> torch.Tensor:
    """Run 32 steps from the initial state plus some noise; return the state, [1, C, H, W]."""
    state = rule.initial_state(1, height, width, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    # If cells can die, the noise is strong enough that some live; a dead grid would stay zero.
    noise_range = 0.2 + 4 * max(0.0, rule.settings.alive_threshold or 0.0)
    state = state + noise_range * (torch.rand(state.shape, generator=generator) - 0.5)
    grown: torch.Tensor = rule(state, 32, seed=(seed + 1) % 2**32)
    return grown
