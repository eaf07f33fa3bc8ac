"""Settings of the small commands, without heavy imports; see also ``nca.texture.settings``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nca.errors import InputError


@dataclass(frozen=True)
class RenderSettings:
    """Grow a rule's texture and write it as a picture or an animation, without a display."""

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    out: Path
    """The result: .png, .jpg, .webp and so on; .gif, .webp, .png or .apng with --every."""
    size: str = "256x256"
    """Width and height of the grid, in cells."""
    steps: int = 500
    """Steps to grow."""
    every: int | None = None
    """Make an animation, with a frame every so many steps."""
    scale: int = 1
    """Pixels per cell."""
    coarseness: float = 1.0
    """Size of the pattern: 1 as trained, 2 twice as large; see --preset noise of nca train."""
    pace: float = 1.0
    """Length of a step, 1 as trained; at a coarseness c it is divided by c squared."""
    fps: float = 20.0
    """Frames per second of an animation; a .gif has at most 50."""
    seed: int = 0
    """Which cells fire, and the noise that some rules grow from."""
    engine: Literal["auto", "torch", "native", "gl"] = "auto"
    """What computes the steps: gl takes the graphics card, auto the fastest on the processor."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        for name, least, most in (("steps", 0, 10**7), ("scale", 1, 64)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"--{name} {getattr(self, name)}: must be {least} to {most}")
        if self.every is not None and not 1 <= self.every <= max(self.steps, 1):
            raise InputError(f"--every {self.every}: must be 1 to --steps ({self.steps})")
        for name, low, high in (("coarseness", 0.1, 10.0), ("pace", 0.01, 2.0)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"--{name} {getattr(self, name)}: must be {low:g} to {high:g}")
        if not 0 < self.fps <= 100:
            raise InputError(f"--fps {self.fps}: must be above 0 and at most 100")
        parse_size(self.size)


@dataclass(frozen=True)
class PlaySettings:
    """Play a rule over a photograph, at several scales, and write the picture."""

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    picture: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path
    """The result: .png, .jpg, .webp and so on."""
    size: int = 768
    """Longer side of the result, in pixels."""
    scales: tuple[int, ...] = (4, 2, 1)
    """Pixels per cell of each run: large forms are of the coarse runs, details of the fine ones."""
    steps: int = 60
    """Steps of each run."""
    strength: float = 0.05
    """How far each step draws the colors to the photograph, 0 to 1."""
    seed: int = 0
    """Which cells fire."""
    overwrite: bool = False
    """Replace the result of an earlier run."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        for name, least, most in (("size", 16, 4096), ("steps", 0, 10**6), ("strength", 0, 1)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"--{name} {getattr(self, name)}: must be {least} to {most}")
        if not self.scales or not all(1 <= scale <= 64 for scale in self.scales):
            raise InputError(f"--scales {self.scales}: must be one or more numbers from 1 to 64")


@dataclass(frozen=True)
class InfoSettings:
    """Tell what a rule file holds, and what this machine can run it with."""

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class DemoSettings:
    """Train a rule on a bundled picture, and make the page that runs it."""

    picture: str = "scales"
    """Name of the bundled picture."""
    out: Path = Path("demo")
    """Folder for the results."""
    minutes: float = 4.0
    """Training time."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""


def parse_size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``, or one number for both.

    Raises:
        InputError: it is not that, or not 4 to 8192.
    """
    parts = text.lower().split("x")
    if not (len(parts) in (1, 2) and all(part.isdecimal() for part in parts)):
        raise InputError(f"--size {text}: must be WIDTHxHEIGHT, such as 256x256")
    width, height = int(parts[0]), int(parts[-1])
    if not (4 <= width <= 8192 and 4 <= height <= 8192):
        raise InputError(f"--size {text}: width and height must be 4 to 8192")
    return width, height
