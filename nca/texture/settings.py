"""Settings of texture training, in groups, without heavy imports.

Flags, help text and the saved configuration come from these classes. A preset is a dictionary of
values that differ from the defaults; tasks (``grow``, ``restore``) set their values the same way.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.losses.settings import LossSettings, PromptSettings
from nca.options import (
    WITHOUT_TITLE,
    Between,
    Bounded,
    Folder,
    Picture,
    of_preset,
    override,
    picture_setting,
    refuse_several,
)
from nca.training.settings import DeviceName, Limits, RunSettings

Preset = Literal["tiny", "small", "full", "noise", "lesson20"]
Rate = Annotated[float, Between(0, 1)]
Side = Annotated[int, Between(16, 2048)]
PRESETS_HELP = (
    "Values of all other options: tiny (4 channels, 8 hidden), small (8, 32), full (12, 96), "
    "noise (12, 96; its size and speed can change while it runs), lesson20 (of fast.ai)."
)


@dataclass(frozen=True)
class TaskSettings(Bounded):
    """What the rule learns; by default, the texture of the image."""

    from_rule: Annotated[Path | None, tyro.conf.arg(aliases=("--from",))] = None
    """Rule file to start from; sets sizes and padding."""
    grow: bool = False
    """Grow the image itself, from one cell."""
    restore: bool = False
    """Restore noisy or damaged images instead."""
    also: tuple[Picture, ...] = ()
    """More images for the rule; the initial noise selects one."""
    presets: tuple[Preset, ...] = ()
    """For a folder: one rule per image and preset."""

    def __post_init__(self) -> None:
        """Check that the tasks do not conflict."""
        super().__post_init__()
        if len(self.also) > 2:
            raise InputError(f"`also` {' '.join(map(str, self.also))}: at most two more images")
        refuse_several(name for name in ("grow", "restore", "also") if getattr(self, name))


@dataclass(frozen=True)
class RuleOptions(Bounded):
    """Size and form of a new rule."""

    channels: Annotated[int, Between(4, 64)] = 8
    """Number of values per cell."""
    hidden: Annotated[int, Between(1, 1024)] = 32
    """Number of hidden units."""
    update_rate: Annotated[float, Between(1e-3, 1)] = 0.5
    """Probability that a cell fires in a step."""
    padding: Literal["circular", "zeros", "reflect", "replicate"] = "circular"
    """What cells see beyond the border; circular makes the texture tile."""
    state: Literal["rgba32f", "rgba8"] = "rgba32f"
    """Format of the state in players; training rounds to it."""
    noise: Annotated[float, Between(0, 10)] = 0.0
    """Width of the noise in the initial state; 0: all zeros."""

    @property
    def wraps(self) -> bool:
        """Whether the texture tiles."""
        return self.padding == "circular"


@dataclass(frozen=True)
class UnrollSettings(Bounded):
    """Grid size and number of steps per iteration."""

    grid: Side = 64
    """Side of the grid in the first part, in cells."""
    late_grid: Side = 96
    """Side of the grid in the later part, in cells."""
    steps: Annotated[tuple[int, int], Between(1)] = (16, 32)
    """Fewest and most steps per iteration in the first part."""
    late_steps: Annotated[tuple[int, int], Between(1)] = (32, 64)
    """Fewest and most steps per iteration in the later part."""
    late_from: Rate = 0.6
    """Progress at which the later part begins, 0 to 1; 1: never."""

    @property
    def last_grid(self) -> int:
        """Side of the grid at the end of the training, in cells."""
        return self.late_grid if self.late_from < 1 else self.grid

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        for name in ("steps", "late_steps"):
            first, last = getattr(self, name)
            if first > last:
                raise InputError(f"`{name}` {first} {last}: the second must not be smaller")


@dataclass(frozen=True)
class PoolSettings(Bounded):
    """The pool of states that keep growing from iteration to iteration."""

    batch_size: Annotated[int, Between(1, 256)] = 4
    """Number of states per iteration."""
    pool_size: Annotated[int, Between(1, 65536)] = 64
    """Number of states in the pool."""
    reset_rate: Rate = 0.5
    """Probability per iteration that one state is reset."""
    damage_rate: Rate = 0.25
    """Probability per iteration that one state is damaged."""
    aging_rate: Rate = 0.0
    """Probability per iteration that one state first ages by 1,000 steps."""
    unroll: UnrollSettings = field(default_factory=UnrollSettings)

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.pool_size < self.batch_size:
            raise InputError(
                f"`pool_size` {self.pool_size}: must be at least `batch_size` {self.batch_size}"
            )


@dataclass(frozen=True)
class OptimizerSettings(Bounded):
    """Adam, its learning rate and its gradients."""

    learning_rate: Annotated[float, Between(1e-8, 1)] = 8e-3
    """Peak learning rate."""
    warm_up: Annotated[int, Between(0)] = 20
    """Number of iterations until the learning rate peaks."""
    final_rate: Rate = 0.03
    """Final learning rate, as a fraction of the peak."""
    filter_scale: tuple[float, ...] = (1.0, 0.25, 0.25, 0.1)
    """Relative learning rates of the filters."""
    cap_gradients: Annotated[
        bool,
        tyro.conf.arg(
            help="Do not cap gradients, nor ignore blown-up samples.",
            help_behavior_hint="(default: capped)",
        ),
    ] = True
    """Cap each sample's gradient at the batch median; ignore blown-up samples."""
    ema: Annotated[float, Between(0, 0.9999)] = 0.98
    """Decay of the moving average of the weights; 0: no average."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if len(self.filter_scale) != 4 or min(self.filter_scale) <= 0:
            raise InputError(f"`filter_scale` {self.filter_scale}: must be four numbers above 0")


@dataclass(frozen=True)
class ComputeSettings(Bounded):
    """Device, backend and precision."""

    device: DeviceName = "auto"
    """Device; auto: a GPU with CUDA, or else the CPU."""
    backend: Literal["auto", "torch", "native", "triton"] = "auto"
    """Implementation of the steps; `nca info` lists the available ones."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the layers; auto: the faster one."""


@dataclass(frozen=True)
class TrainSettings(Bounded):
    """Train a rule on an image.

    The output folder gets `rule.safetensors`, a preview, a time-lapse of the texture as it grows,
    and the loss curves as a plot and as numbers.
    """

    picture: Annotated[Picture, tyro.conf.Positional]
    """An image, of which the centered square is used, or a folder: one rule per image."""
    out: Folder
    """Output folder."""
    limits: Annotated[Limits, WITHOUT_TITLE] = field(default_factory=Limits)
    preset: Annotated[Preset, tyro.conf.arg(help=PRESETS_HELP)] = "small"
    """Default values of all other options, see ``PRESETS``."""
    size: Annotated[int, Between(32, 1024)] = 128
    """Side of the scaled image in pixels; one pixel is one cell."""
    view: bool = False
    """Open a window that shows the rule during the training."""
    run: RunSettings = field(default_factory=RunSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    rule: RuleOptions = field(default_factory=RuleOptions)
    loss: LossSettings = field(default_factory=LossSettings)
    text: PromptSettings = field(default_factory=PromptSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)


PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"channels": 4, "hidden": 8},
    "small": {},
    # Longer unrolls from the start: see docs/lab/published-rules.md.
    "full": {
        "channels": 12,
        "hidden": 96,
        "steps": (32, 64),
        "late_from": 0.7,
        "aging_rate": 0.15,
        # Smaller rules blow up with it: see docs/lab/photographs.md.
        "terms": {"patches": 1.0},
    },
    # Pajouheshgar et al., "NoiseNCA", 2024, which has no mask, noise of 0.1 and up to 128 steps.
    "noise": {"channels": 12, "hidden": 96, "noise": 0.1, "update_rate": 1.0},
    # https://github.com/fastai/course22p2, notebook 16B. Its overflow loss is a sum: the weight is
    # the number of values in a batch.
    "lesson20": {
        "features": "vgg16",
        "statistic": "lesson20",
        "border": "zeros",
        "texture_weight": 0.1,
        "overflow_weight": 4.0 * 4 * 256 * 256,
        "iterations": 1200,
        "size": 256,
        "channels": 4,
        "hidden": 8,
        "learning_rate": 1e-3,
        "warm_up": 0,
        "final_rate": 1.0,
        "filter_scale": (1.0, 1.0, 1.0, 1.0),
        "cap_gradients": False,
        "ema": 0.0,
        "pool_size": 256,
        "reset_rate": 0.125,
        "damage_rate": 0.0,
        "grid": 256,
        "late_from": 1.0,
        "steps": (32, 95),
        "precision": "float32",
    },
}

TASKS: dict[str, dict[str, Any]] = {
    # Mordvintsev et al., "Growing Neural Cellular Automata", 2020; see nca.texture.tasks.growing.
    "grow": {
        "channels": 16,
        "hidden": 128,
        "padding": "zeros",
        "size": 40,
        "grid": 72,
        "late_grid": 72,
        "late_from": 0.4,
        "steps": (32, 64),
        "late_steps": (64, 96),
        "batch_size": 8,
        "pool_size": 256,
        "reset_rate": 1.0,
        "damage_rate": 1.0,
        "aging_rate": 0.0,
        "learning_rate": 2e-3,
        "final_rate": 0.1,
        "overflow_weight": 10.0,
    },
    "restore": {"padding": "replicate", "late_grid": 64, "late_steps": (32, 96)},
}


def defaults_of(preset: str = "small", tasks: Iterable[str] = ()) -> dict[str, Any]:
    """Values that a preset and the tasks set, by field name.

    Raises:
        InputError: there is no such preset.
    """
    values = of_preset(PRESETS, preset)
    for task in tasks:
        values |= TASKS.get(task, {})
    return values


def train_settings(
    picture: str | Picture, out: str | Path | None, preset: str = "small", **values: Any
) -> TrainSettings:
    """Make settings in Python: a preset with some values changed.

    ::

        train_settings("leaf.jpg", "leaf", "full", minutes=15, batch_size=8)

    Args:
        picture: a path, or an image.
        out: the output folder; None: nothing is written.
        preset: name of the preset that sets the other values.
        values: values by field name, of any group.

    Raises:
        InputError: a value is out of bounds, or there is no field of that name.
    """
    defaults = defaults_of(preset, (name for name in TASKS if values.get(name)))
    folder = None if out is None else Path(out)
    return override(TrainSettings(picture_setting(picture), folder), defaults | values)
