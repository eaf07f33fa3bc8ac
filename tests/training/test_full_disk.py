"""A disk without room for the largest files: all others are written in the end."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca.cli import main
from nca.ddpm.train import train as train_ddpm
from nca.errors import FailedError
from nca.rulefile import load_rule
from nca.style.settings import style_settings
from nca.style.train import stylize
from nca.texture.settings import train_settings
from nca.texture.sweep import sweep
from tests.helpers.ddpm_run import tiny

QUICK = ("--preset", "tiny", "--size", "32", "--grid", "16", "--late-grid", "16", "--pool-size",
         "16", "--iterations", "6", "--backend", "torch", "--quiet")  # fmt: skip


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file be larger; beyond that, writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    waves = np.sin(np.mgrid[0:40, 0:40].sum(0) / 3)[..., None] * [90, 60, 30] + 128
    (tmp_path / "pictures").mkdir()
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "pictures" / "waves.png")
    return tmp_path / "pictures" / "waves.png"


def test_a_checkpoint_that_does_not_fit_does_not_cost_the_rule(
    picture: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with room_for(30_000):
        assert main(["train", str(picture), "--out", str(out), *QUICK]) == 1
    *warnings, last = capfd.readouterr().err.splitlines()
    assert sum("checkpoint.pt: File too large; continuing" in line for line in warnings) == 1
    assert last.startswith("nca: not written: checkpoint.pt")
    rule = load_rule(out / "rule.safetensors")
    assert rule.info["training"]["kept_from_iteration"]
    assert rule.info["thumbnail"]
    assert (out / "metrics.csv").exists()
    assert not list(out.glob(".*"))


def test_a_sweep_goes_on_and_names_the_rule_that_is_not_whole(
    picture: Path, tmp_path: Path
) -> None:
    settings = train_settings(
        picture.parent, tmp_path / "out", "tiny", size=32, grid=16, late_grid=16, pool_size=16,
        iterations=6, backend="torch",
    )  # fmt: skip
    with room_for(30_000), pytest.raises(FailedError, match="1 of 1 rules failed, such as waves"):
        sweep([settings])
    log = (settings.out / "waves" / "log.txt").read_text()
    assert "not written: checkpoint.pt" in log
    rule = load_rule(settings.out / "waves" / "rule.safetensors")
    assert "kept_from_iteration" in rule.info["training"]


def test_a_painting_is_written_without_its_checkpoint(picture: Path, tmp_path: Path) -> None:
    settings = style_settings(
        picture, [picture], tmp_path / "out", size=40, smallest=40, first_iterations=4,
        iterations=4, features="random", quiet=True,
    )  # fmt: skip
    with room_for(30_000), pytest.raises(FailedError, match=r"^not written: checkpoint\.pt"):
        stylize(settings)
    with Image.open(settings.out / "result.png") as result:
        assert result.size == (40, 40)


def test_a_diffusion_model_draws_its_samples_without_its_checkpoint(tmp_path: Path) -> None:
    settings = tiny(tmp_path)
    with room_for(100_000), pytest.raises(FailedError, match=r"^not written: checkpoint\.pt"):
        train_ddpm(settings)
    assert (settings.out / "samples.png").exists()
