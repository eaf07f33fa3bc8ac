"""Every setting of the viewer, in one place, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.options import parse_size

MAX_STEPS = 10**9


def _off(text: str) -> Any:
    """Help of the flag ``--no-...``, where a setting is on without it."""
    return tyro.conf.arg(help=text, help_behavior_hint="")


@dataclass(frozen=True)
class ViewSettings:
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
    seed: int = 0
    """Which cells fire, and the noise that some rules grow from."""
    steps_per_frame: float = 1.0
    """Speed: steps in each frame, down to 0.125: one step in eight frames."""
    view: str = "colors"
    """What is seen: colors, alpha, 'channel 1' and so on, channels (all of them), or change."""
    color_map: Literal["grey", "inferno", "diverging"] = "inferno"
    """Colors of the views that show numbers."""
    rotation: float = 0.0
    """Turn of the directions that cells perceive, in degrees."""
    coarseness: float = 1.0
    """Size of the pattern: 1 as trained, 2 about twice as large."""
    pace: float = 1.0
    """Length of a step: 1 as trained, less for smoother motion."""
    update_rate: float | None = None
    """Probability that a cell fires in a step, instead of the rule's own."""
    weights: Literal["auto", "inline", "texture"] = "auto"
    """Where the shader has the weights: in its text, or in a texture."""
    state: Path | None = None
    """Start from this saved state (.npz)."""
    input: str | None = None
    """Play over moving pictures: a video file, a folder of pictures, camera or camera:1."""
    input_strength: float = 0.05
    """How far each frame draws the colors to the input, 0 to 1."""

    fullscreen: bool = False
    """Fill the screen."""
    monitor: int = 0
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
    steps: int | None = None
    """Headless: steps to run; default: until the input ends."""
    every: int = 1
    """Headless: steps between two frames of the recording, and of the input."""
    scale: int = 1
    """Headless: pixels per cell."""
    fps: float = 30.0
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
        """Refuse values out of range before any work starts."""
        if len(self.rules) > 16:
            raise InputError(f"{len(self.rules)} rules: at most 16 share one grid")
        bounds: dict[str, tuple[float, float]] = {
            "seed": (0, 2**32 - 1),
            "steps_per_frame": (0.125, 1024),
            "rotation": (-360, 360),
            "coarseness": (0.1, 10),
            "pace": (0.01, 2),
            "input_strength": (0, 1),
            "monitor": (0, 63),
            "every": (1, MAX_STEPS),
            "scale": (1, 64),
            "fps": (0.1, 240),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not least <= value <= most:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} {value}: must be {least:g} to {most:g}")
        if self.update_rate is not None and not 0.001 <= self.update_rate <= 1:
            raise InputError(f"--update-rate {self.update_rate}: must be 0.001 to 1")
        if self.steps is not None and not 0 <= self.steps <= MAX_STEPS:
            raise InputError(f"--steps {self.steps}: must be 0 to {MAX_STEPS}")
        parse_size("grid", self.grid, 4, 8192)
        parse_size("size", self.size, 64, 16384)
        self._check_headless()

    def _check_headless(self) -> None:
        if self.headless:
            if self.steps is None and self.input is None:
                raise InputError("--headless needs --steps, or an --input that ends")
            if self.wait:
                raise InputError("--wait is for the window; --headless cannot wait")
            return
        for name in ("steps", "screenshot", "record", "state_out"):
            if getattr(self, name) is not None:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} needs --headless; in the window there are keys for it")
