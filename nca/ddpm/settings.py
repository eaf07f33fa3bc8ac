"""Settings of diffusion models, in groups, without heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.options import WITHOUT_TITLE, Between, Bounded, Picture, of_preset, override
from nca.training.settings import DeviceName, Limits, RunSettings

Preset = Literal["small", "lesson20", "lesson"]
ScheduleName = Literal["linear", "cosine", "sigmoid", "karras"]
TargetName = Literal["noise", "image", "v", "edm"]
TimesName = Literal["uniform", "stratified", "loss"]
WeightsName = Literal["none", "min-snr"]
SamplerName = Literal["ddpm", "ddpm-skip", "ddim", "euler", "heun", "lms", "dpmpp"]


@dataclass(frozen=True)
class DataSettings(Bounded):
    """How the images are used."""

    size: Annotated[int | None, Between(8, 1024)] = None
    """Side that images are scaled to; by default unchanged (IDX) or 32."""
    classes: bool = False
    """Condition the network on classes, so that samples of one can be drawn."""
    held_out: Annotated[float, Between(0, 0.9)] = 0.25
    """Fraction of the images kept for FID and KID, not trained on."""
    batch_size: Annotated[int, Between(1, 65536)] = 64
    """Images per iteration."""
    workers: Annotated[int, Between(0, 64)] = 0
    """Processes that read images and add noise; 0: none."""


@dataclass(frozen=True)
class DiffusionSettings(Bounded):
    """Noise, and what the network predicts."""

    schedule: ScheduleName = "cosine"
    """Noise schedule; karras has noise levels instead of times."""
    noise_steps: Annotated[int, Between(2, 10_000)] = 1000
    """T, the number of times; not of karras."""
    target: TargetName = "v"
    """What the network predicts."""
    times: TimesName = "stratified"
    """How the times of a batch are drawn; loss: by the loss there."""
    weights: WeightsName = "min-snr"
    """Weights of the loss by time."""


@dataclass(frozen=True)
class NetworkSettings(Bounded):
    """The U-Net."""

    channels: Annotated[tuple[int, ...], Between(1, 4096)] = (32, 64)
    """Width of each level; each has half the resolution of the one before."""
    layers: Annotated[int, Between(1, 8)] = 1
    """Residual blocks per level."""
    groups: Annotated[int, Between(1, 64)] = 8
    """Groups of the normalization."""
    attention: Annotated[int, Between(0)] = 1
    """Number of levels with attention, coarsest first."""
    patch: Annotated[int, Between(1, 16)] = 2
    """Side of the patches that the network sees as one pixel."""

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
class OptimizerSettings(Bounded):
    """Adam, device and precision."""

    learning_rate: Annotated[float, Between(1e-8, 1)] = 2e-3
    """Peak learning rate."""
    find_rate: bool = False
    """Only search for a learning rate."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.999
    """Decay of the average of the weights; 0: no average."""
    device: DeviceName = "auto"
    """Where to compute; auto: on a GPU with CUDA, else the CPU."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the layers; float16 needs a GPU."""


@dataclass(frozen=True)
class TrainSettings(Bounded):
    """Train a diffusion model on a set of images.

    The result is a folder with a checkpoint that all other commands use, samples, a movie of their
    denoising, and loss curves.
    """

    data: str
    """builtin, fashion or mnist (downloaded once), or a folder of IDX files or images."""
    out: Path
    """Output folder."""
    limits: Annotated[Limits, WITHOUT_TITLE] = field(default_factory=lambda: Limits(minutes=20.0))
    preset: Preset = "small"
    """Defaults of all others; lesson20: of fast.ai's notebook 17, for a GPU."""
    run: RunSettings = field(default_factory=RunSettings)
    images: DataSettings = field(default_factory=DataSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.diffusion.times == "loss" and self.images.workers:
            raise InputError("`times` loss: worker processes do not know the loss; use `workers` 0")


@dataclass(frozen=True)
class SampleSettings(Bounded):
    """Draw images with a trained diffusion model.

    Image i depends on seed + i alone, not on how many are drawn.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a training, or its checkpoint."""
    out: Path
    """An image of all (.png), a movie of the denoising (.webp, .gif, .mp4), or a folder."""
    n: Annotated[int, Between(1, 1_000_000)] = 64
    """Number of images."""
    sampler: SamplerName = "dpmpp"
    """Sampler; of ddpm-skip the network runs every third time."""
    steps: Annotated[int, Between(1, 10_000)] = 20
    """Number of noise levels; each is one call of the network, two for heun."""
    spacing: Literal["auto", "time", "karras"] = "auto"
    """Spacing of the noise levels: even in time (auto for ddpm and ddim), or as in Karras 2022."""
    eta: Annotated[float, Between(0, 1)] = 0.0
    """Randomness of ddim: 0 (deterministic) to 1 (as ddpm)."""
    churn: Annotated[float, Between(0, 1000)] = 0.0
    """Noise that heun adds over all steps."""
    seed: int = 0
    """Random seed of the first image; the next has the next seed."""
    batch_size: Annotated[int, Between(1, 65536)] = 64
    """Images drawn at a time."""
    label: str | None = None
    """Class of the samples, for a model trained with --classes; by default all in turn."""
    guidance: Annotated[float, Between(0, 100)] = 1.0
    """Class guidance scale; 1: as trained."""

    style: Picture | None = None
    """An image whose style the samples take on."""
    style_weight: Annotated[float, Between(0, 1000)] = 1.0
    """Style guidance strength."""
    style_size: Annotated[int, Between(8, 1024)] = 64
    """Side that the style image is scaled to: smaller makes finer strokes."""
    like: Picture | None = None
    """An image whose structure is kept: image to image."""
    like_weight: Annotated[float, Between(0, 1000)] = 1.0
    """Structure guidance strength."""
    strength: Annotated[float, Between(0.01, 1)] = 1.0
    """How much of --like may change: 1 starts from noise alone, 0.3 with little noise."""
    features: str = "builtin"
    """Features that style and structure are compared by; see nca train --help."""
    device: DeviceName = "auto"
    """Where to compute; auto: on a GPU that has CUDA where there is one, else on the CPU."""
    overwrite: bool = False
    """Replace earlier results."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.like is None and self.strength < 1:
            raise InputError(f"`strength` {self.strength}: needs the image of `like` to start from")


@dataclass(frozen=True)
class FidSettings(Bounded):
    """Measure how far samples are from images that the model has not seen: FID and KID.

    The features are those of a small classifier trained for this. The numbers compare models of
    the same images with each other, and with real images, which are measured too.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a training, or its checkpoint."""
    n: Annotated[int, Between(8, 1_000_000)] = 2048
    """Samples, and real images, per repeat."""
    repeats: Annotated[int, Between(2, 1000)] = 3
    """Independent sets of samples; the interval comes from their spread."""
    sampler: SamplerName = "dpmpp"
    """As in nca ddpm sample."""
    steps: Annotated[int, Between(1, 10_000)] = 20
    """As in nca ddpm sample."""
    features: str = "classifier"
    """classifier (trained for this), vgg19, or a .safetensors file with torchvision's names."""
    data: str | None = None
    """Where the images are now; by default where they were for the training."""
    batch_size: Annotated[int, Between(1, 65536)] = 64
    """Images drawn at a time."""
    seed: int = 0
    """Random seed of the samples and of the choice of real images."""
    json: Path | None = None
    """Write all figures to this file."""


PRESETS: dict[str, dict[str, Any]] = {
    "small": {},
    # https://github.com/fastai/course22p2, notebook 17, with its 16-bit run's batch size and rate.
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


PRESETS["lesson"] = PRESETS["lesson20"]  # as it was spelled at first


def ddpm_settings(
    data: str | Path, out: str | Path, preset: str = "small", **values: Any
) -> TrainSettings:
    """Settings from Python: a preset with some values changed.

    Args:
        data, out: see :class:`TrainSettings`.
        preset: what the other values start from.
        values: of any field of any group, by its name.

    Raises:
        InputError: a value is out of bounds, or there is no field of a name.
    """
    return override(TrainSettings(str(data), Path(out)), of_preset(PRESETS, preset) | values)
