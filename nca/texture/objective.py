"""The objective of a texture rule: after some steps, look like the target and do not overflow."""

from typing import Any

import torch
from torch import Tensor, nn

from nca.losses.texture import TextureLoss, overflow
from nca.rule import Rule
from nca.texture.pool import Draw, blown_up
from nca.texture.settings import TrainSettings
from nca.training.objective import Objective
from nca.unroll import unroll


class GrowTexture(Objective):
    """Unroll the rule over a batch of the pool and compare its colours with the target's.

    Args:
        rule: whose colour map is used.
        texture_loss: the distance from the target.
        settings: weights of the terms, and whether gradients are capped.
    """

    def __init__(self, rule: Rule, texture_loss: TextureLoss, settings: TrainSettings) -> None:
        self.rule, self.texture_loss, self.settings = rule, texture_loss, settings

    def predict(self, model: nn.Module, batch: Draw) -> Tensor:
        """States after the steps of the batch, [B, C, H, W]."""
        assert isinstance(model, Rule)
        return unroll(batch.state, model, batch.masks, self.settings.backend)

    def losses(self, prediction: Tensor, batch: Draw) -> dict[str, Tensor]:
        """The texture loss by layer, and the overflow of all channels."""
        del batch
        state = prediction
        if self.settings.cap_gradients:
            state = cap_gradients(prediction)
        layers = self.texture_loss(self.rule.to_rgb(state))
        terms = {f"texture/{k}": self.settings.texture_weight * v.mean() for k, v in layers.items()}
        # Taken of the state itself: nothing else pulls a blown-up sample back.
        terms["overflow"] = self.settings.overflow_weight * overflow(prediction)
        return terms


class _CapGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, blown: Tensor) -> Tensor:
        ctx.save_for_backward(blown)
        return state.view_as(state)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (blown,) = ctx.saved_tensors
        gradient = gradients[0]
        norms = gradient.flatten(1).norm(dim=1)
        factor = (norms.nanmedian() / (norms + 1e-12)).clamp(max=1).masked_fill(blown, 0)
        return gradient.nan_to_num() * factor.nan_to_num()[:, None, None, None], None


def cap_gradients(state: Tensor) -> Tensor:
    """Identity, whose backward caps the gradient of every sample at the median of the batch.

    One sample in trouble has a gradient many times that of the others, and would be all that a
    step of the optimizer sees. Samples that blew up get none: theirs points nowhere useful.

    Args:
        state: [B, C, H, W].
    """
    capped: Tensor = _CapGradients.apply(state, blown_up(state))  # type: ignore[no-untyped-call]
    return capped
