"""Every setting of style transfer, in one place, without heavy imports.

Flags, help text, the saved configuration and the docs are made from these.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nca.errors import InputError

Statistic = Literal["gram", "wasserstein", "transport", "moments", "lesson20"]
Preset = Literal["standard", "lesson20"]
Pooling = Literal["max", "average"]
Movie = Literal["webp", "gif", "mp4"]
Box = Literal["projection", "sigmoid", "none"]


@dataclass(frozen=True)
class StyleSettings:
    """Paint a picture in the style of others.

    The result is a folder with `result.png`, a movie and a sheet of the way there, the loss as a
    plot and as numbers, and a page that shows it all while it runs.
    """

    content: Annotated[Path, tyro.conf.Positional]
    """The picture that is painted."""
    styles: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Pictures whose style it is painted in; none, if other weights are given."""
    out: Path
    """Folder for the results; it is made, and never overwritten without --overwrite."""
    preset: Preset = "standard"
    """Where the other settings start from; lesson20: the first run of fast.ai's lesson 20, with
    --start noise its second."""

    size: int = 512
    """Longer side of the result, in pixels."""
    smallest: int = 128
    """Longer side of the first scale; each scale is the square root of 2 times the one before."""
    iterations: int = 150
    """Steps on every scale but the first."""
    first_iterations: int = 300
    """Steps on the first scale."""
    start: str = "content"
    """What the picture starts from: content, noise, gray, style, style-noise (noise with the mean
    and covariance of the styles' colors), or a file."""
    start_noise: float = 0.03
    """Deviation of the noise that a start from a picture gets: a flat sky is stuck without any."""

    features: str = "builtin"
    """What is compared: builtin (learned from the pictures, no download), vgg16, vgg19,
    squeezenet1_1, or a .safetensors file with torchvision's names."""
    pooling: Pooling = "max"
    """What a trained net makes of each square of pixels between its blocks: the largest, as it was
    trained with, or the average, which Gatys et al. found to look smoother."""
    statistic: Statistic = "gram"
    """How features of the style are compared: Gram matrices, the Wasserstein distance of their
    Gaussians, sliced optimal transport, mean and covariance, or the lesson's own Gram loss."""
    style_layers: tuple[str, ...] = ()
    """Layers that the style is compared on; by default the net's usual ones."""
    content_layers: tuple[str, ...] = ()
    """Layers that the content is compared on; by default the net's usual one."""
    layer_weights: dict[str, float] = field(default_factory=dict)
    """Weights of layers, 1 where not named; the names are those in metrics.jsonl, such as
    style/relu1_1."""
    style_weight: float = 1.0
    """Weight of the style."""
    style_weights: tuple[float, ...] = ()
    """Shares of several styles in their mixture; equal by default."""
    style_scale: float = 1.0
    """Size of the style pictures, relative to the result: smaller makes finer strokes."""
    content_weight: float = 0.2
    """Weight of the content."""
    smooth_weight: float = 2.0
    """Weight of the total variation: what keeps noise out."""

    image: Path | None = None
    """A picture that the result is to match pixel by pixel; by default the content."""
    image_weight: float = 0.0
    """Weight of that."""
    color: str = ""
    """A color, such as #2a9d8f, that the result is to have on average."""
    color_weight: float = 10.0
    """Weight of that."""
    palette: tuple[str, ...] = ()
    """Colors that the pixels are to be near."""
    palette_weight: float = 10.0
    """Weight of that."""

    colors: Literal["style", "luminance", "linear"] = "style"
    """Whose colors the result has: the style's; the content's, with only the luminance painted; or
    the content's by a linear change of the style's colors before."""
    content_masks: tuple[Path, ...] = ()
    """For every style, a picture that is white where the result is to have it."""
    style_masks: tuple[Path, ...] = ()
    """For every style, a picture that is white where its style is to be taken from."""

    optimizer: Literal["adam", "lbfgs"] = "adam"
    """Adam or L-BFGS."""
    learning_rate: float = 0.02
    """Of Adam: about how much a color changes in a step."""
    box: Box = "projection"
    """What keeps colors from 0 to 1 in every step: projection, a sigmoid, or nothing."""
    average: float = 0.97
    """Decay of the averaged picture that is shown, saved, and taken to the next scale; 0: none."""
    tile: int = 1024
    """Side of the tiles, in pixels, that larger pictures are computed in."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the layers; auto: bfloat16 where that is faster, when tried."""
    movie: Movie = "webp"
    """Kind of the movie of the way: webp, gif, or mp4, which needs imageio-ffmpeg."""
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
        refuse_out_of_range(
            self,
            {
                "size": (32, 16384),
                "smallest": (32, 16384),
                "iterations": (1, 10**6),
                "first_iterations": (1, 10**6),
                "start_noise": (0, 1),
                "style_weight": (0, 1e9),
                "style_scale": (0.05, 10),
                "content_weight": (0, 1e9),
                "smooth_weight": (0, 1e9),
                "image_weight": (0, 1e9),
                "color_weight": (0, 1e9),
                "palette_weight": (0, 1e9),
                "learning_rate": (1e-8, 10),
                "average": (0, 0.9999),
                "tile": (256, 16384),
            },
        )
        for color in (*((self.color,) if self.color else ()), *self.palette):
            parse_color(color)
        for name in ("style_weights", "content_masks", "style_masks"):
            given = len(getattr(self, name))
            if given not in (0, len(self.styles)):
                raise InputError(f"{flag(name)}: {given} for {len(self.styles)} styles")
        if min((*self.style_weights, 1.0)) < 0 or (
            self.style_weights and sum(self.style_weights) <= 0
        ):
            raise InputError(f"--style-weights {self.style_weights}: must be 0 or more, not all 0")


@dataclass(frozen=True)
class ReconstructSettings:
    """Find a picture with the same features as another at a layer, starting from noise.

    Shows what a layer still knows of a picture (Mahendran and Vedaldi 2015).
    """

    picture: Annotated[Path, tyro.conf.Positional]
    """The picture."""
    out: Path
    """Folder for the results."""
    layer: str
    """The layer, such as relu3_1."""
    features: str = "builtin"
    """Whose layer: builtin, vgg16, vgg19, squeezenet1_1, or a .safetensors file."""
    size: int = 256
    """Longer side of the result, in pixels."""
    iterations: int = 400
    """Steps."""
    smooth_weight: float = 5.0
    """Weight of the total variation; with less, noise is left that a layer does not see."""
    seed: int = 0
    """Of the noise."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""

    def as_style(self) -> StyleSettings:
        """The style transfer without a style that this is."""
        return replace(
            PRESETS["standard"],
            content=self.picture,
            out=self.out,
            features=self.features,
            content_layers=(self.layer,),
            size=self.size,
            smallest=self.size,
            first_iterations=self.iterations,
            content_weight=1.0,
            smooth_weight=self.smooth_weight,
            start="noise",
            seed=self.seed,
            overwrite=self.overwrite,
            quiet=self.quiet,
        )


@dataclass(frozen=True)
class VisualizeSettings:
    """Find a picture that excites one channel of a layer most: what the channel looks for.

    Olah, Mordvintsev and Schubert, "Feature Visualization", 2017.
    """

    out: Path
    """Folder for the results."""
    layer: str
    """The layer, such as relu3_1."""
    channel: int = 0
    """The channel, from 0."""
    features: str = "vgg16"
    """Whose layer: vgg16, vgg19, squeezenet1_1, or a .safetensors file."""
    size: int = 224
    """Side of the picture, in pixels."""
    iterations: int = 256
    """Steps."""
    learning_rate: float = 0.05
    """Of Adam."""
    jitter: float = 8.0
    """Most that the picture is moved in a step, in pixels."""
    zoom: float = 0.1
    """Most that it is made larger or smaller, as a part."""
    rotation: float = 10.0
    """Most that it is turned, in degrees."""
    seed: int = 0
    """Of the start and of the moves."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        refuse_out_of_range(
            self,
            {
                "channel": (0, 10**5),
                "size": (32, 4096),
                "iterations": (1, 10**6),
                "learning_rate": (1e-8, 10),
                "jitter": (0, 512),
                "zoom": (0, 0.9),
                "rotation": (0, 180),
            },
        )


def refuse_out_of_range(settings: object, bounds: dict[str, tuple[float, float]]) -> None:
    """Check numbers.

    Raises:
        InputError: one is out of its bounds.
    """
    for name, (least, most) in bounds.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            raise InputError(f"{flag(name)} {value}: must be {least:g} to {most:g}")


def parse_color(text: str) -> tuple[float, float, float]:
    """Read ``#rrggbb``: red, green and blue in [0, 1].

    Raises:
        InputError: it is not that.
    """
    if not re.fullmatch("#?[0-9a-fA-F]{6}", text):
        raise InputError(f"color {text!r}: must be six hexadecimal digits, such as #2a9d8f")
    digits = text.lstrip("#")
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def flag(name: str) -> str:
    """The flag of a field."""
    return "--" + name.replace("_", "-")


# Stand-ins, so that a preset is a complete set of settings; the command line demands real ones.
_standard = StyleSettings(content=Path(), styles=(), out=Path())

# https://github.com/fastai/course22p2, notebook 16A. Layers of VGG-16: 6, 18 and 25 of its
# `features` are relu2_1, relu4_1 and relu5_1; weights are all 1, and colors are only clipped to be
# shown. The second run starts from noise and lets the style count for a fifth.
_lesson20 = replace(
    _standard,
    preset="lesson20",
    content_weight=1.0,
    start_noise=0.0,
    size=256,
    smallest=256,
    first_iterations=150,
    features="vgg16",
    statistic="lesson20",
    style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    content_layers=("relu4_1", "relu5_1"),
    smooth_weight=0.0,
    learning_rate=1e-2,
    box="none",
    average=0.0,
    precision="float32",
)
PRESETS: dict[str, StyleSettings] = {
    "standard": _standard,
    "lesson20": _lesson20,
    "lesson20 noise": replace(
        _lesson20,
        start="noise",
        first_iterations=300,
        style_weight=0.2,
        content_layers=("relu2_1", "relu4_1", "relu5_1"),
        learning_rate=5e-2,
    ),
}
