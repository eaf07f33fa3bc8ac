"""Search for a learning rate: raise it until the loss explodes, then find where the loss fell.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
"""

import copy
import io
import json
import math
from bisect import bisect_left
from dataclasses import asdict, dataclass
from pathlib import Path

from nca.system.files import write_atomically
from nca.training.callback import Callback, CancelFit
from nca.training.learner import Learner


@dataclass(frozen=True)
class RateSearch:
    """Result of a learning-rate search.

    Attributes:
        rates, losses: learning rate and smoothed loss for every batch.
        suggestion: the rate in the middle of the loss's descent; None if the loss did not fall.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float | None

    def write(self, folder: Path, name: str = "rate_search") -> None:
        """Write the result to a ``.json`` file, and a plot to a ``.png`` file.

        Raises:
            InputError: a file cannot be written.
        """
        text = json.dumps(asdict(self), allow_nan=False, indent=1)
        write_atomically(folder / f"{name}.json", text.encode())
        write_atomically(folder / f"{name}.png", self._plot())

    def _plot(self) -> bytes:
        from matplotlib.figure import Figure  # noqa: PLC0415  (takes half a second)

        figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, color="black", lw=1.5)
        if self.suggestion is not None:
            label = f"suggestion: {self.suggestion:.2g}"
            axes.axvline(self.suggestion, color="crimson", lw=1.5, label=label)
            axes.legend(frameon=False)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
        data = io.BytesIO()
        figure.savefig(data, format="png")
        return data.getvalue()


def find_rate(
    learner: Learner,
    *,
    start: float = 1e-6,
    end: float = 10.0,
    factor: float = 1.2,
    explosion: float = 3.0,
    smoothing: float = 0.8,
) -> RateSearch:
    """Train with increasing learning rates, then restore the learner exactly.

    Only essential callbacks take part. There is no validation.

    Args:
        learner: the learner to train; afterwards, its weights, optimizer, generators, batches,
            callbacks and counts are the same as before.
        start: first rate, for all parameter groups of the optimizer.
        end: last rate.
        factor: ratio between the rates of successive batches.
        explosion: end the search when the smoothed loss exceeds its minimum by this factor, or is
            not finite.
        smoothing: decay of the moving average of the losses.

    Returns:
        The loss at each rate, and a suggestion.
    """
    before = copy.deepcopy(learner.state_dict())
    callbacks, valid_batches = learner.callbacks, learner.valid_batches
    search = _RisingRate(start, end, factor, explosion, smoothing)
    learner.use_callbacks([*(c for c in callbacks if c.essential), search])
    learner.valid_batches = None
    try:
        learner.fit(iterations=learner.iteration + search.count)
    finally:
        learner.use_callbacks(callbacks)
        learner.valid_batches = valid_batches
        learner.optimizer.zero_grad()
        learner.load_state_dict(before)
    return RateSearch(search.rates, search.losses, valley(search.rates, search.losses))


class _RisingRate(Callback):
    def __init__(
        self, start: float, end: float, factor: float, explosion: float, smoothing: float
    ) -> None:
        self.start, self.factor = start, factor
        self.explosion, self.smoothing = explosion, smoothing
        self.count = 1 + math.ceil(math.log(end / start) / math.log(factor))
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._average = 0.0

    def before_batch(self, learner: Learner) -> None:
        self._rate = self.start * self.factor ** len(self.rates)
        for group in learner.optimizer.param_groups:
            group["lr"] = self._rate

    def after_loss(self, learner: Learner) -> None:
        loss = learner.engine.highest(float(learner.loss.detach()))
        self._average += (1 - self.smoothing) * (loss - self._average)
        smoothed = self._average / (1 - self.smoothing ** (len(self.losses) + 1))
        if not math.isfinite(smoothed):
            raise CancelFit
        self.rates.append(self._rate)
        self.losses.append(smoothed)
        if smoothed > self.explosion * min(self.losses):
            raise CancelFit


def valley(rates: list[float], losses: list[float]) -> float | None:
    """Find the rate in the middle of a curve's longest descent, as fast.ai does.

    The descent is the longest falling subsequence, which need not be contiguous, so noise does not
    end it.
    """
    negated = [-loss for loss in losses]
    tails: list[float] = []  # tails[k]: lowest last value of a rising subsequence of k + 1 values
    ends: list[int] = []
    before: list[int | None] = []
    for i, value in enumerate(negated):
        k = bisect_left(tails, value)
        before.append(ends[k - 1] if k else None)
        tails[k : k + 1], ends[k : k + 1] = [value], [i]
    path: list[int] = []
    step = ends[-1] if ends else None
    while step is not None:
        path.append(step)
        step = before[step]
    if len(path) < 3:
        return None
    return rates[path[len(path) // 2]]
