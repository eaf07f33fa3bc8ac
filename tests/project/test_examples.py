"""The scripts in examples/ run, with settings of a moment, and do what they say."""

import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nca
from tests.helpers.rules import bounded_rule

FOLDER = Path(__file__).parents[2] / "examples"
RUN_BY_TESTS = {"train_and_export", "own_loss", "own_host", "photos_to_gallery"}

Script = Callable[..., str]


@pytest.fixture
def script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Script:
    """Run a script beside a picture, leaf.png; gives what it printed."""
    noise = np.random.default_rng(0).integers(60, 200, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "leaf.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (2, 4))
    monkeypatch.setattr("nca.texture.callbacks.keep_best.LONG", 6)

    def run(name: str, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_every_example_is_short_and_run_here() -> None:
    scripts = {path.stem: path.read_text() for path in FOLDER.glob("*.py")}
    assert set(scripts) == RUN_BY_TESTS
    assert all(text.count("\n") < 60 for text in scripts.values())
    larger = {"plane.py", "slime.py"}  # see test_plane.py and test_slime.py
    assert {path.name for path in FOLDER.glob("*/*.py")} == larger


@pytest.mark.slow
def test_a_picture_becomes_a_page(script: Script) -> None:
    words = script("train_and_export", "leaf.png", "leaf.html", "--minutes=0.02", "--preset=tiny")
    assert words.splitlines()[-1] == "leaf.html"
    assert "<title>leaf</title>" in Path("leaf.html").read_text()


@pytest.mark.slow
def test_a_loss_of_one_s_own_is_minimized_too(script: Script) -> None:
    words = script("own_loss", "leaf.png", "tinted.png", "--iterations=100")
    before, after = map(float, words.removeprefix("tint").split("->"))
    assert after < before
    with Image.open("tinted.png") as picture:
        assert picture.size == (256, 256)


@pytest.mark.gl
@pytest.mark.parametrize("mortal", [False, True])
def test_a_host_of_one_s_own_shows_what_the_rule_grows(script: Script, mortal: bool) -> None:
    settings = nca.RuleSettings(
        channels=6, hidden=8, start="noise", noise_level=1.0,
        alive_threshold=0.1 if mortal else None,
    )  # fmt: skip
    rule = bounded_rule(settings)
    nca.save(rule, "mine.safetensors")
    script("own_host", "mine.safetensors", "mine.png", "24", "10")
    pictures = Image.open("mine.png"), nca.grow(rule, 24, 10)
    shown, grown = (np.asarray(picture).astype(int) for picture in pictures)
    assert np.abs(shown - grown).max() <= 1
    assert shown.std() > 1


@pytest.mark.slow
@pytest.mark.usefixtures("quick_thumbnails")
def test_photographs_become_a_gallery(script: Script) -> None:
    Path("photos").mkdir()
    for name in ("bark", "moss"):
        shutil.copy("leaf.png", f"photos/{name}.png")
    flags = ("--minutes=0.02", "--preset=tiny")
    script("photos_to_gallery", "photos", "gallery", *flags)
    rules = list(Path("rules").iterdir())
    written = [path.stat().st_mtime_ns for path in rules]
    assert {path.stem for path in rules} == {"bark", "moss"}
    assert "moss" in Path("gallery/index.html").read_text()
    script("photos_to_gallery", "photos", "gallery", *flags)
    assert [path.stat().st_mtime_ns for path in rules] == written
