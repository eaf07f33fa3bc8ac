"""Samplers turn noise into images. Each class defines the step for the loop in :class:`Sampler`.

Any sampler works with any denoiser, guided or not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor
from typing_extensions import override

from nca.ddpm.diffusion.denoiser import Denoise
from nca.ddpm.diffusion.sampling_loop import Noise, Sampler, Steps, Watch
from nca.ddpm.diffusion.schedules import flow_time
from nca.ddpm.settings import SamplerName


@dataclass(frozen=True)
class DDPM(Sampler):
    """Ancestral sampling, Ho et al. 2020, algorithm 2; it works with any subset of the levels.

    Args:
        large: use beta as the variance of the added noise, as the lesson does; otherwise, use the
            variance of the posterior. According to the paper, beta is optimal if the images are
            pure noise, and the posterior's variance is optimal if there is only one image.
    """

    large: bool = False

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del denoise
        sigma, x, denoised = steps[0].sigma, steps[0].x, steps[0].denoised
        # Mean of the posterior at the next level, given the image: eq. 7 in terms of sigma.
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
    """:class:`DDPM` as in fast.ai's notebook 19, which does not run the network in every step.

    The network runs in every third step, and in all of the last steps. The other steps reuse the
    last estimate of the noise.

    Args:
        every: number of steps from one call of the network to the next.
        last: number of steps at the end in which the network always runs.
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
        eta: 0: deterministic; 1: equal to :class:`DDPM`.
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
    """Karras et al. 2022, algorithm 2; noise can be added at any level.

    Once noise has been added, all computations of the step use the raised level. The lesson's
    version uses the old level to denoise and to divide.

    Args:
        churn: S_churn, the amount of noise added over all steps.
        inflation: S_noise, the std of the added noise.
    """

    churn: float = 0.0
    inflation: float = 1.003

    def add_churn(self, x: Tensor, sigma: float, count: int, noise: Noise) -> tuple[Tensor, float]:
        """Add noise; return the noised images and the raised level."""
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
    """Linear multistep (Adams-Bashforth): fits a polynomial in sigma to the latest slopes.

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
        # The step to level 0 is infinitely long in lambda, so it returns the last estimate.
        if len(steps) > 1 and sigma_next > 0:
            ratio = np.log(steps[1].sigma / sigma) / np.log(sigma / sigma_next)
            estimate = (1 + 0.5 / ratio) * estimate - 0.5 / ratio * steps[1].denoised
        return sigma_next / sigma * steps[0].x + (1 - sigma_next / sigma) * estimate


@dataclass(frozen=True)
class Flow(Sampler):
    """Heun's method along the straight path of a rectified flow; works with any model.

    The state is ``(1 - t) x`` with ``t = sigma / (1 + sigma)``. Its derivative with respect to t is
    ``noise - image``, which changes little along the path, so a few long steps suffice. (Euler's
    method gives the same results in t as in sigma, so it needs no class of its own: it is
    ``LMS(order=1)`` with the levels of :func:`~nca.ddpm.diffusion.schedules.flow_levels`.)
    """

    @override
    def step(self, steps: Steps, sigma_next: float, denoise: Denoise, noise: Noise) -> Tensor:
        del noise
        step = steps[0]
        dt = flow_time(sigma_next) - flow_time(step.sigma)

        def move(velocity: Tensor) -> Tensor:
            return (1 + sigma_next) * (step.x / (1 + step.sigma) + dt * velocity)

        ahead = move(step.velocity)
        if sigma_next == 0:
            return ahead
        after = replace(step, sigma=sigma_next, x=ahead, denoised=denoise(ahead, sigma_next))
        return move((step.velocity + after.velocity) / 2)


def build_sampler(name: SamplerName, *, eta: float = 0.0, churn: float = 0.0) -> Sampler:
    """Make a sampler by name; ``ddpm`` is the lesson's version, with the larger variance."""
    samplers: dict[SamplerName, Sampler] = {
        "ddpm": DDPM(large=True),
        "ddpm-skip": DDPMSkip(),
        "ddim": DDIM(eta),
        "euler": LMS(order=1),
        "heun": Heun(churn),
        "lms": LMS(),
        "dpmpp": DPMPP(),
        "flow": Flow(),
    }
    return samplers[name]
