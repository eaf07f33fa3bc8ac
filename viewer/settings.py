"""Settings of the viewer, in groups, without heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

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
    override,
    parse_size,
    refuse_several,
)

MAX_STEPS = 10**9


def _off(text: str) -> Any:
    """Help of a flag ``--no-...`` for a setting that is on by default."""
    return tyro.conf.arg(help=text)


@dataclass(frozen=True)
class MotionSettings(Bounded):
    """How the rules run."""

    rotation: Annotated[float, Between(-360, 360)] = 0.0
    """Rotation of the directions that cells perceive, in degrees."""
    coarseness: Annotated[float, Between(0.1, 10)] = 1.0
    """Size of the pattern; 1: as in training, 2: twice as large."""
    dt: Annotated[float, Between(0.01, 2), DT] = 1.0
    """Step length; 1: as in training; shorter is slower and smoother."""
    update_rate: Annotated[float | None, Between(0.001, 1)] = None
    """Probability that a cell updates in a step; default: the rule's setting."""
    calm: Calm = "auto"
    """Reduce grain by shorter steps; auto: the rule's setting."""
    weights: Literal["auto", "inline", "texture"] = "auto"
    """Store weights in shader text or a texture; auto: by size."""


@dataclass(frozen=True)
class DisplaySettings(Bounded):
    """What is shown, and how."""

    view: Annotated[str, NAME] = "auto"
    """View: auto, colors, lit or a map (of a material), alpha, 'channel 1', channels, change."""
    color_map: Literal["grey", "inferno", "diverging"] = "inferno"
    """Color map for the views that show numbers."""
    scaling: Scaling = "smooth"
    """How cells that are larger than a pixel are drawn."""
    average_steps: Annotated[int, Between(1, 16)] = 1
    """Number of steps whose average is shown; 4 to 8 remove the grain."""
    flash_limit: Annotated[bool, _off("Do not limit flashes to three per second.")] = True
    """Average what the window shows if it flashes more than three times a second."""


@dataclass(frozen=True)
class InputSettings(Bounded):
    """Initial state, direction pictures, and a video that the colors follow."""

    state: Path | None = None
    """Initial state (.npz), or a classic pattern (.rle)."""
    input: Annotated[str | None, tyro.conf.arg(metavar="PATH|CAMERA")] = None
    """A video, a folder of images, or a camera (camera:1)."""
    input_strength: Annotated[float, Between(0, 1)] = 0.05
    """How far each frame moves the colors toward the input, 0 to 1."""
    direction_map: Path | None = None
    """Picture whose gray values turn the texture: black not at all, white by a full turn."""
    follow: Path | None = None
    """Photograph whose edges the texture follows."""


@dataclass(frozen=True)
class WindowSettings(Bounded):
    """The window and its files."""

    size: Annotated[str, SIZE] = "1120x768"
    """Width and height of the window, in screen coordinates."""
    fullscreen: bool = False
    """Start in full screen."""
    monitor: Annotated[int, Between(0, 63)] = 0
    """Number of the screen to use in full screen, from 0."""
    vsync: Annotated[bool, _off("Draw as often as possible, not at the refresh rate.")] = True
    """Draw at the screen's refresh rate."""
    watch: Annotated[bool, _off("Do not reload rule files when they change.")] = True
    """Reload rule files when they change."""
    wait: bool = False
    """Open the window before the rule file exists, and show the rule once it does."""
    folder: Path = Path()
    """Folder for images, recordings and states."""
    recording: Literal["auto", "mp4", "webp", "png"] = "auto"
    """Format of recordings (P key); png: a folder of images."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        parse_size("size", self.size, 64, 16384)


@dataclass(frozen=True)
class HeadlessSettings(Bounded):
    """Running without a window."""

    headless: bool = False
    """Run without a window."""
    steps: Annotated[int | None, Between(0, MAX_STEPS)] = None
    """Number of steps; default: until the input ends."""
    every: Annotated[int, Between(1, MAX_STEPS)] = 1
    """Number of steps per frame of the recording and of the input."""
    overwrite: bool = False
    """Replace the results of an earlier run."""
    stats: Literal["none", "json"] = "none"
    """Format of the measurements to print at the end."""


@dataclass(frozen=True)
class ResultSettings(Bounded):
    """Files to write when running without a window."""

    screenshot: Path | None = None
    """Image of the last state."""
    record: Path | None = None
    """Recording: .mp4, .webm, .webp, .gif, or a folder for images."""
    state_out: Path | None = None
    """File for the last state (.npz)."""
    scale: Annotated[int | None, Between(1, 64)] = None
    """Pixels per side of a cell in the results; default: the decoder's scale, or 1."""
    fps: Annotated[float, Between(0.1, 240)] = 30.0
    """Frames per second of the recording; .gif: at most 50."""


@dataclass(frozen=True)
class ViewSettings(Bounded):
    """Show rules in a window: paint with them, change their motion, record.

    Press H in the window to see all keys. With --headless, there is no window, and results go to
    files. Several rules share one grid; you paint with one of them at a time.
    """

    rules: tyro.conf.Positional[tuple[RulePath, ...]] = ()
    """Rule files; default: the bundled gallery."""
    grid: Annotated[str, SIZE] = "256x256"
    """Width and height of the grid, in cells."""
    steps_per_frame: Annotated[float, Between(0.125, 1024)] = 1.0
    """Number of steps per frame; 0.125: one step every eight frames."""
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    """Random seed for cell updates and initial noise."""
    display: DisplaySettings = field(default_factory=DisplaySettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    source: InputSettings = field(default_factory=InputSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    run: HeadlessSettings = field(default_factory=HeadlessSettings)
    results: ResultSettings = field(default_factory=ResultSettings)

    def __post_init__(self) -> None:
        """Check values, and that they fit together."""
        super().__post_init__()
        source = self.source
        refuse_several(name for name in ("direction_map", "follow") if getattr(source, name))
        if len(self.rules) > 16:
            raise InputError(f"{len(self.rules)} rules: at most 16 share one grid")
        parse_size("grid", self.grid, 4, 8192)
        if self.run.headless:
            if self.run.steps is None and self.source.input is None:
                raise InputError("`headless` needs `steps`, or an `input` that ends")
            if self.window.wait:
                raise InputError("`wait` is for the window; `headless` cannot wait")
            return
        results = self.results
        of_headless = {
            "steps": self.run.steps,
            "screenshot": results.screenshot,
            "record": results.record,
            "state_out": results.state_out,
        }
        for name, value in of_headless.items():
            if value is not None:
                raise InputError(f"`{name}` needs `headless`; in the window there are keys for it")


def view_settings(*rules: str | Path, **values: Any) -> ViewSettings:
    """Make settings in Python; ``values`` are fields of any group, by name.

    Raises:
        InputError: a value is out of bounds, or there is no field of that name.
    """
    return override(ViewSettings(tuple(map(Path, rules))), values)
