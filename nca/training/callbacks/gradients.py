"""What is done to gradients between backward and step."""

from typing import TYPE_CHECKING

import torch

from nca.training.callback import Callback

if TYPE_CHECKING:
    from nca.training.learner import Learner


class NormalizeGradients(Callback):
    """Give the gradient of every weight tensor unit length.

    Every serious NCA trainer does this, from "Growing Neural Cellular Automata" on: the scale of
    gradients through dozens of steps is arbitrary, their direction is not.
    """

    @torch.no_grad()
    def after_backward(self, learner: "Learner") -> None:
        """Divide by the norm."""
        for weight in learner.model.parameters():
            if weight.grad is not None:
                weight.grad /= weight.grad.norm() + 1e-8
