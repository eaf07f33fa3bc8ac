"""Keep training going when states blow up."""

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

GRACE = 50  # first iterations, in which no weights are restored; the pool resets states
CALM = 25  # iterations without a blow-up after which a copy of the weights is kept
KEPT = 8  # number of copies, besides the newest
SLOW_DOWN = 0.7  # factor for the learning rate after a blow-up


class Stabilizer(Callback):
    """Drop gradients that are not finite; restore weights when most of a batch blows up.

    The weights are those of the last calm period. Training continues from them with a fresh
    optimizer and a lower learning rate, because the old rate led to the blow-up. If states blow up
    again before the next calm period, the weights of the calm period before that are restored. The
    last remaining copy is never dropped.

    Args:
        schedule: learning-rate schedule; its rates are lowered.

    Attributes:
        restores: number of times that weights were restored.
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
        """Keep a copy of the initial weights."""
        if not self.good:
            self.good = [_copies(learner.model.parameters())]

    def after_backward(self, learner: Learner) -> None:
        """Drop the gradients if one of them is not finite."""
        gradients = gradients_of(learner.model)
        finite = all_finite(gradients)
        if finite.is_cuda:  # bool() would wait for the GPU
            for gradient in gradients:
                gradient.masked_fill_(~finite, 0)
        elif not finite:
            learner.optimizer.zero_grad(set_to_none=True)

    def after_step(self, learner: Learner) -> None:
        """Restore weights after a blow-up; otherwise keep a copy after a calm period."""
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
            f"iteration {learner.iteration}: the states blew up; restoring earlier weights, "
            f"learning rate x {SLOW_DOWN}"
        )


def _copies(weights: Iterable[Tensor]) -> list[Tensor]:
    return [weight.detach().clone() for weight in weights]
