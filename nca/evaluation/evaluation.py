"""Measurements of a rule, and a verdict in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nca.evaluation.measures import GROWN, Measurement

Figures = dict[str, Any]

# Limits for a stable run: minimum flicker, in levels out of 255; maximum fraction of clipped
# values; maximum patch distance, relative to that after 1,000 steps.
FROZEN, SATURATED, DRIFT = 1e-3, 0.2, 1.5


@dataclass(frozen=True)
class Evaluation:
    """Measurements of one rule.

    Attributes:
        name: name of the rule.
        figures: plain data, for JSON.
        pictures: images, [3, h, w] in [0, 1], by group (``run``, ``seeds``, ``sizes``,
            ``healing``, ``maps``) and caption.
    """

    name: str
    figures: Figures
    pictures: dict[str, dict[str, Tensor]]


def grown_measurement(run: Sequence[Measurement]) -> Measurement | None:
    """Find the measurement at 1,000 steps, to which later ones are compared; None if missing."""
    return next((moment for moment in run if moment.steps >= GROWN), None)


def run_figures(run: Sequence[Measurement]) -> list[Figures]:
    """Figures of all measurements; ``drift``: patch distance relative to that at 1,000 steps."""
    at_grown = grown_measurement(run)
    return [
        {k: v for k, v in vars(m).items() if k != "picture"}
        | {"drift": m.patch / max(at_grown.patch, 1e-6) if at_grown else None}
        for m in run
    ]


def verdict(run: Sequence[Measurement], stops: Iterable[int]) -> str:
    """Summarize a long run: ``stable``, or the first fault and, if the state blew up, when."""
    words = [fault for fault in map(_fault, run, run_figures(run)) if fault][:1]
    missing = [stop for stop in stops if stop not in {moment.steps for moment in run}]
    if missing:
        words.append(f"blew up before {missing[0]:,} steps")
    return ", ".join(words) or "stable"


def _fault(moment: Measurement, figures: Figures) -> str | None:
    if moment.saturated > SATURATED:
        return f"saturated after {moment.steps:,} steps"
    if moment.flicker < FROZEN:
        return f"frozen after {moment.steps:,} steps"
    if moment.steps > GROWN and figures["drift"] > DRIFT:
        return f"drifted by {moment.steps:,} steps"
    return None
