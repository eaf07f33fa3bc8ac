"""Samplers: from noise to pictures, through falling noise levels, asking ``denoise(x, sigma)``.

All go the same way, written once in :class:`Sampler`, and differ in how one step of it is taken.
So samplers can be exchanged for each other, and denoisers too, guided or not.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nca.ddpm.denoiser import Denoise
from nca.ddpm.settings import SamplerName

REMEMBERED = 8  # steps


@dataclass(frozen=True)
class Step:
    """What a sampler tells at every step.

    Attributes:
        index: of the step.
        sigma: the noise level of ``x``.
        x: the noised pictures, [B, C, H, W].
        denoised: what they are a guess of.
    """

    index: int
    sigma: float
    x: Tensor
    denoised: Tensor

    @property
    def slope(self) -> Tensor:
        """The noise in ``x``, of deviation 1: what ``x`` changes by where ``sigma`` does by 1."""
        return (self.x - self.denoised) / self.sigma


Watch = Callable[[Step], None]
Noise = Callable[[], Tensor]


class SeededNoise:
    """Noise whose picture i depends on its own seed alone, whatever else is in the batch.

    Args:
        seeds: one a picture.
        shape: [C, H, W] of a picture.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape = tuple(shape)

    def __call__(self) -> Tensor:
        """Draw [B, C, H, W]."""
        return torch.stack([torch.randn(self.shape, generator=g) for g in self.generators])


class Sampler(ABC):
    """Draws pictures."""

    def __call__(
        self,
        denoise: Denoise,
        x: Tensor,
        sigmas: Sequence[float],
        noise: Noise,
        watch: Watch | None = None,
    ) -> Tensor:
        """Draw.

        Args:
            denoise: guesses pictures.
            x: pictures + ``sigmas[0]`` times noise, or noise alone, [B, C, H, W].
            sigmas: falling levels; the last one is 0.
            noise: gives standard normal noise of the shape of ``x``.
            watch: is told of every step.

        Returns:
            Pictures, [B, C, H, W].

        Raises:
            ValueError: the levels do not fall to 0.
        """
        if len(sigmas) < 2 or sigmas[-1] != 0 or any(np.diff(sigmas) >= 0):
            raise ValueError("noise levels must fall, and the last one be 0")
        steps: deque[Step] = deque(maxlen=REMEMBERED)
        for index, (sigma, after) in enumerate(pairwise(map(float, sigmas))):
            x, level = self.stir(x, sigma, len(sigmas) - 1, noise)
            step = Step(index, level, x, denoise(x, level))
            if watch is not None:
                watch(step)
            steps.appendleft(step)
            x = self.move(steps, after, denoise, noise)
        return x

    def stir(self, x: Tensor, sigma: float, count: int, noise: Noise) -> tuple[Tensor, float]:
        """What comes before a guess, of ``count``: ``x`` and its level, left alone by default."""
        del count, noise
        return x, sigma

    @abstractmethod
    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """``x`` at the next level.

        Args:
            steps: the present one, then those before it.
            after: the next level.
            denoise, noise: as given to the sampler.
        """


@dataclass(frozen=True)
class DDPM(Sampler):
    """Ancestral sampling, Ho et al. 2020, algorithm 2; levels may be left out.

    Args:
        large: the variance of the noise is beta, as in the lesson, instead of the posterior's:
            their two choices, optimal for pictures that are noise, and for a single one.
    """

    large: bool = False

    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """See :class:`Sampler`."""
        del denoise
        sigma, x, denoised = steps[0].sigma, steps[0].x, steps[0].denoised
        # The posterior of the level below, given the picture: eq. 7 in terms of sigma.
        x = denoised + (after / sigma) ** 2 * (x - denoised)
        if after == 0:
            return x
        variance = sigma**2 - after**2
        variance *= (1 + after**2) / (1 + sigma**2) if self.large else (after / sigma) ** 2
        return x + math.sqrt(variance) * noise()


@dataclass(frozen=True)
class DDPMSkip(DDPM):
    """:class:`DDPM` as in fast.ai's notebook 19: the net is asked every third time and at the end.

    In between, the noise that it saw last is taken to be still there.

    Args:
        every: so many steps from one question to the next.
        last: so many steps at the end are all asked at.
    """

    large: bool = True
    every: int = 3
    last: int = 50

    def __call__(
        self,
        denoise: Denoise,
        x: Tensor,
        sigmas: Sequence[float],
        noise: Noise,
        watch: Watch | None = None,
    ) -> Tensor:
        """See :class:`Sampler`."""
        levels = [float(sigma) for sigma in sigmas[:-1]]
        asked = set(levels[:: -self.every]) | {*levels[:1], *levels[-self.last :]}
        seen = x

        def skipping(x: Tensor, sigma: float) -> Tensor:
            nonlocal seen
            if sigma in asked:
                denoised = denoise(x, sigma)
                seen = (x - denoised) / sigma
                return denoised
            return x - sigma * seen

        return super().__call__(skipping, x, sigmas, noise, watch)


@dataclass(frozen=True)
class DDIM(Sampler):
    """Song, Meng and Ermon, "Denoising Diffusion Implicit Models", 2021, eq. 12 and 16.

    Args:
        eta: 0: nothing is random; 1: :class:`DDPM`.
    """

    eta: float = 0.0

    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """See :class:`Sampler`."""
        del denoise
        step = steps[0]
        fresh = self.eta * after / step.sigma * (step.sigma**2 - after**2) ** 0.5
        x = step.denoised + math.sqrt(after**2 - fresh**2) * step.slope
        return x + fresh * noise() if fresh > 0 else x


@dataclass(frozen=True)
class Euler(Sampler):
    """Euler's method on the ordinary differential equation of Karras et al. 2022, eq. 4."""

    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """See :class:`Sampler`."""
        del denoise, noise
        return steps[0].x + (after - steps[0].sigma) * steps[0].slope


@dataclass(frozen=True)
class Heun(Sampler):
    """Karras et al. 2022, algorithm 2, over all levels.

    Everything after the noise is added works at the raised level; the lesson's version denoised and
    divided by the old one.

    Args:
        churn: S_churn, how much noise is added on the way, over all steps.
        inflation: S_noise of the noise that is added.
    """

    churn: float = 0.0
    inflation: float = 1.003

    def stir(self, x: Tensor, sigma: float, count: int, noise: Noise) -> tuple[Tensor, float]:
        """Add noise, and so raise the level."""
        raised = sigma * (1 + min(self.churn / count, 2**0.5 - 1))
        if raised > sigma:
            x = x + (raised**2 - sigma**2) ** 0.5 * self.inflation * noise()
        return x, raised

    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """See :class:`Sampler`."""
        del noise
        step = steps[0]
        ahead = step.x + (after - step.sigma) * step.slope
        if after == 0:
            return ahead
        slope = (step.slope + (ahead - denoise(ahead, after)) / after) / 2
        return step.x + (after - step.sigma) * slope


@dataclass(frozen=True)
class LMS(Sampler):
    """Linear multistep (Adams-Bashforth): the slopes of the last steps as a polynomial in sigma.

    Args:
        order: how many steps, 1 to 8.
    """

    order: int = 4

    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """See :class:`Sampler`."""
        del denoise, noise
        used = list(steps)[: self.order]
        weights = multistep_weights([step.sigma for step in used], after)
        x = used[0].x
        for weight, step in zip(weights, used, strict=True):
            x = x + weight * step.slope
        return x


def multistep_weights(nodes: Sequence[float], after: float) -> list[float]:
    """Integrals from ``nodes[0]`` to ``after`` of the Lagrange polynomials of the nodes."""
    weights = []
    for j, node in enumerate(nodes):
        others = [other for k, other in enumerate(nodes) if k != j]
        polynomial = np.poly1d(others, r=True) / float(np.prod([node - other for other in others]))
        integral = np.polyint(polynomial)
        weights.append(float(integral(after) - integral(nodes[0])))
    return weights


@dataclass(frozen=True)
class DPMPP(Sampler):
    """DPM-Solver++(2M): Lu et al. 2022, algorithm 2, with ``lambda = -ln sigma``."""

    def move(self, steps: Sequence[Step], after: float, denoise: Denoise, noise: Noise) -> Tensor:
        """See :class:`Sampler`."""
        del denoise, noise
        sigma, guess = steps[0].sigma, steps[0].denoised
        # To 0 the step is infinitely long: the last guess of the picture is the answer.
        if len(steps) > 1 and after > 0:
            ratio = np.log(steps[1].sigma / sigma) / np.log(sigma / after)
            guess = (1 + 0.5 / ratio) * guess - 0.5 / ratio * steps[1].denoised
        return after / sigma * steps[0].x + (1 - after / sigma) * guess


def build_sampler(name: SamplerName, *, eta: float = 0.0, churn: float = 0.0) -> Sampler:
    """A sampler by name; ``ddpm`` is the lesson's, with the larger variance."""
    samplers: dict[SamplerName, Sampler] = {
        "ddpm": DDPM(large=True),
        "ddpm-skip": DDPMSkip(),
        "ddim": DDIM(eta),
        "euler": Euler(),
        "heun": Heun(churn),
        "lms": LMS(),
        "dpmpp": DPMPP(),
    }
    return samplers[name]
