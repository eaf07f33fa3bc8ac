"""`nca bench load`: training while other programs run, compared with one thread under equal load.

Each kind of training runs in three variants: on one thread; with the number of threads that the
command chooses; and on all threads with spinning, torch's default. The variants start on a quiet
machine and take turns. Then programs that need one core each are started. All processes share two
CPUs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nca.benchmarks.measuring.machine import describe_machine, load
from nca.benchmarks.measuring.report import Gate, Report, Row
from nca.benchmarks.measuring.timing import ratios, spread
from nca.benchmarks.peers.apart import environment
from nca.benchmarks.settings import SMALL, BenchLoadSettings
from nca.ddpm.data.dataset import read_dataset
from nca.ddpm.settings import ddpm_settings
from nca.ddpm.train import DDPMTraining
from nca.pictures import picture_path
from nca.style.settings import style_settings
from nca.style.train import StyleTraining
from nca.system.console import say
from nca.texture.settings import train_settings
from nca.texture.tasks import task_of
from nca.texture.train import TextureTraining
from nca.training.callback import Callback
from nca.training.callbacks import Threads
from nca.training.learner import Learner

CPUS = 2
LOOPS = (0, 1) if SMALL else (0, 1, 2, 4)
SECONDS = 0.1 if SMALL else 2.5  # duration of a turn
ENDLESS = 10_000  # minutes
NOWHERE = Path("none")  # no files are written
ONE, OURS, SPINNING = "one", "ours", "spinning"
VARIANTS = {
    ONE: {"OMP_NUM_THREADS": "1"},
    OURS: {},
    # The defaults of libgomp and LLVM's OpenMP.
    SPINNING: {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"},
}
BUSY = "while True: pass"


def texture() -> Learner:
    """Prepare a texture training run with default settings."""
    settings = train_settings(picture_path("scales"), NOWHERE, minutes=ENDLESS)
    return TextureTraining(settings, task_of(settings.task).read(settings)).learner


def style() -> Learner:
    """Prepare a style-transfer run at one size, with the builtin features."""
    settings = style_settings(
        picture_path("scales"), [picture_path("lava")], NOWHERE, size=256, smallest=256,
        first_iterations=10**6,
    )  # fmt: skip
    return StyleTraining(settings).learner


def ddpm() -> Learner:
    """Prepare a training run of a diffusion model on the builtin images, without validation."""
    settings = ddpm_settings("builtin", NOWHERE, minutes=ENDLESS)
    learner = DDPMTraining(settings, read_dataset(settings.data, settings.images.size)).learner
    learner.valid_batches = None
    return learner


TASKS: dict[str, Callable[[], Learner]] = {"texture": texture, "style": style, "ddpm": ddpm}
GATES = [
    *(Gate(f"{task}_{loops}", 0.8) for task in TASKS for loops in LOOPS),
    *(Gate(f"{task}_over_spinning", 0.95) for task in TASKS),
]


class Turns(Callback):
    """Read seconds from a line of standard input, train for that time, and print the rate.

    The first batch does not count, because it compiles and chooses the number of threads.
    """

    order = 200

    def __init__(self) -> None:
        self._began = self._until = 0.0
        self._done = 0

    def after_batch(self, learner: Learner) -> None:
        """End a turn, then wait for the next one or for the end of the input."""
        self._done += 1
        now = time.perf_counter()
        if now < self._until:
            return
        print(self._done / (now - self._began), flush=True)
        line = sys.stdin.readline()
        if not line:
            learner.stop()
            return
        self._began, self._done = time.perf_counter(), 0
        self._until = self._began + float(line)


def train_in_turns(task: str, variant: str) -> None:
    """Train in this process until standard input ends, without writing files."""
    learner = TASKS[task]()
    parts = [each for each in learner.callbacks if each.essential]
    if variant == SPINNING:
        parts = [each for each in parts if not isinstance(each, Threads)]
    learner.use_callbacks([*parts, Turns()])
    learner.fit(minutes=ENDLESS)


class Training:
    """A training run in a separate process."""

    def __init__(self, task: str, variant: str) -> None:
        plain = environment(**VARIANTS[variant])
        if "OMP_NUM_THREADS" not in VARIANTS[variant]:
            plain.pop("OMP_NUM_THREADS", None)
        command = [sys.executable, "-m", "nca.benchmarks.load", task, variant]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain
        )
        self._rate()  # waits for the first batch

    def turn(self, seconds: float) -> float:
        """Train for some seconds; return iterations per second."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        return self._rate()

    def _rate(self) -> float:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a training run ended with exit code {self.process.wait()}")
        return float(line)

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Run this number of programs that need one core each."""
    programs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@contextmanager
def few_cpus() -> Iterator[None]:
    """Restrict this process and its children to two CPUs."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-CPUS:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(rounds: int) -> Report:
    """Measure, with progress on standard error."""
    before, rows = load(), []
    with few_cpus():
        for task in TASKS:
            rows += rows_of(task, rounds)
    machine = describe_machine() | {
        "load": f"{before} before, {load()} after",
        "rounds": rounds,
        "seconds per turn": SECONDS,
        "cpus used": CPUS,
    }
    return Report(machine, [], rows, [], GATES)


def rows_of(task: str, rounds: int) -> list[Row]:
    """Measure one kind of training, for each number of busy programs."""
    rows = []
    with ExitStack() as stack:
        trainings = {name: stack.enter_context(Training(task, name)) for name in VARIANTS}
        for loops in LOOPS:
            say(f"nca bench: {task}, {loops} busy programs")
            with busy(loops):
                rates = take_turns(trainings, rounds)
            rate = spread(rates[ONE]).median
            against = f"one thread with {loops} busy programs, {rate:.2f} iterations per second"
            rows.append(Row.of(f"{task}_{loops}", ratios(rates[OURS], rates[ONE]), against))
            if SPINNING in trainings:
                ratio = ratios(rates[OURS], rates[SPINNING])
                rows.append(Row.of(f"{task}_over_spinning", ratio, "all threads, spinning"))
                trainings.pop(SPINNING)  # only of interest on a quiet machine
    return rows


def take_turns(trainings: dict[str, Training], rounds: int) -> dict[str, list[float]]:
    """Measure the iterations per second of every training run in every round."""
    rates: dict[str, list[float]] = {name: [] for name in trainings}
    for _ in range(rounds):
        for name, training in trainings.items():
            rates[name].append(training.turn(SECONDS))
    return rates


def run(settings: BenchLoadSettings) -> Report:
    """Run the benchmark."""
    return measure(settings.rounds)


if __name__ == "__main__":
    train_in_turns(*sys.argv[1:])
