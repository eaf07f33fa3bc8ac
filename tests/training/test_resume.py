import copy
from pathlib import Path

import pytest
import torch

from nca.errors import InputError
from nca.training.callbacks import EMA, NaNGuard, load_checkpoint, save_checkpoint
from nca.training.engines import Autocast, Engine
from nca.training.learner import Learner
from tests.helpers.training_jobs import JOBS, StopAt, differences, image_job, unet_job

TOTAL = 13  # of the U-Net two epochs of five batches, and three

ENGINES = {
    "plain": Engine,
    "accumulate": lambda: Engine(accumulate=3),
    "bfloat16": Autocast,
    "float16": lambda: Autocast(dtype=torch.float16, accumulate=2),
}


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (5,))


def run(job: str, folder: Path, engine: str, stops: tuple[int, ...] = ()) -> Learner:
    """Train, with interruptions after which everything is created again from a checkpoint."""
    folder.mkdir(exist_ok=True)
    state = None
    for stop in (*stops, TOTAL + 1):
        torch.manual_seed(99 + stop)  # what was before a resume must not matter
        learner = JOBS[job](folder, [StopAt(stop)], ENGINES[engine]())
        if state is None:
            torch.manual_seed(5)
        else:
            learner.load_state_dict(state)
        learner.fit(iterations=TOTAL)
        save_checkpoint(folder / "checkpoint", learner.state_dict())
        state = load_checkpoint(folder / "checkpoint")
    return learner


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_stop_and_a_resume_give_the_same_bits(tmp_path: Path, job: str, engine: str) -> None:
    whole = run(job, tmp_path / "whole", engine)
    resumed = run(job, tmp_path / "resumed", engine, stops=(4, 5, 8))
    assert whole.iteration == resumed.iteration == TOTAL
    assert differences(whole.state_dict(), resumed.state_dict()) == []


@pytest.mark.parametrize("job", JOBS)
def test_every_part_of_the_state_is_looked_at(tmp_path: Path, job: str) -> None:
    learner = run(job, tmp_path, "plain")
    state = copy.deepcopy(learner.state_dict())
    assert differences(state, learner.state_dict()) == []
    changed = copy.deepcopy(state)
    changed["generators"][0]["torch"][100] ^= 1
    changed["callbacks"]["EMA"]["weights"][0].view(-1)[0] += 1e-6
    changed["counts"]["steps"] += 1
    found = differences(state, changed)
    assert [line.split(":")[0] for line in sorted(found)] == [
        "/callbacks/EMA/weights/0", "/counts/steps", "/generators/0/torch",
    ]  # fmt: skip


@pytest.mark.parametrize("job", JOBS)
def test_a_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path, job: str) -> None:
    first, second = run(job, tmp_path / "a", "plain"), run(job, tmp_path / "b", "plain")
    assert differences(first.state_dict(), second.state_dict()) == []
    third = JOBS[job](tmp_path / "c")
    (tmp_path / "c").mkdir()
    torch.manual_seed(6)
    third.fit(iterations=TOTAL - 1)
    assert differences(first.model.state_dict(), third.model.state_dict())


def test_one_fit_equals_several(tmp_path: Path) -> None:
    # Two epochs at once, and one after the other: the schedule has the same end.
    whole, parts = unet_job(tmp_path), unet_job(tmp_path)
    torch.manual_seed(5)
    whole.use_callbacks([])
    whole.fit(2)
    torch.manual_seed(5)
    parts.use_callbacks([])
    parts.fit()
    parts.fit()
    assert parts.epoch == whole.epoch == 2
    assert differences(whole.state_dict(), parts.state_dict()) == []


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    image, unet = image_job(tmp_path), unet_job(tmp_path)
    with pytest.raises(InputError, match=r"does not match this run: .*pixels"):
        unet.load_state_dict(image.state_dict())


def test_a_checkpoint_with_a_callback_too_many_is_refused(tmp_path: Path) -> None:
    state = image_job(tmp_path, [NaNGuard()]).state_dict()
    with pytest.raises(InputError, match="has state for callback NaNGuard, which is not attached"):
        image_job(tmp_path).load_state_dict(state)


def test_two_callbacks_of_a_kind_keep_their_own_state(tmp_path: Path) -> None:
    def make() -> tuple[Learner, EMA, EMA]:
        learner = image_job(tmp_path)
        fast, slow = (EMA(decay, warm_up=False) for decay in (0.5, 0.99))
        learner.use_callbacks([fast, slow])
        return learner, fast, slow

    learner, fast, slow = make()
    learner.fit(iterations=6)
    again, fast_again, slow_again = make()
    again.load_state_dict(learner.state_dict())
    assert torch.equal(fast.weights[0], fast_again.weights[0])
    assert torch.equal(slow.weights[0], slow_again.weights[0])
    assert not torch.equal(fast.weights[0], slow.weights[0])


def test_what_only_the_first_batch_shows_of_a_damaged_state_is_named(tmp_path: Path) -> None:
    learner = image_job(tmp_path)
    learner.fit(iterations=2)
    state = learner.state_dict()
    state["optimizer"]["param_groups"][0]["eps"] = "small"
    again = image_job(tmp_path)
    again.load_state_dict(state)
    with pytest.raises(InputError, match="does not match this run"):
        again.fit(iterations=4)
