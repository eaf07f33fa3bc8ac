"""Times that can be compared on a machine with other work to do.

CPU time leaves out the slices that other processes get, taking turns lets every variant meet the
same machine, and a ratio is taken within a round before any median is.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

Times = dict[str, list[float]]


def interleave(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Times:
    """Time every variant once a round, after a round that does not count.

    Args:
        variants: name -> one run of it.
        rounds: how many.
        clock: seconds; CPU seconds of this process by default.

    Returns:
        Name -> seconds of every round.
    """
    times: Times = {name: [] for name in variants}
    for counts in [False] + [True] * rounds:
        for name, run in variants.items():
            gc.collect()
            start = clock()
            run()
            if counts:
                times[name].append(clock() - start)
    return times


class Spread(NamedTuple):
    """Median and quartiles."""

    low: float
    median: float
    high: float


def spread(values: list[float]) -> Spread:
    """Lower quartile, median, upper quartile of two or more values."""
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def ratios(slow: list[float], fast: list[float]) -> Spread:
    """How many times as long ``slow`` takes, round by round."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])
