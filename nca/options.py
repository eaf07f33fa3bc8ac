"""The base of all settings: bounds as annotations of fields, and groups with flat names.

::

    @dataclass(frozen=True)
    class PoolSettings(Bounded):
        batch_size: Annotated[int, Between(1, 256)] = 4

A settings class may contain groups. Field names are unique across a class and its groups, so that
presets, saved configurations and flags need no prefixes: :func:`flatten` and :func:`override`.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import (
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

# Shows the flags of a group among those of the settings that contain it.
WITHOUT_TITLE = tyro.conf.arg(name="")

Calm = Literal["auto", "on", "off"]  # let all cells fire in short steps; auto: as the rule says
DT = tyro.conf.arg(aliases=("--pace",), metavar="X")  # the flag --dt, and its former name

T = TypeVar("T")


@dataclass(frozen=True)
class Between:
    """Smallest and largest value of a number, or of every number in a tuple."""

    least: float
    most: float = float("inf")

    def check(self, name: str, value: object) -> None:
        """Check a value; None and values that are not numbers pass.

        Raises:
            InputError: the value is out of bounds.
        """
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int | float) and not self.least <= number <= self.most:
                bounds = f"{self.least:.12g} to {self.most:.12g}"
                if self.most == float("inf"):
                    bounds = f"{self.least:.12g} or more"
                raise InputError(f"`{name}` {number}: must be {bounds}")


class Bounded:
    """Base of settings: every field is checked against the bounds in its annotation.

    Raises:
        InputError: (when created) a value is out of bounds. The text has names in backticks, which
            the command line shows as flags.
    """

    def __post_init__(self) -> None:
        """Check all values before any work starts."""
        for name, bounds in bounds_of(cast(Hashable, type(self))).items():
            bounds.check(name, getattr(self, name))

    def override(self, **values: Any) -> Self:
        """Copy with some values changed; see :func:`override`."""
        return override(self, values)


@cache
def bounds_of(kind: Hashable) -> dict[str, Between]:
    """Bounds of the fields, from the annotations of a settings class."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: part
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
        for part in get_args(hint)[1:]
        if isinstance(part, Between)
    }


def flatten(settings: Any) -> dict[str, Any]:
    """Values by field name, including those of all groups."""
    values: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        values |= flatten(value) if _is_group(value) else {field.name: value}
    return values


def override(settings: T, values: dict[str, Any]) -> T:
    """Copy of settings with some values changed; fields of groups are named without the group.

    Raises:
        TypeError: there is no field of that name.
    """
    rest = dict(values)
    copy: T = _override(settings, rest)
    if rest:
        raise TypeError(f"{type(settings).__name__} has no field {next(iter(rest))!r}")
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
    """Values that a preset sets, by field name, including ``preset``.

    Raises:
        InputError: there is no such preset.
    """
    if name not in presets:
        raise InputError(f"`preset` {name}: must be one of {', '.join(presets)}")
    return {"preset": name, **presets[name]}


def parse_size(name: str, text: str, least: int, most: int) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``, or one number for both.

    Raises:
        InputError: the text has another form, or a side is out of bounds.
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
    """Refuse more than one of some options.

    Raises:
        InputError: names two of them.
    """
    names = list(chosen)
    if len(names) > 1:
        raise InputError(f"`{names[0]}` and `{names[1]}` exclude each other")


def as_flags(text: str) -> str:
    """Show parameters, which are in backticks, as flags."""
    return re.sub("`([a-z_0-9]+)`", lambda name: "--" + name[1].replace("_", "-"), text)
