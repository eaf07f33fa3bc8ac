import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca.errors import InputError
from nca.pictures import MATERIALS, PICTURES, material_path, picture_path
from tools.pictures import DRAWINGS, draw, draw_maps
from tools.pictures.__main__ import main
from tools.pictures.light import Relief, cast_shadow, encode, lit, mix, ramp, rgb, smooth
from tools.pictures.torus import (
    Cells,
    blur,
    grid,
    noise,
    pixel,
    resample,
    scatter,
    stripes_and_spots,
    window,
    wrap,
)

NAMES = sorted(DRAWINGS)
drawn, drawn_maps = functools.cache(draw), functools.cache(draw_maps)


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float64)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


# The pictures


def test_there_are_a_dozen_or_more_and_no_stray_file():
    assert len(PICTURES) >= 12
    assert PICTURES == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_what_the_code_draws(name):
    with Image.open(picture_path(name)) as file:
        assert (file.format, file.mode, file.size) == ("PNG", "RGB", (256, 256))
        # One level: the last bit of a sine is not the same on every machine.
        assert np.abs(levels(file) - levels(drawn(name))).max() <= 1
    assert picture_path(name).stat().st_size < 150_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [0, 1])
def test_it_tiles(name, axis):
    picture = levels(Image.open(picture_path(name)))
    steps = np.abs(np.roll(picture, -1, axis) - picture).mean((1 - axis, 2))
    assert steps[-1] <= steps[:-1].max()
    # The seam continues what is beside it: no cut shows up in the second difference either.
    bends = np.abs(np.roll(picture, -1, axis) - 2 * picture + np.roll(picture, 1, axis))
    bends = bends.mean((1 - axis, 2))
    assert max(bends[-1], bends[0]) <= bends[1:-1].max()


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_size(name):
    small = levels(draw(name, 48, seed=1))
    assert (small == levels(draw(name, 48, seed=1))).all()
    other = levels(draw(name, 48, seed=2))
    assert np.abs(small - other).mean() > 3
    # Twice the size is the same drawing, only finer.
    halved = levels(draw(name, 96, seed=1)).reshape(48, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(small - halved).mean() < 0.6 * np.abs(small - other).mean()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_rich_and_not_burnt_out(name):
    picture = levels(Image.open(picture_path(name)))
    assert picture.mean(-1).std() > 25  # from dark to light
    assert (picture.max(-1) - picture.min(-1)).mean() > 25  # in color
    assert (picture.min(-1) >= 254).mean() < 0.02
    assert (picture.max(-1) <= 1).mean() < 0.02


def test_no_two_are_alike():
    pictures = [levels(Image.open(picture_path(name)).resize((64, 64))) for name in NAMES]
    histograms = [
        np.histogramdd(picture.reshape(-1, 3), bins=6, range=[(0, 256)] * 3)[0] / 64**2
        for picture in pictures
    ]
    for i, first in enumerate(histograms):
        for second in histograms[:i]:
            assert np.minimum(first, second).sum() < 0.7


@pytest.mark.parametrize("call", [picture_path, draw])
def test_unknown_name_lists_the_known(call):
    with pytest.raises(InputError, match=r"no image is called 'wood'; there are blossom, .* web"):
        call("wood")


def test_unusable_size_and_seed_are_named():
    with pytest.raises(InputError, match="`size` 8: must be 16 or more"):
        draw("web", 8)
    with pytest.raises(InputError, match="`seed` -1: must be 0 or more"):
        draw("web", seed=-1)


def run_module(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.pictures", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_module_draws_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.pictures.__main__.draw", drawn)  # each was drawn above already
    monkeypatch.setattr("tools.pictures.__main__.draw_maps", drawn_maps)
    monkeypatch.setattr(sys, "argv", ["tools.pictures", str(tmp_path)])
    main()
    assert sorted(path.stem for path in (tmp_path / "files").iterdir()) == NAMES
    for name in NAMES:
        assert (levels(Image.open(tmp_path / "files" / f"{name}.png")) == levels(drawn(name))).all()
    assert sorted(path.name for path in (tmp_path / "materials").iterdir()) == MATERIALS
    for name in MATERIALS:
        files = sorted(path.name for path in (tmp_path / "materials" / name).iterdir())
        assert files == sorted(path.name for path in material_path(name).iterdir())


def test_the_module_refuses_a_file_for_a_folder(tmp_path):
    (tmp_path / "file").touch()
    result = run_module(tmp_path / "file")
    assert result.returncode == 2
    assert "file: Not a directory" in result.stderr
    assert "Traceback" not in result.stderr


# The torus


def test_wrap_goes_the_short_way():
    assert wrap(np.array([0.9, -0.7, 0.2, 1.0])) == pytest.approx([-0.1, 0.3, 0.2, 0.0])


@pytest.mark.parametrize(("m", "n"), [(16, 48), (16, 27), (48, 16), (15, 40)])
def test_resample_keeps_the_wave_in_place(m, n):
    def wave(x, y):
        return np.cos(2 * np.pi * (3 * x - 2 * y) + 0.4) + np.sin(2 * np.pi * x)

    assert resample(wave(*grid(m)), n) == pytest.approx(wave(*grid(n)), abs=1e-12)


def test_blur_damps_a_wave_as_a_gaussian_does():
    wave = np.cos(2 * np.pi * 4 * grid(64)[0])
    damping = np.exp(-2 * (np.pi * 0.02 * 4) ** 2)
    assert blur(wave, 0.02) == pytest.approx(damping * wave, abs=1e-12)


def test_noise_has_unit_variance_and_no_mean_and_is_anisotropic(rng):
    field = noise(256, rng, 12, 3)
    assert field.mean() == pytest.approx(0, abs=1e-12)
    assert field.std() == pytest.approx(1)
    rough_x = np.abs(np.roll(field, 1, 1) - field).mean()
    rough_y = np.abs(np.roll(field, 1, 0) - field).mean()
    assert rough_x / rough_y == pytest.approx(4, rel=0.3)


def test_pattern_has_the_wavelength_it_is_asked_for(rng):
    pattern = stripes_and_spots(128, rng, 9)
    power = np.abs(np.fft.fft2(pattern)) ** 2
    k = np.fft.fftfreq(128, 1 / 128)
    ring = np.round(np.hypot(k[None], k[:, None])).astype(int)
    spectrum = np.bincount(ring.ravel(), power.ravel())
    assert abs(int(spectrum[1:].argmax()) + 1 - 9) <= 1
    assert np.abs(pattern).max() == pytest.approx(1, abs=0.02)


def test_scatter_spreads_with_every_round(rng):
    def closest(points):
        apart = wrap(points[:, None] - points[None])
        return (np.hypot(*np.moveaxis(apart, -1, 0)) + np.eye(len(points))).min()

    state = rng.bit_generator.state
    loose = scatter(rng, 40, rounds=0)
    rng.bit_generator.state = state
    even = scatter(rng, 40, rounds=4)
    assert closest(even) > 2 * closest(loose)
    assert even.min() >= 0
    assert even.max() <= 1


def test_cells_against_brute_force(rng):
    points, n = scatter(rng, 12), 32
    cells = Cells.of(n, points)
    images = np.concatenate([points + np.array([i, j]) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    for row, column in [(0, 0), (5, 31), (17, 9), (31, 2), (31, 31)]:
        place = np.array([(column + 0.5) / n, (row + 0.5) / n])
        distance = np.linalg.norm(images - place, axis=1)
        owner = distance.argmin()
        assert cells.owner[row, column] == owner % 12
        offset = place - images[owner]
        assert (cells.dx[row, column], cells.dy[row, column]) == pytest.approx(tuple(offset))
        others = np.delete(images, owner, 0)
        middle = (others + images[owner]) / 2
        normal = (others - images[owner]) / np.linalg.norm(
            others - images[owner], axis=1, keepdims=True
        )
        border = ((middle - place) * normal).sum(1).min()
        assert cells.border[row, column] == pytest.approx(border)


def test_a_larger_weight_makes_a_larger_cell_and_rounding_cuts_corners(rng):
    points = scatter(rng, 9)
    weights = np.zeros(9)
    weights[4] = 0.02
    sharp, weighted = Cells.of(64, points), Cells.of(64, points, weights=weights)
    assert (weighted.owner == 4).sum() > 1.2 * (sharp.owner == 4).sum()
    rounded = Cells.of(64, points, rounding=0.02)
    assert (rounded.border <= sharp.border + 1e-12).all()
    assert rounded.border.min() < -0.005


def test_window_and_pixel_wrap_round():
    field = np.zeros((20, 20))
    at, dx, dy = window(20, 0.02, 0.98, 0.1)
    field[at] = np.hypot(dx, dy) < 0.1
    x, y = grid(20)
    disc = np.hypot(wrap(x - 0.02), wrap(y - 0.98)) < 0.1
    assert (field == disc).all()
    assert pixel(20, 0.02, 0.98) == (19, 0)
    assert pixel(20, 1.0, 1.0) == (0, 0)


# Light


def test_rgb_and_encode_are_inverse_below_white():
    for code in ("000000", "0a1134", "808080", "c8386a"):
        expected = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        assert encode(rgb(code)) == pytest.approx(expected, abs=3e-3)
    assert encode(np.array([100.0])) == pytest.approx(1)
    assert rgb("808080") == pytest.approx(0.2158605, abs=1e-6)


def test_ramp_meets_its_stops_and_stays_grey_between_greys():
    colors = ramp(np.array([-1.0, 0.0, 0.25, 1.0, 7.0]), "0:102030 0.25:c0ffee 1:bada55")
    assert colors[0] == pytest.approx(rgb("102030"), abs=1e-6)
    assert colors[2] == pytest.approx(rgb("c0ffee"), abs=5e-3)
    assert colors[3] == pytest.approx(rgb("bada55"), abs=1e-6)
    assert (colors[4] == colors[3]).all()
    grey = ramp(np.array([0.3, 0.7]), "000000 ffffff")
    assert np.ptp(grey, axis=-1) == pytest.approx([0, 0], abs=1e-6)
    # Oklab's lightness is the cube root of luminance for greys.
    assert grey[:, 0] == pytest.approx([0.027, 0.343], abs=2e-3)


def test_smooth_goes_up_and_down():
    t = np.array([0.0, 0.5, 1.0])
    assert smooth(0.2, 0.8, t) == pytest.approx([0, 0.5, 1])
    assert smooth(0.8, 0.2, t) == pytest.approx([1, 0.5, 0])


def test_mix_covers():
    black, white = np.zeros((1, 3)), np.ones((1, 3))
    assert mix(black, white, np.array([0.25])) == pytest.approx(0.25)


def test_relief_shows_the_highest_in_any_order():
    at = np.ix_([0, 1], [0, 1])
    low, high = np.full((2, 2), 1.0), np.array([[2.0, -np.inf], [-np.inf, 2.0]])
    red, blue = np.zeros((2, 2, 3)) + rgb("ff0000"), np.zeros((2, 2, 3)) + rgb("0000ff")
    things = [(low, red), (high, blue)]
    shown = []
    for order in (things, things[::-1]):
        relief = Relief(np.zeros((2, 2, 3)), np.zeros((2, 2)))
        for height, color in order:
            relief.place(at, height, color)
        shown.append(relief.color)
    assert (shown[0] == shown[1]).all()
    assert (shown[0][..., 2] == [[1, 0], [0, 1]]).all()


def test_a_level_place_keeps_its_color_and_a_slope_to_the_sun_is_brighter():
    grey = np.full((64, 64, 3), 0.4)
    assert lit(grey, np.zeros((64, 64))) == pytest.approx(0.4, rel=0.03)
    x, y = grid(64)
    bump = 0.05 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.01)
    light = lit(grey, bump)
    assert light[26, 26, 0] > 0.42
    assert light[38, 38, 0] < 0.33


def test_a_shadow_falls_away_from_the_sun():
    height = np.zeros((64, 64))
    height[30:34, 30:34] = 0.1
    shadow = cast_shadow(height, 0.15)
    assert shadow[36, 36] == 1
    assert shadow[27, 27] == 0
    assert shadow[31, 31] == 0
