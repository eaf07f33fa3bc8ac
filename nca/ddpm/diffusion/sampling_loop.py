"""The loop that all samplers share; it calls ``denoise`` at falling noise levels.

Each sampler in :mod:`nca.ddpm.diffusion.samplers` defines one step of this loop.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor

from nca.ddpm.diffusion.denoiser import Denoise

REMEMBERED = 8  # number of steps that samplers can use, including the current one


@dataclass(frozen=True)
class Step:
    """The state of a sampler in one step.

    Attributes:
        index: number of the step.
        sigma: noise level of ``x``.
        x: noised images, [B, C, H, W].
        denoised: estimate of the images in ``x``.
    """

    index: int
    sigma: float
    x: Tensor
    denoised: Tensor

    @property
    def slope(self) -> Tensor:
        """The noise in ``x``, with std 1: the derivative of ``x`` with respect to ``sigma``."""
        return (self.x - self.denoised) / self.sigma

    @property
    def velocity(self) -> Tensor:
        """``noise - image``: the derivative with respect to the time of a rectified flow."""
        return self.slope - self.denoised


Steps = Sequence[Step]
Watch = Callable[[Step], None]
Noise = Callable[[], Tensor]


class Sampler(ABC):
    """Base class of samplers."""

    def __call__(
        self,
        denoise: Denoise,
        x: Tensor,
        sigmas: Sequence[float],
        noise: Noise,
        watch: Watch | None = None,
    ) -> Tensor:
        """Generate images.

        Args:
            denoise: estimates images from noised images.
            x: images plus ``sigmas[0]`` times noise, or only the noise, [B, C, H, W].
            sigmas: falling levels; the last one is 0.
            noise: returns standard normal noise with the shape of ``x``.
            watch: called with every step.

        Returns:
            Images, [B, C, H, W].

        Raises:
            ValueError: the levels do not fall to 0.
        """
        if len(sigmas) < 2 or sigmas[-1] != 0 or any(np.diff(sigmas) >= 0):
            raise ValueError("noise levels must fall and end at 0")
        steps: deque[Step] = deque(maxlen=REMEMBERED)
        for index, (sigma, sigma_next) in enumerate(pairwise(map(float, sigmas))):
            x, level = self.add_churn(x, sigma, len(sigmas) - 1, noise)
            step = Step(index, level, x, denoise(x, level))
            if watch is not None:
                watch(step)
            steps.appendleft(step)
            x = self.step(steps, sigma_next, denoise, noise)
        return x

    def add_churn(self, x: Tensor, sigma: float, count: int, noise: Noise) -> tuple[Tensor, float]:
        """Change ``x`` and its level before one of ``count`` steps; by default, change nothing."""
        del count, noise
        return x, sigma

    @abstractmethod
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        """Compute ``x`` at the next level.

        Args:
            steps: the current step, then the previous steps, latest first.
            sigma_next: the next level.
            denoise, noise: as given to the sampler.
        """
