"""The objective of style transfer: the loss of the current image at one scale."""

from typing import Any

import torch
from torch import Tensor, nn

from nca.losses.perceptual import StyleLoss
from nca.losses.tiled import TiledLoss
from nca.training.objective import Objective


class Stylize(Objective):
    """Reduce the loss of an image.

    Args:
        generator: source of all random numbers in a step; its state goes into checkpoints.

    Attributes:
        loss: the loss at the current scale.
    """

    loss: StyleLoss | TiledLoss

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def predict(self, model: nn.Module, batch: Any) -> Tensor:
        """The image, [1, 3, H, W]; batches are ignored."""
        del batch
        image: Tensor = model()
        return image

    def losses(self, prediction: Tensor, batch: Any) -> dict[str, Tensor]:
        """All loss terms, by name."""
        del batch
        return {name: value.mean() for name, value in self.loss(prediction).items()}

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.generator.set_state(state["generator"])
