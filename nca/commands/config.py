"""Read options from a file: ``--config FILE``."""

import json
import tomllib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

import tyro

from nca.errors import InputError
from nca.options import flatten
from nca.system.files import read_regular

FLAG = "--config"
HELP = "Read options from a .toml file, or from the settings.json of an earlier run."
MAX_BYTES = 10**6
# These options in the settings.json of an earlier run are about its own folder and output.
OF_ONE_RUN = {"out", "resume", "overwrite", "quiet"}


def with_config(words: Sequence[str], defaults: Callable[[Sequence[str]], Any]) -> list[str]:
    """Replace ``--config FILE`` with flags for the options in the file.

    These flags come before all other flags, so that the others override them. They come after the
    positional words, which would otherwise become part of a list of values.

    Args:
        words: words after the name of the command.
        defaults: returns the default settings for the given words; the defaults depend on the
            preset and the task.

    Raises:
        InputError: the file cannot be read, or has a key that is not an option.
    """
    rest = [part for word in words for part in split(word)]
    if FLAG not in rest:
        return list(words)
    place = rest.index(FLAG)
    if place + 1 == len(rest):
        raise InputError(f"{FLAG}: needs the name of a file")
    path = Path(rest[place + 1])
    del rest[place : place + 2]
    first = next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    flags = [word for name, value in options(path, defaults) for word in as_words(name, value)]
    return [*rest[:first], *flags, *rest[first:]]


def split(word: str) -> list[str]:
    """Split ``--config=FILE`` into two words; any other word stays as it is."""
    return word.split("=", 1) if word.startswith(f"{FLAG}=") else [word]


def options(path: Path, defaults: Callable[[Sequence[str]], Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each option in a file, without options that equal their defaults.

    The preset is always included, if the file has one. From a ``.json`` file, :data:`OF_ONE_RUN` is
    left out.

    Raises:
        InputError: see :func:`with_config`.
    """
    text = read_regular(path, MAX_BYTES).decode(errors="replace")
    try:
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    settings = defaults(())
    hidden = no_flags(type(settings))
    if path.suffix == ".json":
        hidden |= OF_ONE_RUN
    found = {k: v for k, v in entries(data, flatten(settings), path) if k not in hidden}
    chosen = [word for name, value in found.items() for word in as_words(name, value)]
    usual = flatten(defaults(chosen))
    for name, value in found.items():
        same = list(usual[name]) if isinstance(usual[name], tuple) else usual[name]
        if value is not None and (name == "preset" or value != same):
            yield name, value


def entries(data: object, known: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
    """Name and value of every option in a file, including options in tables that only group them.

    Raises:
        InputError: a key is not an option.
    """
    if not isinstance(data, dict):
        raise InputError(f"{path}: must contain names and values of options")
    for key, value in data.items():
        name = key.replace("-", "_")
        if name in known:
            yield name, value
        elif isinstance(value, dict):
            yield from entries(value, known, path)
        else:
            raise InputError(f"{path}: there is no option {key!r}")


def no_flags(kind: type) -> set[str]:
    """Fields that no flag sets, in a settings class and in its groups."""
    found: set[str] = set()
    hints = get_type_hints(cast(Hashable, kind), include_extras=True)
    for field in fields(kind):
        hint = hints[field.name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        if tyro.conf.Positional in marks or tyro.conf.Fixed in marks:
            found.add(field.name)
        inner = get_args(hint)[0] if marks else hint
        if is_dataclass(inner) and isinstance(inner, type):
            found |= no_flags(inner)
    return found


def as_words(name: str, value: Any) -> list[str]:
    """An option and its value as words of the command line."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, dict):
        return [f"--{flag}", *(str(part) for pair in value.items() for part in pair)]
    if isinstance(value, list):
        return [f"--{flag}", *map(str, value)]
    return [f"--{flag}", str(value)]
