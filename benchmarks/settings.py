"""Settings of the benchmarks, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path

from nca.errors import InputError


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


def _check_rounds(rounds: int) -> None:
    if not 3 <= rounds <= 1000:
        raise InputError(f"--rounds {rounds}: must be 3 to 1000")
