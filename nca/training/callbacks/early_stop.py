"""End a fit that gets no better."""

import math

from nca.training.callbacks.metrics import Metrics, RowReader
from nca.training.learner import Learner


class EarlyStop(RowReader):
    """Stop when a value in the rows of the metrics was not below its best for a while.

    Args:
        metrics: whose rows.
        name: of the value, such as ``loss`` or ``valid/loss``.
        patience: rows with that value to wait for a better one.
        gain: how much lower a value must be to be better.

    Attributes:
        best: the lowest value so far.
    """

    main_process_only = False  # the rows are the same in all, and so is what follows
    kept = ("best", "_waited")

    def __init__(
        self, metrics: Metrics, name: str = "valid/loss", patience: int = 5, gain: float = 0.0
    ) -> None:
        super().__init__(metrics)
        self.name, self.patience, self.gain = name, patience, gain
        self.best = math.inf
        self._waited = 0

    def show(self, row: dict[str, float], learner: Learner) -> None:
        """Compare."""
        value = row.get(self.name)
        if value is None:
            return
        if value < self.best - self.gain:
            self.best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            learner.stop()
