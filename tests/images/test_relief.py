"""Normals, slopes and occlusion of surfaces whose formulas are known."""

import math

import numpy as np
import pytest
import torch

from nca.images.relief import (
    ambient_occlusion,
    normalized,
    normals_from_height,
    slopes_of_height,
)
from tests.helpers.picture_makers import slopes_of_normals


def test_normals_of_a_sphere():
    radius, n = 40.0, 65
    y, x = torch.meshgrid(torch.arange(n) - 32.0, torch.arange(n) - 32.0, indexing="ij")
    inside = torch.hypot(x, y) < 25
    height = (radius**2 - x**2 - y**2).clamp(min=0).sqrt()
    normals = normals_from_height(height / radius, radius, wraps=False) * 2 - 1
    expected = torch.stack([x, -y, height]) / radius  # y of the map points up
    assert (normals - expected)[:, inside].abs().max() < 0.002


@pytest.mark.parametrize("wraps", [True, False])
def test_slopes_of_normals_are_the_inverse(wraps):
    height = torch.rand(20, 24, generator=torch.Generator().manual_seed(1))
    slopes = slopes_of_height(3 * height, wraps)
    back = slopes_of_normals(normals_from_height(height, 3, wraps))
    assert (slopes - back).abs().max() < 1e-4


def test_only_a_surface_that_wraps_continues_on_the_other_side():
    n = 16
    ramp = torch.arange(n).float().expand(n, n) / n
    assert slopes_of_height(n * ramp, wraps=False)[0] == pytest.approx(np.ones((n, n)))
    wave = torch.sin(2 * math.pi * ramp)
    around = normals_from_height(wave, 2, wraps=True)
    shifted = normals_from_height(wave.roll(5, 1), 2, wraps=True)
    assert (around.roll(5, 2) - shifted).abs().max() < 1e-6


def test_normals_have_length_1_and_are_level_where_there_is_no_direction():
    vectors = torch.tensor([[3.0, 0, 4], [0, 0, 0]]).T[:, :, None]
    expected = torch.tensor([[0.6, 0, 0.8], [0, 0, 1]])
    assert torch.allclose(normalized(vectors)[:, :, 0].T, expected)


def test_the_bottom_of_a_ditch_sees_the_sky_between_its_walls():
    half, depth, n = 4, 3.0, 200
    height = torch.full((n, n), depth)
    height[:, n // 2 - half : n // 2 + half] = 0
    sky = ambient_occlusion(height, wraps=True)
    assert (sky[:, :16] == 1).all()
    # The pixels of the walls begin half a pixel beyond the edges.
    angle = 2 * np.pi * np.arange(360) / 360
    expected = np.mean(1 / (1 + (depth * np.cos(angle) / (half + 0.5)) ** 2))
    assert sky[:, n // 2 - 1 : n // 2 + 1].mean() == pytest.approx(expected, abs=0.03)


def test_only_a_sky_over_a_surface_that_wraps_sees_the_other_side():
    height = torch.zeros(32, 32)
    height[:, 31] = 5.0
    assert ambient_occlusion(height, wraps=True)[:, 0].max() < 0.6
    assert (ambient_occlusion(height, wraps=False)[:, 0] == 1).all()
