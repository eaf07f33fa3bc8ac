"""Measure comparable times on a busy machine.

CPU time excludes the time of other processes. Variants take turns, so that all run under the same
conditions. Ratios are computed within each round, and then their median is taken.
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
    """Time every variant once per round, after a warm-up round.

    Args:
        variants: name -> function that runs the variant once.
        rounds: number of rounds.
        clock: returns the time in seconds; default: CPU seconds of this process.

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
    """Quartiles and median of repeated measurements."""

    low: float
    median: float
    high: float


def spread(values: list[float]) -> Spread:
    """Compute the lower quartile, median and upper quartile of two or more values."""
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def ratios(slow: list[float], fast: list[float]) -> Spread:
    """Divide the time of ``slow`` by the time of ``fast``, round by round."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])
