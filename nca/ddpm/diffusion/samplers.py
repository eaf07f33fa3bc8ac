"""Samplers turn noise into images: they call ``denoise`` at falling noise levels.

:class:`Sampler` contains the loop, and each sampler defines its step. Any sampler works with any
denoiser, guided or not.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor
from typing_extensions import override

from nca.ddpm.diffusion.denoiser import Denoise
from nca.ddpm.settings import SamplerName

REMEMBERED = 8  # number of previous steps that samplers can use


@dataclass(frozen=True)
class Step:
    """The state of a sampler at a step.

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
            denoise: estimates images.
            x: images plus ``sigmas[0]`` times noise, or noise alone, [B, C, H, W].
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
        """Change ``x`` and its level before one of ``count`` steps; by default they stay as is."""
        del count, noise
        return x, sigma

    @abstractmethod
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        """Compute ``x`` at the next level.

        Args:
            steps: the current step, then the previous ones.
            sigma_next: the next level.
            denoise, noise: as given to the sampler.
        """


@dataclass(frozen=True)
class DDPM(Sampler):
    """Ancestral sampling, Ho et al. 2020, algorithm 2; it works with any subset of the levels.

    Args:
        large: use beta as the variance of the added noise, as the lesson does; otherwise the
            variance of the posterior. In the paper, beta is optimal if images are noise, and the
            posterior's variance if there is only one image.
    """

    large: bool = False

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del denoise
        sigma, x, denoised = steps[0].sigma, steps[0].x, steps[0].denoised
        # The posterior of the next level, given the image: eq. 7 in terms of sigma.
        x = denoised + (sigma_next / sigma) ** 2 * (x - denoised)
        if sigma_next == 0:
            return x
        variance = sigma**2 - sigma_next**2
        variance *= (
            (1 + sigma_next**2) / (1 + sigma**2) if self.large else (sigma_next / sigma) ** 2
        )
        return x + math.sqrt(variance) * noise()


@dataclass(frozen=True)
class DDPMSkip(DDPM):
    """:class:`DDPM` as in fast.ai's notebook 19: the network runs every third step and at the end.

    The other steps reuse its last estimate of the noise.

    Args:
        every: number of steps between two calls.
        last: number of steps at the end that all call it.
    """

    large: bool = True
    every: int = 3
    last: int = 50

    @override
    def __call__(
        self,
        denoise: Denoise,
        x: Tensor,
        sigmas: Sequence[float],
        noise: Noise,
        watch: Watch | None = None,
    ) -> Tensor:
        levels = [float(sigma) for sigma in sigmas[:-1]]
        called = set(levels[:: -self.every]) | {*levels[:1], *levels[-self.last :]}
        found = x

        def skipping(x: Tensor, sigma: float) -> Tensor:
            nonlocal found
            if sigma in called:
                denoised = denoise(x, sigma)
                found = (x - denoised) / sigma
                return denoised
            return x - sigma * found

        return super().__call__(skipping, x, sigmas, noise, watch)


@dataclass(frozen=True)
class DDIM(Sampler):
    """Song, Meng and Ermon, "Denoising Diffusion Implicit Models", 2021, eq. 12 and 16.

    Args:
        eta: 0: deterministic; 1: :class:`DDPM`.
    """

    eta: float = 0.0

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del denoise
        step = steps[0]
        fresh = self.eta * sigma_next / step.sigma * (step.sigma**2 - sigma_next**2) ** 0.5
        x = step.denoised + math.sqrt(sigma_next**2 - fresh**2) * step.slope
        return x + fresh * noise() if fresh > 0 else x


@dataclass(frozen=True)
class Heun(Sampler):
    """Karras et al. 2022, algorithm 2, over all levels.

    After noise has been added, all steps use the raised level. The lesson's version used the old
    level for denoising and dividing.

    Args:
        churn: S_churn, the amount of noise added over all steps.
        inflation: S_noise, the std of the added noise.
    """

    churn: float = 0.0
    inflation: float = 1.003

    def add_churn(self, x: Tensor, sigma: float, count: int, noise: Noise) -> tuple[Tensor, float]:
        """Add noise, which raises the level."""
        raised = sigma * (1 + min(self.churn / count, 2**0.5 - 1))
        if raised > sigma:
            x = x + (raised**2 - sigma**2) ** 0.5 * self.inflation * noise()
        return x, raised

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del noise
        step = steps[0]
        ahead = step.x + (sigma_next - step.sigma) * step.slope
        if sigma_next == 0:
            return ahead
        slope = (step.slope + (ahead - denoise(ahead, sigma_next)) / sigma_next) / 2
        return step.x + (sigma_next - step.sigma) * slope


@dataclass(frozen=True)
class LMS(Sampler):
    """Linear multistep (Adams-Bashforth): the slopes of the last steps as a polynomial in sigma.

    Args:
        order: number of slopes, 1 to 8; 1 is Euler's method for the ordinary differential equation
            of Karras et al. 2022, eq. 4.
    """

    order: int = 4

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del denoise, noise
        used = list(steps)[: self.order]
        weights = multistep_weights([step.sigma for step in used], sigma_next)
        x = used[0].x
        for weight, step in zip(weights, used, strict=True):
            x = x + weight * step.slope
        return x


def multistep_weights(nodes: Sequence[float], sigma_next: float) -> list[float]:
    """Integrals from ``nodes[0]`` to ``sigma_next`` of the Lagrange polynomials of the nodes."""
    weights = []
    for j, node in enumerate(nodes):
        others = [other for k, other in enumerate(nodes) if k != j]
        polynomial = np.poly1d(others, r=True) / float(np.prod([node - other for other in others]))
        integral = np.polyint(polynomial)
        weights.append(float(integral(sigma_next) - integral(nodes[0])))
    return weights


@dataclass(frozen=True)
class DPMPP(Sampler):
    """DPM-Solver++(2M): Lu et al. 2022, algorithm 2, with ``lambda = -ln sigma``."""

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del denoise, noise
        sigma, estimate = steps[0].sigma, steps[0].denoised
        # The step to level 0 is infinitely long in lambda, so the last estimate is the result.
        if len(steps) > 1 and sigma_next > 0:
            ratio = np.log(steps[1].sigma / sigma) / np.log(sigma / sigma_next)
            estimate = (1 + 0.5 / ratio) * estimate - 0.5 / ratio * steps[1].denoised
        return sigma_next / sigma * steps[0].x + (1 - sigma_next / sigma) * estimate


def build_sampler(name: SamplerName, *, eta: float = 0.0, churn: float = 0.0) -> Sampler:
    """Make a sampler by name; ``ddpm`` is the lesson's, with the larger variance."""
    samplers: dict[SamplerName, Sampler] = {
        "ddpm": DDPM(large=True),
        "ddpm-skip": DDPMSkip(),
        "ddim": DDIM(eta),
        "euler": LMS(order=1),
        "heun": Heun(churn),
        "lms": LMS(),
        "dpmpp": DPMPP(),
    }
    return samplers[name]
