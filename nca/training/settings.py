"""Settings that all kinds of training share, without heavy imports."""

from dataclasses import dataclass
from typing import Annotated, Literal

from nca.options import Between, Bounded

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class RunSettings(Bounded):
    """Random seed, what happens to earlier results, and what is printed."""

    seed: int = 0
    """Random seed."""
    resume: bool = False
    """Continue an interrupted run from the checkpoint in the output folder."""
    overwrite: bool = False
    """Replace earlier results in the output folder."""
    quiet: bool = False
    """Print a line after each tenth of the run, instead of a progress bar."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also send the loss to TensorBoard or Weights & Biases; requires the `log` extra."""


@dataclass(frozen=True)
class Limits(Bounded):
    """How long to train."""

    minutes: Annotated[float, Between(0.01, 10_000)] = 5.0
    """Training time in minutes; ignored with --iterations."""
    iterations: Annotated[int | None, Between(1, 10**8)] = None
    """Number of iterations, instead of --minutes; the same seed then gives the same result."""
