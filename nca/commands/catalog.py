"""The options of a command as data, for help, shell completion and the site's reference pages."""

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import tyro

from nca.commands.config import FLAG, HELP

METAVARS = {int: "INT", float: "FLOAT", str: "STR", Path: "PATH"}


@dataclass(frozen=True)
class Option:
    """An option, or a positional argument.

    Attributes:
        flags: flags, including aliases; empty for a positional argument.
        name: name of the settings field.
        values: placeholders for the values, such as "INT INT" or "[PATH ...]"; empty for a switch.
        choices: all allowed values, if only certain words are allowed; otherwise empty.
        default: the default as text; None: the option is required.
        help: help text, one or two sentences.
        group: title of the option's group in the help text; empty: the main group.
    """

    flags: tuple[str, ...]
    name: str
    values: str
    choices: tuple[str, ...]
    default: str | None
    help: str
    group: str

    @property
    def takes_path(self) -> bool:
        """Whether the values are paths."""
        return "PATH" in self.values

    @property
    def is_list(self) -> bool:
        """Whether the option accepts any number of values."""
        return self.values.startswith("[")

    @property
    def metavar(self) -> str:
        """What stands for the values in help texts; for a positional argument, its own name."""
        if self.flags:
            return self.values
        name = f"{self.name.upper()} ..." if self.is_list else self.name.upper()
        return name if self.default is None else f"[{name}]"

    @property
    def usage(self) -> str:
        """The option with its values, for a usage line."""
        return " ".join([*self.flags[-1:], *filter(None, [self.metavar])])

    @property
    def is_required(self) -> bool:
        """Whether the option has no default."""
        return self.default is None


CONFIG = Option((FLAG,), "config", "PATH", (), "", HELP, "")


def options_of(settings: Any) -> list[Option]:
    """Options of a command; ``settings`` is the settings class, or an object with the defaults."""
    return list(_options(defaults_of(settings) if isinstance(settings, type) else settings, ""))


def defaults_of(kind: type[Any]) -> Any:
    """The default settings of a class; required values are ``tyro.MISSING``."""
    required = {field.name for field in fields(kind) if is_required(field)}
    return kind(**dict.fromkeys(required, tyro.MISSING))


def is_required(field: Any) -> bool:
    """Whether a field of a dataclass has no default."""
    return bool(field.default is field.default_factory)  # both are MISSING


def _options(settings: Any, group: str) -> Iterator[Option]:
    kind = type(settings)
    hints, texts = get_type_hints(kind, include_extras=True), docstrings(cast(Hashable, kind))
    for field in fields(kind):
        value, hint = getattr(settings, field.name), hints[field.name]
        if is_dataclass(value):
            yield from _options(value, group_title(field.name, hint) or group)
        elif not is_fixed(hint):
            yield option_of(field.name, hint, value, texts.get(field.name, ""), group)


def is_fixed(hint: Any) -> bool:
    """Whether a field has no option, only a value that presets can set."""
    return get_origin(hint) is Annotated and tyro.conf.Fixed in get_args(hint)


def group_title(name: str, hint: Any) -> str:
    """Title of a group of settings in the help text; empty if the group has no title."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    titles = (getattr(mark, "name", None) for mark in marks)
    return next((title for title in titles if title is not None), name)


def option_of(name: str, hint: Any, value: Any, text: str, group: str) -> Option:
    """The option that sets a field; ``value`` is the default, ``text`` the field's docstring."""
    hint, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    flag = name.replace("_", "-")
    aliases: list[str] = []
    values, choices = form(hint)
    for mark in marks:
        text = getattr(mark, "help", None) or text
        aliases += getattr(mark, "aliases", None) or ()
        values = getattr(mark, "metavar", None) or values
    if hint is bool:
        return Option((f"--no-{flag}" if value else f"--{flag}",), name, "", (), "", text, group)
    flags = () if tyro.conf.Positional in marks else (f"--{flag}", *aliases)
    default = None if value is tyro.MISSING else as_words(value)
    return Option(flags, name, values, choices, default, text, group)


def form(hint: Any) -> tuple[str, tuple[str, ...]]:
    """Placeholders for the values of a type, and all allowed values if the type is a Literal."""
    origin, parts = get_origin(hint), get_args(hint)
    choices: tuple[str, ...] = ()
    if origin in (Union, types.UnionType, Annotated):  # X | None
        values, choices = form(parts[0])
    elif origin is Literal:
        choices = tuple(map(str, parts))
        values = f"{{{','.join(choices)}}}"
    elif origin is tuple and parts[-1] is Ellipsis:
        values, choices = form(parts[0])
        values = f"[{values} ...]"
    elif origin in (tuple, dict):
        values = " ".join(form(part)[0] for part in parts)
        values = f"[{values} ...]" if origin is dict else values
    else:
        values = METAVARS.get(hint, "")
    return values, choices


def as_words(value: Any) -> str:
    """A default as the words that would follow the flag; empty for None and for empty lists."""
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


@cache
def docstrings(kind: Hashable) -> dict[str, str]:
    """The string below each field of a dataclass, including the fields of its base classes."""
    found: dict[str, str] = {}
    for part in reversed(cast(type, kind).__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        body = cast(ast.ClassDef, tree).body
        for node, below in itertools.pairwise(body):
            if isinstance(node, ast.AnnAssign) and isinstance(below, ast.Expr):
                name, text = cast(ast.Name, node.target).id, ast.literal_eval(below.value)
                found[name] = " ".join(text.split())
    return found
