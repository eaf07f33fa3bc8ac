"""The run frame that all trainings share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.ddpm.train import train as train_ddpm
from nca.errors import FailedError, InputError
from nca.style.settings import style_settings
from nca.style.train import stylize
from nca.texture.settings import train_settings
from nca.texture.train import train as train_rule
from nca.training.callback import Callback
from nca.training.callbacks.device import choose_device
from nca.training.job import Trained
from nca.training.learner import Learner
from tests.helpers.ddpm_run import tiny

Log = Sequence[str]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.effect_noise((40, 40), 60).convert("RGB").save(tmp_path / "noise.png")
    return tmp_path / "noise.png"


def rule(picture: Path, callbacks: Sequence[Callback], log: Log = ()) -> Trained:
    settings = train_settings(
        picture, picture.parent / "run", "tiny", size=32, grid=16, late_grid=16, steps=(2, 3),
        late_steps=(2, 3), pool_size=6, iterations=2, features="random", quiet=True, log=tuple(log),
    )  # fmt: skip
    return train_rule(settings, callbacks=callbacks)


def image(picture: Path, callbacks: Sequence[Callback], log: Log = ()) -> Trained:
    settings = style_settings(
        picture, [picture], picture.parent / "run", size=40, smallest=40, first_iterations=2,
        iterations=2, features="random", quiet=True, log=tuple(log),
    )  # fmt: skip
    return stylize(settings, callbacks=callbacks)


def diffusion(picture: Path, callbacks: Sequence[Callback], log: Log = ()) -> Trained:
    settings = tiny(picture.parent, iterations=2, log=tuple(log))
    return train_ddpm(settings, callbacks=callbacks)


class Count(Callback):
    """Counts steps."""

    steps = 0

    def after_step(self, _: Learner) -> None:
        self.steps += 1


@pytest.mark.parametrize("train", [rule, image, diffusion])
def test_every_training_takes_callbacks_and_logs(
    train: Callable[..., Trained], picture: Path
) -> None:
    count = Count()
    trained = train(picture, [count], ["tensorboard"])
    assert count.steps == trained.iterations == 2
    assert all((trained.folder / name).exists() for name in trained.results)
    assert list((trained.folder / "tensorboard").glob("events.out.tfevents.*"))


class OutOfMemory(Callback):
    def before_batch(self, _: Learner) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("train", "named"),
    [
        (rule, "`batch_size` or `late_grid` or `late_steps`"),
        (image, "`size`"),
        (diffusion, "`batch_size` or `size`"),
    ],
)
def test_a_gpu_without_memory_ends_in_a_line_that_says_what_to_lower(
    train: Callable[..., Trained], named: str, picture: Path
) -> None:
    with pytest.raises(FailedError, match=f"^the GPU has no memory left; lower {named}$"):
        train(picture, [OutOfMemory()])


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_missing_is_named(device: str) -> None:
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=f"`device` {device}: torch .* does not support it"):
        choose_device(device)
    assert choose_device("auto").type in ("cpu", "cuda")
