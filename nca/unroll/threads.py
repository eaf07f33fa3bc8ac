"""How many threads to use: what was fastest when tried, not what was counted."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

ROUNDS = 5
GAIN = 0.9  # more threads must take at most this share of the time


class ThreadCount:
    """Remembers the best number of threads; finds it by trying when it is first needed."""

    def __init__(self) -> None:
        self._best: dict[int, int] = {}

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
        if limit not in self._best:
            self._best[limit] = fastest(limit, run)
        return min(samples, self._best[limit])


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
    for _ in range(ROUNDS):
        for count in counts:
            start = time.perf_counter()
            run(count)
            times[count].append(time.perf_counter() - start)
    best = 1
    for count in counts[1:]:
        if statistics.median(times[count]) < GAIN * statistics.median(times[best]):
            best = count
    return best


@contextmanager
def torch_threads(work: Callable[[], object] | None) -> Iterator[None]:
    """Let torch use as many threads as ``work`` is done fastest by; afterwards as many as before.

    Args:
        work: a small piece of what is to be done; None: one thread, for results whose bits repeat.
    """
    before = torch.get_num_threads()

    def best() -> int:
        if work is None or before == 1:
            return 1

        def run(threads: int) -> None:
            torch.set_num_threads(threads)
            work()

        return fastest(before, run)

    try:
        torch.set_num_threads(best())
        yield
    finally:
        torch.set_num_threads(before)
