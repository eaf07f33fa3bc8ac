"""A short painting."""

from pathlib import Path

import pytest

from nca.images import to_image, write_image
from nca.style.settings import StyleSettings, style_settings
from tests.helpers.picture_makers import blobs
from tests.losses.test_losses import stripes


@pytest.fixture
def settings(tmp_path: Path) -> StyleSettings:
    """A painting of seconds, of two scales."""
    write_image(tmp_path / "content.png", to_image(blobs()[0]))
    write_image(tmp_path / "style.png", to_image(stripes(7, 64)[0]))
    write_image(tmp_path / "style2.png", to_image(stripes(12, 64)[0].flip(0)))
    return style_settings(
        tmp_path / "content.png", [tmp_path / "style.png"], tmp_path / "out",
        size=64, smallest=45, first_iterations=8, iterations=6, features="random", quiet=True,
    )  # fmt: skip
