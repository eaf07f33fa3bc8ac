"""The integer hash that decides which cells fire: the same bits in Python, GLSL and JavaScript.

PCG-RXS-M-XS-32 (O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good
Algorithms for Random Number Generation", 2014), used as a hash as in Jarzynski and Olano, "Hash
Functions for GPU Rendering", JCGT 9(3), 2020. Every value is an unsigned 32-bit integer, stored in
an int64 so that no product below overflows. The same functions therefore work for Python integers,
numpy arrays and torch tensors.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

UINT32_MAX = 0xFFFFFFFF
TERMS = 12  # uniform numbers whose sum is a normal number
CPU = torch.device("cpu")

Integers = TypeVar("Integers", int, "np.ndarray[tuple[int, ...], np.dtype[np.int64]]", Tensor)


def pcg_hash(value: Integers) -> Integers:
    """Hash integers in [0, 2**32) to integers in [0, 2**32). Arrays and tensors must be int64."""
    state = (value * 747796405 + 2891336453) & UINT32_MAX
    word = (((state >> ((state >> 28) + 4)) ^ state) * 277803737) & UINT32_MAX
    return (word >> 22) ^ word


def step_base(step: Integers, seed: Integers) -> Integers:
    """Hash a step and a seed to one integer, which is passed to shaders in every step."""
    return pcg_hash((step + pcg_hash(seed & UINT32_MAX)) & UINT32_MAX)


def cell_hash(height: int, width: int, base: Tensor) -> Tensor:
    """Hash every cell, ``pcg(x + pcg(y + base))``.

    Args:
        height, width: size of the grid.
        base: hashes from :func:`step_base`, [...] int64.

    Returns:
        [..., height, width] int64 in [0, 2**32).
    """
    y = torch.arange(height, device=base.device)[:, None]
    x = torch.arange(width, device=base.device)
    rows = pcg_hash((y + base[..., None, None]) & UINT32_MAX)  # [..., height, 1]
    return pcg_hash((x + rows) & UINT32_MAX)


def fire_threshold(update_rate: float) -> int:
    """Threshold below which a hash makes a cell fire; a rate of 1 gives 2**32, above any hash."""
    return int(update_rate * 2**32)


def fire_mask(height: int, width: int, step: Tensor, seed: Tensor, update_rate: float) -> Tensor:
    """Which cells fire: a pure function of (x, y, step, seed).

    Args:
        height, width: size of the grid.
        step, seed: int64 tensors whose shapes broadcast to [...].
        update_rate: probability that a cell fires.

    Returns:
        [..., height, width] bool.
    """
    return cell_hash(height, width, step_base(step, seed)) < fire_threshold(update_rate)


def random_masks(
    steps: int,
    batch: int,
    height: int,
    width: int,
    update_rate: float,
    generator: torch.Generator,
    device: torch.device = CPU,
) -> Tensor:
    """Draw masks for training, [steps, batch, height, width] bool.

    Each cell uses sixteen random bits, so the update rate is exact to 2**-16. This is four times as
    fast as a random float per cell. On CUDA, the GPU draws the bits, with a seed from
    ``generator``, which is on the CPU.
    """
    cells = steps * batch * height * width
    if device.type == "cuda":
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        generator = torch.Generator(device).manual_seed(seed)
    words = torch.empty(-(-cells // 4), dtype=torch.int64, device=generator.device)
    words = words.random_(-(2**63), None, generator=generator).to(device)
    bits = words.view(torch.int16)[:cells].view(steps, batch, height, width)
    return bits <= max(round(update_rate * 2**16), 1) - 2**15 - 1


def uniform_noise(
    channels: int, height: int, width: int, seed: int, device: torch.device = CPU
) -> Tensor:
    """Noise for an initial state, [channels, height, width] float32 in [0, 1), multiples of 2**-24.

    Channel c uses the hash of step ``-1 - c``. No simulation has negative steps, so the noise is
    independent of every mask. The values have 24 bits because a float32 stores 24 bits exactly.
    """
    bases = step_base(-1 - torch.arange(channels, device=device), torch.tensor(seed, device=device))
    return (cell_hash(height, width, bases) >> 8).to(torch.float32) * 2.0**-24


def normal_noise(
    channels: int, height: int, width: int, seed: int, device: torch.device = CPU
) -> Tensor:
    """Noise with mean 0 and variance 1 that shaders can compute too, [channels, height, width].

    Each value is the sum of twelve uniform 20-bit numbers, minus 6. Its distribution (Irwin-Hall)
    is close to normal. The values are exact in float32, because their computation needs no
    logarithm or cosine, which differ between devices. Term k of channel c uses the hash of step
    ``-1 - (12 * c + k)``; see :func:`uniform_noise`.
    """
    layers = torch.arange(channels * TERMS, device=device)
    bases = step_base(-1 - layers, torch.tensor(seed, device=device))
    bits = cell_hash(height, width, bases) >> 12
    sums = bits.view(channels, TERMS, height, width).sum(1)
    return sums.to(torch.float32) * 2.0**-20 - TERMS / 2
