"""The function that sampling and guidance need: ``denoise(x, sigma)`` estimates the clean image."""

from typing import Protocol

import torch
from torch import Tensor, nn
from typing_extensions import override

from nca.ddpm.diffusion.parameterization import Parameterization, expand_like
from nca.ddpm.diffusion.schedules import Schedule


class Denoise(Protocol):
    """Estimates the expected clean image, given a noised one (the posterior mean)."""

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """Denoise.

        Args:
            x: image + sigma * noise, [B, C, H, W].
            sigma: the noise level, above 0.

        Returns:
            Images in about [-1, 1], [B, C, H, W].
        """
        ...


class Denoiser(Denoise):
    """A denoiser that runs a trained network.

    Args:
        network: ``network(x, times)`` or ``network(x, times, classes)`` -> [B, C, H, W].
        schedule, parameterization: the schedule and the parameterization that the network was
            trained with.
        classes: classes of the images, [B], or one class for all images; None: the network is not
            conditioned on classes.
    """

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        parameterization: Parameterization,
        classes: Tensor | int | None = None,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.parameterization, self.classes = parameterization, classes

    @override
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        of, sigmas = self.parameterization, x.new_full((len(x),), sigma, dtype=torch.float64)
        classes = self.classes
        if isinstance(classes, int):
            classes = x.new_full((len(x),), classes, dtype=torch.long)
        scaled, times = expand_like(of.scale(sigmas), x) * x, self.schedule.time(sigmas).float()
        output = run_network(self.network, scaled, times, classes)
        return expand_like(of.skip(sigmas), x) * x + expand_like(of.out(sigmas), x) * output


def run_network(network: nn.Module, x: Tensor, times: Tensor, classes: Tensor | None) -> Tensor:
    """Run a network that may be conditioned on classes; return its output, [B, C, H, W]."""
    output: Tensor = network(x, times) if classes is None else network(x, times, classes)
    return output


class Clipped(Denoise):
    """Clips estimates to [-1, 1]; at high noise levels, estimates may lie outside this range."""

    def __init__(self, denoise: Denoise) -> None:
        self.denoise = denoise

    @override
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return self.denoise(x, sigma).clamp(-1, 1)
