"""Settings of the benchmarks, without heavy imports."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError

# Small work for the test that `nca bench train` does all it should: its figures mean nothing.
SMALL = bool(os.environ.get("NCA_BENCH_SMALL"))


@dataclass(frozen=True)
class BenchTrainSettings:
    """Measure how fast texture training is here, as ratios against the lesson's step.

    Every figure is a ratio of CPU times taken in turn in one process on one thread, median and
    quartiles of all rounds. What a variant computes is compared with float64 first.
    """

    rounds: int = 7
    """How often every variant is timed; more rounds, narrower quartiles."""
    json: Path | None = None
    """Write all figures to this file."""
    plot: Path | None = None
    """Draw the figures: .svg, .png or .pdf."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        _check_rounds(self.rounds)
        if self.plot is not None and self.plot.suffix.lower() not in (".svg", ".png", ".pdf"):
            raise InputError(f"--plot {self.plot}: must end in .svg, .png or .pdf")


@dataclass(frozen=True)
class BenchCoreSettings:
    """Measure what the training loop costs over the same steps written straight.

    Every figure is a ratio of CPU times taken in turn in one process on one thread, median and
    quartiles of all rounds, of a model whose step takes about a millisecond.
    """

    rounds: int = 15
    """How often every variant is timed; more rounds, narrower quartiles."""
    json: Path | None = None
    """Write all figures to this file."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        _check_rounds(self.rounds)


@dataclass(frozen=True)
class BenchViewSettings:
    """Measure how fast rules run on a GL context here, against the same rules in torch.

    What is computed is compared with float64 first. All variants take turns in one process; a
    ratio is taken within a round.
    """

    rounds: int = 7
    """How often every variant is timed; more rounds, narrower quartiles."""
    json: Path | None = None
    """Write all figures to this file."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        _check_rounds(self.rounds)


@dataclass(frozen=True)
class BenchLoadSettings:
    """Measure how fast a training is beside 0, 1 and 2 busy programs, against one thread there.

    The trainings start before the programs and take turns on two CPUs; a ratio of iterations per
    second is taken within a round.
    """

    rounds: int = 5
    """How many turns every training has beside each number of programs."""
    json: Path | None = None
    """Write all figures to this file."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        _check_rounds(self.rounds)


@dataclass(frozen=True)
class BenchStyleSettings:
    """Measure how fast style transfer is here, as ratios against the lesson's loop.

    CPU times taken in turn in one process on one thread, at 256x256; that both have the same
    gradient is checked first.
    """

    rounds: int = 5
    """How often every variant is timed; more rounds, narrower quartiles."""
    json: Path | None = None
    """Write all figures to this file."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        _check_rounds(self.rounds)


@dataclass(frozen=True)
class BenchDDPMSettings:
    """Measure how much faster DPM-Solver++ in 20 steps is than the lesson's DDPM with 1,000.

    Both draw with one model, in turn, on one thread; the ratio is of CPU times. Beside it stands
    the KID of what they drew, and that of real pictures.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a training of nca ddpm train, or its checkpoint."""
    n: int = 64
    """Samples of a repeat."""
    repeats: int = 4
    """How often; the intervals come from their spread."""
    json: Path | None = None
    """Write all figures to this file."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        if not 8 <= self.n <= 100_000:
            raise InputError(f"--n {self.n}: must be 8 to 100000")
        if not 2 <= self.repeats <= 1000:
            raise InputError(f"--repeats {self.repeats}: must be 2 to 1000")


def _check_rounds(rounds: int) -> None:
    if not 3 <= rounds <= 1000:
        raise InputError(f"--rounds {rounds}: must be 3 to 1000")
