"""A progress bar on a terminal, plain lines elsewhere."""

import sys
from typing import TYPE_CHECKING, Never

from tqdm import tqdm

from nca.training.callback import Callback

if TYPE_CHECKING:
    from nca.training.learner import Learner

BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{postfix}"


class Progress(Callback):
    """Show how far the fit is, how fast, what is lost and when it will be done.

    Args:
        quiet: plain lines, one every tenth of the fit, as also when standard error is no terminal.
        every: iterations between looks at the loss, each of which waits for the device.
    """

    order = 30

    def __init__(self, *, quiet: bool = False, every: int = 10) -> None:
        self.every = every
        self.plain = quiet or not sys.stderr.isatty()
        self._bar: tqdm[Never] | None = None
        self._tenths = 0

    def before_fit(self, learner: "Learner") -> None:
        """Open the bar."""
        self._tenths = int(10 * learner.progress)
        self._start = (learner.iteration, learner.seconds)
        if not self.plain:
            self._bar = tqdm(total=100, bar_format=BAR, desc="training")

    def after_batch(self, learner: "Learner") -> None:
        """Update the bar, or write a line when a tenth is done."""
        done = learner.progress
        due = int(10 * done) > self._tenths
        if self._bar is not None:
            due = due or learner.iteration % self.every == 0
        if not (learner.training and due):
            return
        self._tenths = int(10 * done)
        text = self._describe(learner)
        if self._bar is not None:
            self._bar.n = round(100 * done)
            self._bar.set_postfix_str(text)
        else:
            print(f"training {done:4.0%}  {text}", file=sys.stderr, flush=True)

    def cleanup_fit(self, _: "Learner") -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _describe(self, learner: "Learner") -> str:
        seconds = learner.seconds - self._start[1]
        rate = (learner.iteration - self._start[0]) / max(seconds, 1e-9)
        left = learner.seconds / max(learner.progress, 1e-9) - learner.seconds
        return (
            f"{left // 60:02.0f}:{left % 60:02.0f} left, iteration {learner.iteration}, "
            f"{rate:.1f}/s, loss {float(learner.loss.detach()):.3f}"
        )

    @staticmethod
    def say(text: str) -> None:
        """Write a line without tearing a bar."""
        tqdm.write(text, file=sys.stderr)
