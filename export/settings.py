"""Every setting of export and import, in one place, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nca.export.registry import target_names
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
    """What may be chosen about the shaders of a rule."""

    weights: Literal["auto", "inline", "texture"] = "auto"
    """Weights as numbers in the shader, or in a texture or buffer beside it; auto goes by size."""
    digits: Literal[9, 7, 5] = 9
    """Of the numbers in the shader: 9 are exact, 5 are shorter and nearly always good enough."""
    steps_per_frame: Annotated[int | None, Between(1, 64)] = None
    """Steps between two pictures; the default is what suits the host."""
    grid: Annotated[Side, Between(8, 4096)] = None
    """Cells along a side, for hosts in which the shader chooses; the default is what suits it."""
    state: StateFormat = "rgba32f"
    """How the host keeps the state: 32-bit floats, 16-bit floats or 8 bits a value."""
    seed: Seed = 0
    """Which cells fire, and the noise that some rules grow from."""
    overwrite: bool = False
    """Replace what is there."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings(ExportOptions):
    """Turn rules into a web page, or into shaders for another program."""

    rules: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Rule files; without any, the gallery that comes with nca."""
    out: Path
    """The result: a file or a folder, as the target needs."""
    to: TargetName = "html"
    """The program that runs the rules."""


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
