"""A page that shows the training while it runs."""

import base64
import html
import io
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nca.files import write_atomically
from nca.training.callback import Callback
from nca.training.callbacks.metrics import Metrics
from nca.training.callbacks.pictures import Snapshot
from nca.training.callbacks.plot import series
from nca.training.callbacks.progress import describe_losses, going_on

if TYPE_CHECKING:
    from nca.training.learner import Learner

Content = Callable[["Learner"], str]
"""HTML of what is trained as it is."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">{refresh}
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fafaf8, #18181b); color: light-dark(#28282c, #e4e4e7) }}
h1 {{ font-size: 1.25rem; font-weight: 600; margin: 0 }}
p {{ margin: .4rem 0; color: light-dark(#71717a, #a1a1aa); font-variant-numeric: tabular-nums }}
progress {{ width: 100%; height: .5rem; accent-color: #2a9d8f }}
img, iframe, svg {{ display: block; width: 100%; margin: 1rem 0; border: 0; border-radius: .5rem }}
img {{ image-rendering: pixelated; max-width: 32rem; margin-inline: auto }}
iframe {{ aspect-ratio: 1 }}
polyline {{ fill: none; stroke: #2a9d8f; stroke-width: 2; stroke-linejoin: round;
  vector-effect: non-scaling-stroke }}
</style></head><body>
<h1>{title}</h1>
<progress max="1" value="{progress:.4f}"></progress>
<p>{status}</p>
{content}
{curve}
</body></html>
"""


class LivePage(Callback):
    """Write an HTML file now and then that shows what is trained, and reloads itself.

    It works from ``file://`` and asks the network for nothing.

    Args:
        path: the file.
        content: HTML of what is trained; see :func:`picture` and :func:`frame`.
        metrics: whose losses are drawn; must be among the callbacks too.
        title: of the page.
        every_seconds: between two writes.
    """

    order = 36
    main_process_only = True

    def __init__(
        self,
        path: Path,
        content: Content,
        metrics: Metrics | None = None,
        *,
        title: str = "training",
        every_seconds: float = 5.0,
    ) -> None:
        self.path, self.content, self.metrics = path, content, metrics
        self.title, self.every_seconds = title, every_seconds
        self._due = 0.0

    def before_fit(self, _: "Learner") -> None:
        """The first page is written after the first batch."""
        self._due = 0.0

    def after_batch(self, learner: "Learner") -> None:
        """Write, if it is time."""
        if learner.training and time.monotonic() >= self._due:
            self._write(learner, running=True)
            self._due = time.monotonic() + self.every_seconds

    def cleanup_fit(self, learner: "Learner") -> None:
        """Write a page that does not reload itself any more."""
        if learner.losses:
            self._write(learner, running=False)

    def _write(self, learner: "Learner", *, running: bool) -> None:
        ended = "finished" if learner.progress >= 1 else "stopped"
        status = (
            f"{'training' if running else ended} · {learner.progress:.0%} · "
            f"iteration {learner.iteration:,} · {learner.seconds:.0f} s · "
            f"{describe_losses(learner.losses)} · {time.strftime('%H:%M:%S')}"
        )
        every = max(1, round(self.every_seconds))
        page = PAGE.format(
            refresh=f'\n<meta http-equiv="refresh" content="{every}">' if running else "",
            title=html.escape(self.title),
            progress=learner.progress,
            status=html.escape(status),
            content=self.content(learner),
            curve="" if self.metrics is None else loss_curve(self.metrics.rows),
        )
        with going_on():
            write_atomically(self.path, page.encode())


def picture(snapshot: Snapshot) -> Content:
    """Content that is a picture."""

    def content(learner: "Learner") -> str:
        data = io.BytesIO()
        snapshot(learner).save(data, format="PNG")
        encoded = base64.b64encode(data.getvalue()).decode()
        return f'<img alt="what is trained" src="data:image/png;base64,{encoded}">'

    return content


def frame(page: Callable[["Learner"], str]) -> Content:
    """Content that is a page of its own, such as one that runs a rule."""

    def content(learner: "Learner") -> str:
        return f'<iframe title="what is trained" srcdoc="{html.escape(page(learner))}"></iframe>'

    return content


def loss_curve(rows: Sequence[dict[str, float]], width: int = 640, height: int = 160) -> str:
    """The loss over the iterations, its logarithm upwards, as SVG; nothing with too few rows."""
    iterations, losses = series(rows, "loss")
    points = [
        (i, math.log(value)) for i, value in zip(iterations, losses, strict=True) if value > 0
    ]
    if len(points) < 2:
        return ""
    right = points[-1][0]
    low, high = min(y for _, y in points), max(y for _, y in points)
    span = max(high - low, 1e-9)
    line = " ".join(
        f"{width * x / right:.1f},{6 + (height - 12) * (high - y) / span:.1f}" for x, y in points
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="loss">'
        f'<polyline points="{line}"/></svg>'
        f"<p>loss, {math.exp(high):.3g} to {math.exp(low):.3g}, over {right:,.0f} iterations</p>"
    )
