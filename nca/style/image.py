"""The image as a model: its pixels are the trained parameters."""

from typing import Any

import torch
from torch import Tensor, nn

from nca.style.settings import Box
from nca.training.callback import Callback
from nca.training.learner import Learner

MARGIN = 1 / 512  # keeps colors away from 0 and 1, where the slope of the sigmoid is almost zero


class ImageModel(nn.Module):
    """An image whose size can change.

    Args:
        image: initial image, [1, 3, H, W] in [0, 1].
        box: with ``sigmoid``, the parameters are logits of the colors; otherwise, they are the
            colors themselves.
    """

    def __init__(self, image: Tensor, box: Box) -> None:
        super().__init__()
        self.box = box
        self.pixels = nn.Parameter(self._inverse(image).clone())

    def forward(self) -> Tensor:
        """The image, [1, 3, H, W]."""
        return self.pixels.sigmoid() if self.box == "sigmoid" else self.pixels

    def show(self, image: Tensor) -> None:
        """Replace the image by one of any size; ``pixels`` is then a new parameter."""
        self.pixels = nn.Parameter(self._inverse(image).clone())

    def _inverse(self, image: Tensor) -> Tensor:
        return image.clamp(MARGIN, 1 - MARGIN).logit() if self.box == "sigmoid" else image

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        self.pixels.data = self.pixels.new_empty(state[f"{prefix}pixels"].shape)
        super()._load_from_state_dict(state, prefix, *rest)


class Project(Callback):
    """Clip the colors to [0, 1] after every step: projected gradient descent."""

    order = 5  # before the average is updated
    essential = True

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        """Clip the colors."""
        assert isinstance(learner.model, ImageModel)
        learner.model.pixels.clamp_(0, 1)
