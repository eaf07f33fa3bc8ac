import numpy as np
import pytest
import torch

from nca.rng import (
    UINT32_MAX,
    cell_hash,
    fire_mask,
    fire_threshold,
    normal_noise,
    pcg_hash,
    random_masks,
    step_base,
    uniform_noise,
)


def pcg_uint32(value: np.ndarray) -> np.ndarray:
    """The published algorithm on real unsigned 32-bit integers, which wrap around."""
    value = value.astype(np.uint32)
    with np.errstate(over="ignore"):
        state = value * np.uint32(747796405) + np.uint32(2891336453)
        shift = (state >> np.uint32(28)) + np.uint32(4)
        word = ((state >> shift) ^ state) * np.uint32(277803737)
    return (word >> np.uint32(22)) ^ word


def mask_of(height: int, width: int, step: int, seed: int, rate: float) -> torch.Tensor:
    return fire_mask(height, width, torch.tensor(step), torch.tensor(seed), rate)


VALUES = np.array([0, 1, 2, 77, 2**16, 2**31 - 1, 2**31, 2**32 - 1], dtype=np.int64)


def test_hash_equals_real_uint32_arithmetic() -> None:
    expected = pcg_uint32(VALUES).astype(np.int64)
    assert np.array_equal(pcg_hash(VALUES), expected)
    assert torch.equal(pcg_hash(torch.from_numpy(VALUES)), torch.from_numpy(expected))
    assert [pcg_hash(int(v)) for v in VALUES] == expected.tolist()


def test_cell_hash_follows_its_formula() -> None:
    base = step_base(5, 9)
    y, x = np.mgrid[0:7, 0:13].astype(np.uint32)
    with np.errstate(over="ignore"):
        expected = pcg_uint32(x + pcg_uint32(y + np.uint32(base)))
    assert np.array_equal(cell_hash(7, 13, torch.tensor(base)).numpy(), expected.astype(np.int64))


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.9])
def test_fire_mask_fires_at_its_rate(rate: float) -> None:
    mask = mask_of(256, 256, 3, 1, rate)
    assert abs(mask.float().mean().item() - rate) < 0.01


def test_fire_mask_at_rate_one_fires_everywhere() -> None:
    assert fire_threshold(1.0) > 0xFFFFFFFF
    assert mask_of(64, 64, 0, 0, 1.0).all()


def test_fire_mask_depends_on_step_and_seed_alone() -> None:
    mask = mask_of(32, 32, 4, 5, 0.5)
    assert torch.equal(mask, mask_of(32, 32, 4, 5, 0.5))
    assert not torch.equal(mask, mask_of(32, 32, 5, 5, 0.5))
    assert not torch.equal(mask, mask_of(32, 32, 4, 6, 0.5))
    # A larger grid goes on where a smaller one ends.
    assert torch.equal(mask, mask_of(40, 48, 4, 5, 0.5)[:32, :32])


def test_many_masks_at_once_are_the_same_masks() -> None:
    masks = fire_mask(9, 8, torch.arange(3, 6)[:, None], torch.tensor([1, 7]), 0.5)
    assert masks.shape == (3, 2, 9, 8)
    assert torch.equal(masks[2, 1], mask_of(9, 8, 5, 7, 0.5))


@pytest.mark.parametrize("rate", [1e-9, 0.3, 0.5, 1.0])
def test_random_masks_have_their_rate(rate: float) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = random_masks(7, 3, 33, 41, rate, generator)
    assert masks.shape == (7, 3, 33, 41)
    assert abs(masks.float().mean().item() - rate) < 0.015


def test_uniform_noise_is_uniform_and_differs_by_channel() -> None:
    noise = uniform_noise(5, 64, 64, seed=3)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert (noise.mean((1, 2)) - 0.5).abs().max() < 0.02
    assert torch.equal(noise * 2**24, (noise * 2**24).round())
    assert not torch.equal(noise[0], noise[1])


def test_normal_noise_is_sums_of_hashes() -> None:
    noise = normal_noise(3, 128, 128, seed=3)
    assert noise.mean((1, 2)).abs().max() < 0.03
    assert (noise.std((1, 2)) - 1).abs().max() < 0.02
    assert noise.flatten(1).corrcoef().fill_diagonal_(0).abs().max() < 0.03
    bases = [step_base(-1 - layer, 3) for layer in range(24, 36)]
    bits = [pcg_hash((7 + pcg_hash((5 + base) & UINT32_MAX)) & UINT32_MAX) for base in bases]
    assert float(noise[2, 5, 7]) == sum(b >> 12 for b in bits) / 2**20 - 6
