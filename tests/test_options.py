"""Bounds as annotations, groups with flat names."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal, get_type_hints

import pytest

from nca.ddpm.settings import TrainSettings as DDPMTrainSettings
from nca.errors import InputError
from nca.options import Between, Bounded, flatten, of_preset, override, parse_size
from nca.style.settings import StyleSettings
from nca.texture.settings import TrainSettings


@dataclass(frozen=True)
class Inner(Bounded):
    rate: Annotated[float, Between(0, 1)] = 0.5
    steps: Annotated[tuple[int, int], Between(1)] = (2, 4)
    kind: Literal["round", "square"] = "round"
    weights: Annotated[dict[str, float], Between(0)] = field(default_factory=dict)


@dataclass(frozen=True)
class Outer(Bounded):
    name: str
    count: Annotated[int | None, Between(1, 9)] = None
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": 10}, "`count` 10: must be 1 to 9"),
        ({"rate": 1.5}, "`rate` 1.5: must be 0 to 1"),
        ({"rate": math.nan}, "`rate` nan: must be 0 to 1"),
        ({"steps": (0, 3)}, "`steps` 0: must be 1 or more"),
        ({"steps": [0, 3]}, "`steps` 0: must be 1 or more"),
        ({"rate": "0.5"}, "`rate` '0.5': must be a number"),
        ({"steps": (1, math.inf)}, "`steps` inf: must be finite"),
        ({"weights": {"a": 1.0, "b": -1.0}}, "`weights` -1.0: must be 0 or more"),
        ({"weights": {"a": math.nan}}, "`weights` nan: must be 0 or more"),
        ({"kind": "oval"}, "`kind` oval: must be one of round, square"),
    ],
)
def test_values_out_of_bounds_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Outer("a").override(**values)


def test_groups_are_flat_by_name() -> None:
    settings = override(Outer("a"), {"rate": 0.25, "count": 3})
    assert settings.inner.rate == 0.25
    values = {
        "name": "a",
        "count": 3,
        "rate": 0.25,
        "steps": (2, 4),
        "kind": "round",
        "weights": {},
    }
    assert flatten(settings) == values
    assert settings.override(inner=Inner(rate=1.0)).inner.rate == 1.0


def test_a_field_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match=r"^`speed`: Outer has no such setting$"):
        Outer("a").override(rate=0.1, speed=2)
    with pytest.raises(InputError, match=r"`step`: .* no such setting; did you mean `steps`\?"):
        Outer("a").override(step=(1, 2))


def test_presets_are_values_by_name() -> None:
    presets = {"usual": {}, "fast": {"rate": 1.0}}
    assert of_preset(presets, "fast") == {"preset": "fast", "rate": 1.0}
    with pytest.raises(InputError, match="`preset` slow: must be one of usual, fast"):
        of_preset(presets, "slow")


@pytest.mark.parametrize("kind", [TrainSettings, StyleSettings, DDPMTrainSettings])
def test_names_are_unique_over_all_groups(kind: type[Bounded]) -> None:
    names = list(names_of(kind))
    assert len(names) == len(set(names)) > 20


def names_of(kind: type[Any]) -> Iterator[str]:
    """Names of all fields and groups."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        yield each.name
        if is_dataclass(hints[each.name]):
            yield from names_of(hints[each.name])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("x", "must be WIDTHxHEIGHT"), ("4x4x4", "must be WIDTHxHEIGHT"), ("3x4", "must be 4 to 64")],
)
def test_sizes_are_read_and_checked(text: str, complaint: str) -> None:
    assert parse_size("grid", "8X16", 4, 64) == (8, 16)
    assert parse_size("grid", "8", 4, 64) == (8, 8)
    with pytest.raises(InputError, match=f"`grid` {text}: .*{complaint}"):
        parse_size("grid", text, 4, 64)
