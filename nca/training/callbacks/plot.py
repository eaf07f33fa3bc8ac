"""Plot the losses."""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nca.system.files import write_atomically
from nca.training.callback import Callback
from nca.training.callbacks.metrics import Metrics
from nca.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, EDGE, PAPER, VALIDATION = "#28282c", "#6d675e", "#e4e1da", "#fafaf8", "#c1272d"
HUES = ("#167c72", "#b9650a", "#2f6db3", "#a13a6f", "#6a5acd", "#5d7d1e")

RGB = tuple[float, float, float]


class Plot(Callback):
    """Plot the loss terms and the validation loss at the end of a fit.

    Args:
        metrics: source of the rows; must itself be among the learner's callbacks.
        path: path of the ``.png`` file.
        title: title of the plot.
    """

    order = 30
    main_process_only = True

    def __init__(self, metrics: Metrics, path: Path, title: str = "") -> None:
        self.metrics, self.path, self.title = metrics, path, title

    def cleanup_fit(self, learner: Learner) -> None:
        """Write the file, even after an interruption."""
        if self.metrics.rows:
            with learner.write_failures.warn_on_failure(self.path):
                write_loss_plot(self.path, self.metrics.rows, self.metrics.terms, self.title)


def write_loss_plot(
    path: Path, rows: Sequence[dict[str, float]], terms: Sequence[str], title: str
) -> None:
    """Plot loss terms, their sum and the validation loss over the iterations.

    Args:
        path: path of the PNG file.
        rows: rows from :class:`~nca.training.callbacks.metrics.Metrics`.
        terms: names of the terms; ``term/layer`` is shown as ``layer`` if that name is unique.
        title: title of the plot.

    Raises:
        InputError: the path cannot be written.
    """
    # Matplotlib takes half a second to import, which would delay the start of every training run.
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter  # noqa: PLC0415

    figure = Figure(figsize=(9, 5), dpi=120, facecolor=PAPER)
    axes = figure.add_axes((0.075, 0.11, 0.74, 0.79), facecolor=PAPER)
    lines = [*term_colors(terms)] if len(terms) > 1 else []
    for name, _, color in lines:
        axes.plot(*series(rows, name), color=color, lw=1.3)
    axes.plot(*series(rows, "loss"), color=INK, lw=2.2)
    ends: list[tuple[str, str, RGB | str]] = [(label, name, color) for name, label, color in lines]
    ends.append(("loss", "loss", INK))
    if any("valid/loss" in row for row in rows):
        axes.plot(*series(rows, "valid/loss"), "o-", color=VALIDATION, ms=3)
        ends.append(("validation", "valid/loss", VALIDATION))
    positive = all(value > 0 for value in series(rows, "loss")[1])
    axes.set(yscale="log" if positive else "linear")
    # The title may contain a file name that is not valid UTF-8, and dollar signs that do not
    # enclose formulas.
    title = title.encode(errors="replace").decode()
    heading = axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=12)
    heading.set_parse_math(False)
    axes.set_xlabel("iteration", color=QUIET)
    if positive:
        # If the range spans less than two decades, also label some values between powers of ten.
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(EDGE)
    axes.tick_params(which="both", colors=QUIET, length=0, labelsize=9)
    axes.grid(axis="y", color=EDGE, lw=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0)
    label_ends(axes, [(label, *series(rows, name), color) for label, name, color in ends])
    data = io.BytesIO()
    with warnings.catch_warnings():
        # A character without a glyph is drawn as a box. This is acceptable, because other results
        # contain the name too.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(data, format="png")
    write_atomically(path, data.getvalue())


def term_colors(terms: Sequence[str]) -> Iterator[tuple[str, str, RGB]]:
    """Yield the name, label and color of every term: one hue per term, one shade per layer.

    ``term/layer`` is labeled ``layer`` if that name is unique.
    """
    from matplotlib.colors import to_rgb  # noqa: PLC0415

    groups = list(dict.fromkeys(term.partition("/")[0] for term in terms))
    last = [term.rpartition("/")[2] for term in terms]
    for term, short in zip(terms, last, strict=True):
        group = term.partition("/")[0]
        layers = [other for other in terms if other.partition("/")[0] == group]
        part = layers.index(term) / max(len(layers) - 1, 1)
        hue = to_rgb(HUES[groups.index(group) % len(HUES)])
        paper = to_rgb(PAPER)
        mix = 0.45 * part
        red, green, blue = (h + mix * (p - h) for h, p in zip(hue, paper, strict=True))
        yield term, short if last.count(short) == 1 else term, (red, green, blue)


def label_ends(
    axes: "Axes", curves: Sequence[tuple[str, Sequence[float], Sequence[float], RGB | str]]
) -> None:
    """Write labels at the ends of curves, moved up or down where they would overlap."""
    (low, high), log = axes.get_ylim(), axes.get_yscale() == "log"
    scale = math.log if log else float

    def height(value: float) -> float:
        return (scale(value) - scale(low)) / (scale(high) - scale(low))

    ends = sorted(
        (height(y[-1]) if y[-1] > 0 or not log else 0.0, f"{label}  {y[-1]:.3g}", color)
        for label, _, y, color in curves
        if y
    )
    gap, above = min(0.048, 1 / max(len(ends), 1)), 1.0 + 0.048
    places = []
    for i, (at, _, _) in reversed(list(enumerate(ends))):  # from the top down
        above = max(min(at, above - gap), i * gap)
        places.append(above)
    for (_, text, color), at in zip(reversed(ends), places, strict=True):
        axes.text(1.015, at, text, color=color, fontsize=9, va="center", transform=axes.transAxes)


def series(rows: Sequence[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Iterations and values of the rows that have a finite value with this name."""
    having = [row for row in rows if math.isfinite(row.get(name, math.nan))]
    return [row["iteration"] for row in having], [row[name] for row in having]
