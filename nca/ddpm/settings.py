"""Every setting of diffusion models, in one place, without heavy imports."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nca.errors import InputError

Preset = Literal["small", "lesson"]
ScheduleName = Literal["linear", "cosine", "sigmoid", "karras"]
TargetName = Literal["noise", "image", "v", "edm"]
TimesName = Literal["uniform", "stratified", "loss"]
WeightsName = Literal["none", "min-snr"]
SamplerName = Literal["ddpm", "ddpm-skip", "ddim", "euler", "heun", "lms", "dpmpp"]


@dataclass(frozen=True)
class TrainSettings:
    """Train a diffusion model on a set of pictures.

    The result is a folder with a checkpoint that everything else needs, samples, a movie of them
    appearing out of noise, the loss as a plot and as numbers.
    """

    data: str
    """The pictures: builtin (drawn by code), fashion or mnist (fetched once), or a folder of IDX
    files or of pictures; its subfolders, if it has some, are classes."""
    out: Path
    """Folder for the results; it is made, and never overwritten without --overwrite."""
    preset: Preset = "small"
    """Where the other settings start from: small (for two cores), or lesson: the U-Net and the
    schedule of fast.ai's notebook 17 (for a GPU)."""
    size: int | None = None
    """Side that pictures are scaled to; by default as they are (IDX) or 32."""
    classes: bool = False
    """Tell the net the class of a picture, so that one can be asked for."""
    held_out: float = 0.25
    """Part of the pictures that is not trained on: reference of FID and KID."""

    schedule: ScheduleName = "cosine"
    """How much noise there is at a time: linear (Ho 2020), cosine (Nichol 2021), sigmoid (Jabri
    2022), or karras (Karras 2022: a log-normal noise level instead of a time)."""
    noise_steps: int = 1000
    """T, the times there are; without effect on karras."""
    target: TargetName = "v"
    """What the net is to predict: the noise, the image, v (Salimans 2022), or edm (Karras 2022)."""
    times: TimesName = "stratified"
    """How the times of a batch are drawn: uniform, stratified (evenly spread), or loss (more often
    where the loss is large, Nichol 2021)."""
    weights: WeightsName = "min-snr"
    """How the loss is weighed by time: none, or min-snr (Hang 2023)."""

    channels: tuple[int, ...] = (32, 64)
    """Width of each level of the U-Net; each is half as large as the one before."""
    layers: int = 1
    """Residual blocks of a level."""
    groups: int = 8
    """Groups of the normalization."""
    attention: int = 1
    """How many of the coarsest levels have attention."""
    patch: int = 2
    """Side of the patches of pixels that are the net's pixels; 1: the pixels themselves."""

    minutes: float = 20.0
    """Training time; without effect when --iterations is given."""
    iterations: int | None = None
    """Train this many iterations instead of a time: the same seed then gives the same bits."""
    batch_size: int = 64
    """Pictures per iteration."""
    learning_rate: float = 2e-3
    """Of Adam, at its highest."""
    find_rate: bool = False
    """Only search for a learning rate: write the curve and a suggestion."""
    ema: float = 0.999
    """Decay of the averaged weights that samples are drawn with; 0: no average."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the layers; float16 needs a GPU."""
    workers: int = 0
    """Processes that read and noise; 0: none beside the one that trains."""
    seed: int = 0
    """Of all that is drawn at random."""
    resume: bool = False
    """Go on from the checkpoint in the folder."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        bounds: dict[str, tuple[float, float]] = {
            "size": (8, 1024),
            "held_out": (0, 0.9),
            "noise_steps": (2, 10_000),
            "layers": (1, 8),
            "groups": (1, 64),
            "attention": (0, len(self.channels)),
            "patch": (1, 16),
            "minutes": (0.01, 10_000),
            "iterations": (1, 100_000_000),
            "batch_size": (1, 65536),
            "learning_rate": (1e-8, 1),
            "ema": (0, 0.99999),
            "workers": (0, 64),
        }
        for name, (least, most) in bounds.items():
            check(name, getattr(self, name), least, most)
        if not 1 <= len(self.channels) <= 8 or not all(1 <= w <= 4096 for w in self.channels):
            raise InputError(f"--channels {self.channels}: must be 1 to 8 widths of 1 to 4096")
        for width in self.channels:
            if width % self.groups:
                raise InputError(
                    f"--channels {width}: must be a multiple of --groups {self.groups}"
                )
        if self.times == "loss" and self.workers:
            raise InputError("--times loss: the workers would not learn of the loss; --workers 0")


def check(name: str, value: float | None, least: float, most: float) -> None:
    """Refuse a value out of range; None is always in it.

    Raises:
        InputError: it is not.
    """
    if value is not None and not least <= value <= most:
        flag = "--" + name.replace("_", "-")
        raise InputError(f"{flag} {value}: must be {least:g} to {most:g}")


@dataclass(frozen=True)
class SampleSettings:
    """Draw pictures with a trained diffusion model.

    Picture i depends on seed + i alone, not on how many are drawn.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a training, or its checkpoint."""
    out: Path
    """A picture of all (.png), a movie of the denoising (.webp, .gif, .mp4), or a folder for single
    pictures."""
    n: int = 64
    """How many."""
    sampler: SamplerName = "dpmpp"
    """How: ddpm, ddpm-skip (the net is asked every third time), ddim, euler, heun, lms, dpmpp."""
    steps: int = 20
    """Noise levels that are gone through; each is one call of the net, two for heun."""
    spacing: Literal["auto", "time", "karras"] = "auto"
    """Of the noise levels: evenly in time (auto for ddpm and ddim), or as in Karras 2022."""
    eta: float = 0.0
    """For ddim: how random it is, 0 (not at all) to 1 (as ddpm)."""
    churn: float = 0.0
    """For heun: how much noise is added on the way."""
    seed: int = 0
    """Of the first picture; the next has the next seed."""
    batch_size: int = 64
    """Pictures at a time."""
    label: str | None = None
    """Class that is asked for, of a model trained with --classes; by default all in turn."""
    guidance: float = 1.0
    """How strongly the class is insisted on; 1: as trained."""

    style: Path | None = None
    """A picture whose style the samples take on."""
    style_weight: float = 1.0
    """How strongly."""
    style_size: int = 64
    """Side that the style picture is scaled to: smaller makes finer strokes."""
    like: Path | None = None
    """A picture whose structure is kept: image to image."""
    like_weight: float = 1.0
    """How strongly."""
    strength: float = 1.0
    """How much of the picture of --like may change: 1 starts from noise alone, 0.3 from the picture
    with little noise."""
    features: str = "builtin"
    """What style and structure are compared by; see nca train --help."""
    overwrite: bool = False
    """Replace what is there."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        bounds: dict[str, tuple[float, float]] = {
            "n": (1, 1_000_000),
            "steps": (1, 10_000),
            "eta": (0, 1),
            "churn": (0, 1000),
            "batch_size": (1, 65536),
            "guidance": (0, 100),
            "style_weight": (0, 1000),
            "style_size": (8, 1024),
            "like_weight": (0, 1000),
            "strength": (0.01, 1),
        }
        for name, (least, most) in bounds.items():
            check(name, getattr(self, name), least, most)
        if self.like is None and self.strength < 1:
            raise InputError(
                f"--strength {self.strength}: needs the picture of --like to start from"
            )


@dataclass(frozen=True)
class FidSettings:
    """Measure how far samples are from pictures that the model has not seen: FID and KID.

    With the features of a small classifier trained on the spot, so the numbers compare models of
    the same pictures with each other, and with the score of real pictures that stands beside them.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a training, or its checkpoint."""
    n: int = 2048
    """Samples, and real pictures beside them, of a repeat."""
    repeats: int = 3
    """Independent sets of samples; the interval comes from their spread."""
    sampler: SamplerName = "dpmpp"
    """As in nca ddpm sample."""
    steps: int = 20
    """As in nca ddpm sample."""
    features: str = "classifier"
    """classifier (trained on the spot), vgg19, or a .safetensors file with torchvision's names."""
    data: str | None = None
    """Where the pictures are now; by default where they were for the training."""
    batch_size: int = 64
    """Pictures at a time."""
    seed: int = 0
    """Of the samples and of the choice of real ones."""
    json: Path | None = None
    """Write all figures to this file."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        bounds: dict[str, tuple[float, float]] = {
            "n": (8, 1_000_000),
            "repeats": (2, 1000),
            "steps": (1, 10_000),
            "batch_size": (1, 65536),
        }
        for name, (least, most) in bounds.items():
            check(name, getattr(self, name), least, most)


# Stand-ins, so that a preset is a complete set of settings; the command line demands real ones.
_small = TrainSettings(data="", out=Path())

PRESETS: dict[Preset, TrainSettings] = {
    "small": _small,
    # https://github.com/fastai/course22p2, notebook 17, with its 16-bit run's batch size and rate.
    "lesson": replace(
        _small,
        preset="lesson",
        schedule="linear",
        target="noise",
        times="uniform",
        weights="none",
        channels=(16, 32, 64, 128),
        layers=2,
        attention=3,
        patch=1,
        batch_size=512,
        learning_rate=1e-2,
    ),
}
