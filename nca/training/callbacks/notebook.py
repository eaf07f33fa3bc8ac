"""Show a picture of the run below a notebook cell."""

import time

from nca.system.notebook import Output, in_notebook
from nca.training.callback import Callback
from nca.training.callbacks.snapshots import Snapshot
from nca.training.learner import Learner

SMALLEST = 320  # pixels; a narrower picture is enlarged to this width


class NotebookPicture(Callback):
    """In a notebook, show a picture below the cell, and update it as training goes on.

    Args:
        snapshot: draws the current result.
        every_seconds: seconds between two pictures.
    """

    order = 37
    main_process_only = True

    def __init__(self, snapshot: Snapshot, every_seconds: float = 1.0) -> None:
        self.snapshot, self.every_seconds = snapshot, every_seconds
        self._output: Output | None = None
        self._due = 0.0

    def before_fit(self, _: Learner) -> None:
        """Reserve a place for the picture below the cell."""
        self._output = Output() if in_notebook() else None
        self._due = 0.0

    def after_batch(self, learner: Learner) -> None:
        """Draw if the interval has passed."""
        if learner.training and time.monotonic() >= self._due:
            self._draw(learner)
            self._due = time.monotonic() + self.every_seconds

    def after_fit(self, learner: Learner) -> None:
        """Draw the final picture."""
        self._draw(learner)

    def _draw(self, learner: Learner) -> None:
        if self._output is not None and learner.losses:  # there may be nothing left to train
            picture = self.snapshot(learner)
            width = max(picture.width, SMALLEST)
            self._output.show_picture(picture, f"iteration {learner.iteration}", width)
