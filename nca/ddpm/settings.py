"""Settings of diffusion models, in groups, without heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.options import (
    NAME_OR_FILE,
    PATH_OR_NAME,
    WITHOUT_TITLE,
    Between,
    Bounded,
    Picture,
    of_preset,
    override,
)
from nca.training.settings import DeviceName, Limits, RunSettings

Preset = Literal["small", "flow", "lesson20", "lesson"]
ScheduleName = Literal["linear", "cosine", "sigmoid", "karras", "flow"]
TargetName = Literal["noise", "image", "v", "edm", "flow"]
TimesName = Literal["uniform", "stratified", "logit-normal", "loss"]
WeightsName = Literal["none", "min-snr"]
NetName = Literal["unet", "nca"]
SamplerName = Literal["ddpm", "ddpm-skip", "ddim", "euler", "heun", "lms", "dpmpp", "flow"]
SpacingName = Literal["auto", "time", "karras", "flow"]


@dataclass(frozen=True)
class DataSettings(Bounded):
    """The images, and how they are used."""

    size: Annotated[int | None, Between(8, 1024)] = None
    """Width and height of the scaled images, in pixels; default: unchanged (IDX) or 32."""
    classes: bool = False
    """Also learn the classes, so that samples of one class can be drawn."""
    held_out: Annotated[float, Between(0, 0.9)] = 0.25
    """Fraction of the images held out for FID and KID."""
    batch_size: Annotated[int, Between(1, 65536)] = 64
    """Number of images per iteration."""
    workers: Annotated[int, Between(0, 64)] = 0
    """Number of additional processes that read images and add noise."""


@dataclass(frozen=True)
class DiffusionSettings(Bounded):
    """Noise, and what the network predicts."""

    schedule: ScheduleName = "cosine"
    """Noise levels over time; karras and flow are continuous."""
    noise_steps: Annotated[int, Between(2, 10_000)] = 1000
    """Number of noise levels; not used by karras and flow."""
    target: TargetName = "v"
    """What the network predicts; flow: noise - image."""
    times: TimesName = "stratified"
    """How times are drawn; loss: draw times with a large loss more often."""
    weights: WeightsName = "min-snr"
    """How the loss at each time is weighted."""


@dataclass(frozen=True)
class NetworkSettings(Bounded):
    """The network; all options except --net and --patch apply only to the U-Net."""

    net: NetName = "unet"
    """Kind of network; nca: a neural cellular automaton."""
    channels: Annotated[tuple[int, ...], Between(1, 4096)] = (32, 64)
    """Number of channels at each level; each level halves the resolution."""
    layers: Annotated[int, Between(1, 8)] = 1
    """Number of residual blocks per level."""
    groups: Annotated[int, Between(1, 64)] = 8
    """Number of groups in each group normalization."""
    attention: Annotated[int, Between(0)] = 1
    """Number of levels with attention, coarsest first."""
    patch: Annotated[int, Between(1, 16)] = 2
    """Width and height of the squares that the network treats as one pixel, in pixels."""

    def __post_init__(self) -> None:
        """Check values, and that they fit together."""
        super().__post_init__()
        if not 1 <= len(self.channels) <= 8:
            raise InputError(f"`channels` {self.channels}: must be 1 to 8 widths")
        if self.attention > len(self.channels):
            raise InputError(f"`attention` {self.attention}: must be 0 to {len(self.channels)}")
        for width in self.channels:
            if width % self.groups:
                raise InputError(
                    f"`channels` {width}: must be a multiple of `groups` {self.groups}"
                )


@dataclass(frozen=True)
class AutomatonSettings(Bounded):
    """The automaton that --net nca selects."""

    cell_channels: Annotated[int, Between(4, 64)] = 32
    """Number of values per cell."""
    cell_hidden: Annotated[int, Between(1, 1024)] = 128
    """Number of hidden units of the rule."""
    cell_steps: Annotated[int, Between(1, 256)] = 12
    """Number of steps per call; in a step, information moves by one cell."""


@dataclass(frozen=True)
class OptimizerSettings(Bounded):
    """Adam, device and precision."""

    learning_rate: Annotated[float, Between(1e-8, 1)] = 2e-3
    """Peak learning rate."""
    find_rate: bool = False
    """Only search for a learning rate, without training."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.999
    """Decay of the moving average of the weights; 0: no average."""
    device: DeviceName = "auto"
    """Device; cuda: NVIDIA GPU, mps: Apple GPU; auto: cuda if possible, else cpu."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format for computing the network; float16 needs a GPU."""


@dataclass(frozen=True)
class TrainSettings(Bounded):
    """Train a diffusion model on a set of images.

    The output folder will contain a checkpoint for the other commands, samples, a movie of their
    denoising, and the loss curves.
    """

    data: Annotated[str, PATH_OR_NAME]
    """A folder of images, or builtin, fashion or mnist; the last two are downloaded once."""
    out: Path
    """Output folder."""
    limits: Annotated[Limits, WITHOUT_TITLE] = field(default_factory=lambda: Limits(minutes=20.0))
    preset: Preset = "small"
    """Set of defaults for the other options; lesson20: those of fast.ai's course, for a GPU."""
    run: RunSettings = field(default_factory=RunSettings)
    images: DataSettings = field(default_factory=DataSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    automaton: AutomatonSettings = field(default_factory=AutomatonSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.diffusion.times == "loss" and self.images.workers:
            raise InputError(
                "`times` loss: needs `workers` 0, because worker processes do not see the losses"
            )


@dataclass(frozen=True)
class SampleSettings(Bounded):
    """Draw images with a trained diffusion model.

    Image i depends only on seed + i, not on the number of images.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Output folder of a training run, or its checkpoint."""
    out: Path
    """One image of all samples (.png), a movie of the denoising (.webp, .mp4), or a folder."""
    n: Annotated[int, Between(1, 1_000_000)] = 64
    """Number of images."""
    sampler: SamplerName = "dpmpp"
    """Sampler; ddpm-skip runs the network in every third step, and in the last 50 steps."""
    steps: Annotated[int, Between(1, 10_000)] = 20
    """Number of noise levels; each takes one call of the network, or two with heun and flow."""
    spacing: SpacingName = "auto"
    """Spacing of the noise levels; karras: as in Karras 2022; auto: time for ddpm and ddim."""
    eta: Annotated[float, Between(0, 1)] = 0.0
    """Randomness of ddim, from 0 (deterministic) to 1 (DDPM with the smaller variance)."""
    churn: Annotated[float, Between(0, 1000)] = 0.0
    """Amount of noise that heun adds over all steps."""
    seed: int = 0
    """Random seed of the first image; each further image uses the next seed."""
    batch_size: Annotated[int, Between(1, 65536)] = 64
    """Number of images drawn at a time."""
    label: Annotated[str | None, tyro.conf.arg(metavar="CLASS")] = None
    """Class of the samples, for a model trained with --classes; default: all classes in turn."""
    guidance: Annotated[float, Between(0, 100)] = 1.0
    """Scale of the guidance toward the class; 1: no extra guidance."""

    style: Picture | None = None
    """Image whose style the samples take on."""
    style_weight: Annotated[float, Between(0, 1000)] = 1.0
    """Strength of the guidance toward the style."""
    style_size: Annotated[int, Between(8, 1024)] = 64
    """Width and height of the scaled style image, in pixels; smaller sizes give finer strokes."""
    like: Picture | None = None
    """Image whose structure the samples keep (image-to-image)."""
    like_weight: Annotated[float, Between(0, 1000)] = 1.0
    """Strength of the guidance toward the structure of --like; 0: none."""
    strength: Annotated[float, Between(0.01, 1)] = 1.0
    """How much of --like may change: 1 starts from pure noise, 0.3 keeps most of the image."""
    features: Annotated[str, NAME_OR_FILE] = "builtin"
    """Features for style and structure; see nca train --help."""
    device: DeviceName = "auto"
    """Device; cuda: NVIDIA GPU, mps: Apple GPU; auto: cuda if possible, else cpu."""
    overwrite: bool = False
    """Replace the results of an earlier run."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.like is None and self.strength < 1:
            raise InputError(f"`strength` {self.strength}: needs the image of `like` to start from")


@dataclass(frozen=True)
class FidSettings(Bounded):
    """Measure how far samples are from images that the model was not trained on (FID and KID).

    The features come from a small classifier that is trained for this purpose. The figures are only
    comparable between models that were trained on the same images. Real images are measured too,
    for comparison.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Output folder of a training run, or its checkpoint."""
    n: Annotated[int, Between(8, 1_000_000)] = 2048
    """Number of samples, and of real images, per repeat."""
    repeats: Annotated[int, Between(2, 1000)] = 3
    """Number of independent sets of samples; their spread widens the interval."""
    sampler: SamplerName = "dpmpp"
    """Sampler; see nca ddpm sample."""
    steps: Annotated[int, Between(1, 10_000)] = 20
    """Number of noise levels; see nca ddpm sample."""
    features: Annotated[str, NAME_OR_FILE] = "classifier"
    """Features: classifier (trained for this purpose), vgg19, or a .safetensors file of a VGG."""
    data: Annotated[str | None, PATH_OR_NAME] = None
    """Where the training images are now; default: where they were during training."""
    batch_size: Annotated[int, Between(1, 65536)] = 64
    """Number of images drawn at a time."""
    seed: int = 0
    """Random seed for the samples, and for picking the real images."""
    json: Path | None = None
    """File for all figures, as JSON."""


PRESETS: dict[str, dict[str, Any]] = {
    "small": {},
    # Flow matching as in Stable Diffusion 3 (Esser et al. 2024).
    "flow": {
        "schedule": "flow",
        "target": "flow",
        "times": "logit-normal",
        "weights": "none",
    },
    # https://github.com/fastai/course22p2, notebook 17, with the batch size and learning rate of
    # its 16-bit run.
    "lesson20": {
        "schedule": "linear",
        "target": "noise",
        "times": "uniform",
        "weights": "none",
        "channels": (16, 32, 64, 128),
        "layers": 2,
        "attention": 3,
        "patch": 1,
        "batch_size": 512,
        "learning_rate": 1e-2,
    },
}


PRESETS["lesson"] = PRESETS["lesson20"]  # the former name


def ddpm_settings(
    data: str | Path, out: str | Path, preset: str = "small", **values: Any
) -> TrainSettings:
    """Make settings in Python: a preset with some values changed.

    Args:
        data, out: see :class:`TrainSettings`.
        preset: name of the preset that sets the other values.
        values: values by field name, of any group.

    Raises:
        InputError: a value is out of bounds, or there is no field with that name.
    """
    return override(TrainSettings(str(data), Path(out)), of_preset(PRESETS, preset) | values)
