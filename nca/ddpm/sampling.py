"""Draw pictures with a model: levels, seeds and batches around a sampler."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca.ddpm.denoiser import Denoise
from nca.ddpm.samplers import Sampler, SeededNoise, Watch
from nca.ddpm.schedules import Schedule, karras_levels

EVEN = ("ddpm", "ddpm-skip", "ddim")  # samplers that are used to levels evenly spread over time


def noise_levels(
    schedule: Schedule, steps: int, sampler: str, spacing: str = "auto"
) -> list[float]:
    """Falling noise levels for a sampler, and 0, [steps + 1].

    Args:
        schedule: whose levels.
        steps: how many.
        sampler: decides the spacing if that is ``auto``.
        spacing: ``time``, ``karras`` or ``auto``.
    """
    if spacing == "auto":
        spacing = "time" if sampler in EVEN else "karras"
    levels = schedule.even(steps) if spacing == "time" else karras_levels(schedule, steps)
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
