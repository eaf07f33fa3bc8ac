"""Iterations of the default training to time, with and without a decoder on equal grids."""

import torch
from PIL import Image

from nca.benchmarks.settings import SMALL
from nca.images import to_tensor
from nca.options import PictureInMemory
from nca.texture.settings import train_settings
from nca.texture.train import TextureTraining

SCALE, SIZE, GRID, STEPS = (4, 128, 32, 4) if SMALL else (8, 512, 64, 24)


class FineIteration:
    """One training iteration (steps, loss and gradients), without updating the weights.

    Args:
        scale: number of pixels per cell that the decoder draws; 0: no decoder.
    """

    def __init__(self, scale: int = 0) -> None:
        image = Image.effect_noise((SIZE, SIZE), 60).convert("RGB")
        size = SIZE if scale else SIZE // SCALE
        settings = train_settings(
            PictureInMemory(image, "noise"), None, decoder=scale, size=size, grid=GRID,
            steps=(STEPS, STEPS), late_from=1.0, quiet=True,
        )  # fmt: skip
        learner = TextureTraining(settings, to_tensor(image.resize((size, size)))).learner
        self.rule, self.objective = learner.model, learner.objective
        self.batch = next(iter(learner.batches))
        self.batch.state.uniform_(-0.5, 0.5)
        self.state = self.objective.predict(self.rule, self.batch).detach()

    def __call__(self) -> None:
        """Run the steps, and compute the loss and its gradients."""
        self._backward(self.objective.predict(self.rule, self.batch))

    def pictures(self) -> None:
        """Draw the pictures of stored states, without steps, and compute the loss and gradients."""
        self._backward(self.state.requires_grad_())

    def _backward(self, state: torch.Tensor) -> None:
        torch.stack(list(self.objective.losses(state, self.batch).values())).sum().backward()  # type: ignore[no-untyped-call]
        self.rule.zero_grad()
        self.state.grad = None
