"""Settings as files keep them: of other files their names, not where they are."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nca.options import flatten
from nca.text import shareable


def recorded(settings: Any) -> dict[str, Any]:
    """Settings as plain JSON data that may be handed on."""
    data: dict[str, Any] = shareable(flatten(settings))
    return data


def changes(before: dict[str, Any], settings: Any) -> Iterator[tuple[str, Any, Any]]:
    """Settings that are not as they were recorded: name, value before, value now.

    Args:
        before: what :func:`recorded` gave, or whole paths from an older version. A setting that it
            does not have counts as unchanged.
        settings: those of now.

    Raises:
        ValueError: ``before`` was never recorded from settings.
    """
    values = flatten(settings)
    for name, now in recorded(settings).items():
        was = _recorded_as(before.get(name, now), values[name])
        if was != now:
            yield name, was, now


def _recorded_as(before: Any, value: object) -> Any:
    if isinstance(value, Path) and isinstance(before, str):
        return shareable(Path(before))
    if isinstance(value, tuple) and isinstance(before, list):
        return [_recorded_as(*pair) for pair in zip_longest(before, value)]
    return shareable(before)
