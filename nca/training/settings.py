"""Settings that all kinds of training share, without heavy imports."""

from dataclasses import dataclass
from typing import Annotated, Literal

from nca.options import Between, Bounded

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class RunSettings(Bounded):
    """Random seed, handling of earlier results, and output."""

    seed: int = 0
    """Seed for the random number generator."""
    resume: bool = False
    """Continue an interrupted run from the checkpoint in the output folder."""
    overwrite: bool = False
    """Replace earlier results in the output folder."""
    quiet: bool = False
    """Print plain lines instead of a progress bar."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also send the loss to these services; requires the `log` extra."""


@dataclass(frozen=True)
class Limits(Bounded):
    """How long to train."""

    minutes: Annotated[float, Between(0.01, 10_000)] = 5.0
    """Training time in minutes; ignored with --iterations."""
    iterations: Annotated[int | None, Between(1, 10**8)] = None
    """Number of iterations, instead of --minutes; the same seed then gives the same result."""
