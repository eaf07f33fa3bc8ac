"""How many threads to use: what was fastest when tried, not what was counted."""

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

ROUNDS = 5
GAIN = 0.9  # more threads must take at most this share of the time
ENOUGH = 1.0  # seconds of a trial; then no further round is begun
LOOK_AGAIN = 60.0  # seconds: other programs come and go


class ThreadCount:
    """Remembers the best number of threads for a while; finds it by trying when it is needed."""

    def __init__(self) -> None:
        self._best: dict[int, tuple[int, float]] = {}  # and until when it holds

    def __call__(self, samples: int, run: Callable[[int], object]) -> int:
        """Number of threads for ``samples`` independent pieces of work.

        Args:
            samples: more threads than this are of no use.
            run: does a small piece of typical work with the given number of threads.

        Returns:
            At most ``torch.get_num_threads()``, the CPUs of the process, and ``samples``.
        """
        limit = min(torch.get_num_threads(), usable_cpus())
        if min(limit, samples) <= 1:
            return 1
        best, until = self._best.get(limit, (1, -math.inf))
        if time.monotonic() >= until:
            best = fastest(limit, run)
            self._best[limit] = best, time.monotonic() + LOOK_AGAIN
        return min(samples, best)


def usable_cpus() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fastest(limit: int, run: Callable[[int], object]) -> int:
    """Time 1, 2, 4, ... and ``limit`` threads in turn; more only where it clearly pays.

    On a machine that is busy with other work the extra threads wait for a core, and one is best.
    """
    counts = sorted({limit, *(2**i for i in range(limit.bit_length()))})
    times: dict[int, list[float]] = {count: [] for count in counts}
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for count in counts:
            start = time.perf_counter()
            run(count)
            times[count].append(time.perf_counter() - start)
        if time.perf_counter() - began > ENOUGH:
            break
    best = 1
    for count in counts[1:]:
        if statistics.median(times[count]) < GAIN * statistics.median(times[best]):
            best = count
    return best


def convolution() -> None:
    """Typical work of a net on images: some ten milliseconds of one core."""
    torch.conv2d(torch.ones(4, 64, 64, 64), torch.ones(64, 64, 3, 3))


def use_fastest(limit: int, work: Callable[[], object]) -> None:
    """Let torch use as many threads, ``limit`` at most, as ``work`` is done fastest by."""

    def run(threads: int) -> None:
        torch.set_num_threads(threads)
        work()

    torch.set_num_threads(fastest(limit, run) if limit > 1 else 1)


@contextmanager
def torch_threads(work: Callable[[], object] | None = convolution) -> Iterator[None]:
    """Let torch use as many threads as ``work`` is done fastest by; afterwards as many as before.

    Args:
        work: a small piece of what is to be done; None: one thread, for results whose bits repeat.
    """
    before = torch.get_num_threads()
    try:
        use_fastest(before if work is not None else 1, work or convolution)
        yield
    finally:
        torch.set_num_threads(before)
