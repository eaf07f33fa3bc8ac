"""What keeps a training going when states blow up."""

from collections.abc import Iterable

import torch
from torch import Tensor

from nca.system.console import say
from nca.texture.delayed import Delayed
from nca.texture.pool import blown_up
from nca.training.callback import Callback
from nca.training.callbacks import Schedule
from nca.training.callbacks.gradients import all_finite, gradients_of
from nca.training.learner import Learner

GRACE = 50  # iterations in which the first big steps may overshoot; the pool starts states anew
CALM = 25  # iterations without any blow-up after which weights are worth going back to
KEPT = 8
SLOW_DOWN = 0.7


class Stabilizer(Callback):
    """Skip steps whose gradient is not finite; go back when most of a batch blows up.

    Back is the weights as they were the last time that all was well for a while, with a fresh
    optimizer and a lower learning rate, as the old rate is what led here. If that does not help at
    once, the weights before those are next; the first are never given up.

    Args:
        schedule: whose rates are lowered.

    Attributes:
        restores: how often it went back.
    """

    order = 5  # after the gradients are normalized
    kept = ("restores", "_calm", "good")

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.restores = 0
        self.good: list[list[Tensor]] = []
        self._calm = 0
        self._blown = Delayed()

    def before_fit(self, learner: Learner) -> None:
        """Keep the first weights."""
        if not self.good:
            self.good = [_copies(learner.model.parameters())]

    def after_backward(self, learner: Learner) -> None:
        """Take the gradients away if one of them is not finite."""
        gradients = gradients_of(learner.model)
        finite = all_finite(gradients)
        if finite.is_cuda:  # to ask would wait for it
            for gradient in gradients:
                gradient.masked_fill_(~finite, 0)
        elif not finite:
            learner.optimizer.zero_grad(set_to_none=True)

    def after_step(self, learner: Learner) -> None:
        """Go back, if it must be; else note that all is well."""
        known = self._blown.read(learner.engine.gather(blown_up(learner.prediction).int()))
        if known is None:
            return
        (states,) = known
        blown = int(states.sum())
        if learner.iteration > GRACE and 4 * blown >= 3 * len(states):
            self._go_back(learner)
            return
        self._calm = 0 if blown else self._calm + 1
        if self._calm == CALM:
            self._calm = 0
            self.good = [*self.good[-KEPT:], _copies(learner.model.parameters())]

    @torch.no_grad()
    def _go_back(self, learner: Learner) -> None:
        weights = self.good.pop() if len(self.good) > 1 else self.good[0]
        for weight, kept in zip(learner.model.parameters(), weights, strict=True):
            weight.copy_(kept)
        learner.optimizer.state.clear()
        self.schedule.base_rates = [SLOW_DOWN * rate for rate in self.schedule.base_rates]
        self.restores += 1
        self._calm = 0
        say(
            f"iteration {learner.iteration}: the states blew up; back to earlier weights, "
            f"learning rate x {SLOW_DOWN}"
        )


def _copies(weights: Iterable[Tensor]) -> list[Tensor]:
    return [weight.detach().clone() for weight in weights]
