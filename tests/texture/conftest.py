"""A short training of a texture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca.texture.settings import TrainSettings, train_settings


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Dots on a ground, 64 x 64."""
    y, x = np.mgrid[0:64, 0:64]
    dots = (((x % 16) - 8) ** 2 + ((y % 16) - 8) ** 2 < 20)[..., None]
    colors = np.where(dots, [230, 120, 20], [20, 60, 120]).astype(np.uint8)
    Image.fromarray(colors).save(tmp_path / "dots.png")
    return tmp_path / "dots.png"


@pytest.fixture
def settings(picture: Path, tmp_path: Path) -> TrainSettings:
    """A training of seconds."""
    return train_settings(
        picture, tmp_path / "run", "tiny", size=32, grid=16, late_grid=24,
        steps=(3, 6), late_steps=(4, 8), pool_size=8, iterations=12, quiet=True,
    )  # fmt: skip
