"""Settings of style transfer, in groups, without heavy imports.

Flags, help text and the saved configuration come from these classes. A preset is a dictionary of
values that differ from the defaults.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nca.errors import InputError
from nca.losses.settings import LAYER_WEIGHTS, NamedWeights
from nca.options import (
    COLOR,
    COLORS,
    LAYER,
    LAYERS,
    NAME,
    NAME_OR_FILE,
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
Pooling = Literal["max", "average", "blur"]
Movie = Literal["webp", "gif", "mp4"]
Box = Literal["projection", "sigmoid", "none"]
Weight = Annotated[float, Between(0, 1e9)]
Side = Annotated[int, Between(32, 16384)]
Steps = Annotated[int, Between(1, 10**6)]


@dataclass(frozen=True)
class ScaleSettings(Bounded):
    """Size of the result and of the scales before it."""

    size: Side = 512
    """Longer side of the result, in pixels."""
    smallest: Side = 128
    """Longer side of the first scale, in pixels; each later scale is 1.41 times larger."""
    iterations: Steps = 150
    """Number of steps at every scale but the first."""
    first_iterations: Steps = 300
    """Number of steps at the first scale."""
    tile: Annotated[int, Between(256, 16384)] = 1024
    """Tile size for larger images, in pixels."""


@dataclass(frozen=True)
class StartSettings(Bounded):
    """Initial image."""

    start: Annotated[str, NAME_OR_FILE] = "content"
    """Initial image: content, noise, gray, style, style-noise (in its colors), or a file."""
    start_noise: Annotated[float, Between(0, 1)] = 0.03
    """Std of the noise added to the initial image; without noise, flat areas stay flat."""


@dataclass(frozen=True)
class FeatureSettings(Bounded):
    """Features for comparing style and content."""

    features: Annotated[str, NAME_OR_FILE] = "builtin"
    """Features: builtin (no download), vgg16, vgg19, squeezenet1_1, or a file of weights."""
    pooling: Pooling = "max"
    """How a pretrained network downsamples; average: larger strokes, blur: no woven pattern."""
    style_layers: Annotated[tuple[str, ...], LAYERS] = ()
    """Layers for the style; default: the usual ones of the network."""
    content_layers: Annotated[tuple[str, ...], LAYERS] = ()
    """Layers for the content; default: the usual one of the network."""
    border: Annotated[Literal["reflect", "zeros"], tyro.conf.Fixed] = "reflect"
    """Padding of a pretrained network. The lesson pads with zeros."""


@dataclass(frozen=True)
class StyleWeights(Bounded):
    """Statistic and weights of style and content."""

    statistic: Annotated[str, NAME] = "gram"
    """Statistic of features: gram, wasserstein, transport, moments, lesson20."""
    style_weight: Weight = 1.0
    """Weight of the style."""
    style_weights: tuple[float, ...] = ()
    """One weight per style; default: equal weights."""
    content_weight: Weight = 0.2
    """Weight of the content."""
    layer_weights: Annotated[NamedWeights, LAYER_WEIGHTS] = field(default_factory=dict)
    """Weights of layers by name, such as style/relu1_1; metrics.jsonl lists the names."""
    relative_content: Annotated[bool, tyro.conf.Fixed] = True
    """Divide content differences by the mean square of the layer's features."""


@dataclass(frozen=True)
class PixelSettings(Bounded):
    """Weights of loss terms that use only pixel colors."""

    smooth_weight: Weight = 2.0
    """Weight of the total variation, to suppress noise."""
    image: Picture | None = None
    """Image to match pixel by pixel; default: the content."""
    image_weight: Weight = 0.0
    """Weight of the difference from --image."""
    color: Annotated[str, COLOR] = ""
    """Target mean color of the result, for example #2a9d8f."""
    color_weight: Weight = 10.0
    """Weight of the difference from --color."""
    palette: Annotated[tuple[str, ...], COLORS] = ()
    """Colors; every pixel should be close to one of them."""
    palette_weight: Weight = 10.0
    """Weight of the difference from --palette."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        for color in (*((self.color,) if self.color else ()), *self.palette):
            parse_color(color)


@dataclass(frozen=True)
class OptimizerSettings(Bounded):
    """Optimizer, device and precision."""

    optimizer: Annotated[Literal["adam", "lbfgs"], NAME] = "adam"
    """adam or lbfgs."""
    learning_rate: Annotated[float, Between(1e-8, 10)] = 0.02
    """Adam's learning rate: how much a color changes per step."""
    betas: Annotated[tuple[float, float], tyro.conf.Fixed] = (0.9, 0.99)
    """Decay rates of Adam's moments."""
    # The gradient per pixel shrinks in larger images, so the usual 1e-8 would be too large.
    epsilon: Annotated[float, tyro.conf.Fixed] = 1e-14
    """Adam's epsilon."""
    box: Box = "projection"
    """How colors stay in [0, 1]; projection: by clipping."""
    average: Annotated[float, Between(0, 0.9999)] = 0.97
    """Decay of the moving average of the image; 0: no average."""
    device: DeviceName = "auto"
    """Device; auto: cuda (NVIDIA GPU) if possible, else cpu."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format for computing the network; auto: the faster one."""


@dataclass(frozen=True)
class MaskSettings(Bounded):
    """Size, colors and regions of the styles."""

    style_scale: Annotated[float, Between(0.05, 10)] = 1.0
    """Factor for the size of the styles in the result; smaller values give finer strokes."""
    colors: Literal["style", "luminance", "linear"] = "style"
    """Colors of the result: style; luminance: of the content; linear: first recolor the style."""
    content_masks: tuple[Picture, ...] = ()
    """One mask per style, white where the result should have that style."""
    style_masks: tuple[Picture, ...] = ()
    """One mask per style, white where the style image should be used."""


@dataclass(frozen=True)
class StyleSettings(Bounded):
    """Paint an image in the style of others.

    The output folder will contain `result.png`, a movie and a contact sheet of its progress, the
    loss curves as a plot and as numbers, and a page that shows the progress during the run.
    """

    content: Annotated[Picture, tyro.conf.Positional]
    """Image or video to paint."""
    styles: Annotated[tuple[Picture, ...], tyro.conf.Positional]
    """Style images; not needed if other loss terms define the result."""
    out: Folder
    """Output folder; for a video, the output file: .mp4, .webp, .gif or .png."""
    preset: Preset = "standard"
    """Set of defaults for the other options; lesson20, lesson20-noise: as in fast.ai's course."""
    movie: Movie = "webp"
    """Format of the movie; mp4 requires imageio-ffmpeg."""
    run: RunSettings = field(default_factory=RunSettings)
    scales: ScaleSettings = field(default_factory=ScaleSettings)
    initial: StartSettings = field(default_factory=StartSettings)
    network: FeatureSettings = field(default_factory=FeatureSettings)
    loss: StyleWeights = field(default_factory=StyleWeights)
    pixels: PixelSettings = field(default_factory=PixelSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)
    optimization: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        """Check values, and that each list is empty or has one entry per style."""
        super().__post_init__()
        per_style = {
            "style_weights": self.loss.style_weights,
            "content_masks": self.masks.content_masks,
            "style_masks": self.masks.style_masks,
        }
        for name, given in per_style.items():
            if len(given) not in (0, len(self.styles)):
                raise InputError(
                    f"`{name}`: has {len(given)} entries for {len(self.styles)} styles"
                )
        weights = self.loss.style_weights
        if weights and (min(weights) < 0 or sum(weights) <= 0):
            raise InputError(f"`style_weights` {weights}: must be 0 or more, not all 0")


@dataclass(frozen=True)
class ReconstructSettings(Bounded):
    """Starting from noise, find an image whose features at one layer match those of a given image.

    The result shows what the layer preserves of the image (Mahendran and Vedaldi 2015).
    """

    picture: Annotated[Path, tyro.conf.Positional]
    """The image."""
    out: Path
    """Output folder."""
    layer: Annotated[str, LAYER]
    """Layer of the network, such as relu3_1."""
    features: Annotated[str, NAME_OR_FILE] = "builtin"
    """Network that has the layer: builtin, vgg16, vgg19, squeezenet1_1, or a file."""
    size: Side = 256
    """Longer side of the result, in pixels."""
    iterations: Steps = 400
    """Number of steps."""
    smooth_weight: Weight = 5.0
    """Weight of the total variation, which suppresses noise that the layer does not see."""
    seed: int = 0
    """Random seed."""
    overwrite: bool = False
    """Replace the results in the output folder."""
    quiet: bool = False
    """Print a line after each tenth of the run, instead of a progress bar."""

    def as_style(self) -> StyleSettings:
        """Express this task as a style transfer without a style."""
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
    """Find an image to which one channel of a layer responds most strongly.

    Olah, Mordvintsev and Schubert, "Feature Visualization", 2017.
    """

    out: Path
    """Output folder."""
    layer: Annotated[str, LAYER]
    """Layer of the network, such as relu3_1."""
    channel: Annotated[int, Between(0, 10**5)] = 0
    """Number of the channel, from 0."""
    features: Annotated[str, NAME_OR_FILE] = "vgg16"
    """Network that has the layer: vgg16, vgg19, squeezenet1_1, or a file."""
    size: Annotated[int, Between(32, 4096)] = 224
    """Side of the image, in pixels."""
    iterations: Steps = 256
    """Number of steps."""
    learning_rate: Annotated[float, Between(1e-8, 10)] = 0.05
    """Learning rate of Adam."""
    jitter: Annotated[float, Between(0, 512)] = 8.0
    """Largest random shift in a step, in pixels."""
    zoom: Annotated[float, Between(0, 0.9)] = 0.1
    """Largest random zoom in a step, as a fraction of the size."""
    rotation: Annotated[float, Between(0, 180)] = 10.0
    """Largest random rotation in a step, in degrees."""
    device: DeviceName = "auto"
    """Device; auto: cuda (NVIDIA GPU) if possible, else cpu."""
    seed: int = 0
    """Random seed."""
    overwrite: bool = False
    """Replace the results in the output folder."""
    quiet: bool = False
    """Print a line after each tenth of the run, instead of a progress bar."""


def parse_color(text: str) -> tuple[float, float, float]:
    """Read ``#rrggbb``: red, green and blue in [0, 1].

    Raises:
        InputError: the text is not six hexadecimal digits.
    """
    if not re.fullmatch("#?[0-9a-fA-F]{6}", text):
        raise InputError(f"color {text!r}: must be six hexadecimal digits, such as #2a9d8f")
    digits = text.lstrip("#")
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


# https://github.com/fastai/course22p2, notebook 16A. Layers 6, 18 and 25 of VGG-16's `features` are
# relu2_1, relu4_1 and relu5_1; all weights are 1, and colors are only clipped for display. The
# second run starts from noise and gives the style a weight of 0.2.
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
    """Make settings in Python: a preset with some values changed.

    Args:
        content, styles: paths, or the images themselves.
        out: the output folder; None: nothing is written.
        preset: name of the preset that sets the other values.
        values: new values by field name, for fields of any group.

    Raises:
        InputError: a value is out of bounds, or there is no field of that name.
    """
    folder = None if out is None else Path(out)
    usual = StyleSettings(picture_setting(content), tuple(map(picture_setting, styles)), folder)
    return override(usual, of_preset(PRESETS, preset) | values)
