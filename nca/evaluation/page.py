"""The evaluation report: one HTML page with figures, charts and images."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import jinja2
from torch import Tensor

from nca.evaluation.evaluation import Evaluation
from nca.evaluation.measures import GROWN
from nca.images import data_url, to_image
from nca.maps import MapName

WIDTH, HEIGHT = 460.0, 200.0  # size of a chart's plot area, in SVG units
LINEAR_TICKS = 4
HUGE = 1e6  # larger figures are written as powers of ten

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines over common axes, ready for the template.

    Attributes:
        lines: for each line, the ``points`` of an SVG polyline, and the index of the line's rule.
        dots: for each dot, the coordinates of its center, and the index of the dot's rule.
        x_ticks, y_ticks: position and label of each tick.
    """

    lines: list[tuple[str, int]]
    dots: list[tuple[float, float, int]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def chart(
    series: Sequence[tuple[Points, int]], *, log_x: bool = False, dots: bool = False
) -> Chart:
    """Lay out lines; the y axis starts at 0.

    Args:
        series: for each line, its points, and the index of the line's rule.
        log_x: use a logarithmic x axis.
        dots: mark every point.
    """
    points = [point for line, _ in series for point in line]
    scale: Callable[[float], float] = math.log10 if log_x else float
    xs = [scale(x) for x, _ in points] or [0.0]
    low, high = min(xs), max(*xs, min(xs) + 1e-9)
    top, step = _nice(max((y for _, y in points), default=1.0))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(WIDTH * (scale(x) - low) / (high - low), 1),
            round(HEIGHT * (1 - y / top), 1),
        )

    placed = [([place(*point) for point in line], rule) for line, rule in series]
    if log_x:
        stops: Sequence[float] = sorted({x for x, _ in points})
    else:
        _, stride = _nice(high)
        stops = [i * stride for i in range(math.floor(high / stride) + 1)]
    return Chart(
        [(" ".join(f"{x},{y}" for x, y in line), rule) for line, rule in placed],
        [(x, y, rule) for line, rule in placed for x, y in line] if dots else [],
        [(place(x, 0)[0], f"{x:,.0f}") for x in stops],
        [(HEIGHT * (1 - i * step / top), f"{i * step:g}") for i in range(round(top / step) + 1)],
    )


def _nice(value: float) -> tuple[float, float]:
    """Find a round number at or above a value, and a round step that divides it."""
    value = max(value, 1e-6)
    unit = 10.0 ** math.floor(math.log10(value / LINEAR_TICKS))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m * LINEAR_TICKS >= value)
    return step * math.ceil(value / step - 1e-9), step


@dataclass(frozen=True)
class Row:
    """A line of the summary: values as text, and the index of the best one."""

    label: str
    values: list[str]
    best: int | None
    note: str = ""


def summary(evaluations: Sequence[Evaluation]) -> list[Row]:
    """The most important figures, side by side."""

    def row(label: str, value: Callable[[dict[str, Any]], Any], text: str, note: str = "") -> Row:
        """Make a row in which the smallest value is the best; ``text`` is a format string."""
        values = [value(e.figures) for e in evaluations]
        shown = [number(v, text) for v in values]
        known = [v for v in values if v is not None]
        differ = len(known) > 1 and len(set(shown)) > 1
        return Row(label, shown, values.index(min(known)) if differ else None, note)

    def last(name: str) -> Callable[[dict[str, Any]], Any]:
        return lambda f: f["run"][-1][name] if f["run"] else None

    def loss(features: str) -> Callable[[dict[str, Any]], Any]:
        return lambda f: sum(f["losses"][features].values()) if features in f["losses"] else None

    figures = [e.figures for e in evaluations]
    feature_sets = dict.fromkeys(name for f in figures for name in f["losses"])
    return [
        row("Patch distance", lambda f: _mean(f["seeds"]), ".2f",
            "after 1,000 steps, mean over seeds"),
        row("Worst patch distance", lambda f: _worst(f["seeds"]), ".2f", "of all seeds"),
        row("Color distance", lambda f: _at(f["run"], GROWN, "color"), ".2f", "after 1,000 steps"),
        row("Speckle", lambda f: _at(f["run"], GROWN, "speckle"), ".2f",
            "grain, relative to the target"),
        Row("Order", [number(_at(f["run"], GROWN, "order")) for f in figures], None,
            "height of autocorrelation peaks, relative to the target"),
        row("Misplaced", lambda f: _at(f["run"], GROWN, "misplaced"), ".1f",
            "distance of these peaks from the target's peaks, in pixels"),
        row("Orientation", lambda f: _at(f["run"], GROWN, "orientation"), ".1f",
            "angle between strokes and those of the target, in degrees"),
        *(row(f"Loss: {name}", loss(name), ".3f", "sum over layers") for name in feature_sets),
        row("Drift", last("drift"), ".2f", "patch distance at the end, relative to 1,000 steps"),
        replace(
            row("Steps until healed", lambda f: f["healing"]["median"], ".0f", "median over seeds"),
            values=[_outcome(e.figures["healing"]) for e in evaluations],
        ),
        row("Largest value", last("largest"), ".2f", "in the state, at the end"),
        Row("Flicker", [number(last("flicker")(f)) for f in figures], None,
            "mean change of a displayed value per step, in levels out of 255"),
        row("Saturated", last("saturated"), ".1%", "values clipped by more than 2%, at the end"),
        row("Seam", lambda f: f["seam"], ".2f",
            "change across the border, relative to the change inside"),
        row("Weights", lambda f: f["weights"], ",d"),
    ]  # fmt: skip


def number(value: float | None, text: str = ".2f") -> str:
    """Format a figure, or ``-`` if it could not be measured."""
    if value is None:
        return "-"
    huge = isinstance(value, float) and abs(value) >= HUGE
    return f"{value:.1e}" if huge else format(value, text)


def _outcome(healing: Mapping[str, Any]) -> str:
    """The median over the runs; without a median, the most frequent outcome."""
    outcomes = healing["outcomes"]
    typical = max(outcomes, key=outcomes.count)
    return str(typical) if healing["median"] is None else number(healing["median"], ".0f")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if len(known) == len(values) and known else None


def _worst(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return max(known) if len(known) == len(values) and known else None


def _at(run: Sequence[Mapping[str, float | None]], steps: int, name: str) -> float | None:
    return next((m[name] for m in run if (m["steps"] or 0) >= steps), None)


def page(
    target_name: str,
    target: Tensor,
    evaluations: Sequence[Evaluation],
    maps: Mapping[MapName, Tensor] = MappingProxyType({}),
) -> str:
    """Make the report: one HTML file without external resources.

    Args:
        target_name: name of the target image.
        target: target image, [3, S, S] in [0, 1].
        evaluations: the evaluation of one rule, or those of a rule and its peer.
        maps: maps of the material whose color is the target; empty for a plain image.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = number
    template = environment.from_string(
        files("nca.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    )
    figures = [e.figures for e in evaluations]
    runs = [([(m["steps"], m["patch"]) for m in f["run"]], i) for i, f in enumerate(figures)]
    healings = [
        ([(j * h["every"], d / bound) for j, d in enumerate(distances)], i)
        for i, f in enumerate(figures)
        for h in [f["healing"]]
        for distances, bound in zip(h["distances"], h["bounds"], strict=True)
    ]
    return template.render(
        target_name=target_name,
        target=data_url(to_image(target)),
        side=target.shape[-1],
        maps={name: data_url(to_image(one)) for name, one in maps.items()},
        rules=[
            {
                "name": e.name,
                "figures": e.figures,
                "pictures": {
                    group: {
                        name: (data_url(to_image(p)), p.shape[2], p.shape[1])
                        for name, p in ps.items()
                    }
                    for group, ps in e.pictures.items()
                },
            }
            for e in evaluations
        ],
        summary=summary(evaluations),
        run_chart=chart(runs, log_x=True, dots=True),
        healing_chart=chart(healings),
        losses=_bars(figures),
        width=WIDTH,
        height=HEIGHT,
    )


def _bars(figures: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, list[Any]]]]]:
    """Features -> layer -> for every rule, (value, fraction of the longest bar) or None."""
    result = []
    for features in dict.fromkeys(name for f in figures for name in f["losses"]):
        layers = dict.fromkeys(k for f in figures for k in f["losses"].get(features, {}))
        values = {k: [f["losses"].get(features, {}).get(k) for f in figures] for k in layers}
        longest = max((v for row in values.values() for v in row if v is not None), default=1.0)
        scale = max(longest, 1e-9)
        result.append(
            (features, [(k, [v and (v, v / scale) for v in row]) for k, row in values.items()])
        )
    return result
