"""Settings of the smaller commands, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nca.errors import InputError
from nca.options import (
    DT,
    NAME,
    SIZE,
    Between,
    Bounded,
    Calm,
    RulePath,
    Scaling,
    parse_size,
    refuse_several,
)

MAX_FRAMES = 5000


@dataclass(frozen=True)
class RenderSettings(Bounded):
    """Grow a rule's texture and save it as an image or an animation; needs no display."""

    rule: tyro.conf.Positional[RulePath]
    """A rule file, or the name of a bundled rule."""
    out: Path
    """Image (.png, ...), animation (.gif, ...), folder (--maps), or - (y4m to standard output)."""
    maps: bool = False
    """Write all maps of a material as .png files into the folder --out."""
    size: Annotated[str, SIZE] = "256x256"
    """Width and height of the grid, in cells."""
    steps: Annotated[int, Between(0, 10**7)] = 500
    """Number of steps; in a step, each cell updates with the rule's probability."""
    every: Annotated[int | None, Between(1)] = None
    """Make an animation with one frame after every INT steps."""
    loop: Annotated[int | None, Between(2, MAX_FRAMES)] = None
    """After --steps, make an animation of INT frames that repeats without a jump."""
    scale: Annotated[int | None, Between(1, 64)] = None
    """Width and height of a cell in the image, in pixels; default: the decoder's scale, or 1."""
    scaling: Scaling = "squares"
    """How cells that are larger than a pixel are drawn."""
    bits: Literal[8, 16] = 8
    """Bits per color value; 16 is for a .png image."""
    transparent: bool = False
    """Make the background of a grown image transparent; for .png, .apng or .webp."""
    coarseness: Annotated[float, Between(0.1, 10)] = 1.0
    """Size of the pattern: 1 is the size in training, 2 is twice as large."""
    dt: Annotated[float, Between(0.01, 2), DT] = 1.0
    """Step length; 1: as in training. A --coarseness above 1 divides it by its square."""
    calm: Calm = "auto"
    """From step 300 on, reduce grain by shorter steps; auto: as in the rule file."""
    direction_map: Path | None = None
    """Picture whose gray values turn the texture: black not at all, white by a full turn."""
    follow: Path | None = None
    """Photograph whose edges the texture follows."""
    average_steps: Annotated[int, Between(1, 16)] = 1
    """Number of steps whose average is drawn; 4 to 8 remove grain."""
    fps: Annotated[float, Between(0.01, 100)] = 20.0
    """Frames per second of an animation; at most 50 for a .gif."""
    seed: int = 0
    """Random seed for cell updates and initial noise."""
    engine: Literal["auto", "torch", "native", "gl"] = "auto"
    """Code that runs the steps; gl: on the graphics card; auto: the fastest code for the CPU."""
    overwrite: bool = False
    """Replace an existing file."""

    def __post_init__(self) -> None:
        """Check values, and that they fit together."""
        super().__post_init__()
        refuse_several(name for name in ("direction_map", "follow") if getattr(self, name))
        if (self.direction_map or self.follow) and self.engine == "native":
            raise InputError("`engine` native: has no fields of directions; use auto")
        if self.maps:
            others = (name for name in ("loop", "every", "transparent") if getattr(self, name))
            refuse_several(["maps", *others])
            if self.out == Path("-"):
                raise InputError("`out` -: must be a folder with `maps`")
        if self.bits == 16:
            kinds = ("loop", "every", "transparent", "maps")
            others = (name for name in kinds if getattr(self, name))
            refuse_several(["bits", *others])
        if self.loop is not None:
            if self.average_steps > 1:
                refuse_several(["loop", "average_steps"])
            if self.engine == "gl":
                raise InputError("`engine` gl: does not make a loop; use auto")
        elif self.every is not None and self.every > max(self.steps, 1):
            raise InputError(f"`every` {self.every}: must be 1 to `steps` ({self.steps})")
        parse_size("size", self.size, 4, 8192)


@dataclass(frozen=True)
class PlaySettings(Bounded):
    """Run a rule over a photograph at several scales, or let the rule complete the photograph."""

    rule: tyro.conf.Positional[RulePath]
    """A rule file, or the name of a bundled rule."""
    picture: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path
    """File to write: .png, .jpg, .webp and others."""
    mask: Path | None = None
    """Image with the photograph's proportions; its light parts mark what is filled."""
    expand: Annotated[int | None, Between(1, 2048)] = None
    """Extend the photograph by this many pixels on every side."""
    tile: bool = False
    """Repaint the border of the photograph, so that copies fit side by side without a seam."""
    size: Annotated[int | None, Between(16, 4096)] = None
    """Limit of the photograph's longer side, in pixels; default: 768, or 4096 to complete it."""
    scales: Annotated[tuple[int, ...], Between(1, 64)] = (4, 2, 1)
    """Side of a cell in pixels, for each run; completing a photograph uses only the smallest."""
    steps: Annotated[int | None, Between(0, 10**6)] = None
    """Number of steps in each run; default: 60, or 400 to complete the photograph."""
    strength: Annotated[float, Between(0, 1)] = 0.05
    """How far each step moves colors toward the photograph: 0 not at all, 1 all the way."""
    direction_map: Path | None = None
    """Picture whose gray values turn the texture: black not at all, white by a full turn."""
    follow: Path | None = None
    """Photograph whose edges the texture follows, for example the same photograph."""
    seed: int = 0
    """Random seed for cell updates."""
    overwrite: bool = False
    """Replace an existing file."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if not self.scales:
            raise InputError("`scales`: must be one or more numbers from 1 to 64")
        done = [name for name in ("mask", "expand", "tile") if getattr(self, name)]
        refuse_several(done)
        directed = [name for name in ("direction_map", "follow") if getattr(self, name)]
        refuse_several([*directed, *done])


@dataclass(frozen=True)
class ClassicSettings(Bounded):
    """Make a rule from a classic automaton, such as Conway's Life, without training.

    Give the name of the automaton or a notation: B36/S23, B2/S345/C4 (with dying states), or
    R1/T3/C4 (a cyclic automaton with threshold 3 and 4 states).
    """

    automaton: Annotated[str, tyro.conf.Positional] = ""
    """Name or notation of the automaton."""
    out: Path | None = None
    """The rule file to write."""
    density: Annotated[float | None, Between(0, 1)] = None
    """Fraction of living cells in the initial noise; the default depends on the automaton."""
    list: bool = False
    """List the names of automata."""
    overwrite: bool = False
    """Replace an existing file."""


@dataclass(frozen=True)
class InfoSettings:
    """Show the contents of a rule file, and which backends can run the rule on this machine."""

    rule: tyro.conf.Positional[RulePath]
    """A rule file, or the name of a bundled rule."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class DoctorSettings:
    """List what this machine has, what it lacks, and how to install what is missing."""


@dataclass(frozen=True)
class DemoSettings(Bounded):
    """Train a rule on a bundled image, and make a web page that runs the rule."""

    picture: Annotated[str, NAME] = "scales"
    """Name of the bundled image."""
    out: Path = Path("demo")
    """Output folder."""
    minutes: Annotated[float, Between(0.01, 10_000)] = 4.0
    """Training time in minutes."""
    overwrite: bool = False
    """Replace earlier results in the output folder."""
    quiet: bool = False
    """Print a line after each tenth of the run, instead of a progress bar."""
