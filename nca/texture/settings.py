"""Every setting of texture training, in one place, without heavy imports.

Flags, help text, the saved configuration and the docs are made from these.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError

Preset = Literal["tiny", "small", "full", "noise", "lesson20"]


@dataclass(frozen=True)
class TrainSettings:
    """Train a rule on a picture.

    The result is a folder with `rule.safetensors`, a preview, a time-lapse of the texture growing
    from its seed, the loss as a plot and as numbers.
    """

    picture: Annotated[Path, tyro.conf.Positional]
    """The picture: any size and kind; its centered square is used. A folder of pictures: a rule of
    each, as many at a time as there are cores; run again, it goes on with those that are missing.
    """
    out: Path
    """Folder for the results; it is made, and never overwritten without --overwrite."""
    preset: Preset = "small"
    """Where the other settings start from: tiny (4 channels, 8 hidden), small (8, 32), full (12,
    96), noise (12, 96, from noise, all cells fire: its size and speed can be changed while it
    runs), or lesson20: the run of fast.ai's lesson 20."""

    from_rule: Annotated[Path | None, tyro.conf.arg(aliases=("--from",))] = None
    """Start from the weights of this rule file instead of random ones; sizes, padding, rate and
    noise are then those of the rule."""
    grow: bool = False
    """Grow the picture itself, transparency and all, from one cell, and regrow what is cut off."""
    restore: bool = False
    """Bring a noisy or damaged picture back, instead of making a texture."""
    also: tuple[Path, ...] = ()
    """One or two more pictures for the same rule; the noise of the seed decides which one grows."""

    presets: tuple[Preset, ...] = ()
    """Of a folder: train a rule of each of these presets for every picture. Flags that change a
    value of --preset hold for all of them."""
    prompt: str | None = None
    """Words that the texture is to look like too, as CLIP sees it; needs the extra clip."""
    prompt_weight: float = 1.0
    """Weight of the words; with --texture-weight 0 they alone count."""
    clip: str = "ViT-B-32/laion2b_s34b_b79k"
    """The model that reads the words, ARCHITECTURE/WEIGHTS of open_clip, or a folder with
    open_clip_config.json and open_clip_model.safetensors."""

    features: str = "builtin"
    """What is compared: builtin (learned from the picture, no download), random, patches, vgg16,
    vgg19, squeezenet1_1, or a .safetensors file with torchvision's names."""
    statistic: Literal["gram", "transport", "moments", "lesson20"] = "gram"
    """How features are compared: Gram matrices, sliced optimal transport, mean and covariance, or
    the lesson's own Gram loss."""
    layer_weights: dict[str, float] = field(default_factory=dict)
    """Weights of layers by name, 1 where not named; the names are those in metrics.jsonl."""
    texture_weight: float = 1.0
    """Weight of the texture loss."""
    overflow_weight: float = 30.0
    """Weight of the mean distance of the state from -1 to 1."""

    minutes: float = 5.0
    """Training time; without effect when --iterations is given."""
    iterations: int | None = None
    """Train this many iterations instead of a time: the same seed then gives the same bits."""
    size: int = 128
    """Side of the square, in pixels, that the picture is scaled to: one pixel is one cell."""
    seed: int = 0
    """Of all that is drawn at random."""
    resume: bool = False
    """Go on from the checkpoint in the folder."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""
    view: bool = False
    """Open a window beside the training that shows the rule as it learns."""

    channels: int = 8
    """Values per cell."""
    hidden: int = 32
    """Width of the hidden layer."""
    update_rate: float = 0.5
    """Probability that a cell fires in a step."""
    padding: Literal["circular", "zeros", "reflect", "replicate"] = "circular"
    """What a cell at the border sees beyond it; circular makes the texture tile."""
    state: Literal["rgba32f", "rgba8"] = "rgba32f"
    """How hosts will keep the state: 32-bit floats, or 8 bits a value. For 8 bits the training
    rounds state and weights as such a host does."""
    noise: float = 0.0
    """Width of the uniform noise that the texture grows from; 0: from nothing at all."""

    learning_rate: float = 8e-3
    """Of Adam, at its highest."""
    warm_up: int = 20
    """Iterations until the learning rate is at its highest."""
    final_rate: float = 0.03
    """What the learning rate falls to, as a part of the highest."""
    filter_scale: tuple[float, ...] = (1.0, 0.25, 0.25, 0.1)
    """What the columns of the first layer are trained in units of, by filter: identity, sobel x,
    sobel y, laplacian."""
    cap_gradients: bool = True
    """Whether the gradient of every sample is capped at the batch's median, and that of blown-up
    samples is zero."""
    ema: float = 0.98
    """Decay of the averaged weights that are shown and saved; 0: no average."""
    batch_size: int = 4
    """States per iteration."""
    pool_size: int = 64
    """States that are kept and go on growing."""
    reset_rate: float = 0.5
    """Probability that an iteration starts one of its states anew."""
    damage_rate: float = 0.25
    """Probability that an iteration starts with a disc of one of its states erased or filled with
    noise: what makes a texture heal."""
    aging_rate: float = 0.0
    """Probability that an iteration with the later steps starts with one of its states left to
    itself for 1,000 steps: what keeps a texture from drifting off after thousands."""
    grid: int = 64
    """Side of the states, in cells, at first."""
    late_grid: int = 96
    """Side of the states later."""
    steps: tuple[int, int] = (16, 32)
    """Fewest and most steps of an iteration at first."""
    late_steps: tuple[int, int] = (32, 64)
    """Fewest and most steps later."""
    late_from: float = 0.6
    """When later begins, as a part of the training; 1: never."""
    backend: Literal["auto", "torch", "native", "cuda"] = "auto"
    """What computes the steps: native is compiled C++, cuda trains on the GPU, auto is native where
    there is a compiler and torch elsewhere. `nca info` tells what this machine has."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the layers; auto: bfloat16 where that is faster, when tried."""

    @property
    def last_grid(self) -> int:
        """Side of the states at the end of the training."""
        return self.late_grid if self.late_from < 1 else self.grid

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        low, high = 0.0, float("inf")
        bounds: dict[str, tuple[float, float]] = {
            "minutes": (0.01, 10_000),
            "size": (32, 1024),
            "channels": (4, 64),
            "hidden": (1, 1024),
            "learning_rate": (1e-8, 1),
            "final_rate": (low, 1),
            "ema": (low, 0.9999),
            "batch_size": (1, 256),
            "pool_size": (self.batch_size, 65536),
            "reset_rate": (low, 1),
            "damage_rate": (low, 1),
            "aging_rate": (low, 1),
            "grid": (16, 2048),
            "late_grid": (16, 2048),
            "late_from": (low, 1),
            "noise": (low, 10),
            "update_rate": (1e-3, 1),
            "warm_up": (low, high),
            "texture_weight": (low, high),
            "overflow_weight": (low, high),
            "prompt_weight": (low, high),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError(f"{_flag(name)} {value}: must be {least:g} to {most:g}")
        for name in ("steps", "late_steps"):
            first, last = getattr(self, name)
            if not 1 <= first <= last:
                raise InputError(f"{_flag(name)} {first} {last}: must rise, from 1 or more")
        if self.iterations is not None and self.iterations < 1:
            raise InputError(f"--iterations {self.iterations}: must be 1 or more")
        if len(self.also) > 2:
            raise InputError(f"--also {' '.join(map(str, self.also))}: at most two more pictures")
        kinds = [flag for flag in ("grow", "restore", "also") if getattr(self, flag)]
        if len(kinds) > 1:
            raise InputError(f"--{kinds[0]} and --{kinds[1]} exclude each other")
        if len(self.filter_scale) != 4 or min(self.filter_scale) <= 0:
            raise InputError(f"--filter-scale {self.filter_scale}: must be four numbers above 0")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


# Stand-ins, so that a preset is a complete set of settings; the command line demands real ones.
_small = TrainSettings(picture=Path(), out=Path())

PRESETS: dict[Preset, TrainSettings] = {
    "tiny": replace(_small, preset="tiny", channels=4, hidden=8),
    "small": _small,
    # Longer unrolls from the start: see "Published rules" in docs/quality.md.
    "full": replace(
        _small,
        preset="full",
        channels=12,
        hidden=96,
        steps=(32, 64),
        late_from=0.7,
        aging_rate=0.15,
    ),
    # Pajouheshgar et al., "NoiseNCA", 2024, which has no mask, noise of 0.1 and up to 128 steps.
    "noise": replace(_small, preset="noise", channels=12, hidden=96, noise=0.1, update_rate=1.0),
    # https://github.com/fastai/course22p2, notebook 16B. The overflow loss is a sum there: the
    # weight is the number of values in a batch.
    "lesson20": replace(
        _small,
        preset="lesson20",
        features="vgg16",
        statistic="lesson20",
        texture_weight=0.1,
        overflow_weight=4.0 * 4 * 256 * 256,
        iterations=1200,
        size=256,
        channels=4,
        hidden=8,
        learning_rate=1e-3,
        warm_up=0,
        final_rate=1.0,
        filter_scale=(1.0, 1.0, 1.0, 1.0),
        cap_gradients=False,
        ema=0.0,
        pool_size=256,
        reset_rate=0.125,
        damage_rate=0.0,
        grid=256,
        late_from=1.0,
        steps=(32, 95),
        precision="float32",
    ),
}


# What --grow and --restore put in the place of a preset's values.
KINDS: dict[str, dict[str, Any]] = {
    # Mordvintsev et al., "Growing Neural Cellular Automata", 2020; see nca.texture.growing.
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
