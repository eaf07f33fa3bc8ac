"""The training objective of a rule: unroll it on a batch of states, and measure their distance."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nca.backends import Backend, unroll
from nca.losses.settings import PenaltySettings
from nca.losses.texture import curvature, overflow
from nca.maps import map_width
from nca.rule import Rule
from nca.texture.pool import Draw, blown_up
from nca.training.objective import Objective

if TYPE_CHECKING:
    from nca.texture.tasks.base import Task


class Grow(Objective):
    """Unroll the rule; the loss terms are the task's distance, the overflow and the curvature.

    The curvature is that of the hidden channels: those after the channels of the picture, or with a
    decoder, all of them. See docs/lab/curvature.md.

    Args:
        task: defines the distance.
        penalty: weights of the overflow and the curvature; see :mod:`nca.losses.texture`.
        cap: whether to cap the gradients of the distance with :func:`cap_gradients`.
        backend: code that computes the steps.
    """

    def __init__(
        self,
        task: "Task",
        penalty: PenaltySettings,
        *,
        cap: bool = False,
        backend: Backend = "auto",
    ) -> None:
        self.task, self.penalty, self.cap, self.backend = task, penalty, cap, backend

    def predict(self, model: nn.Module, batch: Draw) -> Tensor:
        """Return the states after the batch's steps, [B, C, H, W]."""
        assert isinstance(model, Rule)
        return unroll(batch.state, model, batch.masks, self.backend)

    def losses(self, prediction: Tensor, batch: Draw) -> dict[str, Tensor]:
        """Return every term, averaged over the batch, and multiplied by its weight."""
        state = cap_gradients(prediction) if self.cap else prediction
        distances = self.task.distance(self.task.rule, state, self.task.compared_with(batch.index))
        terms = {name: distance.mean() for name, distance in distances.items()}
        settings = self.task.rule.settings
        hidden = state if settings.decoder else state[:, map_width(settings.maps) :]
        if self.penalty.curvature_weight and hidden.shape[1]:
            each = curvature(hidden, wraps=settings.wraps)
            terms["curvature"] = self.penalty.curvature_weight * each.mean()
        # This gradient is not capped, because only it pulls a blown-up sample back.
        terms["overflow"] = self.penalty.overflow_weight * overflow(prediction)
        return terms


class _CapGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, blown: Tensor) -> Tensor:
        ctx.save_for_backward(blown)
        return state.masked_fill(blown[:, None, None, None], 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (blown,) = ctx.saved_tensors
        gradient = gradients[0]
        norms = gradient.flatten(1).norm(dim=1)
        factor = (norms.nanmedian() / (norms + 1e-12)).clamp(max=1).masked_fill(blown, 0)
        return gradient.nan_to_num() * factor.nan_to_num()[:, None, None, None], None


def cap_gradients(state: Tensor) -> Tensor:
    """Return the states, but cap each sample's gradient norm at the batch median.

    Without the cap, one sample with a gradient many times as large as the others would decide the
    optimizer step. A blown-up sample becomes zero, and so does its gradient, which has no useful
    direction. Otherwise it would outweigh all others in the statistics of the batch.

    Args:
        state: [B, C, H, W].
    """
    capped: Tensor = _CapGradients.apply(state, blown_up(state))  # type: ignore[no-untyped-call]
    return capped
