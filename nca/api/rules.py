"""Load and save rules, and grow pictures with them."""

from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import TypeAlias, overload

import torch
from PIL import Image

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.gallery import KINDS, gallery, gallery_path
from nca.images import to_image
from nca.rule import Rule
from nca.rulefile import load_rule, save_rule

AnyRule: TypeAlias = Rule | str | Path
Size: TypeAlias = int | tuple[int, int]

MIN_SIDE, MAX_SIDE = 4, 8192  # cells along a side
MAX_STEPS = 10**9


def load(path: str | Path) -> Rule:
    """Read a rule.

    ::

        rule = nca.load("scales")
        print(rule.settings.channels, "values per cell,", rule.weight_count(), "weights")

    Args:
        path: a rule file, or the name of a bundled rule; a ``Path`` is always a file.

    Returns:
        The rule, on the CPU.

    Raises:
        InputError: there is no such file or bundled rule, or the file is not a usable rule file.
    """
    return load_rule(rule_path(path)).rule


def save(rule: Rule, path: str | Path) -> Path:
    """Write a rule file; an existing file is replaced.

    ::

        nca.save(nca.load("scales"), "mine.safetensors")
        rule = nca.load("mine.safetensors")

    Args:
        rule: the rule; all weights must be finite.
        path: path of the file, usually with the extension ``.safetensors``.

    Returns:
        The path.

    Raises:
        InputError: the path cannot be written, or a weight is not finite.
    """
    save_rule(path, as_rule(rule))
    return Path(path)


@overload
def grow(rule: AnyRule, size: Size = 128, steps: int = 2000, seed: int = 0) -> Image.Image: ...


@overload
def grow(
    rule: AnyRule, size: Size = 128, *, steps: Iterable[int], seed: int = 0
) -> list[Image.Image]: ...


@overload
def grow(rule: AnyRule, size: Size, steps: Iterable[int], seed: int = 0) -> list[Image.Image]: ...


@torch.no_grad()
def grow(
    rule: AnyRule, size: Size = 128, steps: int | Iterable[int] = 2000, seed: int = 0
) -> Image.Image | list[Image.Image]:
    """Run a rule from its initial state, and return a picture of the result.

    ::

        picture = nca.grow("scales", size=48, steps=100)
        frames = nca.grow("scales", size=(64, 32), steps=range(0, 101, 50))
        print(picture.size, len(frames))

    Args:
        rule: a rule, its file or its name, as in :func:`load`.
        size: number of cells along both sides, or width and height; 4 to 8192. Each cell becomes
            one pixel.
        steps: number of steps; or several numbers in ascending order, for a picture after each.
        seed: random seed; determines which cells fire, and the noise that some rules grow from.

    Returns:
        An 8-bit RGB picture, or a list with a picture for each number of steps.

    Raises:
        InputError: a size or a number of steps is out of bounds; also see :func:`load`.
    """
    grown = as_rule(rule)
    width, height = _sides(size)
    stops = _stops(steps)
    if not isinstance(seed, Integral):
        raise InputError(f"`seed` {seed!r}: must be a whole number")
    states = simulate(grown, grown.initial_state(1, height, width, seed=seed), stops, seed=seed)
    pictures = [to_image(grown.to_image(state)[0]) for state in states]
    return pictures[0] if isinstance(steps, Integral) else pictures


def as_rule(rule: AnyRule) -> Rule:
    """Return a rule as it is, or load it from its file or by its name.

    Raises:
        InputError: the argument has a wrong type; also see :func:`load`.
    """
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, str | Path):
        return load(rule)
    raise InputError(
        f"`rule` of type {type(rule).__name__}: must be a Rule, a path, or a bundled rule's name"
    )


def rule_path(path: str | Path) -> Path:
    """Path of a rule's file; see :func:`load`.

    Raises:
        InputError: there is no such file or bundled rule.
    """
    if isinstance(path, Path):
        return path
    if path in gallery(*KINDS):
        return gallery_path(path)
    if not Path(path).exists():
        names = ", ".join(gallery(*KINDS))
        raise InputError(f"`path` {path}: neither a file nor a bundled rule; those are {names}")
    return Path(path)


def rule_file(rule: AnyRule, folder: Path) -> Path:
    """Path of a rule's file; a rule in memory is written to a new folder.

    Raises:
        InputError: see :func:`as_rule`; or a weight is not finite.
    """
    if isinstance(rule, str | Path):
        return rule_path(rule)
    folder.mkdir()
    return save(rule, folder / "rule.safetensors")


def _sides(size: Size) -> tuple[int, int]:
    sides = _whole(size)
    sides = 2 * sides if isinstance(size, Integral) else sides
    if len(sides) != 2 or not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise InputError(
            f"`size` {size}: must be a number from {MIN_SIDE} to {MAX_SIDE}, or width and height"
        )
    return sides[0], sides[1]


def _stops(steps: int | Iterable[int]) -> list[int]:
    stops = _whole(steps)
    if not stops or stops != sorted(stops) or stops[0] < 0 or stops[-1] > MAX_STEPS:
        raise InputError(
            f"`steps` {steps}: must be a whole number from 0 to {MAX_STEPS:,}, or several "
            "in ascending order"
        )
    return stops


def _whole(value: object) -> list[int]:
    """One or several whole numbers, as a list; empty for anything else."""
    numbers = list(value) if isinstance(value, Iterable) else [value]
    whole = [int(number) for number in numbers if isinstance(number, Integral)]
    return whole if len(whole) == len(numbers) else []
