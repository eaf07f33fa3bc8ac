"""`nca bench load`: a texture training beside other programs, against one thread beside the same.

Three trainings start on a quiet machine and take turns: one on one thread; one as `nca train`
trains; one on all threads, waiting by spinning, as torch does by itself. Then programs come that
need a core each. All of it has two CPUs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from nca.benchmarks.machine import describe_machine, load
from nca.benchmarks.peers.apart import environment
from nca.benchmarks.report import Gate, Report, Row
from nca.benchmarks.settings import SMALL, BenchLoadSettings
from nca.benchmarks.timing import ratios
from nca.pictures import picture_path
from nca.system.console import say
from nca.texture.settings import train_settings
from nca.texture.tasks import task_of
from nca.texture.train import TextureTraining
from nca.training.callback import Callback
from nca.training.callbacks import Threads
from nca.training.learner import Learner

CPUS = 2
LOOPS = (0, 1, 2)
SECONDS = 0.2 if SMALL else 6.0  # of a turn
ONE, OURS, SPINNING = "one", "ours", "spinning"
VARIANTS = {
    ONE: {"OMP_NUM_THREADS": "1"},
    OURS: {},
    # What libgomp and LLVM's OpenMP do where nothing is set.
    SPINNING: {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"},
}
GATES = [*(Gate(f"load_{loops}", 0.8) for loops in LOOPS), Gate("load_0_over_spinning", 0.9)]
BUSY = "while True: pass"


class Turns(Callback):
    """Train for as many seconds as a line of standard input says; then print the rate.

    The first batch is no turn: it compiles, and tries the threads.
    """

    order = 200

    def __init__(self) -> None:
        self._began = self._until = 0.0
        self._done = 0

    def after_batch(self, learner: Learner) -> None:
        """End a turn and wait for the next, or for the end."""
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


def train_in_turns(variant: str) -> None:
    """Train in this process until standard input ends; nothing is written."""
    settings = train_settings(picture_path("scales"), "none", minutes=10_000)
    learner = TextureTraining(settings, task_of(settings.task).read(settings)).learner
    parts = [each for each in learner.callbacks if each.essential]
    if variant == SPINNING:
        parts = [each for each in parts if not isinstance(each, Threads)]
    learner.use_callbacks([*parts, Turns()])
    learner.fit(minutes=settings.limits.minutes)


class Training:
    """A training in a process of its own."""

    def __init__(self, variant: str) -> None:
        plain = environment(**VARIANTS[variant])
        if "OMP_NUM_THREADS" not in VARIANTS[variant]:
            plain.pop("OMP_NUM_THREADS", None)
        command = [sys.executable, "-m", "nca.benchmarks.load", variant]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain
        )
        self._rate()  # of the first batch

    def turn(self, seconds: float) -> float:
        """Train for so long; iterations per second."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        return self._rate()

    def _rate(self) -> float:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a training ended with exit code {self.process.wait()}")
        return float(line)

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many programs that need a core each."""
    programs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@contextmanager
def few_cpus() -> Iterator[None]:
    """Let this process, and those that it starts, run on two CPUs only."""
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
    """Measure; standard error says what is being done."""
    before, rows = load(), []
    with few_cpus(), ExitStack() as stack:
        trainings = {name: stack.enter_context(Training(name)) for name in VARIANTS}
        for loops in LOOPS:
            say(f"nca bench: {loops} busy loops")
            rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
            with busy(loops):
                for _ in range(rounds):
                    for name, training in trainings.items():
                        rates[name].append(training.turn(SECONDS))
            against = f"one thread beside {loops} busy loops"
            rows += [
                Row.of(f"load_{loops}", ratios(rates[OURS], rates[ONE]), against),
                Row.of(f"spinning_{loops}", ratios(rates[SPINNING], rates[ONE]), against),
            ]
            if loops == 0:
                ratio = ratios(rates[OURS], rates[SPINNING])
                rows.append(Row.of("load_0_over_spinning", ratio, "all threads, spinning"))
    machine = describe_machine() | {
        "load": f"{before} before, {load()} after",
        "rounds": rounds,
        "seconds a turn": SECONDS,
        "cpus used": CPUS,
    }
    return Report(machine, [], rows, [], GATES)


def run(settings: BenchLoadSettings) -> Report:
    """Measure."""
    return measure(settings.rounds)


if __name__ == "__main__":
    train_in_turns(sys.argv[1])
