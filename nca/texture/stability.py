"""What keeps a training going when states blow up."""

from typing import TYPE_CHECKING, Any

import torch

from nca.texture.pool import blown_up
from nca.training.callback import Callback
from nca.training.callbacks import EMA, Progress, Schedule

if TYPE_CHECKING:
    from nca.training.learner import Learner

GRACE = 50  # iterations in which nothing is worth going back to
SLOW_DOWN = 0.7


class Stabilizer(Callback):
    """Skip steps whose gradient is not finite; go back when most of a batch blows up.

    Back is the averaged weights, a fresh optimizer and a lower learning rate: the old rate is what
    led there.

    Args:
        ema: the average to go back to.
        schedule: whose rates are lowered.

    Attributes:
        restores: how often it went back.
    """

    order = 5  # after the gradients are normalized, before the average moves on

    def __init__(self, ema: EMA, schedule: Schedule) -> None:
        self.ema, self.schedule = ema, schedule
        self.restores = 0

    def after_backward(self, learner: "Learner") -> None:
        """Take the gradients away if one of them is not finite."""
        gradients = [w.grad for w in learner.model.parameters() if w.grad is not None]
        if not all(torch.isfinite(gradient).all() for gradient in gradients):
            learner.optimizer.zero_grad(set_to_none=True)

    def after_step(self, learner: "Learner") -> None:
        """Go back, if it must be."""
        blown = int(blown_up(learner.prediction).sum())
        if learner.iteration < GRACE or 4 * blown < 3 * len(learner.prediction):
            return
        self.restores += 1
        self.ema.copy_to(learner.model)
        learner.optimizer.state.clear()
        self.schedule.base_rates = [SLOW_DOWN * rate for rate in self.schedule.base_rates]
        Progress.say(
            f"iteration {learner.iteration}: the states blew up; back to the averaged weights, "
            f"learning rate x {SLOW_DOWN}"
        )

    def state_dict(self) -> dict[str, Any]:
        """How often it went back."""
        return {"restores": self.restores}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self.restores = state["restores"]
