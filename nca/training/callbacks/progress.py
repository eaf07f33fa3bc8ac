"""A progress bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Never

from torch import Tensor
from tqdm import tqdm

from nca.system.console import say
from nca.training.callback import Callback
from nca.training.learner import Learner

BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{postfix}"
SECONDS = 0.2  # between looks at the loss, each of which waits for the device


class Progress(Callback):
    """Show how far the fit is, how fast, what is lost and when it will be done.

    Args:
        quiet: plain lines, one every tenth of the fit, as also when standard error is no terminal.
    """

    order = 30
    main_process_only = True

    def __init__(self, *, quiet: bool = False) -> None:
        self.plain = quiet or not sys.stderr.isatty()
        self._bar: tqdm[Never] | None = None
        self._shown = 0.0
        self._tenths = 0
        self._start = (0, 0.0)

    def before_fit(self, learner: Learner) -> None:
        """Open the bar."""
        self._tenths = int(10 * learner.progress)
        self._start = (learner.iteration, time.monotonic())
        if not self.plain:
            self._bar = tqdm(total=100, bar_format=BAR, desc="training", initial=0)

    def after_batch(self, learner: Learner) -> None:
        """Update the bar now and then, or write a line when a tenth is done."""
        if not learner.training:
            return
        if self._bar is None:
            if int(10 * learner.progress) > self._tenths:
                self._tenths = int(10 * learner.progress)
                say(f"training {learner.progress:4.0%}  {self._describe(learner)}")
        elif time.monotonic() - self._shown > SECONDS:
            self._draw(self._bar, learner)

    def after_epoch(self, learner: Learner) -> None:
        """Draw the bar once more when it is full: before a validation, whose losses are others."""
        if self._bar is not None and learner.training and learner.progress >= 1:
            self._draw(self._bar, learner)

    def _draw(self, bar: "tqdm[Never]", learner: Learner) -> None:
        self._shown = time.monotonic()
        bar.n = round(100 * learner.progress)
        bar.set_postfix_str(self._describe(learner))

    def cleanup_fit(self, _: Learner) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _describe(self, learner: Learner) -> str:
        seconds = time.monotonic() - self._start[1]
        rate = (learner.iteration - self._start[0]) / max(seconds, 1e-9)
        left = learner.seconds / max(learner.progress, 1e-9) - learner.seconds
        return (
            f"{clock(left)} left, iteration {learner.iteration}, "
            f"{rate:.3g}/s, {describe_losses(learner.losses)}"
        )


def clock(seconds: float) -> str:
    """Minutes and seconds, as a clock shows them."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def describe_losses(losses: dict[str, Tensor]) -> str:
    """The loss and its terms; those of the layers of one term (``term/layer``) are added up."""
    terms: dict[str, float] = {}
    for name, value in losses.items():
        term = name.partition("/")[0]
        terms[term] = terms.get(term, 0.0) + float(value.detach())
    text = f"loss {sum(terms.values()):.4g}"
    if len(terms) > 1:
        text += " = " + " + ".join(f"{value:.4g} {term}" for term, value in terms.items())
    return text
