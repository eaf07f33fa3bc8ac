from pathlib import Path

import pytest
import torch

from nca.errors import InputError
from nca.style.settings import StyleSettings
from nca.style.train import RESULT, StyleTraining, stylize
from nca.training.callback import Callback
from nca.training.callbacks import load_checkpoint, save_checkpoint
from nca.training.learner import Learner


class StopAt(Callback):
    """End the fit early, like a killed process: between two iterations."""

    order = 200

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_batch(self, learner: Learner) -> None:
        if learner.iteration == self.iteration:
            learner.stop()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("stop", [3, 8, 11])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "lbfgs", "box": "sigmoid"},
        {"statistic": "transport", "box": "none", "average": 0.0},
    ],
    ids=["adam", "lbfgs", "transport"],
)
def test_resume_gives_the_same_bits(
    settings: StyleSettings, change: dict[str, object], stop: int, tmp_path: Path
) -> None:
    settings = settings.override(precision="float32", **change)
    whole = stylize(settings.override(out=tmp_path / "whole")).image
    settings.out.mkdir()
    training = StyleTraining(settings)
    training.learner.use_callbacks([*training.learner.callbacks, StopAt(stop)])
    training.fit()
    (settings.out / "settings.json").write_text((tmp_path / "whole/settings.json").read_text())
    state = load_checkpoint(settings.out / "checkpoint.pt")
    assert state["counts"]["iteration"] == stop
    resumed = stylize(settings.override(resume=True)).image
    assert torch.equal(resumed, whole)
    first, second = ((at / RESULT).read_bytes() for at in (tmp_path / "whole", settings.out))
    assert first == second


def test_resume_refuses_other_settings(settings: StyleSettings) -> None:
    stylize(settings)
    with pytest.raises(InputError, match=r"`resume`: `content_weight` was 0\.2, not 3\.0"):
        stylize(settings.override(resume=True, content_weight=3.0))
    with pytest.raises(InputError, match=r"`resume`: there is no checkpoint\.pt"):
        stylize(settings.override(resume=True, out=settings.out / "other"))


def test_a_resume_goes_on_with_the_same_pictures(settings: StyleSettings, tmp_path: Path) -> None:
    stylize(settings)
    resume = settings.override(resume=True)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("content.png", "style.png"):
        settings.content.with_name(name).rename(moved / name)
    at_home = resume.override(content=moved / "content.png", styles=(moved / "style.png",))
    stylize(at_home)
    (moved / "style.png").write_bytes(settings.content.with_name("style2.png").read_bytes())
    with pytest.raises(InputError, match=r"style\.png is not the same image as before"):
        stylize(at_home)


def test_a_checkpoint_of_before_there_was_a_fingerprint_is_gone_on_with(
    settings: StyleSettings,
) -> None:
    stylize(settings)
    path = settings.out / "checkpoint.pt"
    state = load_checkpoint(path)
    del state["callbacks"]["SameTarget"]
    save_checkpoint(path, state)
    stylize(settings.override(resume=True))
