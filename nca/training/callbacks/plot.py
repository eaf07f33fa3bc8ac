"""The losses as a plot."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from nca.files import write_atomically
from nca.training.callback import Callback
from nca.training.callbacks.metrics import Metrics
from nca.training.callbacks.progress import going_on

if TYPE_CHECKING:
    from nca.training.learner import Learner


class Plot(Callback):
    """Plot the terms of the loss, and that of validation, when a fit ends.

    Args:
        metrics: whose rows; must be among the callbacks too.
        path: ``.png``.
        title: above the plot.
    """

    order = 30
    main_process_only = True

    def __init__(self, metrics: Metrics, path: Path, title: str = "") -> None:
        self.metrics, self.path, self.title = metrics, path, title

    def cleanup_fit(self, _: "Learner") -> None:
        """Write the file, also of a training that was cut short."""
        if self.metrics.rows:
            with going_on():
                write_loss_plot(self.path, self.metrics.rows, self.metrics.terms, self.title)


def write_loss_plot(
    path: Path, rows: Sequence[dict[str, float]], terms: Sequence[str], title: str
) -> None:
    """Plot terms of the loss, their sum and the loss of validation over the iterations.

    Args:
        path: the file, a PNG.
        rows: of :class:`~nca.training.callbacks.metrics.Metrics`.
        terms: names of the terms; of a name such as ``term/layer`` the last part is shown if it is
            unique.
        title: above the plot.

    Raises:
        InputError: the path cannot be written.
    """
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    colors = matplotlib.colormaps["viridis"].resampled(max(len(terms), 2))
    if len(terms) > 1:
        last = [term.rpartition("/")[2] for term in terms]
        for i, term in enumerate(terms):
            label = last[i] if last.count(last[i]) == 1 else term
            axes.plot(*series(rows, term), color=colors(i), lw=1, alpha=0.8, label=label)
    axes.plot(*series(rows, "loss"), color="black", lw=2, label="all" if terms[1:] else "loss")
    if any("valid/loss" in row for row in rows):
        axes.plot(*series(rows, "valid/loss"), "o-", color="crimson", ms=3, label="validation")
    positive = all(value > 0 for value in series(rows, "loss")[1])
    axes.set(yscale="log" if positive else "linear", xlabel="iteration", ylabel="loss", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    write_atomically(path, data.getvalue())


def series(rows: Sequence[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Iterations and values of the rows that have a value of this name."""
    having = [row for row in rows if math.isfinite(row.get(name, math.nan))]
    return [row["iteration"] for row in having], [row[name] for row in having]
