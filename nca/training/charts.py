"""Compute the lines and ticks of a loss chart, in SVG coordinates."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nca.training.callbacks.plot import series

WIDTH, HEIGHT = 640, 240
POINTS = 240  # maximum number of points per line
DECADES = 3  # values more than this many powers of ten below the highest loss are not drawn


@dataclass(frozen=True)
class Chart:
    """Lines and ticks of a chart with a logarithmic y-axis.

    Attributes:
        lines: for each line, its name, the points of an SVG polyline, and the newest value.
        x_ticks, y_ticks: position and label of each tick.
    """

    lines: list[tuple[str, str, float]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def loss_chart(rows: Sequence[dict[str, float]], terms: Sequence[str]) -> Chart | None:
    """Make a chart of the training loss and the validation loss; None if there are too few rows.

    If the loss has several terms, each term gets its own line. The layers of a term
    (``term/layer``) are added up.
    """
    named = {"loss": "loss"} | ({t: t for t in groups(terms)} if len(groups(terms)) > 1 else {})
    summed = [row | {g: _sum(row, layers) for g, layers in groups(terms).items()} for row in rows]
    curves = {name: thin(*series(summed, key)) for name, key in named.items()}
    curves["validation"] = thin(*series(rows, "valid/loss"))
    top = max((y for _, y in curves["loss"]), default=0.0)
    drawn = {
        name: [(x, y) for x, y in curve if y > top / 10**DECADES] for name, curve in curves.items()
    }
    drawn = {name: curve for name, curve in drawn.items() if len(curve) > 1}
    if "loss" not in drawn:
        return None
    values = [y for curve in drawn.values() for _, y in curve]
    right, low, high = drawn["loss"][-1][0], math.log10(min(values)), math.log10(max(values))
    span = max(high - low, 0.1)

    def y_of(value: float) -> float:
        return round(HEIGHT * (1 - (math.log10(value) - low) / span), 1)

    return Chart(
        [
            (name, " ".join(f"{WIDTH * x / right:.1f},{y_of(y)}" for x, y in curve), curve[-1][1])
            for name, curve in drawn.items()
        ],
        [(WIDTH * x / right, f"{x:,}") for x in round_numbers(right)],
        [(y_of(y), f"{y:g}") for y in round_powers(low, low + span)],
    )


def groups(terms: Iterable[str]) -> dict[str, list[str]]:
    """Group terms by the part of their name before the slash."""
    found: dict[str, list[str]] = {}
    for term in terms:
        found.setdefault(term.partition("/")[0], []).append(term)
    return found


def _sum(row: dict[str, float], names: Sequence[str]) -> float:
    return sum(row[name] for name in names) if all(name in row for name in names) else math.nan


def thin(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """Reduce a line to at most :data:`POINTS` points, each the mean of several values."""
    stride = max(1, math.ceil(len(x) / POINTS))
    return [
        (x[min(i + stride, len(x)) - 1], math.fsum(part) / len(part))
        for i in range(0, len(x), stride)
        if (part := y[i : i + stride])
    ]


def round_numbers(last: float, count: int = 5) -> list[int]:
    """Ticks from 0, in at most ``count`` equal steps of 1, 2 or 5 times a power of ten."""
    unit = 10 ** max(0, math.floor(math.log10(max(last, 1) / count)))
    step = next(unit * m for m in (1, 2, 5, 10) if last / (unit * m) <= count)
    return list(range(0, int(last) + 1, step))


def round_powers(low: float, high: float) -> list[float]:
    """Ticks from 10**low to 10**high: powers of ten, plus values in between if there are few."""
    factors: tuple[int, ...]
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):  # type: ignore[assignment]
        found = [
            factor * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for factor in factors
            if low <= math.log10(factor) + power <= high
        ]
        if len(found) >= 3:
            break
    return found
