"""Every setting of the viewer, in one place, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.options import Between, Bounded, parse_size

MAX_STEPS = 10**9


def _off(text: str) -> Any:
    """Help of the flag ``--no-...``, where a setting is on without it."""
    return tyro.conf.arg(help=text, help_behavior_hint="")


@dataclass(frozen=True)
class ViewSettings(Bounded):
    """Show rules in a window: draw into them, steer them, record them.

    The keys are listed by H in the window. With --headless there is no window, and results go to
    files. Several rules share one grid: paint one into the other.
    """

    rules: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Rule files; without any, the gallery that comes with nca."""
    grid: str = "256x256"
    """Width and height of the grid, in cells."""
    size: str = "1120x768"
    """Width and height of the window, in the units of the screen."""
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    """Which cells fire, and the noise that some rules grow from."""
    steps_per_frame: Annotated[float, Between(0.125, 1024)] = 1.0
    """Speed: steps in each frame, down to 0.125: one step in eight frames."""
    view: str = "colors"
    """What is seen: colors, alpha, 'channel 1' and so on, channels (all of them), or change."""
    color_map: Literal["grey", "inferno", "diverging"] = "inferno"
    """Colors of the views that show numbers."""
    rotation: Annotated[float, Between(-360, 360)] = 0.0
    """Turn of the directions that cells perceive, in degrees."""
    coarseness: Annotated[float, Between(0.1, 10)] = 1.0
    """Size of the pattern: 1 as trained, 2 about twice as large."""
    pace: Annotated[float, Between(0.01, 2)] = 1.0
    """Length of a step: 1 as trained, less for smoother motion."""
    update_rate: Annotated[float | None, Between(0.001, 1)] = None
    """Probability that a cell fires in a step, instead of the rule's own."""
    weights: Literal["auto", "inline", "texture"] = "auto"
    """Where the shader has the weights: in its text, or in a texture."""
    state: Path | None = None
    """Start from this saved state (.npz)."""
    input: str | None = None
    """Play over moving pictures: a video file, a folder of pictures, camera or camera:1."""
    input_strength: Annotated[float, Between(0, 1)] = 0.05
    """How far each frame draws the colors to the input, 0 to 1."""

    fullscreen: bool = False
    """Fill the screen."""
    monitor: Annotated[int, Between(0, 63)] = 0
    """Number of the screen to fill."""
    vsync: Annotated[bool, _off("Draw as often as possible, not in step with the screen.")] = True
    """Draw in step with the screen."""
    watch: Annotated[bool, _off("Do not show the rule files again when they change.")] = True
    """Show the rule files again when they change."""
    wait: bool = False
    """Open before the rule file is there, and show it as soon as it is."""
    folder: Path = Path()
    """Where pictures, recordings and states that are saved from the window go."""
    recording: Literal["auto", "mp4", "webp", "png"] = "auto"
    """What P records: a video, an animation, or a folder of pictures; auto: mp4 where the extra
    video is installed, else webp."""

    headless: bool = False
    """Run without a window."""
    steps: Annotated[int | None, Between(0, MAX_STEPS)] = None
    """Headless: steps to run; default: until the input ends."""
    every: Annotated[int, Between(1, MAX_STEPS)] = 1
    """Headless: steps between two frames of the recording, and of the input."""
    scale: Annotated[int, Between(1, 64)] = 1
    """Headless: pixels per cell."""
    fps: Annotated[float, Between(0.1, 240)] = 30.0
    """Headless: frames per second of the recording; a .gif has at most 50."""
    screenshot: Path | None = None
    """Headless: write a picture of the last state here."""
    record: Path | None = None
    """Headless: write a recording here: .mp4 and so on, .webp, .gif, or a folder of pictures."""
    state_out: Path | None = None
    """Headless: save the last state here (.npz)."""
    overwrite: bool = False
    """Headless: replace the picture, the recording and the state of an earlier run."""
    stats: Literal["none", "json"] = "none"
    """Headless: print what was measured, as JSON."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if len(self.rules) > 16:
            raise InputError(f"{len(self.rules)} rules: at most 16 share one grid")
        parse_size("grid", self.grid, 4, 8192)
        parse_size("size", self.size, 64, 16384)
        self._check_headless()

    def _check_headless(self) -> None:
        if self.headless:
            if self.steps is None and self.input is None:
                raise InputError("`headless` needs `steps`, or an `input` that ends")
            if self.wait:
                raise InputError("`wait` is for the window; `headless` cannot wait")
            return
        for name in ("steps", "screenshot", "record", "state_out"):
            if getattr(self, name) is not None:
                raise InputError(f"`{name}` needs `headless`; in the window there are keys for it")
