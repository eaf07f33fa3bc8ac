"""Change gradients between the backward pass and the optimizer step."""

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from nca.training.callback import Callback, CancelBatch
from nca.training.learner import Learner


class NormalizeGradients(Callback):
    """Scale the gradient of every weight tensor to unit length.

    NCA training has done this since "Growing Neural Cellular Automata": after dozens of steps, a
    gradient's direction is still meaningful, but its magnitude is not.
    """

    essential = True

    @torch.no_grad()
    def after_backward(self, learner: Learner) -> None:
        """Divide by the norm."""
        for gradient in gradients_of(learner.model):
            gradient.div_(gradient.norm() + 1e-8)


class ClipGradients(Callback):
    """Limit the norm of the gradient over all weights, and record the norm before clipping.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013.

    Args:
        norm: maximum norm.
    """

    essential = True

    def __init__(self, norm: float) -> None:
        self.norm = norm

    def after_backward(self, learner: Learner) -> None:
        """Limit the norm."""
        length = clip_grad_norm_(learner.model.parameters(), self.norm)
        learner.measures["gradient_norm"] = length


class NaNGuard(Callback):
    """Skip batches whose gradient is not finite; stop after too many in a row.

    The check waits for the device at every step. Without the check, one bad gradient would turn all
    weights, and every average of the weights, into NaN.

    Args:
        patience: number of bad batches in a row after which training is aborted.

    Attributes:
        skipped: total number of bad batches.

    Raises:
        RuntimeError: (during the fit) there were too many bad batches in a row.
    """

    order = -5  # before other callbacks use the gradient
    essential = True
    kept = ("skipped", "_in_a_row")

    def __init__(self, patience: int = 10) -> None:
        self.patience = patience
        self.skipped = self._in_a_row = 0

    def after_backward(self, learner: Learner) -> None:
        """Check the gradient."""
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
    """Gradients of all weights that have one."""
    return [weight.grad for weight in model.parameters() if weight.grad is not None]


@torch.no_grad()
def all_finite(tensors: list[Tensor]) -> Tensor:
    """Whether all numbers are finite, as a boolean tensor on the same device."""
    if not tensors:
        return torch.tensor(True)
    return torch.stack([tensor.isfinite().all() for tensor in tensors]).all()
