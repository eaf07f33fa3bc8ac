"""Run a sampler to generate images: choose noise levels, draw seeded noise, make batches."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca.ddpm.diffusion.denoiser import Denoise
from nca.ddpm.diffusion.sampling_loop import Sampler, Watch
from nca.ddpm.diffusion.schedules import (
    LogNormal,
    Schedule,
    even_levels,
    flow_levels,
    karras_levels,
)
from nca.errors import InputError

EVEN = ("ddpm", "ddpm-skip", "ddim")  # samplers whose noise levels are evenly spaced in time


def noise_levels(
    schedule: Schedule, steps: int, sampler: str, spacing: str = "auto", strength: float = 1.0
) -> list[float]:
    """Choose the falling noise levels for a sampler, [steps + 1]; the last one is 0.

    Args:
        schedule: noise schedule that the model was trained with.
        steps: number of levels above 0.
        sampler: name of the sampler, which determines the spacing if ``spacing`` is ``auto``.
        spacing: ``time`` (evenly spaced in time), ``karras``, ``flow`` (evenly spaced in the time
            of a rectified flow), or ``auto``.
        strength: 1 starts from pure noise; lower values start from an image with added noise. The
            weight of the image is ``cos(strength * pi / 2)``, and that of the noise is
            ``sin(strength * pi / 2)``.

    Raises:
        InputError: the strength is below the lowest noise level.
    """
    if spacing == "auto":
        spacing = "flow" if sampler == "flow" else "time" if sampler in EVEN else "karras"
    highest = math.tan(strength * math.pi / 2)  # above all levels if the strength is 1
    if highest <= schedule.lowest:
        least = 2 / math.pi * math.atan(schedule.lowest)
        raise InputError(
            f"`strength` {strength}: must be above {least:.3f}, the lowest noise level"
        )
    if spacing == "time":
        levels = even_levels(schedule, steps, highest)
    elif spacing == "flow":
        levels = flow_levels(schedule, steps, highest)
    else:
        levels = karras_levels(schedule, steps, min(highest, LogNormal.highest))
    return [*levels.tolist(), 0.0]


class SeededNoise:
    """Draws noise for a batch; the noise in each image depends only on that image's seed.

    Args:
        seeds: random seeds, one per image.
        shape: shape of an image, [C, H, W].
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.shape = tuple(shape)

    def __call__(self) -> Tensor:
        """Draw standard normal noise, [B, C, H, W]."""
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
    """Generate one image per seed.

    Args:
        denoise: estimates clean images from noised images.
        sampler: removes the noise step by step.
        sigmas: noise levels for the sampler; see :func:`noise_levels`.
        shape: shape of an image, [C, H, W].
        seeds: random seeds, one per image.
        device: device of the network.
        start: image that noise is added to at the start, [C, H, W] in [-1, 1]; None: start from
            pure noise.
        watch: called with every step.

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
    """Split ``range(count)`` into ranges of at most ``size`` numbers."""
    for first in range(0, count, size):
        yield range(first, min(first + size, count))
