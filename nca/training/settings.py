"""Settings that all trainings share, without heavy imports."""

from dataclasses import dataclass
from typing import Annotated, Literal

from nca.options import Between, Bounded

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class RunSettings(Bounded):
    """Random seed, and what happens to earlier results."""

    seed: int = 0
    """Random seed."""
    resume: bool = False
    """Continue from the checkpoint in the output folder."""
    overwrite: bool = False
    """Replace the results in the output folder."""
    quiet: bool = False
    """Print plain lines instead of a progress bar."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Services that also get the losses; needs the extra `log`."""


@dataclass(frozen=True)
class Limits(Bounded):
    """How long to train."""

    minutes: Annotated[float, Between(0.01, 10_000)] = 5.0
    """Training time in minutes, unless --iterations is given."""
    iterations: Annotated[int | None, Between(1, 10**8)] = None
    """Number of iterations; the same seed gives the same bits."""
