import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
from torch import Tensor

from nca.evaluation.appearance import (
    AppearanceMeter,
    autocorrelation,
    direction_distance,
    directions,
    peaks,
    speckle,
)


def noise(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))


def stripes(size: int = 64, period: float = 8.0, *, degrees: float = 0.0) -> Tensor:
    """Waves, [3, size, size]: along x, or turned counterclockwise as seen with y down."""
    y, x = torch.meshgrid(*2 * [torch.arange(size, dtype=torch.float32)], indexing="ij")
    angle = math.radians(degrees)
    wave = (2 * torch.pi / period * (x * math.cos(angle) + y * math.sin(angle))).sin()
    return (0.5 + 0.4 * wave).expand(3, -1, -1)


def dots(size: int, down: int, right: int) -> Tensor:
    """Smooth dots on a lattice, [3, size, size]."""
    y, x = torch.meshgrid(*2 * [torch.arange(size, dtype=torch.float32)], indexing="ij")
    waves = (2 * torch.pi / right * x).cos() + (2 * torch.pi / down * y).cos()
    return (waves / 4 + 0.5).expand(3, -1, -1)


@pytest.mark.parametrize("wraps", [True, False])
def test_speckle_is_the_distance_from_the_median(*, wraps: bool) -> None:
    image = noise(20, 31)
    size = (1, 3, 3)
    median = scipy.ndimage.median_filter(image.numpy(), size, mode="wrap")
    difference = np.abs(image.numpy() - median)
    expected = difference.mean() if wraps else difference[:, 1:-1, 1:-1].mean()
    assert speckle(image, wraps=wraps) == pytest.approx(float(expected), rel=1e-5)


def test_speckle_of_pictures_that_are_plain_to_see() -> None:
    checkers = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).float().expand(3, -1, -1)
    assert speckle(torch.full((3, 8, 8), 0.4), wraps=True) == 0
    assert speckle(checkers, wraps=True) == 0  # five of nine are of a pixel's own color
    assert speckle(torch.arange(8).remainder(2).float().expand(3, 8, 8), wraps=True) == 1


def test_added_noise_raises_speckle_only() -> None:
    target = dots(64, 16, 16)
    looks = AppearanceMeter(target[None])
    clean, grainy = looks(target), looks(target + 0.1 * (noise(64, 64) - 0.5))
    assert clean.speckle == pytest.approx(1, rel=0.1)  # the border of a target is left out
    assert grainy.speckle > 2
    assert grainy.order == pytest.approx(clean.order, abs=0.05)


@pytest.mark.parametrize("wraps", [True, False])
def test_autocorrelation_is_that_of_the_definition(*, wraps: bool) -> None:
    image = noise(10, 13)
    found = autocorrelation(image, wraps=wraps)
    centered = (image - image.mean((1, 2), keepdim=True)).double().numpy()
    assert found.shape == (11, 13)
    for down, right in [(0, 0), (3, -2), (-5, 6), (1, 4)]:
        if wraps:
            products = centered * np.roll(centered, (-down, -right), (1, 2))
        else:
            y, x = max(0, -down), max(0, -right)
            here = centered[:, y : 10 - max(0, down), x : 13 - max(0, right)]
            there = centered[:, max(0, down) :, max(0, right) :][
                :, : here.shape[1], : here.shape[2]
            ]
            products = here * there
        expected = products.mean() / (centered**2).mean()
        assert float(found[5 + down, 6 + right]) == pytest.approx(expected, abs=1e-5)


def test_peaks_are_the_shifts_of_a_lattice() -> None:
    found = peaks(autocorrelation(dots(96, 12, 16), wraps=True))
    places = {(peak.down, peak.right) for peak in found}
    lattice = {(12 * i, 16 * j) for i in range(5) for j in range(-4, 5)}
    assert len(places) == 4
    assert places <= lattice
    assert all(peak.height == pytest.approx(1, abs=1e-3) for peak in found)


def test_order_of_another_lattice_is_misplaced_and_of_noise_gone() -> None:
    looks = AppearanceMeter(dots(128, 16, 20)[None])
    same, moved = looks(dots(128, 16, 20)[:, :, :120]), looks(dots(126, 18, 21))
    assert same.order == pytest.approx(1, abs=0.05)
    assert same.misplaced == pytest.approx(0, abs=0.5)
    assert moved.misplaced is not None
    assert moved.misplaced > 1
    rubble = looks(noise(128, 128))
    assert rubble.order is not None
    assert rubble.order < 0.1


@pytest.mark.parametrize("image", [torch.full((3, 64, 64), 0.3), noise(64, 64)])
def test_a_target_without_order_has_none_to_compare(image: Tensor) -> None:
    found = AppearanceMeter(image[None])(image)
    assert found.order is None
    assert found.misplaced is None
    assert found.orientation == pytest.approx(0, abs=0.5)


def test_an_image_too_small_for_the_periods_of_a_target_has_no_order() -> None:
    looks = AppearanceMeter(dots(128, 40, 40)[None])
    assert looks(noise(32, 32)).order is None


@pytest.mark.parametrize("degrees", [10, 45, 90, 135])
def test_orientation_is_the_angle_by_which_stripes_are_turned(degrees: float) -> None:
    looks = AppearanceMeter(stripes()[None])
    turned = looks(stripes(degrees=degrees), wraps=False)
    assert turned.orientation == pytest.approx(min(degrees, 180 - degrees), abs=2)


def test_directions_of_what_has_all_or_none_are_even() -> None:
    flat = directions(torch.full((3, 16, 16), 0.5), wraps=True)
    assert flat == pytest.approx(np.full(36, 1 / 36))
    smooth = scipy.ndimage.gaussian_filter(noise(128, 128).numpy(), (0, 3, 3), mode="wrap")
    assert direction_distance(directions(torch.from_numpy(smooth), wraps=True), flat) < 3


def test_checkers_and_stripes_differ_in_direction() -> None:
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checkers = ((y // 8 + x // 8) % 2).float().expand(3, -1, -1)
    assert AppearanceMeter(stripes()[None])(checkers).orientation == pytest.approx(45, abs=3)
