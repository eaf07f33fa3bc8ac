"""A page that shows training while it runs."""

import math
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca.images import data_url
from nca.system.files import write_text
from nca.training.callback import Callback
from nca.training.callbacks.metrics import Metrics
from nca.training.callbacks.progress import RateMeter, clock
from nca.training.callbacks.snapshots import Snapshot
from nca.training.charts import HEIGHT, WIDTH, groups, loss_chart
from nca.training.learner import Learner

if TYPE_CHECKING:
    from jinja2 import Template

SMALL = 320  # pixels; narrower images are shown without smoothing
SHARE = 0.02  # largest fraction of the training time that goes into the page


class LivePage(Callback):
    """At intervals, write an HTML page that shows images and losses, and reloads itself.

    The page works from ``file://`` and makes no requests to other addresses. If drawing is slow,
    the intervals become longer, so that the page takes at most 2% of the time.

    Args:
        path: path of the file.
        pictures: functions that draw images of the run, by caption.
        metrics: source of the losses; must itself be among the learner's callbacks.
        title: title of the page.
        every_seconds: shortest time between two writes, in seconds.
    """

    order = 36
    main_process_only = True

    def __init__(
        self,
        path: Path,
        pictures: Mapping[str, Snapshot],
        metrics: Metrics,
        *,
        title: str = "training",
        every_seconds: float = 5.0,
    ) -> None:
        self.path, self.pictures, self.metrics = path, pictures, metrics
        self.title, self.every_seconds = title, every_seconds
        self._due = 0.0
        self._meter = RateMeter()

    def before_fit(self, learner: Learner) -> None:
        """Start timing; the first page is written after the first batch."""
        self._due = 0.0
        self._meter.begin(learner)

    def after_batch(self, learner: Learner) -> None:
        """Write the page if the interval has passed."""
        if not learner.training:
            return
        self._meter.record(learner)
        began = time.monotonic()
        if began >= self._due:
            self._write(learner, running=True)
            ended = time.monotonic()
            self._due = ended + max(self.every_seconds, (ended - began) / SHARE)

    def cleanup_fit(self, learner: Learner) -> None:
        """Write a final page that does not reload itself."""
        if learner.losses:
            self._write(learner, running=False)

    def _write(self, learner: Learner, *, running: bool) -> None:
        drawn = {caption: snapshot(learner) for caption, snapshot in self.pictures.items()}
        ended = "finished" if learner.progress >= 1 else "stopped"
        page = template().render(
            title=self.title,
            running=running,
            state="training" if running else ended,
            every=max(1, round(self.every_seconds)),
            percent=f"{learner.progress:.0%}",
            facts=facts(learner, self._meter.seconds_left(learner) if running else None),
            pictures={caption: data_url(picture) for caption, picture in drawn.items()},
            small=all(picture.width < SMALL for picture in drawn.values()),
            chart=loss_chart(self.metrics.rows, self.metrics.terms),
            layers=newest_layers(self.metrics),
            width=WIDTH,
            height=HEIGHT,
            time=time.strftime("%H:%M:%S"),
        )
        with learner.write_failures.warn_on_failure(self.path):
            write_text(self.path, page)


@cache
def template() -> "Template":
    """The template of the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  (0.2 s)

    return Environment(
        loader=PackageLoader("nca.training", "callbacks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    ).get_template("live.html")


def facts(learner: Learner, left: float | None) -> dict[str, str]:
    """Figures of a fit, by name; ``left`` is the remaining time in seconds, None after the fit."""
    done = {
        "progress": f"{learner.progress:.0%}",
        "iteration": f"{learner.iteration:,}",
        "time": clock(learner.seconds),
    }
    return (
        done
        | ({"left": clock(left)} if left is not None else {})
        | {
            "loss": f"{float(learner.loss.detach()):.4g}",
            "learning rate": f"{learner.optimizer.param_groups[0]['lr']:.2g}",
        }
    )


def newest_layers(metrics: Metrics) -> dict[str, list[Any]]:
    """For every term with layers: name, newest value, and % of the largest value, by layer."""
    rows = [row for row in metrics.rows if "loss" in row]
    found: dict[str, list[Any]] = {}
    for term, names in groups(metrics.terms).items():
        if len(names) > 1 and rows:
            values = [rows[-1].get(name, 0.0) for name in names]
            largest = max(filter(math.isfinite, values), default=0.0) or 1.0
            found[term] = [
                (name.partition("/")[2], value, round(100 * max(0.0, value / largest), 1))
                for name, value in zip(names, values, strict=True)
            ]
    return found
