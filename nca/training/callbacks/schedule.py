"""Learning-rate schedules that follow the progress of the fit, by iterations or by time."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from nca.training.callback import Callback

if TYPE_CHECKING:
    from nca.training.learner import Learner


class Schedule(Callback):
    """Set the learning rate before every batch.

    Args:
        factor: ``factor(progress, iteration)`` -> what the optimizer's own rate is multiplied by.
    """

    def __init__(self, factor: Callable[[float, int], float]) -> None:
        self.factor = factor
        self.base_rates: list[float] = []

    def before_fit(self, learner: "Learner") -> None:
        """Keep the optimizer's own rates."""
        if not self.base_rates:
            self.base_rates = [group["lr"] for group in learner.optimizer.param_groups]

    def before_batch(self, learner: "Learner") -> None:
        """Set the rates."""
        factor = self.factor(learner.progress, learner.iteration)
        for group, rate in zip(learner.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def state_dict(self) -> dict[str, list[float]]:
        """The optimizer's own rates, which its state no longer tells once they were set."""
        return {"base_rates": self.base_rates}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        """See :meth:`state_dict`."""
        self.base_rates = state["base_rates"]


def warm_up_then_cosine(warm_up: int, final: float) -> Callable[[float, int], float]:
    """Rise linearly over ``warm_up`` iterations, and fall to ``final`` along half a cosine."""

    def factor(progress: float, iteration: int) -> float:
        rise = min(1.0, (iteration + 1) / max(warm_up, 1))
        return rise * (final + (1 - final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2)

    return factor
