"""Settings of export and import, without heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nca.exporters.registry import target_names
from nca.options import Between, Bounded, RulePath

if TYPE_CHECKING:
    TargetName = str
else:
    TargetName = Literal[target_names()]
StateFormat = Literal["rgba32f", "rgba16f", "rgba8"]
Seed = Annotated[int, Between(0, 2**32 - 1)]


def read_side(text: str) -> int:
    """Read ``64`` or ``64x64``.

    Raises:
        ValueError: the text has neither form.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and len(width) < 10 and height in ("", width)):
        raise ValueError(
            f"{text!r}: must be N or NxN, such as 64 or 64x64; the grids of shaders are square"
        )
    return int(width)


Side = Annotated[
    int | None,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="N|NxN",
        instance_from_str=lambda words: read_side(words[0]),
        is_instance=lambda value: value is None or isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    ),
]


@dataclass(frozen=True, kw_only=True)
class LinkOptions:
    """Only for --to link: what the link contains besides the rule."""

    direction_map: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Picture whose gray values turn the texture: black not at all, white by a full turn."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Bounded):
    """Weights, state and steps of the shaders."""

    weights: Literal["auto", "inline", "texture"] = "auto"
    """Store weights in shader text or a texture; auto: by size."""
    digits: Literal[9, 7, 5] = 9
    """Number of digits per weight in the shader text; 9 digits keep every weight exactly."""
    steps_per_frame: Annotated[int | None, Between(1, 64)] = None
    """Number of steps per frame; the default depends on the target."""
    grid: Annotated[Side, Between(8, 4096)] = None
    """Number of cells along a side; the default depends on the target."""
    state: StateFormat = "rgba32f"
    """Number format in which the state is stored."""
    seed: Seed = 0
    """Random seed for cell updates and initial noise."""
    overwrite: bool = False
    """Replace the results of an earlier run."""
    link: Annotated[LinkOptions, tyro.conf.arg(name="link", prefix_name=False)] = field(
        default_factory=LinkOptions
    )


@dataclass(frozen=True, kw_only=True)
class ExportSettings(Bounded):
    """Turn rules into a web page, or into shaders for another program."""

    rules: tyro.conf.Positional[tuple[RulePath, ...]] = ()
    """Rule files, or a diffusion model; default: the bundled gallery."""
    out: Path | None = None
    """Output file or folder; not needed for player and link."""
    to: TargetName = "html"
    """The target: the kind of page or program that runs the rules."""
    shader: ExportOptions = field(default_factory=ExportOptions)


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """Convert rules that were published by other authors into rule files.

    It reads the JSON file of the article "Self-Organising Textures", and shader text in the form
    published for muNCA, with integer matrices (mat4) and absolute values.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """The file to convert: .json, or the text of a shader."""
    out: Path
    """Output folder for the rule files."""
    overwrite: bool = False
    """Replace rule files of the same names."""
