"""Settings of the small commands, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nca.errors import InputError
from nca.options import DT, Between, Bounded, Calm, parse_size


@dataclass(frozen=True)
class RenderSettings(Bounded):
    """Grow a rule's texture and write it as an image or an animation, without a display."""

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    out: Path
    """Result: .png, .jpg, .webp and so on; .gif, .webp, .png or .apng with --every."""
    size: str = "256x256"
    """Width and height of the grid, in cells."""
    steps: Annotated[int, Between(0, 10**7)] = 500
    """Number of steps."""
    every: Annotated[int | None, Between(1)] = None
    """Make an animation, with one frame per this number of steps."""
    scale: Annotated[int, Between(1, 64)] = 1
    """Number of pixels per cell."""
    coarseness: Annotated[float, Between(0.1, 10)] = 1.0
    """Size of the pattern: 1 as trained, 2 twice as large."""
    dt: Annotated[float, Between(0.01, 2), DT] = 1.0
    """Length of a step, 1 as trained; at a coarseness c it is divided by c squared."""
    calm: Calm = "auto"
    """Let all cells fire in short steps from step 300 on; auto: as the rule says."""
    average_steps: Annotated[int, Between(1, 16)] = 1
    """Number of steps whose average is drawn; 4 to 8 remove the grain."""
    fps: Annotated[float, Between(0.01, 100)] = 20.0
    """Frames per second of an animation; a .gif has at most 50."""
    seed: int = 0
    """Random seed: decides which cells fire, and the noise of the initial state."""
    engine: Literal["auto", "torch", "native", "gl"] = "auto"
    """Where steps run: gl: graphics card; auto: the fastest on the CPU."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def __post_init__(self) -> None:
        """Check values, and that they fit together."""
        super().__post_init__()
        if self.every is not None and self.every > max(self.steps, 1):
            raise InputError(f"`every` {self.every}: must be 1 to `steps` ({self.steps})")
        parse_size("size", self.size, 4, 8192)


@dataclass(frozen=True)
class PlaySettings(Bounded):
    """Run a rule over a photograph at several scales, and write the image."""

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    picture: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path
    """Result: .png, .jpg, .webp and so on."""
    size: Annotated[int, Between(16, 4096)] = 768
    """Longer side of the result, in pixels."""
    scales: Annotated[tuple[int, ...], Between(1, 64)] = (4, 2, 1)
    """Pixels per cell of each run, from coarse to fine."""
    steps: Annotated[int, Between(0, 10**6)] = 60
    """Number of steps of each run."""
    strength: Annotated[float, Between(0, 1)] = 0.05
    """Fraction of the way to the photograph per step."""
    seed: int = 0
    """Random seed: decides which cells fire."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if not self.scales:
            raise InputError("`scales`: must be one or more numbers from 1 to 64")


@dataclass(frozen=True)
class InfoSettings:
    """Show the contents of a rule file, and what this machine can run it with."""

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class DoctorSettings:
    """Show what this machine has, what is missing, and how to install it."""


@dataclass(frozen=True)
class DemoSettings(Bounded):
    """Train a rule on a bundled image, and make the page that runs it."""

    picture: str = "scales"
    """Name of the bundled image."""
    out: Path = Path("demo")
    """Output folder."""
    minutes: Annotated[float, Between(0.01, 10_000)] = 4.0
    """Training time in minutes."""
    overwrite: bool = False
    """Replace the results in the output folder."""
    quiet: bool = False
    """Print plain lines instead of a progress bar."""
