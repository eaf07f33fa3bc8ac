"""The one function that sampling and guidance need: ``denoise(x, sigma)`` -> the picture in x."""

from typing import Protocol

import torch
from torch import Tensor, nn

from nca.ddpm.schedules import Schedule
from nca.ddpm.targets import Target, spread


class Denoise(Protocol):
    """Guesses the mean of all pictures that a noised one may have been made of."""

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """Denoise.

        Args:
            x: picture + sigma * noise, [B, C, H, W].
            sigma: the noise level, above 0.

        Returns:
            Pictures in about [-1, 1], [B, C, H, W].
        """
        ...


class Denoiser:
    """A trained net as a denoiser.

    Args:
        net: ``net(x, times)`` or ``net(x, times, classes)`` -> [B, C, H, W].
        schedule, target: it was trained with.
        classes: [B] of what is to be seen, for a net that is told.
    """

    def __init__(
        self, net: nn.Module, schedule: Schedule, target: Target, classes: Tensor | None = None
    ) -> None:
        self.net, self.schedule, self.target, self.classes = net, schedule, target, classes

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """See :class:`Denoise`."""
        levels = torch.full((len(x),), sigma, dtype=torch.float64, device=x.device)
        inputs = [spread(self.target.scale(levels), x) * x, self.schedule.time(levels).float()]
        if self.classes is not None:
            inputs.append(self.classes)
        output: Tensor = self.net(*inputs)
        return spread(self.target.skip(levels), x) * x + spread(self.target.out(levels), x) * output


class Clipped:
    """No value of a picture leaves [-1, 1]: early guesses are too bold otherwise."""

    def __init__(self, denoise: Denoise) -> None:
        self.denoise = denoise

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """See :class:`Denoise`."""
        return self.denoise(x, sigma).clamp(-1, 1)
