"""The moving picture of README.md."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.gallery import gallery_path
from nca.rulefile import load_rule
from tools import growing


def test_a_stroke_erases_cells_that_grow_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "WIDTH", 48)
    monkeypatch.setattr(growing, "HEIGHT", 32)
    monkeypatch.setattr(growing, "RADIUS", 5)
    monkeypatch.setattr(growing, "STROKE", 3)
    states = list(growing.states(load_rule(gallery_path("scales")).rule))
    empty = torch.tensor([float((state == 0).all(1).float().mean()) for state in states])
    grown = len(growing.GROW)
    assert empty[0] == 1
    assert empty[grown - 1] == 0
    assert 0.05 < empty[grown] < 0.5
    assert empty[-1] == 0
    growing.main(tmp_path / "film.webp", "scales")
    with Image.open(tmp_path / "film.webp") as film:
        assert (film.size, getattr(film, "n_frames", 1)) == ((48, 32), len(states))
