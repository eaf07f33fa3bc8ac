"""Draw pictures with a model: levels, seeds and batches around a sampler."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca.ddpm.denoiser import Denoise
from nca.ddpm.samplers import Sampler, SeededNoise, Watch
from nca.ddpm.schedules import LogNormal, Schedule, even_levels, karras_levels
from nca.errors import InputError

EVEN = ("ddpm", "ddpm-skip", "ddim")  # samplers that are used to levels evenly spread over time


def noise_levels(
    schedule: Schedule, steps: int, sampler: str, spacing: str = "auto", strength: float = 1.0
) -> list[float]:
    """Falling noise levels for a sampler, and 0, [steps + 1].

    Args:
        schedule: whose levels.
        steps: how many.
        sampler: decides the spacing if that is ``auto``.
        spacing: ``time``, ``karras`` or ``auto``.
        strength: 1: from noise alone; below: from a picture, to which so much noise is added that
            its part of the deviation is ``cos(strength * pi / 2)``, and that of the noise the sine.

    Raises:
        InputError: the strength is below the lowest noise level.
    """
    if spacing == "auto":
        spacing = "time" if sampler in EVEN else "karras"
    highest = math.tan(strength * math.pi / 2)  # of strength 1: more than there is
    if highest <= schedule.lowest:
        least = 2 / math.pi * math.atan(schedule.lowest)
        raise InputError(
            f"`strength` {strength}: must be above {least:.3f}, the least noise there is"
        )
    if spacing == "time":
        levels = even_levels(schedule, steps, highest)
    else:
        levels = karras_levels(schedule, steps, min(highest, LogNormal.highest))
    return [*levels.tolist(), 0.0]


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
    """Draw one picture a seed.

    Args:
        denoise, sampler, sigmas: how.
        shape: [C, H, W].
        seeds: of the pictures.
        device: where.
        start: pictures that noise is added to instead of nothing, [C, H, W] in [-1, 1].
        watch: see :class:`~nca.ddpm.samplers.Sampler`.

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
    """Ranges of at most ``size`` that make up ``range(count)``."""
    for first in range(0, count, size):
        yield range(first, min(first + size, count))
