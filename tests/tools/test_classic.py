"""The moving picture of the guide on classic automata."""

from pathlib import Path

import pytest
from PIL import Image

from tools import classic


def test_the_panels_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classic, "FRAMES", 3)
    monkeypatch.setattr(classic, "PANELS", {"life": 2, "cyclic": 2, "seeds": 2, "bombers": 2})
    classic.main(tmp_path / "film.webp")
    with Image.open(tmp_path / "film.webp") as film:
        assert film.size == (2 * 76 * 4 + 8, 2 * 52 * 4 + 8)
        assert getattr(film, "n_frames", 1) == 3
