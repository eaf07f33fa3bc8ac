"""How many files a reader has to open to follow a picture into the first unrolled step."""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image

from nca.texture.settings import train_settings
from nca.texture.train import train

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "explanation" / "training.md").read_text()
# How far it is from the target, and what only watches: they are read for themselves.
ASIDE = (
    "nca/losses",
    "nca/training/callbacks",
    "nca/texture/callbacks",
    "nca/training/same_target",
)


class Arrived(Exception):  # noqa: N818  (ends the run where it gets interesting no more)
    """The first step is about to be unrolled."""


def entered(run: Callable[[], object]) -> set[str]:
    """Files of ours with a function that is called from the reading of the target to ``unroll``."""
    files: set[str] = set()
    reading = False

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal reading
        path = Path(frame.f_code.co_filename)
        if event != "call" or not path.is_relative_to(ROOT / "nca"):
            return
        name = frame.f_code.co_name
        reading = reading or name == "read_texture"
        if reading and frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # no module, no class body
            files.add(str(path.relative_to(ROOT)))
        if reading and name == "unroll":
            sys.setprofile(None)
            raise Arrived

    sys.setprofile(watch)
    try:
        with pytest.raises(Arrived):
            run()
    finally:
        sys.setprofile(None)
    return {file for file in files if not file.startswith(ASIDE)}


@pytest.fixture
def leaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "leaf.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "leaf.jpg"


@pytest.mark.usefixtures("leaf")
def test_the_loop_of_the_guide_enters_twelve_files() -> None:
    (code,) = [
        block for block in re.findall("```python\n(.*?)```", GUIDE, re.DOTALL) if "Grow" in block
    ]
    loop = compile(code, "the loop of the guide", "exec")
    names = {"__name__": "example"}
    assert len(found := entered(lambda: exec(loop, names))) <= 12, sorted(found)
    assert "nca/texture/pool.py" in found
    exec(loop, names)
    assert Path("leaf.safetensors").exists()


def test_nca_train_enters_few_more(leaf: Path) -> None:
    settings = train_settings(leaf, "out", minutes=1, quiet=True)
    # Three of them load the compiled kernels of the loss.
    assert len(found := entered(lambda: train(settings))) <= 32, " ".join(sorted(found))
    assert "nca/texture/pool.py" in found
