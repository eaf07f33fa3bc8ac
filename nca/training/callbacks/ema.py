"""Exponential moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from nca.training.callback import Callback
from nca.training.learner import Learner


class EMA(Callback):
    """Keep a moving average of the weights; it changes more smoothly than the weights do.

    Args:
        decay: fraction of the average that each step keeps.
        warm_up: after n steps, use a decay of at most ``(1 + n) / (10 + n)``, so that the initial
            weights are forgotten quickly.
    """

    order = 10

    def __init__(self, decay: float, *, warm_up: bool = True) -> None:
        self.decay, self.warm_up = decay, warm_up
        self.steps = 0
        self.weights: list[Tensor] = []
        # These tensors share the weights' memory and need no gradient. Collecting the weights or
        # disabling gradients in every step would take longer than the averaging itself.
        self._followed: list[Tensor] = []

    def before_fit(self, learner: Learner) -> None:
        """Start with the current weights."""
        self._followed = [weight.detach() for weight in learner.model.parameters()]
        if not self.weights:
            self.weights = [weight.clone() for weight in self._followed]
        self.weights = [
            average.to(weight.device)
            for average, weight in zip(self.weights, self._followed, strict=True)
        ]

    def restart(self, model: nn.Module) -> None:
        """Start over with the weights of a model, for example after its size has changed."""
        self._followed = [weight.detach() for weight in model.parameters()]
        self.weights = [weight.clone() for weight in self._followed]
        self.steps = 0

    def after_step(self, _: Learner) -> None:
        """Move the average toward the weights."""
        decay = self.decay
        if self.warm_up:
            decay = min(decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_(self.weights, self._followed, 1 - decay)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Overwrite a model's weights with the average."""
        for weight, average in zip(model.parameters(), self.weights, strict=True):
            weight.copy_(average)

    @contextmanager
    def averaged(self, model: nn.Module) -> Iterator[None]:
        """Give a model the averaged weights within a ``with`` block."""
        own = [weight.detach().clone() for weight in model.parameters()]
        self.copy_to(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, kept in zip(model.parameters(), own, strict=True):
                    weight.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """The average, and the number of averaged steps."""
        return {"weights": [weight.clone() for weight in self.weights], "steps": self.steps}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self.steps = [w.clone() for w in state["weights"]], state["steps"]
