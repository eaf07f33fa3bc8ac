"""The base class of all settings; field annotations contain bounds, and groups can be nested.

::

    @dataclass(frozen=True)
    class PoolSettings(Bounded):
        batch_size: Annotated[int, Between(1, 256)] = 4

A settings class may contain groups, which are settings classes too. Field names are unique across a
class and its groups, so presets, saved configurations and flags need no prefixes. :func:`flatten`
and :func:`override` use these flat names.
"""

import difflib
import math
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from numbers import Real
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Self,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import tyro

from nca.errors import InputError
from nca.gallery import named_rule

if TYPE_CHECKING:
    from PIL.Image import Image

# Shows the flags of a group together with the flags of the settings that contain the group.
WITHOUT_TITLE = tyro.conf.arg(name="")

Calm = Literal["auto", "on", "off"]  # on: all cells fire, in short steps; auto: the rule's setting
Scaling = Literal["squares", "smooth", "sharp"]  # how to draw cells that are larger than a pixel

# What stands for a value in help texts.
DT = tyro.conf.arg(aliases=("--pace",), metavar="X")  # the flag --dt, and its former name
SIZE = tyro.conf.arg(metavar="WIDTHxHEIGHT")
NAME = tyro.conf.arg(metavar="NAME")
RULE = tyro.conf.arg(metavar="RULE")
LAYER = tyro.conf.arg(metavar="LAYER")
LAYERS = tyro.conf.arg(metavar="[LAYER ...]")
NAMES = tyro.conf.arg(metavar="[NAME ...]")
NAME_OR_FILE = tyro.conf.arg(metavar="NAME|FILE")
PATH_OR_NAME = tyro.conf.arg(metavar="PATH|NAME")
COLOR = tyro.conf.arg(metavar="#RRGGBB")
COLORS = tyro.conf.arg(metavar="[#RRGGBB ...]")

# A rule file, or on the command line also the name of a bundled rule.
RulePath = Annotated[
    Path,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="RULE",
        instance_from_str=lambda words: named_rule(Path(words[0])),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda path: [str(path)],
    ),
]

T = TypeVar("T")


class PictureInMemory:
    """A picture in memory, in place of a path in settings; it has the path methods used there.

    Args:
        image: the picture, in any mode.
        name: name in titles, reports and messages.
    """

    def __init__(self, image: "Image", name: str = "picture") -> None:
        self.image, self.name = image, name

    def __str__(self) -> str:
        return self.name

    def read_bytes(self) -> bytes:
        """The pixels, for the hash that identifies a picture."""
        return self.image.tobytes()

    def is_dir(self) -> bool:
        """Always false."""
        return False


if TYPE_CHECKING:
    Picture = Path | PictureInMemory
    Folder = Path | None  # None: nothing is written
else:
    Picture = Folder = Path  # the type of values from the command line


def picture_setting(picture: str | Picture) -> Picture:
    """Convert a picture to the type used in settings; a string is taken as a path."""
    return Path(picture) if isinstance(picture, str) else picture


@dataclass(frozen=True)
class Between:
    """Inclusive bounds of a number, or of every number in a list, a tuple or a dict."""

    least: float
    most: float = float("inf")

    def check(self, name: str, value: object) -> None:
        """Check a value, or each of several values; None is accepted.

        Raises:
            InputError: the value is not a number, not finite, or out of bounds.
        """
        numbers: Iterable[object] = value if isinstance(value, tuple | list) else (value,)
        if isinstance(value, dict):
            numbers = value.values()
        for number in numbers:
            if number is None:
                continue
            if not isinstance(number, Real):
                raise InputError(f"`{name}` {number!r}: must be a number")
            if not (self.least <= float(number) <= self.most and math.isfinite(number)):
                bounds = f"{self.least:.12g} to {self.most:.12g}"
                if self.most == float("inf"):
                    bounds = "finite" if number == self.most else f"{self.least:.12g} or more"
                raise InputError(f"`{name}` {number}: must be {bounds}")


@dataclass(frozen=True)
class OneOf:
    """The allowed values."""

    values: tuple[object, ...]

    def check(self, name: str, value: object) -> None:
        """Check a value.

        Raises:
            InputError: the value is not allowed.
        """
        if value not in self.values:
            values = ", ".join(map(str, self.values))
            raise InputError(f"`{name}` {value}: must be one of {values}")


class Bounded:
    """Base class of settings; checks fields that are annotated with ``Between`` or ``Literal``.

    Raises:
        InputError: a value is out of bounds. The message puts names in backticks; the command line
            shows these as flags.
    """

    def __post_init__(self) -> None:
        """Check all values before any work starts."""
        for name, bounds in bounds_of(cast(Hashable, type(self))).items():
            bounds.check(name, getattr(self, name))

    def override(self, **values: Any) -> Self:
        """Return a copy with some values changed; see :func:`override`."""
        return override(self, values)


@cache
def bounds_of(kind: Hashable) -> dict[str, Between | OneOf]:
    """Bounds by field name, from the annotations of a settings class."""
    bounds: dict[str, Between | OneOf] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        plain, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if get_origin(plain) is Literal:
            bounds[name] = OneOf(get_args(plain))
        for mark in marks:
            if isinstance(mark, Between | OneOf):
                bounds[name] = mark
    return bounds


def flatten(settings: Any) -> dict[str, Any]:
    """Values by field name, including the fields of all groups."""
    values: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        values |= flatten(value) if _is_group(value) else {field.name: value}
    return values


def override(settings: T, values: dict[str, Any]) -> T:
    """Return a copy of settings with some values changed; fields in groups need no prefix.

    Raises:
        InputError: there is no field with that name, or a value is out of bounds.
    """
    rest = dict(values)
    copy: T = _override(settings, rest)
    if rest:
        name = next(iter(rest))
        near = difflib.get_close_matches(name, flatten(settings), n=1)
        meant = f"; did you mean `{near[0]}`?" if near else ""
        raise InputError(f"`{name}`: {type(settings).__name__} has no such setting{meant}")
    return copy


def _override(settings: Any, rest: dict[str, Any]) -> Any:
    changed: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in rest:
            changed[field.name] = rest.pop(field.name)
        elif _is_group(value):
            changed[field.name] = _override(value, rest)
    return replace(settings, **changed)


def of_preset(presets: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Values that a preset sets, by field name; ``preset`` itself is included.

    Raises:
        InputError: there is no such preset.
    """
    if name not in presets:
        raise InputError(f"`preset` {name}: must be one of {', '.join(presets)}")
    return {"preset": name, **presets[name]}


def parse_size(name: str, text: str, least: int, most: int) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``, or one number for both.

    Raises:
        InputError: the text is neither, or a side is out of bounds.
    """
    parts = text.lower().split("x")
    if not (len(parts) in (1, 2) and all(part.isdecimal() for part in parts)):
        raise InputError(f"`{name}` {text}: must be WIDTHxHEIGHT, such as 256x256")
    width, height = int(parts[0]), int(parts[-1])
    if not (least <= width <= most and least <= height <= most):
        raise InputError(f"`{name}` {text}: width and height must be {least} to {most}")
    return width, height


def _is_group(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def refuse_several(chosen: Iterable[str]) -> None:
    """Refuse options that exclude each other.

    Raises:
        InputError: more than one was chosen; the message names the first two.
    """
    names = list(chosen)
    if len(names) > 1:
        raise InputError(f"`{names[0]}` and `{names[1]}` exclude each other")


def as_flags(text: str) -> str:
    """Replace parameter names in backticks with flags."""
    return re.sub("`([a-z_0-9]+)`", lambda name: "--" + name[1].replace("_", "-"), text)
