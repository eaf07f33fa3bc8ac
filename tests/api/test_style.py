"""Style transfer from Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nca
from nca.errors import InputError
from nca.images import read_image
from tests.helpers.picture_makers import rgb_icc

RANDOM = np.random.default_rng(0)
CONTENT, STYLE = RANDOM.random((2, 40, 60, 3), np.float32)
QUICK: dict[str, Any] = {"size": 48, "smallest": 32, "iterations": 2, "quiet": True}


def test_pictures_in_memory_give_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image = nca.stylize(CONTENT, STYLE, **QUICK)
    assert image.mode == "RGB"
    assert image.size == (48, 32)
    assert list(tmp_path.iterdir()) == []
    Image.fromarray((255 * CONTENT).round().astype(np.uint8)).save("content.png")
    Image.fromarray((255 * STYLE).round().astype(np.uint8)).save("style.png")
    from_files = nca.stylize("content.png", Path("style.png"), out="run", **QUICK)
    assert np.array_equal(np.asarray(from_files), np.asarray(image))
    written = np.asarray(read_image("run/result.png")).astype(int)
    assert np.abs(written - np.asarray(image)).max() <= 1
    assert (tmp_path / "run" / "live.html").exists()


def test_pictures_in_memory_are_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = {**QUICK, "out": "run"}
    nca.stylize(CONTENT, STYLE, **again)
    nca.stylize(CONTENT, STYLE, resume=True, **again)
    with pytest.raises(InputError, match="content or styles is not the same image as before"):
        nca.stylize(CONTENT, STYLE[::-1], resume=True, **again)


def test_iterations_are_those_of_every_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def paint(settings: Any) -> Any:
        asked.append((settings.scales.first_iterations, settings.scales.iterations))
        raise KeyboardInterrupt

    monkeypatch.setattr("nca.api.style.paint", paint)
    for values in ({}, {"iterations": 7}, {"iterations": 7, "first_iterations": 9}):
        with pytest.raises(KeyboardInterrupt):
            nca.stylize(CONTENT, **values)
    assert asked == [(300, 150), (7, 7), (9, 7)]


def test_the_picture_is_in_srgb(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 40), (60, 180, 90))
    picture.save(tmp_path / "green.png", icc_profile=rgb_icc())  # of Display P3
    image = nca.stylize(tmp_path / "green.png", start_noise=0.0, average=0.0, **QUICK)
    mean = np.asarray(image).mean((0, 1))
    assert np.abs(mean - read_image(tmp_path / "green.png").getpixel((5, 5))).max() < 8
    assert np.abs(mean - (60, 180, 90)).max() > 25


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 8}, "`size` 8: must be 32 to 16384"),
        ({"iteration": 8}, "`iteration`: StyleSettings has no such setting; did you mean"),
        ({"content_masks": [CONTENT[..., 0]]}, r"`content_masks` of shape \(40, 60\)"),
        ({"preset": "fast"}, "`preset` fast: must be one of standard"),
        ({"box": "cube"}, "`box` cube: must be one of projection, sigmoid, none"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        nca.stylize(CONTENT, STYLE, **values)
    with pytest.raises(InputError, match="`styles` of type int"):
        nca.stylize(CONTENT, 5)
