"""A training uses as many threads as are useful at the time, and waits without spinning."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.ddpm.data.dataset import read_dataset
from nca.ddpm.train import DDPMTraining
from nca.style.settings import style_settings
from nca.style.train import StyleTraining
from nca.texture.settings import train_settings
from nca.texture.train import TextureTraining
from nca.training.callback import Callback
from nca.training.callbacks import Threads
from nca.training.callbacks import threads as module
from nca.training.callbacks.threads import Load
from nca.training.learner import Learner
from tests.helpers.ddpm_run import tiny
from tests.helpers.training_jobs import Canvas, MatchPatch

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "PASSIVE 10000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "7"}, "None 7"),
    ],
    ids=["by default", "policy set by the user", "count set by the user"],
)
def test_waiting_is_set_before_torch_is_loaded(given: dict[str, str], expected: str) -> None:
    code = (
        "import nca.cli, os, sys; assert 'torch' not in sys.modules;"
        f"print(*map(os.environ.get, {WAITING}))"
    )
    plain = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


class Machine:
    """Replaces the machine: the best number of threads, and its clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.best, self.trials = 2, 0
        self.share = 1.8  # CPU seconds a second
        self.pace = 0.5  # seconds per iteration
        self.wall = self.cpu = 0.0
        monkeypatch.setattr(module, "clocks", lambda: (self.wall, self.cpu))
        monkeypatch.setattr(module, "use_fastest", self.use_fastest)

    def use_fastest(self, limit: int, work: Callable[[], object]) -> None:
        self.trials += 1
        for threads in range(1, limit + 1):
            torch.set_num_threads(threads)
            work()
        torch.set_num_threads(self.best)

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.cpu += self.share * seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


class Work(Callback):
    """Advances the clock in every iteration; records the threads, and events."""

    def __init__(self, machine: Machine, events: dict[int, Callable[[], None]]) -> None:
        self.machine, self.events = machine, events
        self.threads: list[int] = []

    def after_step(self, learner: Learner) -> None:
        self.events.get(learner.iteration, lambda: None)()
        self.threads.append(torch.get_num_threads())
        self.machine.go_on(self.machine.pace)


def learner_of(*callbacks: Callback, seed: int = 0) -> Learner:
    torch.manual_seed(seed)
    canvas = Canvas(16)
    optimizer = torch.optim.Adam(canvas.parameters(), 0.1)
    return Learner(
        canvas, range(100), MatchPatch(torch.rand(3, 16, 16)), optimizer, callbacks=callbacks
    )


def test_it_is_tried_on_the_first_batch_and_put_back(machine: Machine) -> None:
    machine.best = 1
    work = Work(machine, {})
    learner_of(Threads(), work).fit(iterations=4)
    assert machine.trials == 1
    assert work.threads == [1] * 4
    assert torch.get_num_threads() == 2


def test_it_is_tried_again_when_cpu_and_wall_time_come_apart(machine: Machine) -> None:
    def busy() -> None:
        machine.best, machine.share = 1, 1.2

    work = Work(machine, {21: busy})
    learner_of(Threads(), work).fit(iterations=40)
    assert machine.trials == 2
    assert work.threads[:21] == [2] * 21
    assert work.threads[24:] == [1] * 16  # two seconds later at most


@pytest.mark.parametrize(("share", "threads"), [(1.2, 1), (1.8, 2)], ids=["busy", "more work"])
def test_until_a_trial_is_allowed_one_thread_is_used_beside_another_program(
    machine: Machine, share: float, threads: int
) -> None:
    def slow() -> None:
        machine.share, machine.pace = share, 1.0

    work = Work(machine, {5: slow})
    learner_of(Threads(), work).fit(iterations=7)
    assert machine.trials == 1
    assert work.threads[-1] == threads


def test_a_load_that_is_gone_is_noticed_within_a_minute(machine: Machine) -> None:
    machine.best, machine.share = 1, 1.0

    def quiet() -> None:
        machine.best = 2  # one thread uses a whole core before and after

    work = Work(machine, {10: quiet})
    learner_of(Threads(), work).fit(iterations=100, epochs=2)
    assert work.threads[-1] == 1
    work = Work(machine, {10: quiet})
    machine.best = 1
    learner_of(Threads(), work).fit(iterations=130, epochs=2)
    assert work.threads[-1] == 2
    assert machine.trials == 3


def test_a_load_that_comes_and_goes_does_not_make_it_try_all_the_time(machine: Machine) -> None:
    class Restless(Callback):
        def after_step(self, learner: Learner) -> None:
            machine.share = 1.8 if learner.iteration // 4 % 2 else 1.0

    learner_of(Threads(), Restless(), Work(machine, {})).fit(iterations=80)
    assert 2 <= machine.trials <= 1 + 40 / module.MIN_INTERVAL


def test_nothing_that_is_trained_or_drawn_is_changed(machine: Machine) -> None:
    """Except for the number of threads, which is one for all here."""
    machine.best = 1
    torch.set_num_threads(1)
    without = learner_of()
    without.fit(iterations=5)
    torch.set_num_threads(2)
    tried = learner_of(Threads())
    tried.fit(iterations=5)
    assert machine.trials == 1
    assert torch.equal(without.model.pixels, tried.model.pixels)


def test_the_generator_of_an_objective_is_left_as_it_was(machine: Machine) -> None:
    generator = torch.Generator().manual_seed(0)

    class Noisy(MatchPatch):
        def predict(self, model: torch.nn.Module, batch: object) -> tuple[torch.Tensor, ...]:
            drawn.append(float(torch.rand((), generator=generator)))
            return super().predict(model, batch)

    drawn: list[float] = []
    learner = learner_of(Threads(generator))
    learner.objective = Noisy(torch.rand(3, 16, 16))
    learner.fit(iterations=2)
    *trials, first, second = drawn
    assert machine.trials == 1
    assert set(trials) == {first}
    assert second != first


def test_one_thread_is_never_tried(machine: Machine) -> None:
    torch.set_num_threads(1)
    learner_of(Threads(), Work(machine, {})).fit(iterations=3)
    assert machine.trials == 0
    assert torch.get_num_threads() == 1


def changed(load: Load, wall: float, cpu: float, count: int = 1) -> bool:
    """Add iterations; whether the last window differs from the first one."""
    for _ in range(count):
        load.add(wall, cpu)
    return load.changed


def test_a_load_is_judged_by_windows() -> None:
    load = Load()
    assert not changed(load, 0.3, 0.5, count=8)
    assert not changed(load, 0.3, 0.0, count=3)
    assert changed(load, 0.3, 0.3)


def test_iterations_that_take_much_longer_or_shorter_are_another_work() -> None:
    load = Load()
    assert not changed(load, 0.25, 0.25, count=8)
    assert not changed(load, 0.3, 0.3, count=8)
    assert changed(load, 1.0, 1.0)
    load = Load()
    assert not changed(load, 0.25, 0.25, count=8)
    assert changed(load, 0.1, 0.1, count=11)


def picture(folder: Path) -> Path:
    path = folder / "noise.png"
    pixels = torch.randint(256, (64, 64, 3), dtype=torch.uint8).numpy()
    Image.fromarray(pixels).save(path)
    return path


def texture(folder: Path) -> Learner:
    settings = train_settings(
        picture(folder), folder / "run", "tiny", size=32, grid=16, late_grid=24, steps=(3, 6),
        late_steps=(4, 8), pool_size=8, quiet=True,
    )  # fmt: skip
    settings.out.mkdir()
    return TextureTraining(settings, torch.rand(3, 32, 32)).learner


def style(folder: Path) -> Learner:
    path = picture(folder)
    settings = style_settings(
        path, [path], folder / "run", size=48, smallest=48, first_iterations=2, iterations=2,
        quiet=True,
    )  # fmt: skip
    settings.out.mkdir()
    return StyleTraining(settings).learner


def ddpm(folder: Path) -> Learner:
    settings = tiny(folder, iterations=None)
    settings.out.mkdir()
    return DDPMTraining(settings, read_dataset(settings.data, settings.images.size)).learner


@pytest.mark.parametrize("make", [texture, style, ddpm])
def test_every_training_looks_again(
    make: Callable[[Path], Learner], tmp_path: Path, machine: Machine
) -> None:
    learner = make(tmp_path)
    machine.best = 1
    work = Work(machine, {})
    learner.use_callbacks([*learner.callbacks, work])
    learner.fit(iterations=2)
    assert machine.trials == 1
    assert work.threads == [1, 1]
