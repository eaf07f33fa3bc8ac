"""A progress bar on a terminal and in a notebook; plain lines elsewhere."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Never

from torch import Tensor
from tqdm import tqdm

from nca.system.console import say
from nca.system.notebook import Output, has_widgets, in_notebook
from nca.training.callback import Callback
from nca.training.learner import Learner

if TYPE_CHECKING:
    from tqdm.notebook import tqdm_notebook

BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
WINDOW = 30.0  # seconds over which the rate is measured
SECONDS = 0.2  # minimum time between two reads of the loss, because a read waits for the device


class RateMeter:
    """Measures the rate of a fit over the last half minute, and estimates the remaining time.

    An average over the whole fit would include compilation, pauses, and slowdowns due to other
    programs.

    Args:
        now: returns the current time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._past: deque[tuple[float, int, float]] = deque()  # time, iteration, progress

    def begin(self, learner: Learner) -> None:
        """Start measuring; call this at the start of a fit."""
        self._past.clear()
        self._past.append((self._now(), learner.iteration, learner.progress))

    def record(self, learner: Learner) -> None:
        """Record the time of a batch."""
        now = self._now()
        if now - self._past[-1][0] < SECONDS:
            return
        self._past.append((now, learner.iteration, learner.progress))
        while len(self._past) > 2 and now - self._past[1][0] >= WINDOW:
            self._past.popleft()

    def rate(self, learner: Learner) -> float:
        """Iterations per second."""
        then, iteration, _ = self._past[0]
        return (learner.iteration - iteration) / max(self._now() - then, 1e-9)

    def seconds_left(self, learner: Learner) -> float:
        """Estimated seconds until the end of the fit; infinite while unknown."""
        then, _, progress = self._past[0]
        seconds, done = self._now() - then, learner.progress - progress
        return seconds * (1 - learner.progress) / done if done > 0 else math.inf


class Progress(Callback):
    """Show progress, rate, losses and the remaining time of a fit.

    Args:
        quiet: print plain lines, one per tenth of the fit. This also happens if standard error is
            neither a terminal nor shown below a notebook cell.
    """

    order = 30
    main_process_only = True

    def __init__(self, *, quiet: bool = False) -> None:
        self.plain = quiet or not (sys.stderr.isatty() or in_notebook())
        self._output: Output | None = None
        self._bar: tqdm[Never] | None = None
        self._shown = 0.0
        self._tenths = 0
        self._meter = RateMeter()

    def before_fit(self, learner: Learner) -> None:
        """Open the bar."""
        self._tenths = int(10 * learner.progress)
        self._meter.begin(learner)
        if not self.plain:
            self._bar = self._open()

    def _open(self) -> "tqdm[Never]":
        options: dict[str, Any] = {"total": 100, "bar_format": BAR, "desc": "training"}
        if not (in_notebook() and has_widgets()):
            return tqdm(**options)
        from tqdm.notebook import tqdm as notebook_tqdm  # noqa: PLC0415  (loads the widgets)

        bar: tqdm_notebook[Never] = notebook_tqdm(**options, display=False)
        self._output = Output()
        self._output.show(bar.container)
        return bar

    def after_batch(self, learner: Learner) -> None:
        """Update the bar, or print a line after each tenth."""
        if not learner.training:
            return
        self._meter.record(learner)
        if self._bar is None:
            if int(10 * learner.progress) > self._tenths:
                self._tenths = int(10 * learner.progress)
                say(f"training {learner.progress:4.0%}  {self._describe(learner)}")
        elif time.monotonic() - self._shown > SECONDS:
            self._draw(self._bar, learner)

    def after_epoch(self, learner: Learner) -> None:
        """Draw the full bar before a validation, whose losses replace the last training losses."""
        if self._bar is not None and learner.training and learner.progress >= 1:
            self._draw(self._bar, learner)

    def _draw(self, bar: "tqdm[Never]", learner: Learner) -> None:
        self._shown = time.monotonic()
        bar.n = round(100 * learner.progress)
        bar.set_postfix_str(self._describe(learner))

    def cleanup_fit(self, _: Learner) -> None:
        """Close the bar.

        In a notebook, replace the bar with its last text, which is visible even when no kernel is
        running.
        """
        if self._bar is not None:
            self._bar.close()
            if self._output is not None:
                self._output.show_text(str(self._bar))
            self._bar = self._output = None

    def _describe(self, learner: Learner) -> str:
        return (
            f"{clock(self._meter.seconds_left(learner))} left, iteration {learner.iteration}, "
            f"{self._meter.rate(learner):.3g}/s, {describe_losses(learner.losses)}"
        )


def clock(seconds: float) -> str:
    """Format a time as minutes and seconds."""
    if seconds == math.inf:
        return "--:--"
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def describe_losses(losses: dict[str, Tensor]) -> str:
    """Format the loss and its terms; the layers of a term (``term/layer``) are added up."""
    terms: dict[str, float] = {}
    for name, value in losses.items():
        term = name.partition("/")[0]
        terms[term] = terms.get(term, 0.0) + float(value.detach())
    text = f"loss {sum(terms.values()):.4g}"
    if len(terms) > 1:
        text += " = " + " + ".join(f"{value:.4g} {term}" for term, value in terms.items())
    return text
