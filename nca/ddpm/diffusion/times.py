"""Choose the times (noise levels) of a training batch."""

from typing import Protocol

import torch
from torch import Tensor
from typing_extensions import override

from nca.ddpm.diffusion.schedules import Schedule
from nca.ddpm.settings import TimesName
from nca.training.callback import Callback
from nca.training.learner import Learner


class Times(Protocol):
    """Chooses the times of a batch, as quantiles of the schedule's distribution."""

    def draw(self, count: int) -> tuple[Tensor, Tensor | None]:
        """Quantiles in [0, 1), [count], and weights for the loss; None: all weights are 1."""
        ...


class Uniform(Times):
    """Draws each time independently."""

    @override
    def draw(self, count: int) -> tuple[Tensor, None]:
        return torch.rand(count, dtype=torch.float64), None


class Stratified(Times):
    """Draws one time from each of ``count`` equal parts of the range.

    Every batch therefore covers all noise levels.
    """

    @override
    def draw(self, count: int) -> tuple[Tensor, None]:
        return (torch.arange(count) + torch.rand(count, dtype=torch.float64)) / count, None


class LogitNormal(Stratified):
    """Draws middle times more often: their logit is standard normal (Esser et al. 2024).

    No weights compensate for this, so the middle times count more in the loss.
    """

    @override
    def draw(self, count: int) -> tuple[Tensor, None]:
        quantiles, _ = super().draw(count)
        return torch.special.ndtri(quantiles).sigmoid(), None


class ByLoss(Times, Callback):
    """Draws times with a large loss more often; it is also a callback, so that it sees the losses.

    Times are grouped into bins. The probability of a bin is proportional to the root mean square of
    the losses in it (Nichol and Dhariwal 2021, section 3.3). The paper keeps the last ten losses
    for every time; here, each bin keeps an exponential moving average of the squared losses.

    Args:
        schedule: used to find the bin of a time.
        bins: number of bins.
        floor: fraction of the times that are drawn uniformly.
        decay: factor by which each new loss scales the old mean.
    """

    essential = True
    kept = ("squares",)

    def __init__(
        self, schedule: Schedule, bins: int = 50, floor: float = 0.05, decay: float = 0.95
    ) -> None:
        self.schedule, self.floor, self.decay = schedule, floor, decay
        self.squares = torch.ones(bins, dtype=torch.float64)

    def probabilities(self) -> Tensor:
        """Probabilities of the bins."""
        roots = self.squares.sqrt()
        return (1 - self.floor) * roots / roots.sum() + self.floor / len(roots)

    @override
    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        probabilities = self.probabilities()
        bins = torch.multinomial(probabilities, count, replacement=True)
        quantiles = (bins + torch.rand(count, dtype=torch.float64)) / len(probabilities)
        return quantiles, 1 / (probabilities[bins] * len(probabilities))

    @torch.no_grad()
    def after_loss(self, learner: Learner) -> None:
        """Update the means with the losses of the batches in all processes."""
        if not learner.training:
            return
        losses = (learner.prediction - learner.batch.target).float().square().mean((1, 2, 3))
        times = learner.engine.gather(learner.batch.times).cpu()
        squares = learner.engine.gather(losses).double().square().cpu()
        bins = (self.schedule.quantiles(times) * len(self.squares)).long()
        bins = bins.clamp(0, len(self.squares) - 1)
        count = torch.bincount(bins, minlength=len(self.squares))
        mean = torch.bincount(bins, squares, minlength=len(self.squares)) / count.clamp(min=1)
        kept = self.decay ** count.double()
        self.squares = kept * self.squares + (1 - kept) * mean


def build_times(name: TimesName, schedule: Schedule) -> Times:
    """Make an object that chooses times, by name."""
    if name == "loss":
        return ByLoss(schedule)
    plain: dict[TimesName, type[Times]] = {
        "uniform": Uniform,
        "stratified": Stratified,
        "logit-normal": LogitNormal,
    }
    return plain[name]()
