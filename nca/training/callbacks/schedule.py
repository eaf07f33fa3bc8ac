"""Learning-rate schedules that follow the progress of a fit, measured in iterations or in time."""

import math
from collections.abc import Callable
from typing import Any

from nca.training.callback import Callback
from nca.training.learner import Learner

Curve = Callable[[float, int], float]
"""``curve(progress, steps)``: value at a progress in [0, 1] and after a number of steps."""


class Schedule(Callback):
    """Set the learning rate, and optionally the momentum, before every step.

    The rate changes only after the weights have changed, so it is the same for all batches of an
    accumulated step, and does not change if a step is skipped. It depends on the progress of the
    fit, not on a count of iterations, so it works with any number of processes and any limit.

    Args:
        factor: curve of the factor by which the optimizer's initial learning rates are multiplied.
        momentum: curve of the momentum, or of Adam's first beta; None: do not change it.
    """

    kept = ("base_rates", "_steps")

    def __init__(self, factor: Curve, momentum: Curve | None = None) -> None:
        self.factor, self.momentum = factor, momentum
        self.base_rates: list[float] = []
        self._steps = -1  # number of steps when the rates were last set

    def before_fit(self, learner: Learner) -> None:
        """Remember the optimizer's initial rates."""
        if not self.base_rates:
            self.base_rates = [group["lr"] for group in learner.optimizer.param_groups]

    def before_batch(self, learner: Learner) -> None:
        """Set the rates if a step has been taken since they were last set."""
        if learner.steps == self._steps:
            return
        self._steps = learner.steps
        position = learner.progress, learner.steps
        for group, rate in zip(learner.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * self.factor(*position)
            if self.momentum is not None:
                set_momentum(group, self.momentum(*position))


def set_momentum(group: dict[str, Any], value: float) -> None:
    """Set the momentum of an optimizer's parameter group; for Adam, that is the first beta."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def cosine(start: float, end: float, position: float) -> float:
    """Go from ``start`` to ``end`` along half a cosine; ``position`` is clipped to [0, 1]."""
    position = min(max(position, 0.0), 1.0)
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2


def one_cycle(rise: float = 0.25, start: float = 1 / 25, end: float = 1e-5) -> Curve:
    """Rise from ``start`` to 1 in the first part of the fit, then fall to ``end``.

    Smith, "Super-Convergence", 2018, with half cosines as in fast.ai. The momentum should fall
    while the rate rises, so use this curve together with :func:`one_cycle_momentum`.
    """
    return lambda progress, _: up_and_down(progress, rise, start, 1.0, end)


def one_cycle_momentum(rise: float = 0.25, high: float = 0.95, low: float = 0.85) -> Curve:
    """Fall from ``high`` to ``low`` while :func:`one_cycle` rises, then rise back to ``high``."""
    return lambda progress, _: up_and_down(progress, rise, high, low, high)


def up_and_down(progress: float, rise: float, start: float, middle: float, end: float) -> float:
    """Go from ``start`` to ``middle`` while progress is below ``rise``, then to ``end``."""
    if progress < rise:
        return cosine(start, middle, progress / rise)
    return cosine(middle, end, (progress - rise) / max(1 - rise, 1e-9))


def warm_up_then_cosine(warm_up: int, final: float) -> Curve:
    """Rise linearly over ``warm_up`` steps, then fall to ``final`` along half a cosine."""
    return lambda progress, steps: (
        min(1.0, (steps + 1) / max(warm_up, 1)) * cosine(1.0, final, progress)
    )
