"""Every setting of export and import, in one place, without heavy imports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nca.exporters.registry import target_names
from nca.options import Between, Bounded

if TYPE_CHECKING:
    TargetName = str
else:
    TargetName = Literal[target_names()]
StateFormat = Literal["rgba32f", "rgba16f", "rgba8"]
Seed = Annotated[int, Between(0, 2**32 - 1)]


def read_side(text: str) -> int:
    """Read ``64`` or ``64x64``.

    Raises:
        ValueError: it is neither.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and len(width) < 10 and height in ("", width)):
        raise ValueError(
            f"{text!r}: must be N or NxN, such as 64 or 64x64; grids of shaders are square"
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
class ExportOptions(Bounded):
    """Weights, state and steps of the shaders."""

    weights: Literal["auto", "inline", "texture"] = "auto"
    """Weights in the text, or in a texture; auto: by size."""
    digits: Literal[9, 7, 5] = 9
    """Digits of weights in the text: 9 are exact."""
    steps_per_frame: Annotated[int | None, Between(1, 64)] = None
    """Steps between two pictures; None: what suits the target."""
    grid: Annotated[Side, Between(8, 4096)] = None
    """Cells along a side; None: what suits the target."""
    state: StateFormat = "rgba32f"
    """Format of the state."""
    seed: Seed = 0
    """Decides which cells fire, and the noise of the initial state."""
    overwrite: bool = False
    """Replace earlier results."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings(Bounded):
    """Turn rules into a web page, or into shaders for another program."""

    rules: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Rule files; none: the bundled gallery."""
    out: Path
    """The result: a file or a folder, as the target needs."""
    to: TargetName = "html"
    """The program that runs the rules."""
    shader: ExportOptions = field(default_factory=ExportOptions)


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """Turn rules that others have published into rule files.

    Reads the JSON of the article "Self-Organising Textures", and shader text of the kind that was
    published for muNCA: integer mat4 with the absolute value.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """The published file: .json, or text with a shader."""
    out: Path
    """Folder for the rule files."""
    overwrite: bool = False
    """Replace rule files of the same names."""
