"""Samplers: from noise to pictures, through falling noise levels, asking ``denoise(x, sigma)``.

All have one signature. ``x`` is the noised picture, ``sigmas`` the levels down to 0 at the end,
``noise`` the source of fresh noise; ``watch`` is told of every step. So samplers can be exchanged
for each other, and denoisers too, guided or not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nca.ddpm.denoiser import Denoise
from nca.ddpm.settings import SamplerName


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


Watch = Callable[[Step], None]
Noise = Callable[[], Tensor]


class Sampler(Protocol):
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
        """
        ...


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


def ddpm(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
    *,
    large: bool = False,
) -> Tensor:
    """Ancestral sampling, Ho et al. 2020, algorithm 2; levels may be left out.

    Args:
        large: the variance of the noise is beta, as in the lesson, instead of the posterior's:
            their two choices, optimal for pictures that are noise, and for a single one.
    """
    for i, (sigma, after) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma)
        _tell(watch, i, sigma, x, denoised)
        # The posterior of the level below, given the picture: eq. 7 in terms of sigma.
        x = denoised + (after / sigma) ** 2 * (x - denoised)
        if after > 0:
            variance = sigma**2 - after**2
            variance *= (1 + after**2) / (1 + sigma**2) if large else (after / sigma) ** 2
            x = x + variance**0.5 * noise()
    return x


def ddpm_skip(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
    *,
    every: int = 3,
    last: int = 50,
) -> Tensor:
    """:func:`ddpm` as in fast.ai's notebook 19: the net is asked every third time, and the last 50.

    In between, the noise that it saw last is taken to be still there.
    """
    levels = [sigma for sigma, _ in _pairs(sigmas)]
    asked = {s for i, s in enumerate(levels) if (len(levels) - 1 - i) % every == 0}
    asked |= {levels[0], *levels[-last:]}
    seen = x

    def skipping(x: Tensor, sigma: float) -> Tensor:
        nonlocal seen
        if sigma in asked:
            denoised = denoise(x, sigma)
            seen = (x - denoised) / sigma
            return denoised
        return x - sigma * seen

    return ddpm(skipping, x, sigmas, noise, watch, large=True)


def ddim(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
    *,
    eta: float = 0.0,
) -> Tensor:
    """Song, Meng and Ermon, "Denoising Diffusion Implicit Models", 2021, eq. 12 and 16.

    Args:
        eta: 0: nothing is random; 1: :func:`ddpm`.
    """
    for i, (sigma, after) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma)
        _tell(watch, i, sigma, x, denoised)
        fresh = eta * after / sigma * (sigma**2 - after**2) ** 0.5
        kept = (after**2 - fresh**2) ** 0.5
        x = denoised + kept / sigma * (x - denoised)
        if fresh > 0:
            x = x + fresh * noise()
    return x


def euler(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
) -> Tensor:
    """Euler's method on the ordinary differential equation of Karras et al. 2022, eq. 4."""
    del noise
    for i, (sigma, after) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma)
        _tell(watch, i, sigma, x, denoised)
        x = x + (after - sigma) * (x - denoised) / sigma
    return x


def heun(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
    *,
    churn: float = 0.0,
    inflation: float = 1.003,
) -> Tensor:
    """Karras et al. 2022, algorithm 2, over all levels.

    Everything after the noise is added works at the raised level ``sigma_hat``; the lesson's
    version denoised and divided by the old one.

    Args:
        churn: S_churn, how much noise is added on the way, over all steps.
        inflation: S_noise of the noise that is added.
    """
    gamma = min(churn / (len(sigmas) - 1), 2**0.5 - 1)
    for i, (sigma, after) in enumerate(_pairs(sigmas)):
        sigma_hat = sigma * (1 + gamma)
        if gamma > 0:
            x = x + (sigma_hat**2 - sigma**2) ** 0.5 * inflation * noise()
        denoised = denoise(x, sigma_hat)
        _tell(watch, i, sigma_hat, x, denoised)
        slope = (x - denoised) / sigma_hat
        ahead = x + (after - sigma_hat) * slope
        if after > 0:
            slope = (slope + (ahead - denoise(ahead, after)) / after) / 2
            ahead = x + (after - sigma_hat) * slope
        x = ahead
    return x


def lms(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
    *,
    order: int = 4,
) -> Tensor:
    """Linear multistep (Adams-Bashforth): the slopes of the last steps as a polynomial in sigma."""
    del noise
    slopes: list[Tensor] = []
    for i, (sigma, after) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma)
        _tell(watch, i, sigma, x, denoised)
        slopes = [(x - denoised) / sigma, *slopes][:order]
        nodes = [sigmas[i - j] for j in range(len(slopes))]
        for weight, slope in zip(multistep_weights(nodes, after), slopes, strict=True):
            x = x + weight * slope
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


def dpmpp(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    watch: Watch | None = None,
) -> Tensor:
    """DPM-Solver++(2M): Lu et al. 2022, algorithm 2, with ``lambda = -ln sigma``."""
    del noise
    before: Tensor | None = None
    for i, (sigma, after) in enumerate(_pairs(sigmas)):
        denoised = denoise(x, sigma)
        _tell(watch, i, sigma, x, denoised)
        guess = denoised
        # To 0 the step is infinitely long: the last guess of the picture is the answer.
        if before is not None and after > 0:
            ratio = np.log(sigmas[i - 1] / sigma) / np.log(sigma / after)
            guess = (1 + 0.5 / ratio) * denoised - 0.5 / ratio * before
        x = after / sigma * x + (1 - after / sigma) * guess
        before = denoised
    return x


def _pairs(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    if len(sigmas) < 2 or sigmas[-1] != 0 or any(np.diff(sigmas) >= 0):
        raise ValueError("noise levels must fall, and the last one be 0")
    return [(float(a), float(b)) for a, b in pairwise(sigmas)]


def _tell(watch: Watch | None, index: int, sigma: float, x: Tensor, denoised: Tensor) -> None:
    if watch is not None:
        watch(Step(index, sigma, x, denoised))


def build_sampler(name: SamplerName, *, eta: float = 0.0, churn: float = 0.0) -> Sampler:
    """A sampler by name; ``ddpm`` is the lesson's, with the larger variance."""
    samplers: dict[SamplerName, Sampler] = {
        "ddpm": partial(ddpm, large=True),
        "ddpm-skip": ddpm_skip,
        "ddim": partial(ddim, eta=eta),
        "euler": euler,
        "heun": partial(heun, churn=churn),
        "lms": lms,
        "dpmpp": dpmpp,
    }
    return samplers[name]
