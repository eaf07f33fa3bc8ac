"""Settings of the benchmarks, without heavy imports."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError
from nca.options import Between, Bounded

# Small work for tests of `nca bench train`: the figures have no meaning.
SMALL = bool(os.environ.get("NCA_BENCH_SMALL"))

PLOTS = (".svg", ".png", ".pdf")
Rounds = Annotated[int, Between(3, 1000)]


@dataclass(frozen=True, kw_only=True)
class BenchSettings(Bounded):
    """Settings of all benchmarks."""

    json: Path | None = None
    """File for all figures, which is written as JSON."""


@dataclass(frozen=True, kw_only=True)
class TimedSettings(BenchSettings):
    """Settings of benchmarks whose variants alternate."""

    rounds: Rounds = 7
    """Number of rounds; more give narrower quartiles."""


@dataclass(frozen=True)
class BenchTrainSettings(TimedSettings):
    """Measure the speed of texture training, as ratios to the lesson's step.

    Every figure is a ratio of CPU times of alternating runs in one process on one thread, with
    median and quartiles over all rounds. The results of every variant are first checked against
    float64.
    """

    plot: Path | None = None
    """File for a plot of the figures: .svg, .png or .pdf."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.plot is not None and self.plot.suffix.lower() not in PLOTS:
            raise InputError(f"`plot` {self.plot}: must end in .svg, .png or .pdf")


@dataclass(frozen=True)
class BenchCoreSettings(TimedSettings):
    """Measure the overhead of the training loop, compared with the same steps in a plain loop.

    Every figure is a ratio of CPU times of alternating runs in one process on one thread, with
    median and quartiles over all rounds, for a model whose step takes about a millisecond.
    """

    rounds: Rounds = 15


@dataclass(frozen=True)
class BenchViewSettings(TimedSettings):
    """Measure the speed of rules in an OpenGL context, compared with the same rules in torch.

    The results are first checked against float64. Then all variants take turns in one process. Each
    ratio compares times from the same round.
    """


@dataclass(frozen=True)
class BenchGpuSettings(BenchSettings):
    """Measure unrolls and training runs on a GPU, compared with torch, its compiler and JAX.

    The results are first checked against float64. Then all variants take turns. Each ratio compares
    times from the same round.
    """

    rounds: Rounds = 7
    """Number of rounds; more give narrower quartiles."""


@dataclass(frozen=True)
class BenchPageSettings(BenchSettings):
    """Measure the speed of the page in Chromium, compared with two other implementations.

    The rule has 12 channels and 96 hidden units, and runs on 256x256 cells. The other two
    implementations take four passes per step, with weights in textures; one computes with 8 bits,
    the other with float32. All use Chromium's software renderer and take turns on one page.
    """

    rounds: Rounds = 7
    """Number of rounds; more give narrower quartiles."""


@dataclass(frozen=True)
class BenchLoadSettings(BenchSettings):
    """Measure training runs while 0, 1, 2 and 4 programs are busy, compared with one thread.

    The runs train a texture, a style transfer and a diffusion model. They start before the busy
    programs and take turns on two CPUs. Each ratio compares rates from the same round.
    """

    rounds: Rounds = 5
    """Number of turns of each training run, for each number of programs."""


@dataclass(frozen=True)
class BenchStyleSettings(TimedSettings):
    """Measure the speed of style transfer, as ratios to the lesson's loop.

    The figures are ratios of CPU times of alternating runs in one process on one thread, at
    256x256. The gradients of both loops are compared first.
    """

    rounds: Rounds = 5


@dataclass(frozen=True)
class BenchDDPMSettings(BenchSettings):
    """Measure how much faster DPM-Solver++ with 20 steps is than the lesson's DDPM with 1,000.

    Both samplers use the same model and take turns on one thread. The ratio compares CPU times. The
    KID of their samples, and of real images, is measured too.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Output folder of nca ddpm train, or its checkpoint."""
    n: Annotated[int, Between(8, 100_000)] = 64
    """Number of samples per repeat."""
    repeats: Annotated[int, Between(2, 1000)] = 4
    """Number of repeats; the intervals come from their spread."""
