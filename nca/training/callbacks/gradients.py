"""What is done to gradients between backward and step."""

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from nca.training.callback import Callback, CancelBatch
from nca.training.learner import Learner


class NormalizeGradients(Callback):
    """Give the gradient of every weight tensor unit length.

    Every serious NCA trainer does this, from "Growing Neural Cellular Automata" on: the scale of
    gradients through dozens of steps is arbitrary, their direction is not.
    """

    essential = True

    @torch.no_grad()
    def after_backward(self, learner: Learner) -> None:
        """Divide by the norm."""
        for gradient in gradients_of(learner.model):
            gradient.div_(gradient.norm() + 1e-8)


class ClipGradients(Callback):
    """Shorten the gradient of all weights together to a length, and record what it was.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013.

    Args:
        norm: the longest that a gradient may be.
    """

    essential = True

    def __init__(self, norm: float) -> None:
        self.norm = norm

    def after_backward(self, learner: Learner) -> None:
        """Shorten."""
        length = clip_grad_norm_(learner.model.parameters(), self.norm)
        learner.measures["gradient_norm"] = length


class NaNGuard(Callback):
    """Skip a batch whose gradient is not finite; give up when that goes on and on.

    Waits for the device at every step. One bad gradient otherwise turns every weight, and every
    average of them, into NaN.

    Args:
        patience: so many bad batches in a row end the training.

    Attributes:
        skipped: bad batches, in all.

    Raises:
        RuntimeError: (in the fit) the patience is at its end.
    """

    order = -5  # before anything uses the gradient
    essential = True
    kept = ("skipped", "_in_a_row")

    def __init__(self, patience: int = 10) -> None:
        self.patience = patience
        self.skipped = self._in_a_row = 0

    def after_backward(self, learner: Learner) -> None:
        """Look at the gradient."""
        if all_finite(gradients_of(learner.model)):
            self._in_a_row = 0
            return
        self.skipped += 1
        self._in_a_row += 1
        if self._in_a_row >= self.patience:
            raise RuntimeError(
                f"iteration {learner.iteration}: the gradients of {self.patience} batches in a row "
                f"are not finite; try a lower learning rate"
            )
        raise CancelBatch


def gradients_of(model: nn.Module) -> list[Tensor]:
    """Gradients of the weights that have one."""
    return [weight.grad for weight in model.parameters() if weight.grad is not None]


@torch.no_grad()
def all_finite(tensors: list[Tensor]) -> Tensor:
    """Whether no number in them is infinite or NaN: one answer for all, on their device."""
    if not tensors:
        return torch.tensor(True)
    return torch.stack([tensor.isfinite().all() for tensor in tensors]).all()
