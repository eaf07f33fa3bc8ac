"""Plot a report: speed ratios, and how costs grow."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nca.benchmarks.growth import VALUES, Size
from nca.benchmarks.measuring.report import Report, Row
from nca.system.files import write_atomically

INK, FAINT, ACCENT = "#22303c", "#c9d2d8", "#0b7285"
LINES = {"grid": "#0b7285", "channels": "#c2255c", "hidden": "#e8590c", "steps": "#5f3dc4"}
LABELS = {
    "iteration_bf16": "whole iteration, bfloat16",
    "iteration_fp32": "whole iteration, float32",
    "iteration_torch": "whole iteration, without a compiler",
    "unroll_bf16": "unroll, bfloat16",
    "unroll_fp32": "unroll, float32",
    "unroll_torch_bf16": "unroll, without a compiler, bfloat16",
    "unroll_torch_fp32": "unroll, without a compiler, float32",
    "unroll_tiny": "unroll of 168 weights",
    "simulate_fp32": "simulation, float32",
}


def draw(report: Report, path: Path) -> None:
    """Write the plot; the file extension chooses the format.

    Raises:
        InputError: the path cannot be written.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    rows = {row.name: row for row in report.rows}
    _bars(left, [rows[name] for name in LABELS if name in rows])
    _growth(right, {row.name: row.ratio for row in report.growth})
    data = io.BytesIO()
    figure.savefig(data, format=path.suffix[1:].lower(), dpi=150)
    write_atomically(path, data.getvalue())


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _bars(axes: Axes, rows: list[Row]) -> None:
    _plain(axes, "Speed relative to the lesson's step")
    for y, row in enumerate(reversed(rows)):
        color = FAINT if "torch" in row.name else ACCENT
        axes.barh(y, row.ratio, height=0.62, color=color)
        axes.plot([row.low, row.high], [y, y], color=INK, linewidth=1.5, solid_capstyle="butt")
        axes.annotate(
            f"{row.ratio:.1f}",
            (max(row.ratio, row.high), y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    axes.set_yticks(range(len(rows)), [LABELS[row.name] for row in reversed(rows)])
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_xlim(0, 1.12 * max((row.high for row in rows), default=1))
    axes.set_xticks([])


def _growth(axes: Axes, costs: dict[str, float]) -> None:
    _plain(axes, "Cost of an unroll as one size grows")
    base = Size()
    for name, values in VALUES.items():
        usual = getattr(base, name)
        # Twice the side of the grid is four times the cells.
        power = 2 if name == "grid" else 1
        points = {1.0: 1.0} | {
            (value / usual) ** power: costs[f"{name} {value}"]
            for value in values
            if f"{name} {value}" in costs
        }
        xs = sorted(points)
        label = "cells" if name == "grid" else name.replace("hidden", "hidden units")
        axes.plot(xs, [points[x] for x in xs], "o-", color=LINES[name], markersize=4, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("times as many", color=INK)
    axes.set_ylabel("times the cost", color=INK)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.legend(frameon=False, labelcolor=INK)
