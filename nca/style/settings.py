"""Settings of style transfer, in groups, without heavy imports.

Flags, help text and the saved configuration are made from these. A preset is a dictionary of
values that differ from the defaults.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.options import (
    Between,
    Bounded,
    Folder,
    Picture,
    of_preset,
    override,
    picture_setting,
)
from nca.training.settings import DeviceName, RunSettings

Preset = Literal["standard", "lesson20", "lesson20-noise"]
Pooling = Literal["max", "average"]
Movie = Literal["webp", "gif", "mp4"]
Box = Literal["projection", "sigmoid", "none"]
Weight = Annotated[float, Between(0, 1e9)]
Side = Annotated[int, Between(32, 16384)]
Steps = Annotated[int, Between(1, 10**6)]


@dataclass(frozen=True)
class ScaleSettings(Bounded):
    """Size of the result, and the scales on the way there."""

    size: Side = 512
    """Longer side of the result, in pixels."""
    smallest: Side = 128
    """Longer side of the first scale; each next one is 1.41 times as large."""
    iterations: Steps = 150
    """Steps on every scale but the first."""
    first_iterations: Steps = 300
    """Steps on the first scale."""
    tile: Annotated[int, Between(256, 16384)] = 1024
    """Side of the tiles of larger pictures, in pixels."""


@dataclass(frozen=True)
class StartSettings(Bounded):
    """Initial picture."""

    start: str = "content"
    """content, noise, gray, style, style-noise (noise in the style's colors), or a file."""
    start_noise: Annotated[float, Between(0, 1)] = 0.03
    """Std of the noise added to it; without any, a flat sky stays flat."""


@dataclass(frozen=True)
class FeatureSettings(Bounded):
    """Features that style and content are compared by."""

    features: str = "builtin"
    """builtin (no download), vgg16, vgg19, squeezenet1_1, or a file."""
    pooling: Pooling = "max"
    """Pooling of a pretrained network; average is smoother."""
    style_layers: tuple[str, ...] = ()
    """Layers for the style; by default the network's usual ones."""
    content_layers: tuple[str, ...] = ()
    """Layers for the content; by default the network's usual one."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """How a pretrained network pads pictures. The lesson pads with zeros."""


@dataclass(frozen=True)
class StyleWeights(Bounded):
    """Statistic and weights of style and content."""

    statistic: str = "gram"
    """gram, wasserstein, transport, moments, or lesson20."""
    style_weight: Weight = 1.0
    """Weight of the style."""
    style_weights: tuple[float, ...] = ()
    """Shares of several styles; equal by default."""
    content_weight: Weight = 0.2
    """Weight of the content."""
    layer_weights: dict[str, float] = field(default_factory=dict)
    """Weights by layer name, such as style/relu1_1; metrics.jsonl lists the names."""
    relative_content: Annotated[bool, tyro.conf.Fixed] = True
    """Whether content differences are divided by the mean square of the layer."""


@dataclass(frozen=True)
class PixelSettings(Bounded):
    """Weights of terms that look at the colors alone."""

    smooth_weight: Weight = 2.0
    """Weight of the total variation, which suppresses noise."""
    image: Picture | None = None
    """Picture to match pixel by pixel; the content by default."""
    image_weight: Weight = 0.0
    """Weight of --image."""
    color: str = ""
    """Mean color of the result, such as #2a9d8f."""
    color_weight: Weight = 10.0
    """Weight of --color."""
    palette: tuple[str, ...] = ()
    """Colors that all pixels should be close to."""
    palette_weight: Weight = 10.0
    """Weight of --palette."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        for color in (*((self.color,) if self.color else ()), *self.palette):
            parse_color(color)


@dataclass(frozen=True)
class OptimizerSettings(Bounded):
    """Optimizer, device and precision."""

    optimizer: Literal["adam", "lbfgs"] = "adam"
    """Optimizer."""
    learning_rate: Annotated[float, Between(1e-8, 10)] = 0.02
    """Learning rate of Adam: change of a color in a step."""
    betas: Annotated[tuple[float, float], tyro.conf.Fixed] = (0.9, 0.99)
    """Decay rates of Adam's moments."""
    # A pixel's gradient gets smaller as there are more of them: the usual 1e-8 would be much.
    epsilon: Annotated[float, tyro.conf.Fixed] = 1e-14
    """Adam's epsilon."""
    box: Box = "projection"
    """What keeps colors in [0, 1]."""
    average: Annotated[float, Between(0, 0.9999)] = 0.97
    """Decay of the average of the picture; 0: no average."""
    device: DeviceName = "auto"
    """Where to compute; auto: on a GPU with CUDA, else the CPU."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the layers; auto: the faster one."""


@dataclass(frozen=True)
class MaskSettings(Bounded):
    """Colors and regions."""

    style_scale: Annotated[float, Between(0.05, 10)] = 1.0
    """Size of the styles in the result; smaller: finer strokes."""
    colors: Literal["style", "luminance", "linear"] = "style"
    """Colors of the style, or of the content: by luminance or by a linear map."""
    content_masks: tuple[Picture, ...] = ()
    """A picture per style: white where the result has it."""
    style_masks: tuple[Picture, ...] = ()
    """A picture per style: white where it is taken from."""


@dataclass(frozen=True)
class StyleSettings(Bounded):
    """Paint a picture in the style of others.

    The result is a folder with `result.png`, a movie and a sheet of the way there, the loss as a
    plot and as numbers, and a page that shows it all while it runs.
    """

    content: Annotated[Picture, tyro.conf.Positional]
    """Picture to paint."""
    styles: Annotated[tuple[Picture, ...], tyro.conf.Positional]
    """Pictures whose style it is painted in; none, with other weights."""
    out: Folder
    """Output folder."""
    preset: Preset = "standard"
    """Defaults of all others; lesson20, lesson20-noise: the two runs of fast.ai's lesson."""
    movie: Movie = "webp"
    """Format of the movie; mp4 needs imageio-ffmpeg."""
    run: RunSettings = field(default_factory=RunSettings)
    scales: ScaleSettings = field(default_factory=ScaleSettings)
    initial: StartSettings = field(default_factory=StartSettings)
    net: FeatureSettings = field(default_factory=FeatureSettings)
    loss: StyleWeights = field(default_factory=StyleWeights)
    pixels: PixelSettings = field(default_factory=PixelSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)
    optimization: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        """Check values, and that lists have an entry for every style."""
        super().__post_init__()
        per_style = {
            "style_weights": self.loss.style_weights,
            "content_masks": self.masks.content_masks,
            "style_masks": self.masks.style_masks,
        }
        for name, given in per_style.items():
            if len(given) not in (0, len(self.styles)):
                raise InputError(f"`{name}`: {len(given)} for {len(self.styles)} styles")
        weights = self.loss.style_weights
        if weights and (min(weights) < 0 or sum(weights) <= 0):
            raise InputError(f"`style_weights` {weights}: must be 0 or more, not all 0")


@dataclass(frozen=True)
class ReconstructSettings(Bounded):
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
    size: Side = 256
    """Longer side of the result, in pixels."""
    iterations: Steps = 400
    """Steps."""
    smooth_weight: Weight = 5.0
    """Weight of the total variation; with less, noise is left that a layer does not see."""
    seed: int = 0
    """Random seed."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""

    def as_style(self) -> StyleSettings:
        """The style transfer without a style that this is."""
        return style_settings(
            self.picture,
            (),
            self.out,
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
class VisualizeSettings(Bounded):
    """Find a picture that excites one channel of a layer most: what the channel looks for.

    Olah, Mordvintsev and Schubert, "Feature Visualization", 2017.
    """

    out: Path
    """Folder for the results."""
    layer: str
    """The layer, such as relu3_1."""
    channel: Annotated[int, Between(0, 10**5)] = 0
    """The channel, from 0."""
    features: str = "vgg16"
    """Whose layer: vgg16, vgg19, squeezenet1_1, or a .safetensors file."""
    size: Annotated[int, Between(32, 4096)] = 224
    """Side of the picture, in pixels."""
    iterations: Steps = 256
    """Steps."""
    learning_rate: Annotated[float, Between(1e-8, 10)] = 0.05
    """Learning rate of Adam."""
    jitter: Annotated[float, Between(0, 512)] = 8.0
    """Most that the picture is moved in a step, in pixels."""
    zoom: Annotated[float, Between(0, 0.9)] = 0.1
    """Most that it is made larger or smaller, as a part."""
    rotation: Annotated[float, Between(0, 180)] = 10.0
    """Most that it is turned, in degrees."""
    device: DeviceName = "auto"
    """Where to compute; auto: on a GPU that has CUDA where there is one, else on the CPU."""
    seed: int = 0
    """Random seed."""
    overwrite: bool = False
    """Replace the results in the folder."""
    quiet: bool = False
    """Plain lines instead of a progress bar."""


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


# https://github.com/fastai/course22p2, notebook 16A. Layers of VGG-16: 6, 18 and 25 of its
# `features` are relu2_1, relu4_1 and relu5_1; weights are all 1, and colors are only clipped to be
# shown. The second run starts from noise and lets the style count for a fifth.
_LESSON20: dict[str, Any] = {
    "content_weight": 1.0,
    "relative_content": False,
    "start_noise": 0.0,
    "size": 256,
    "smallest": 256,
    "first_iterations": 150,
    "features": "vgg16",
    "border": "zeros",
    "statistic": "lesson20",
    "style_layers": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    "content_layers": ("relu4_1", "relu5_1"),
    "smooth_weight": 0.0,
    "learning_rate": 1e-2,
    "betas": (0.9, 0.999),
    "epsilon": 1e-8,
    "box": "none",
    "average": 0.0,
    "precision": "float32",
}
PRESETS: dict[str, dict[str, Any]] = {
    "standard": {},
    "lesson20": _LESSON20,
    "lesson20-noise": _LESSON20
    | {
        "start": "noise",
        "first_iterations": 300,
        "style_weight": 0.2,
        "content_layers": ("relu2_1", "relu4_1", "relu5_1"),
        "learning_rate": 5e-2,
    },
}


def style_settings(
    content: str | Picture,
    styles: Sequence[str | Picture],
    out: str | Path | None,
    preset: str = "standard",
    **values: Any,
) -> StyleSettings:
    """Settings from Python: a preset with some values changed.

    Args:
        content, styles: paths, or pictures themselves.
        out: the output folder; None: nothing is written.
        preset: what the other values start from.
        values: of any field of any group, by its name.

    Raises:
        InputError: a value is out of bounds, or there is no field of a name.
    """
    folder = None if out is None else Path(out)
    usual = StyleSettings(picture_setting(content), tuple(map(picture_setting, styles)), folder)
    return override(usual, of_preset(PRESETS, preset) | values)
