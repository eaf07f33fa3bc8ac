"""Choose the number of threads by measuring."""

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

ROUNDS = 5  # maximum number of rounds in a trial
GAIN = 0.9  # more threads are used only if they take less than this fraction of fewer threads' time
MAX_SECONDS = 1.0  # once a trial has taken this long, no further round starts
INTERVAL = 60.0  # seconds until a result expires; by then, the load of the machine may have changed


class ThreadCount:
    """Measures the best number of threads on demand, and remembers it for a while."""

    def __init__(self) -> None:
        self._best: dict[int, tuple[int, float]] = {}  # by limit: thread count, time of expiry

    def __call__(self, samples: int, run: Callable[[int], object]) -> int:
        """Get the number of threads to use for ``samples`` independent pieces of work.

        Args:
            samples: number of pieces of work; there are never more threads than this.
            run: does a small, typical piece of work with the given number of threads.

        Returns:
            The fastest number of threads, at most the smallest of ``torch.get_num_threads()``,
            :func:`usable_cpus` and ``samples``.
        """
        limit = min(torch.get_num_threads(), usable_cpus())
        if min(limit, samples) <= 1:
            return 1
        best, until = self._best.get(limit, (1, -math.inf))
        if time.monotonic() >= until:
            best = fastest(limit, run)
            self._best[limit] = best, time.monotonic() + INTERVAL
        return min(samples, best)


def usable_cpus() -> int:
    """Number of CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fastest(limit: int, run: Callable[[int], object]) -> int:
    """Time 1, 2, 4, ... and ``limit`` threads in turn; choose more than 1 only for a clear gain.

    On a busy machine, additional threads have to wait for a core, so one thread is often best.
    """
    counts = sorted({limit, *(2**i for i in range(limit.bit_length()))})
    times: dict[int, list[float]] = {count: [] for count in counts}
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for count in counts:
            start = time.perf_counter()
            run(count)
            times[count].append(time.perf_counter() - start)
        if time.perf_counter() - began > MAX_SECONDS:
            break
    best = 1
    for count in counts[1:]:
        if statistics.median(times[count]) < GAIN * statistics.median(times[best]):
            best = count
    return best


def convolution() -> None:
    """Do work that is typical of an image network: about ten milliseconds on one core."""
    torch.conv2d(torch.ones(4, 64, 64, 64), torch.ones(64, 64, 3, 3))


def use_fastest(limit: int, work: Callable[[], object]) -> None:
    """Set torch's number of threads to the fastest number for ``work``, up to ``limit``."""

    def run(threads: int) -> None:
        torch.set_num_threads(threads)
        work()

    torch.set_num_threads(fastest(limit, run) if limit > 1 else 1)


@contextmanager
def torch_threads(work: Callable[[], object] | None = convolution) -> Iterator[None]:
    """Set torch's number of threads to the fastest number for ``work``; restore it afterwards.

    Args:
        work: a small, typical piece of work; None: use one thread, for bit-identical results.
    """
    before = torch.get_num_threads()
    try:
        use_fastest(before if work is not None else 1, work or convolution)
        yield
    finally:
        torch.set_num_threads(before)
