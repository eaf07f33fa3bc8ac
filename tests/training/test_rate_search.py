import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.training.callbacks import ActivationStatistics
from nca.training.engines import Autocast, Engine
from nca.training.learner import Learner
from nca.training.rate_search import RateSearch, find_rate, valley
from tests.helpers.training_jobs import JOBS, differences


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (5,))


def prepare(job: str, folder: Path, engine: Engine) -> Learner:
    learner = JOBS[job](folder, engine=engine)
    torch.manual_seed(5)
    learner.fit(iterations=4)
    return learner


ENGINES = {"plain": Engine, "accumulate": lambda: Engine(accumulate=3)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("job", JOBS)
def test_a_search_leaves_everything_as_it_was(tmp_path: Path, job: str, engine: str) -> None:
    learner = prepare(job, tmp_path, ENGINES[engine]())
    callbacks, valid = learner.callbacks, learner.valid_batches
    before = copy.deepcopy(learner.state_dict())
    find_rate(learner, start=1e-4, factor=2)
    assert differences(before, learner.state_dict()) == []
    assert learner.callbacks == callbacks
    assert learner.valid_batches is valid
    learner.fit(iterations=9)
    other = prepare(job, tmp_path, ENGINES[engine]())
    other.fit(iterations=9)
    assert differences(other.model.state_dict(), learner.model.state_dict()) == []


def test_the_scale_of_float16_comes_back_too(tmp_path: Path) -> None:
    learner = prepare("unet", tmp_path, Autocast(dtype=torch.float16))
    before = copy.deepcopy(learner.state_dict())
    find_rate(learner, start=1e-2, factor=3, end=1e4)
    assert differences(before, learner.state_dict()) == []


@pytest.mark.parametrize("job", ["image", "rule"])
def test_a_search_suggests_and_writes(tmp_path: Path, job: str) -> None:
    search = find_rate(JOBS[job](tmp_path), start=1e-4, factor=1.6)
    assert len(search.rates) == len(search.losses) > 5
    assert search.rates[1] / search.rates[0] == pytest.approx(1.6)
    search.write(tmp_path)
    output = json.loads((tmp_path / "rate_search.json").read_text())
    assert output["rates"] == search.rates
    assert output["suggestion"] == search.suggestion
    with Image.open(tmp_path / "rate_search.png") as plot:
        assert plot.size == (960, 540)
    if job == "image":
        assert search.suggestion is not None
        assert 1e-4 < search.suggestion < 2


def test_a_suggested_rate_trains_better_than_a_tenth_of_it(tmp_path: Path) -> None:
    def train(rate: float) -> float:
        learner = JOBS["image"](tmp_path)
        learner.use_callbacks([])
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(0)
        learner.fit(iterations=60)
        with torch.no_grad():
            objective: Any = learner.objective
            return float((learner.model.pixels - objective.target).square().mean())

    suggestion = find_rate(JOBS["image"](tmp_path), start=1e-4).suggestion
    assert suggestion is not None
    assert train(suggestion) < 0.5 * train(suggestion / 10)


def test_only_essential_callbacks_take_part(tmp_path: Path) -> None:
    learner = JOBS["unet"](tmp_path, [ActivationStatistics()])
    find_rate(learner, start=1e-3, factor=3)
    assert not any(module._forward_hooks for module in learner.model.modules())
    assert all(not c.rows for c in learner.callbacks if hasattr(c, "rows"))


def test_a_search_that_fails_puts_everything_back_too(tmp_path: Path) -> None:
    learner = prepare("image", tmp_path, Engine())
    before = copy.deepcopy(learner.state_dict())
    losses, count = learner.objective.losses, 0

    def broken(*arguments: object) -> dict[str, torch.Tensor]:
        nonlocal count
        count += 1
        if count == 4:
            raise RuntimeError("broken")
        return losses(*arguments)

    learner.objective.losses = broken
    with pytest.raises(RuntimeError, match="broken"):
        find_rate(learner)
    assert differences(before, learner.state_dict()) == []


def test_the_valley_is_in_the_middle_of_the_longest_descent() -> None:
    rates = [1.0, 2, 3, 4, 5, 6, 7, 8]
    assert valley(rates, [9, 9.1, 8, 7, 5, 4, 4.5, 20]) == 4
    assert valley(rates, [1, 2, 3, 4, 5, 6, 7, 8]) is None
    assert valley([], []) is None


def test_a_search_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        RateSearch([1.0], [1.0], None).write(tmp_path / "none")
