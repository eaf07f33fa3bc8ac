"""The objective of style transfer: the losses of the image as it is, at one scale."""

from typing import Any

import torch
from torch import Tensor, nn

from nca.losses.perceptual import StyleLoss
from nca.losses.tiled import TiledLoss
from nca.training.objective import Objective


class Stylize(Objective):
    """Make an image that costs little.

    Args:
        generator: of all that is drawn at random in a step; its state goes into checkpoints.

    Attributes:
        loss: what it costs; set for each scale.
    """

    loss: StyleLoss | TiledLoss

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def predict(self, model: nn.Module, batch: Any) -> Tensor:
        """The image, [1, 3, H, W]; there are no data."""
        del batch
        image: Tensor = model()
        return image

    def losses(self, prediction: Tensor, batch: Any) -> dict[str, Tensor]:
        """Every term, by layer."""
        del batch
        return {name: value.mean() for name, value in self.loss(prediction).items()}

    def state_dict(self) -> dict[str, Any]:
        """Where the generator is."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.generator.set_state(state["generator"])
