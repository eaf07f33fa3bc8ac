"""Settings of the viewer, in groups, without heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.options import Between, Bounded, Calm, override, parse_size

MAX_STEPS = 10**9


def _off(text: str) -> Any:
    """Help of the flag ``--no-...``, where a setting is on without it."""
    return tyro.conf.arg(help=text, help_behavior_hint="")


@dataclass(frozen=True)
class MotionSettings(Bounded):
    """How the rules run."""

    rotation: Annotated[float, Between(-360, 360)] = 0.0
    """Turn of the directions that cells perceive, in degrees."""
    coarseness: Annotated[float, Between(0.1, 10)] = 1.0
    """Size of the pattern: 1 as trained, 2 twice as large."""
    pace: Annotated[float, Between(0.01, 2)] = 1.0
    """Length of a step: 1 as trained, less for smoother motion."""
    update_rate: Annotated[float | None, Between(0.001, 1)] = None
    """Probability that a cell fires; None: the rule's own."""
    calm: Calm = "auto"
    """Let all cells fire in short steps; auto: as the rule says."""
    weights: Literal["auto", "inline", "texture"] = "auto"
    """Where the shader has the weights."""


@dataclass(frozen=True)
class InputSettings(Bounded):
    """What the rules start from and run over."""

    state: Path | None = None
    """Start from this saved state (.npz)."""
    input: str | None = None
    """Video file, folder of pictures, camera or camera:1 to play over."""
    input_strength: Annotated[float, Between(0, 1)] = 0.05
    """Part of the way that each frame draws the colors to the input."""


@dataclass(frozen=True)
class WindowSettings(Bounded):
    """The window and its files."""

    size: str = "1120x768"
    """Width and height, in the units of the screen."""
    fullscreen: bool = False
    """Fill the screen."""
    monitor: Annotated[int, Between(0, 63)] = 0
    """Number of the screen to fill."""
    vsync: Annotated[bool, _off("Draw as often as possible, not in step with the screen.")] = True
    """Draw in step with the screen."""
    watch: Annotated[bool, _off("Do not show the rule files again when they change.")] = True
    """Show the rule files again when they change."""
    wait: bool = False
    """Open before the rule file is there; show it as soon as it is."""
    folder: Path = Path()
    """Folder for pictures, recordings and states."""
    recording: Literal["auto", "mp4", "webp", "png"] = "auto"
    """What P records; png: a folder of pictures."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        parse_size("size", self.size, 64, 16384)


@dataclass(frozen=True)
class HeadlessSettings(Bounded):
    """Without a window."""

    headless: bool = False
    """Run without a window."""
    steps: Annotated[int | None, Between(0, MAX_STEPS)] = None
    """Steps to run; None: until the input ends."""
    every: Annotated[int, Between(1, MAX_STEPS)] = 1
    """Steps between two frames of recording and input."""
    overwrite: bool = False
    """Replace the results of an earlier run."""
    stats: Literal["none", "json"] = "none"
    """Print what was measured."""


@dataclass(frozen=True)
class ResultSettings(Bounded):
    """Files that are written without a window."""

    screenshot: Path | None = None
    """Picture of the last state."""
    record: Path | None = None
    """Recording: .mp4 and so on, .webp, .gif, or a folder of pictures."""
    state_out: Path | None = None
    """The last state (.npz)."""
    scale: Annotated[int, Between(1, 64)] = 1
    """Pixels per cell."""
    fps: Annotated[float, Between(0.1, 240)] = 30.0
    """Frames per second of the recording; .gif: at most 50."""


@dataclass(frozen=True)
class ViewSettings(Bounded):
    """Show rules in a window: draw into them, steer them, record them.

    The keys are listed by H in the window. With --headless there is no window, and results go to
    files. Several rules share one grid: paint one into the other.
    """

    rules: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Rule files; none: the bundled gallery."""
    grid: str = "256x256"
    """Width and height of the grid, in cells."""
    steps_per_frame: Annotated[float, Between(0.125, 1024)] = 1.0
    """Steps in each frame; 0.125: one step in eight frames."""
    view: str = "colors"
    """colors, alpha, 'channel 1' and so on, channels (all), or change."""
    color_map: Literal["grey", "inferno", "diverging"] = "inferno"
    """Colors of the views that show numbers."""
    average_steps: Annotated[int, Between(1, 16)] = 1
    """Steps whose average is shown; 4 to 8 take the grain away."""
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    """Decides which cells fire, and the noise of the initial state."""
    motion: MotionSettings = field(default_factory=MotionSettings)
    source: InputSettings = field(default_factory=InputSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    run: HeadlessSettings = field(default_factory=HeadlessSettings)
    results: ResultSettings = field(default_factory=ResultSettings)

    def __post_init__(self) -> None:
        """Check values, and that they fit together."""
        super().__post_init__()
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
    """Settings from Python, by the names of the fields of all groups.

    Raises:
        InputError: a value is out of bounds, or there is no field of a name.
    """
    return override(ViewSettings(tuple(map(Path, rules))), values)
