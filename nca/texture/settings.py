"""Settings of texture training, in groups, without heavy imports.

Flags, help text and the saved configuration are generated from these classes. A preset is a
dictionary of values that differ from the defaults; so is a task (``grow``, ``restore``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.losses.settings import LossSettings, NamedWeights, PenaltySettings, PromptSettings
from nca.maps import MapName, map_width
from nca.options import (
    WITHOUT_TITLE,
    Between,
    Bounded,
    Folder,
    OneOf,
    Picture,
    RulePath,
    of_preset,
    override,
    picture_setting,
    refuse_several,
)
from nca.training.settings import DeviceName, Limits, RunSettings

Preset = Literal["tiny", "small", "full", "material", "noise", "lesson20"]
Rate = Annotated[float, Between(0, 1)]
Side = Annotated[int, Between(16, 2048)]
MIN_CELLS = 32  # with a decoder, a grid needs this many cells per side


@dataclass(frozen=True)
class MaterialSettings(Bounded):
    """Maps of a material, such as color and normal, that one rule learns together."""

    maps: Annotated[tuple[MapName, ...], tyro.conf.arg(metavar="[MAP ...]")] = ()
    """Maps to learn: color, normal, height, roughness, occlusion, metalness. If PICTURE is one
    image, they are estimated from it. Default: for a material, all its maps; for one image, only
    its color."""
    map_weights: NamedWeights = field(default_factory=dict)
    """Weights of maps in the loss, such as `normal 2`; the default weight is 1."""


@dataclass(frozen=True)
class TaskSettings(Bounded):
    """What the rule learns; by default, the texture of the image."""

    from_rule: Annotated[RulePath | None, tyro.conf.arg(aliases=("--from",), metavar="RULE")] = None
    """Rule file to start from. Its settings are used instead of the rule options below. You can
    still set --state, and add a decoder with --decoder."""
    grow: bool = False
    """Instead of learning a texture, grow the whole image from one cell."""
    restore: bool = False
    """Instead of learning a texture, learn to remove noise and repair damage in the image."""
    also: tuple[Picture, ...] = ()
    """Up to two more images, which the same rule learns. Each image grows from an initial state
    with noise of a different strength."""
    presets: tuple[Preset, ...] = ()
    """Presets for a folder of images. One rule is trained for every combination of an image and a
    preset."""
    material: Annotated[MaterialSettings, tyro.conf.arg(name="material", prefix_name=False)] = (
        field(default_factory=MaterialSettings)
    )

    @property
    def maps(self) -> tuple[MapName, ...]:
        """The maps to learn; empty: only color."""
        return self.material.maps

    def __post_init__(self) -> None:
        """Check that the tasks do not conflict."""
        super().__post_init__()
        if len(self.also) > 2:
            raise InputError(f"`also` {' '.join(map(str, self.also))}: at most two more images")
        refuse_several(name for name in ("grow", "restore", "also", "maps") if getattr(self, name))


@dataclass(frozen=True)
class RuleOptions(Bounded):
    """Size of a new rule, and how its cells behave."""

    channels: Annotated[int, Between(4, 64)] = 8
    """Number of values per cell; the first three are its color."""
    hidden: Annotated[int, Between(1, 1024)] = 32
    """Number of hidden units (inner values of the network)."""
    update_rate: Annotated[float, Between(1e-3, 1), tyro.conf.arg(metavar="P")] = 0.5
    """Probability that a cell updates in each step."""
    padding: Literal["circular", "zeros", "reflect", "replicate"] = "circular"
    """What cells see beyond the edge of the grid; circular: the opposite edge."""
    state: Literal["rgba32f", "rgba8"] = "rgba32f"
    """Format of cell values that the rule is trained for: 32-bit floats, or bytes."""
    decoder: Annotated[int, OneOf((0, *range(2, 17))), tyro.conf.arg(metavar="N")] = 0
    """Let a second network draw each cell as NxN pixels; 0: off."""
    noise: Annotated[float, Between(0, 10)] = 0.0
    """Strength of the noise in the initial state; 0: none."""
    dilation: Annotated[int, Between(1, 3)] = 1
    """Distance of additional neighbors that each cell sees, 2 or 3; 1: none."""

    @property
    def wraps(self) -> bool:
        """Whether the texture tiles."""
        return self.padding == "circular"


@dataclass(frozen=True)
class UnrollSettings(Bounded):
    """Grid size and steps per iteration."""

    grid: Side = 64
    """Cells per side of the grid in the first part of training; may differ from --size."""
    late_grid: Side = 96
    """Cells per side of the grid in the later part of training."""
    steps: Annotated[tuple[int, int], Between(1)] = (16, 32)
    """Smallest and largest number of steps per iteration in the first part of training."""
    late_steps: Annotated[tuple[int, int], Between(1)] = (32, 64)
    """Smallest and largest number of steps per iteration in the later part of training."""
    late_from: Rate = 0.6
    """Fraction of training after which the later part begins; 1: never."""

    @property
    def last_grid(self) -> int:
        """Side of the grid at the end of training, in cells."""
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
    """The pool: stored grids that continue to grow from one iteration to the next."""

    batch_size: Annotated[int, Between(1, 256)] = 4
    """Number of grids per iteration."""
    pool_size: Annotated[int, Between(1, 65536)] = 64
    """Number of grids in the pool."""
    reset_rate: Rate = 0.5
    """Probability per iteration that one grid of the batch is reset to its initial state."""
    damage_rate: Rate = 0.25
    """Probability per iteration that one grid of the batch is damaged, for the rule to repair."""
    aging_rate: Rate = 0.0
    """Probability per iteration that one grid of the batch first runs for 1,000 steps without
    training. This keeps the texture stable for longer. Applies to the later part of training."""
    unroll: Annotated[UnrollSettings, tyro.conf.arg(name="grid and steps", prefix_name=False)] = (
        field(default_factory=UnrollSettings)
    )

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.pool_size < self.batch_size:
            raise InputError(
                f"`pool_size` {self.pool_size}: must be at least `batch_size` {self.batch_size}"
            )


@dataclass(frozen=True)
class OptimizerSettings(Bounded):
    """How weights are updated: learning rate and gradient settings for the Adam optimizer."""

    learning_rate: Annotated[float, Between(1e-8, 1)] = 8e-3
    """Peak learning rate."""
    warm_up: Annotated[int, Between(0)] = 20
    """Number of iterations until the learning rate peaks."""
    final_rate: Rate = 0.03
    """Final learning rate, as a fraction of the peak."""
    filter_scale: tuple[float, ...] = (1.0, 0.25, 0.25, 0.1)
    """Learning rate for the weights of each filter (own value, two gradients, Laplacian), relative
    to --learning-rate."""
    cap_gradients: Annotated[
        bool,
        tyro.conf.arg(
            help="Turn off gradient clipping, and do not ignore the gradients of grids with values "
            "outside -3 to 3."
        ),
    ] = True
    """Whether to clip the norm of each grid's gradient at the batch median, and to ignore the
    gradients of grids with values outside -3 to 3."""
    ema: Annotated[float, Between(0, 0.9999)] = 0.98
    """Decay of the moving average of the weights that is saved; the closer to 1, the more
    iterations it covers. 0: save the weights of the last iteration."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if len(self.filter_scale) != 4 or min(self.filter_scale) <= 0:
            raise InputError(f"`filter_scale` {self.filter_scale}: must be four numbers above 0")


@dataclass(frozen=True)
class ComputeSettings(Bounded):
    """Where and how steps are computed."""

    device: DeviceName = "auto"
    """Device to train on; cuda: NVIDIA GPU, mps: Apple GPU; auto: cuda if possible, else cpu."""
    backend: Literal["auto", "torch", "native", "triton"] = "auto"
    """Implementation that runs the steps; `nca info RULE` lists what works on this machine."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format for computing the network; auto: the faster one."""


# Options of the loss that --grow does not use, and their defaults.
UNUSED_BY_GROW = {
    name: getattr(LossSettings(), name)
    for name in ("features", "statistic", "layer_weights", "texture_weight", "terms")
}


@dataclass(frozen=True)
class TrainSettings(Bounded):
    """Train a rule on an image.

    A rule is a tiny neural network that grows the texture of the image. The output folder will
    contain `rule.safetensors`, a preview, an animation of the growing texture, and the loss over
    time, as a plot and as numbers. The loss measures how much the texture differs from the image,
    and penalizes large cell values. Lower is better.
    """

    picture: Annotated[Picture, tyro.conf.Positional]
    """An image, a folder of images (one rule is trained for each), or a folder with the maps of a
    material."""
    out: Folder
    """Output folder."""
    limits: Annotated[Limits, WITHOUT_TITLE] = field(default_factory=Limits)
    preset: Preset = "small"
    """Set of defaults for the other options. tiny: smallest rule; small: short training; full: best
    quality; material: several maps; noise: size and speed of the pattern stay adjustable; lesson20:
    as in fast.ai's lesson 20."""
    size: Annotated[int, Between(32, 1024)] = 128
    """Width and height to which the image is cropped and scaled, in pixels. Without --decoder, one
    pixel is one cell."""
    view: bool = False
    """Show the texture in a window during training."""
    run: RunSettings = field(default_factory=RunSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    rule: RuleOptions = field(default_factory=RuleOptions)
    loss: LossSettings = field(default_factory=LossSettings)
    penalty: PenaltySettings = field(default_factory=PenaltySettings)
    text: PromptSettings = field(default_factory=PromptSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)

    @property
    def cells(self) -> int:
        """Side of the grid whose drawing has the size of the image, in cells."""
        return self.size // (self.rule.decoder or 1)

    def __post_init__(self) -> None:
        """Check that size, channels, maps, decoder and the other options fit together."""
        super().__post_init__()
        decoder = self.rule.decoder
        if self.task.grow:
            for name, default in UNUSED_BY_GROW.items():
                if getattr(self.loss, name) != default:
                    refuse_several([name, "grow"])
            if self.rule.dilation > 1:
                refuse_several(["dilation", "grow"])
        if decoder and self.task.restore:
            refuse_several(["decoder", "restore"])
        if self.task.maps and self.rule.channels <= map_width(self.task.maps):
            raise InputError(
                f"`channels` {self.rule.channels}: must be more than {map_width(self.task.maps)}, "
                f"the channels of {', '.join(self.task.maps)}; use `preset` material"
            )
        if decoder and self.size % decoder:
            raise InputError(f"`size` {self.size}: must be a multiple of `decoder` {decoder}")
        if decoder and self.cells < MIN_CELLS:
            least = MIN_CELLS * decoder
            raise InputError(
                f"`size` {self.size}: must be at least {least} with `decoder` {decoder}"
            )


# Early unrolls are longer than by default: see docs/lab/published-rules.md.
FULL: dict[str, Any] = {
    "channels": 12,
    "hidden": 96,
    "steps": (32, 64),
    "late_from": 0.7,
    "aging_rate": 0.15,
    # Rules of the default size blow up with this term: see docs/lab/photographs.md.
    "terms": {"patches": 1.0},
}
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"channels": 4, "hidden": 8},
    "small": {},
    "full": FULL,
    "material": FULL | {"channels": 16},
    # Pajouheshgar et al., "NoiseNCA", 2024: noise of 0.1, and all cells update in every step. The
    # paper has up to 128 steps per iteration; these are the defaults, up to 64.
    "noise": {"channels": 12, "hidden": 96, "noise": 0.1, "update_rate": 1.0},
    # https://github.com/fastai/course22p2, notebook 16B. Its overflow loss is a sum, not a mean, so
    # the weight here is the number of values in a batch.
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
        **UNUSED_BY_GROW,
    },
    "restore": {
        "padding": "replicate",
        "late_grid": 64,
        "late_steps": (32, 96),
        "texture_weight": 0.0,
        "terms": {},
    },
}


def defaults_of(preset: str = "small", tasks: Iterable[str] = ()) -> dict[str, Any]:
    """Values set by a preset and by tasks, by field name.

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
