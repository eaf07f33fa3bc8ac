"""Adapt the number of torch threads during a fit, as other programs start and end."""

import time

import torch

from nca.system.threads import INTERVAL, use_fastest
from nca.training.callback import Callback
from nca.training.generators import generator_state, set_generator_state
from nca.training.learner import Learner, total

WINDOW = 1.0  # seconds; iterations within a window are measured together
LOAD_CHANGE = 0.15  # a trial starts if CPU time per wall time changes by this fraction
SLOWER = 1.5  # a trial also starts if the time per iteration changes by this factor
MIN_INTERVAL = 5.0  # minimum number of seconds between two trials
# Maximum fraction of time spent on trials: normally, and when the load changes.
SHARE, MAX_SHARE = 0.02, 0.05


class Threads(Callback):
    """Use the number of threads with which the gradient of a batch is computed fastest.

    A trial times the gradient with different numbers of threads. Trials run on the first batch,
    then about once a minute, and also when the CPU load or the time per iteration changes a lot,
    which means that another program has started or ended, or that the work has changed. If another
    program takes a core, one thread is used until the next trial, because several threads would
    wait for each other.

    A trial changes neither weights nor random numbers. But the order of additions depends on the
    number of threads, so repeated runs are bit-identical only on one thread (``OMP_NUM_THREADS=1``,
    which disables trials).

    Args:
        generators: random number generators that the objective uses besides torch's global one.
    """

    essential = True

    def __init__(self, *generators: torch.Generator) -> None:
        self.generators = generators
        self._limit = 1
        self._spent = 0.0  # seconds spent in batches, not counting the time between them
        self._due = self._soonest = 0.0
        self._started = (0.0, 0.0)
        self._load = Load()

    def before_fit(self, learner: Learner) -> None:
        """Set the limit: the current number of threads, or one if training runs on a GPU."""
        weight = next(learner.model.parameters(), None)
        on_gpu = weight is not None and weight.device.type != "cpu"
        self._limit = 1 if on_gpu else torch.get_num_threads()
        self._due = self._spent

    def before_batch(self, learner: Learner) -> None:
        """Run a trial if one is due."""
        if self._limit == 1 or not learner.training:
            return
        if self._spent >= self._due:
            self._try(learner)
        self._started = clocks()

    def after_batch(self, learner: Learner) -> None:
        """Compare CPU load and time per iteration with those after the last trial."""
        if self._limit == 1 or not learner.training:
            return
        wall, cpu = (now - then for now, then in zip(clocks(), self._started, strict=True))
        self._spent += wall
        self._load.add(wall, cpu)
        if self._load.changed:
            self._due = min(self._due, self._soonest)
        if self._load.disturbed:
            torch.set_num_threads(1)

    def cleanup_fit(self, _: Learner) -> None:
        """Restore the number of threads."""
        if self._limit > 1:
            torch.set_num_threads(self._limit)

    def _try(self, learner: Learner) -> None:
        self._gradient(learner)  # not timed: the first call may compile
        start, _ = clocks()
        use_fastest(self._limit, lambda: self._gradient(learner))
        cost = clocks()[0] - start
        self._soonest = self._spent + max(MIN_INTERVAL, cost / MAX_SHARE)
        self._due = self._spent + max(INTERVAL, cost / SHARE)
        self._load = Load()

    def _gradient(self, learner: Learner) -> None:
        """Compute the gradient of the batch, with the same random numbers every time."""
        own, common = [each.get_state() for each in self.generators], generator_state()
        try:
            with learner.engine.precision():
                prediction = learner.objective.predict(learner.model, learner.batch)
                loss = total(learner.objective.losses(prediction, learner.batch))
            weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
            torch.autograd.grad(loss, weights, allow_unused=True)
        finally:
            for generator, state in zip(self.generators, own, strict=True):
                generator.set_state(state)
            set_generator_state(common)


class Load:
    """Compares each window's CPU load and time per iteration with those of the first window.

    Attributes:
        changed: whether one of them changed a lot in the last window.
        disturbed: whether iterations became slower while they got less of the CPUs.
    """

    def __init__(self) -> None:
        self.changed = self.disturbed = False
        self._wall = self._cpu = 0.0
        self._count = 0
        self._first: tuple[float, float] | None = None

    def add(self, wall: float, cpu: float) -> None:
        """Add an iteration, and compare if it ends a window."""
        self._wall, self._cpu, self._count = self._wall + wall, self._cpu + cpu, self._count + 1
        if self._wall < WINDOW:
            return
        share, seconds = self._cpu / self._wall, self._wall / self._count
        self._wall = self._cpu = 0.0
        self._count = 0
        if self._first is None:
            self._first = share, seconds
        first_share, first_seconds = self._first
        less = share < (1 - LOAD_CHANGE) * first_share
        more = share > (1 + LOAD_CHANGE) * first_share
        slower, faster = seconds > SLOWER * first_seconds, SLOWER * seconds < first_seconds
        self.changed = less or more or slower or faster
        self.disturbed = less and slower


def clocks() -> tuple[float, float]:
    """Wall-clock time, and the CPU time of this process, in seconds."""
    return time.perf_counter(), time.process_time()
