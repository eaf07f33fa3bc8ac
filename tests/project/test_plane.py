"""The example examples/plane: its data, its film, and where the points end."""

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor

FOLDER = Path(__file__).parents[2] / "examples" / "plane"


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    torch.manual_seed(0)
    return importlib.import_module("plane")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["plane", *words])
    runpy.run_path(str(FOLDER / "plane.py"), run_name="__main__")


def distance(points: Tensor, others: Tensor) -> Tensor:
    """Mean distance from the nearest of the others."""
    return torch.cdist(points.flatten(1), others.flatten(1)).amin(1).mean()


def test_data_has_the_shape_of_its_name(plane: ModuleType) -> None:
    x, y = plane.moons(1000).T
    upper, lower = (x.square() + y.square()).sqrt(), ((x - 1).square() + (y - 0.5).square()).sqrt()
    assert torch.minimum((upper - 1).abs(), (lower - 1).abs()).max() < 1e-5
    radius = plane.spiral(1000).norm(dim=1)
    assert radius.max() <= 1
    across, down = (torch.cat([plane.text(letter, 4000), torch.zeros(1, 2)]) for letter in "-|")
    assert across.std(0)[0] > across.std(0)[1]
    assert down.std(0)[0] < down.std(0)[1]
    for name in ("moons", "spiral", "L"):
        points = plane.data(name)
        assert points.shape == (plane.COUNT, 2, 1, 1)
        assert points.abs().max() == pytest.approx(plane.EXTENT, abs=0.1)
    # The right half of an L is below its middle.
    letter = plane.data("L").flatten(1)
    assert letter[letter[:, 0] > 0.4, 1].max() < 0


@pytest.mark.parametrize("options", [(), ("--schedule=cosine", "--target=v", "--sampler=dpmpp")])
def test_points_flow_to_the_data(
    plane: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "moons", "moons.gif", "--steps=6", "--iterations=150", *options)
    with Image.open("moons.gif") as film:
        frames = [frame.convert("L") for frame in ImageSequence.all_frames(film)]
    assert frames[0].size == (plane.SIDE, plane.SIDE)
    places = plane.data("moons")

    def drawn(frame: Image.Image) -> Tensor:
        """Places of the dark pixels."""
        ink = torch.tensor(list(frame.tobytes())).view(plane.SIDE, plane.SIDE) < 130
        y, x = ink.nonzero()[::5].T / plane.SIDE * 2 - 1
        return plane.VIEW * torch.stack([x, -y], 1)

    assert distance(drawn(frames[-1]), places) < 0.5 * distance(drawn(frames[0]), places)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((" ", "blank.gif"), "`data` ' ': has no letters"),
        (("moons", "a.txt"), "a.txt: the file name of an animation must end in"),
        (("moons", "a.gif", "--steps", "0"), "--steps: 0: must be 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *words)
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err
