"""Generate images with a diffusion model: noise levels, seeds and batches around a sampler."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca.ddpm.diffusion.denoiser import Denoise
from nca.ddpm.diffusion.samplers import Sampler, Watch
from nca.ddpm.diffusion.schedules import LogNormal, Schedule, even_levels, karras_levels
from nca.errors import InputError

EVEN = ("ddpm", "ddpm-skip", "ddim")  # samplers for levels that are evenly spaced in time


def noise_levels(
    schedule: Schedule, steps: int, sampler: str, spacing: str = "auto", strength: float = 1.0
) -> list[float]:
    """Falling noise levels for a sampler, ending in 0, [steps + 1].

    Args:
        schedule: source of the levels.
        steps: number of levels.
        sampler: name of the sampler; sets the spacing if that is ``auto``.
        spacing: ``time``, ``karras`` or ``auto``.
        strength: 1 starts from noise alone; lower values start from an image. The image is
            weighted by ``cos(strength * pi / 2)``, the added noise by the sine.

    Raises:
        InputError: the strength is below the lowest noise level.
    """
    if spacing == "auto":
        spacing = "time" if sampler in EVEN else "karras"
    highest = math.tan(strength * math.pi / 2)  # above every level for strength 1
    if highest <= schedule.lowest:
        least = 2 / math.pi * math.atan(schedule.lowest)
        raise InputError(
            f"`strength` {strength}: must be above {least:.3f}, the lowest noise level"
        )
    if spacing == "time":
        levels = even_levels(schedule, steps, highest)
    else:
        levels = karras_levels(schedule, steps, min(highest, LogNormal.highest))
    return [*levels.tolist(), 0.0]


class SeededNoise:
    """The noise of each image depends only on its own seed, not on the rest of the batch.

    Args:
        seeds: random seeds, one per image.
        shape: [C, H, W] of an image.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape = tuple(shape)

    def __call__(self) -> Tensor:
        """Draw [B, C, H, W]."""
        return torch.stack([torch.randn(self.shape, generator=g) for g in self.generators])


@torch.no_grad()
def draw(
    denoise: Denoise,
    sampler: Sampler,
    sigmas: Sequence[float],
    shape: Sequence[int],
    seeds: Sequence[int],
    *,
    device: torch.device | None = None,
    start: Tensor | None = None,
    watch: Watch | None = None,
) -> Tensor:
    """Draw one image per seed.

    Args:
        denoise, sampler, sigmas: the denoiser, the sampler and its noise levels.
        shape: [C, H, W].
        seeds: random seeds, one per image.
        device: device of the network.
        start: image that noise is added to, [C, H, W] in [-1, 1]; None: noise alone.
        watch: see :class:`~nca.ddpm.diffusion.samplers.Sampler`.

    Returns:
        [B, C, H, W] in about [-1, 1], on the CPU.
    """
    noise = SeededNoise(seeds, shape)
    x = sigmas[0] * noise()
    if start is not None:
        x = x + start
    device = device or torch.device("cpu")
    return sampler(denoise, x.to(device), sigmas, lambda: noise().to(device), watch).cpu()


def batched(count: int, size: int) -> Iterator[range]:
    """Ranges of at most ``size`` that together are ``range(count)``."""
    for first in range(0, count, size):
        yield range(first, min(first + size, count))
