"""Samples of a diffusion model from Python."""

import inspect
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nca
from nca.errors import InputError
from tests.helpers.ddpm_run import SIDE, trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training."""
    return trained_run(tmp_path_factory.mktemp("model")).path.parent


def test_an_image_depends_on_its_own_seed_alone(run: Path) -> None:
    images = nca.sample(run, 3, steps=2, seed=5)
    assert [image.size for image in images] == [(SIDE, SIDE)] * 3
    (last,) = nca.sample(str(run / "checkpoint.pt"), 1, steps=2, seed=7)
    assert np.abs(np.asarray(last).astype(int) - np.asarray(images[2])).max() <= 1


def test_a_picture_in_memory_is_kept(run: Path) -> None:
    half = np.zeros((20, 20, 3), np.uint8)
    half[:, 10:] = 255
    (image,) = nca.sample(run, 1, steps=4, like=Image.fromarray(half), strength=0.05)
    pixels = np.asarray(image).astype(float)
    assert pixels[:, SIDE // 2 + 1 :].mean() - pixels[:, : SIDE // 2 - 1].mean() > 100


def test_the_example_runs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    text = inspect.getdoc(nca.sample) or ""
    (example,) = re.findall(r"^::\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    exec(textwrap.dedent(example), {"nca": nca})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sampler": "euclid"}, "`sampler` euclid: must be one of ddpm, ddpm-skip"),
        ({"count": 0}, "`n` 0: must be 1 to"),
        ({"stepps": 3}, "`stepps`: SampleSettings has no such setting; did you mean `steps`"),
        ({"style": np.zeros((3, 9, 9))}, r"`style` of shape \(3, 9, 9\)"),
        ({"checkpoint": "none"}, "none: No such file"),
    ],
)
def test_wrong_values_are_named(run: Path, values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        nca.sample(**{"checkpoint": run, **values})
