"""Settings of the benchmarks, without heavy imports."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError
from nca.options import Between, Bounded

# Small work for the test of `nca bench train`: its figures mean nothing.
SMALL = bool(os.environ.get("NCA_BENCH_SMALL"))

PLOTS = (".svg", ".png", ".pdf")
Rounds = Annotated[int, Between(3, 1000)]


@dataclass(frozen=True, kw_only=True)
class BenchSettings(Bounded):
    """What all benchmarks share."""

    json: Path | None = None
    """Write all figures to this file."""


@dataclass(frozen=True, kw_only=True)
class TimedSettings(BenchSettings):
    """Of variants that take turns."""

    rounds: Rounds = 7
    """How often every variant is timed; more rounds, narrower quartiles."""


@dataclass(frozen=True)
class BenchTrainSettings(TimedSettings):
    """Measure how fast texture training is here, as ratios against the lesson's step.

    Every figure is a ratio of CPU times taken in turn in one process on one thread, median and
    quartiles of all rounds. The results of every variant are compared with float64 first.
    """

    plot: Path | None = None
    """Draw the figures: .svg, .png or .pdf."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.plot is not None and self.plot.suffix.lower() not in PLOTS:
            raise InputError(f"`plot` {self.plot}: must end in .svg, .png or .pdf")


@dataclass(frozen=True)
class BenchCoreSettings(TimedSettings):
    """Measure what the training loop costs over the same steps written straight.

    Every figure is a ratio of CPU times taken in turn in one process on one thread, median and
    quartiles of all rounds, of a model whose step takes about a millisecond.
    """

    rounds: Rounds = 15


@dataclass(frozen=True)
class BenchViewSettings(TimedSettings):
    """Measure how fast rules run on a GL context here, against the same rules in torch.

    The results are compared with float64 first. All variants take turns in one process; a ratio is
    taken within a round.
    """


@dataclass(frozen=True)
class BenchGpuSettings(BenchSettings):
    """Measure unrolls and trainings on a GPU, against torch, its compiler and JAX on the same.

    The results are compared with float64 first. All variants take turns; a ratio is taken within a
    round.
    """

    rounds: Rounds = 7
    """How often every variant is timed; more rounds, narrower quartiles."""


@dataclass(frozen=True)
class BenchPageSettings(BenchSettings):
    """Measure how fast the page runs a rule in Chromium here, against two other ways of doing it.

    The rule has 12 channels and 96 hidden units on 256x256 cells; the others take four passes a
    step with the weights in textures, one in 8 bits, one in float32. All have the processor draw,
    by the renderer that Chromium brings; they take turns on one page.
    """

    rounds: Rounds = 7
    """How often every variant is timed; more rounds, narrower quartiles."""


@dataclass(frozen=True)
class BenchLoadSettings(BenchSettings):
    """Measure how fast trainings are beside 0, 1, 2 and 4 busy programs, against one thread there.

    A texture, a style transfer and a diffusion model. The trainings start before the programs and
    take turns on two CPUs; a ratio of iterations per second is taken within a round.
    """

    rounds: Rounds = 5
    """How many turns every training has beside each number of programs."""


@dataclass(frozen=True)
class BenchStyleSettings(TimedSettings):
    """Measure how fast style transfer is here, as ratios against the lesson's loop.

    CPU times taken in turn in one process on one thread, at 256x256; that both have the same
    gradient is checked first.
    """

    rounds: Rounds = 5


@dataclass(frozen=True)
class BenchDDPMSettings(BenchSettings):
    """Measure how much faster DPM-Solver++ in 20 steps is than the lesson's DDPM with 1,000.

    Both draw with one model, in turn, on one thread; the ratio is of CPU times. The KID of their
    samples is measured too, and that of real images.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a training of nca ddpm train, or its checkpoint."""
    n: Annotated[int, Between(8, 100_000)] = 64
    """Samples per repeat."""
    repeats: Annotated[int, Between(2, 1000)] = 4
    """Number of repeats; the intervals come from their spread."""
