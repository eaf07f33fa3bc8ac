from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nca.training.callback import EVENTS, Callback, CancelBatch, CancelEpoch, CancelFit
from nca.training.engines import Autocast, Engine
from nca.training.generators import generator_state
from nca.training.learner import Learner
from nca.training.objective import Objective, Supervised


class Dot(nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


def make(*callbacks: Callback, batches: Any = None, **options: Any) -> Learner:
    model = Dot()
    pairs = [(torch.tensor(float(i)), torch.tensor(0.0)) for i in range(1, 4)]
    objective = Supervised(lambda prediction, target: (prediction - target).square())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    return Learner(
        model, pairs if batches is None else batches, objective, optimizer, callbacks=callbacks,
        **options,
    )  # fmt: skip


def spy(act: Callable[[str, Learner], None] = lambda *_: None) -> tuple[Callback, list[str]]:
    """A callback of all events that records them, and then acts."""
    seen: list[str] = []

    def note(event: str) -> Callable[[Callback, Learner], None]:
        def method(_: Callback, learner: Learner) -> None:
            seen.append(event)
            act(event, learner)

        return method

    return type("Spy", (Callback,), {event: note(event) for event in EVENTS})(), seen


def cancel(where: str, how: type[Exception], iteration: int = 2) -> Callable[[str, Learner], None]:
    def act(event: str, learner: Learner) -> None:
        if event == where and learner.iteration == iteration:
            raise how

    return act


BATCH = [
    "before_batch", "after_predict", "after_loss", "after_backward", "after_step", "after_batch",
    "cleanup_batch",
]  # fmt: skip
VALID = ["before_batch", "after_predict", "after_loss", "after_batch", "cleanup_batch"]


def test_events_come_as_the_algorithm_goes() -> None:
    callback, seen = spy()
    make(callback).fit()
    epoch = ["before_epoch", *BATCH * 3, "after_epoch", "cleanup_epoch"]
    assert seen == ["before_fit", *epoch, "after_fit", "cleanup_fit"]


def test_validation_neither_goes_backward_nor_steps() -> None:
    callback, seen = spy()
    learner = make(callback, valid_batches=[(torch.tensor(1.0), torch.tensor(0.0))])
    learner.fit()
    assert seen[-len(VALID) - 5 : -2] == ["before_epoch", *VALID, "after_epoch", "cleanup_epoch"]
    assert learner.iteration == learner.steps == 3
    assert not learner.loss.requires_grad


def test_the_loop_does_what_a_loop_written_straight_does() -> None:
    learner = make()
    learner.fit(4)
    weight = torch.ones((), requires_grad=True)
    for _ in range(4):
        for i in range(1, 4):
            (weight * i).square().backward()
            with torch.no_grad():
                weight -= 0.01 * weight.grad
            weight.grad = None
    assert torch.equal(learner.model.weight, weight)


@pytest.mark.parametrize(
    ("where", "steps"),
    [("before_batch", 2), ("after_predict", 2), ("after_loss", 2), ("after_backward", 2),
     ("after_step", 3), ("after_batch", 3)],
)  # fmt: skip
def test_a_cancelled_batch_is_cleaned_up_and_leaves_no_gradient(where: str, steps: int) -> None:
    done = []

    def act(event: str, learner: Learner) -> None:
        if event == where and not done and learner.iteration >= 1:
            done.append(True)
            raise CancelBatch
        if event == "before_batch":
            assert learner.model.weight.grad is None

    callback, seen = spy(act)
    learner = make(callback)
    learner.fit()
    assert seen.count("cleanup_batch") == seen.count("before_batch") == 3
    assert learner.steps == steps
    assert seen[-3:] == ["cleanup_epoch", "after_fit", "cleanup_fit"]


def test_a_cancelled_epoch_ends_and_the_next_begins_at_its_first_batch() -> None:
    callback, seen = spy(cancel("after_loss", CancelEpoch))
    learner = make(callback)
    learner.fit(2)
    assert learner.epoch == 2
    assert learner.iteration == 2 + 3
    assert seen.count("after_epoch") == 1
    assert seen.count("cleanup_epoch") == 2


@pytest.mark.parametrize("where", sorted(EVENTS - {"after_fit", "cleanup_fit"}))
def test_a_cancelled_fit_ends_quietly_and_cleans_up(where: str) -> None:
    callback, _ = spy(lambda event, _: cancelled(event == where))
    other, seen_by_other = spy()
    make(callback, other).fit(2)
    assert "after_fit" not in seen_by_other
    assert seen_by_other[-1] == "cleanup_fit"
    assert seen_by_other.count("before_epoch") <= 1


def cancelled(now: bool) -> None:
    if now:
        raise CancelFit


@pytest.mark.parametrize("failure", [RuntimeError("broken"), KeyboardInterrupt()])
def test_whatever_fails_all_clean_up_and_it_is_reported(failure: BaseException) -> None:
    def act(event: str, _: Learner) -> None:
        if event == "after_backward":
            raise failure
        if event.startswith("cleanup"):
            raise OSError("cleaning up failed as well")

    callback, seen = spy(act)
    other, seen_by_other = spy()
    with pytest.raises(type(failure)) as caught:
        make(callback, other).fit()
    assert caught.value is failure
    for record in (seen, seen_by_other):
        assert record[-3:] == ["cleanup_batch", "cleanup_epoch", "cleanup_fit"]
        assert not any(event in record for event in ("after_batch", "after_epoch", "after_fit"))


def test_those_whose_beginning_was_not_reached_clean_up_too() -> None:
    first, _ = spy(lambda event, _: cancelled(event == "before_fit"))
    second, seen = spy()
    make(first, second).fit()
    assert seen == ["cleanup_fit"]


def test_a_cleanup_that_fails_is_an_error() -> None:
    def act(event: str, _: Learner) -> None:
        if event == "cleanup_epoch":
            raise OSError("no room")

    callback, _ = spy(act)
    with pytest.raises(OSError, match="no room"):
        make(callback).fit()


def test_callbacks_run_by_order_and_equal_ones_as_they_were_given() -> None:
    ran: list[str] = []

    def named(name: str, order: int) -> Callback:
        def before_fit(self: Callback, _: Learner) -> None:
            ran.append(name)

        return type(name, (Callback,), {"order": order, "before_fit": before_fit})()

    make(named("late", 5), named("a", 0), named("first", -1), named("b", 0)).fit()
    assert ran == ["first", "a", "b", "late"]


@pytest.mark.parametrize("stranger", [Engine(), Supervised(nn.MSELoss()), object()])
def test_slots_are_filled_exactly_once(stranger: Any) -> None:
    with pytest.raises(TypeError, match="exactly one of each"):
        make(stranger)


def test_an_objective_must_be_one() -> None:
    model = Dot()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(TypeError, match="objective must be an Objective, not SGD"):
        Learner(model, [], optimizer, optimizer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="abstract"):
        Objective()  # type: ignore[abstract]


def test_limits_count_from_the_very_beginning() -> None:
    learner = make()
    learner.fit(iterations=4)
    assert (learner.epoch, learner.iteration) == (1, 4)
    learner.fit(iterations=4)
    assert learner.iteration == 4
    learner.fit(iterations=6)
    assert (learner.epoch, learner.iteration) == (2, 6)
    learner.fit(2)
    assert learner.iteration == 6
    learner.fit()
    assert (learner.epoch, learner.iteration) == (3, 9)
    learner.fit(10, iterations=11)
    assert learner.iteration == 11


@pytest.mark.parametrize("limit", [{"epochs": 0}, {"iterations": 0}])
def test_a_fit_of_nothing_trains_nothing(limit: dict[str, int]) -> None:
    learner = make()
    learner.fit(**limit)
    assert learner.iteration == 0


def test_minutes_end_a_fit_of_an_endless_source(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr("nca.training.learner.time.monotonic", lambda: float(next(now)))

    class Endless:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            while True:
                yield torch.tensor(1.0), torch.tensor(0.0)

    parts: list[float] = []

    class Watch(Callback):
        def before_batch(self, learner: Learner) -> None:
            parts.append(learner.progress)

    learner = make(Watch(), batches=Endless())
    learner.fit(minutes=0.1)  # a look at the clock a batch: six of them
    assert learner.iteration == 6
    assert parts == pytest.approx([i / 6 for i in range(6)])
    assert learner.progress == 1


def test_progress_is_that_of_whichever_limit_comes_first() -> None:
    parts: list[float] = []

    class Watch(Callback):
        def before_batch(self, learner: Learner) -> None:
            parts.append(learner.progress)

    make(Watch()).fit(2)
    assert parts == pytest.approx([i / 6 for i in range(6)])
    parts.clear()
    make(Watch()).fit(2, iterations=4)
    assert parts == pytest.approx([i / 4 for i in range(4)])


def test_a_callback_can_end_the_fit_well() -> None:
    callback, seen = spy(lambda event, learner: learner.stop() if event == "after_loss" else None)
    learner = make(callback)
    learner.fit(5)
    assert learner.iteration == 1
    assert seen[-3:] == ["cleanup_epoch", "after_fit", "cleanup_fit"]
    learner.use_callbacks([])
    learner.fit(1)
    assert (learner.epoch, learner.iteration) == (1, 3)  # the stop was for that fit only


def test_validation_has_the_same_random_numbers_and_takes_none_of_trainings() -> None:
    class Draw(Supervised):
        def predict(self, model: nn.Module, batch: Any) -> Tensor:
            drawn.append((learner.training, float(torch.rand(()))))
            return super().predict(model, batch)

    drawn: list[tuple[bool, float]] = []
    pair = (torch.tensor(1.0), torch.tensor(0.0))
    runs = []
    for valid in (None, [pair, pair]):
        drawn.clear()
        learner = make(valid_batches=valid)
        learner.objective = Draw(lambda a, b: (a - b).square())
        torch.manual_seed(3)
        learner.fit(2)
        runs.append([x for training, x in drawn if training])
        looks = [x for training, x in drawn if not training]
    assert runs[0] == runs[1]
    assert len(looks) == 4
    assert looks[:2] == looks[2:]


def test_a_validation_that_fails_gives_the_generators_back() -> None:
    def act(event: str, learner: Learner) -> None:
        if event == "after_predict" and not learner.training:
            raise RuntimeError("broken")

    callback, _ = spy(act)
    pair = (torch.tensor(1.0), torch.tensor(0.0))
    learner = make(callback, batches=[pair], valid_batches=[pair])
    before = generator_state()["torch"]
    with pytest.raises(RuntimeError, match="broken"):
        learner.fit()
    assert torch.equal(generator_state()["torch"], before)


@pytest.mark.parametrize("where", ["before_batch", "after_predict", "after_loss"])
def test_a_cancelled_batch_leaves_no_autocast_behind(where: str) -> None:
    within = []

    def act(event: str, _: Learner) -> None:
        within.append((event, torch.is_autocast_enabled("cpu")))
        if event == where:
            raise CancelBatch

    callback, _ = spy(act)
    make(callback, engine=Autocast()).fit()
    assert not torch.is_autocast_enabled("cpu")
    inside = {event for event, enabled in within if enabled}
    assert inside <= {"after_predict", "after_loss"}


def test_model_is_in_training_mode_only_while_it_trains() -> None:
    modes: list[tuple[bool, bool, bool]] = []

    class Watch(Callback):
        def after_predict(self, learner: Learner) -> None:
            modes.append((learner.training, learner.model.training, torch.is_grad_enabled()))

    pair = (torch.tensor(1.0), torch.tensor(0.0))
    make(Watch(), batches=[pair], valid_batches=[pair]).fit()
    assert modes == [(True, True, True), (False, False, False)]


def test_an_empty_epoch_is_reported() -> None:
    with pytest.raises(ValueError, match="an epoch has no batch"):
        make(batches=[]).fit()
    spent = iter([(torch.tensor(1.0), torch.tensor(0.0))])
    with pytest.raises(ValueError, match="iterable more than once"):
        make(batches=spent).fit(2)
