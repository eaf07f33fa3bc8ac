"""Noise in the collate function: a batch comes out of the loader ready to learn from.

Nothing else is needed to train: ``Supervised(noise_loss, n_inputs=2)`` is the objective, and no
callback takes part, unless the times are drawn by their loss.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nca.ddpm.data import Pictures
from nca.ddpm.schedules import Schedule
from nca.ddpm.targets import Target, spread
from nca.signals import ignore_termination
from nca.training.callback import Callback

if TYPE_CHECKING:
    from nca.training.learner import Learner

LABEL_DROPOUT = 0.1  # so often the net is not told the class, and learns what pictures are at large


class Times(Protocol):
    """Chooses the times of a batch, as quantiles of the schedule's distribution."""

    def draw(self, count: int) -> tuple[Tensor, Tensor | None]:
        """Quantiles in [0, 1), [count], and the weights that make up for the choice."""
        ...


class Uniform:
    """Independent of each other."""

    def draw(self, count: int) -> tuple[Tensor, None]:
        """See :class:`Times`."""
        return torch.rand(count, dtype=torch.float64), None


class Stratified:
    """One in every B-th of the range: each batch sees all noise levels."""

    def draw(self, count: int) -> tuple[Tensor, None]:
        """See :class:`Times`."""
        return (torch.arange(count) + torch.rand(count, dtype=torch.float64)) / count, None


class ByLoss(Callback):
    """More often where the loss is large; a callback too, as it has to learn of the losses.

    Nichol and Dhariwal 2021, section 3.3: the probability of a bin is proportional to the root of
    the mean squared loss in it. They keep the last ten losses of every time; here it is a decaying
    mean of bins of times.

    Args:
        schedule: tells the bin of a time.
        bins: how many.
        floor: the part that is drawn uniformly all the same.
        decay: of the mean.
    """

    essential = True

    def __init__(
        self, schedule: Schedule, bins: int = 50, floor: float = 0.05, decay: float = 0.95
    ) -> None:
        self.schedule, self.floor, self.decay = schedule, floor, decay
        self.squares = torch.ones(bins, dtype=torch.float64)

    def probabilities(self) -> Tensor:
        """Of the bins."""
        roots = self.squares.sqrt()
        return (1 - self.floor) * roots / roots.sum() + self.floor / len(roots)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """See :class:`Times`."""
        probabilities = self.probabilities()
        bins = torch.multinomial(probabilities, count, replacement=True)
        quantiles = (bins + torch.rand(count, dtype=torch.float64)) / len(probabilities)
        return quantiles, 1 / (probabilities[bins] * len(probabilities))

    @torch.no_grad()
    def after_loss(self, learner: "Learner") -> None:
        """Learn of the losses of the batch, of all processes."""
        if not learner.training:
            return
        _, times, *_, target, _ = learner.batch
        losses = (learner.prediction - target).float().square().mean((1, 2, 3))
        times = learner.engine.gather(times).cpu()
        squares = learner.engine.gather(losses).double().square().cpu()
        bins = (self.schedule.quantiles(times) * len(self.squares)).long()
        bins = bins.clamp(0, len(self.squares) - 1)
        count = torch.bincount(bins, minlength=len(self.squares))
        mean = torch.bincount(bins, squares, minlength=len(self.squares)) / count.clamp(min=1)
        kept = self.decay ** count.double()
        self.squares = kept * self.squares + (1 - kept) * mean

    def state_dict(self) -> dict[str, Any]:
        """The means."""
        return {"squares": self.squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self.squares = state["squares"]


class Noisify:
    """Collate function: pictures become what a net is given and what it should answer.

    A batch is ``(input, times, [classes,] target[, weights])``: the inputs of the net first.

    Args:
        schedule: noise levels of times.
        target: what the net predicts.
        times: which times.
        min_snr: whether the loss is weighed so.
        classes: how many, for a net that is told them: class ``classes`` means none.
    """

    def __init__(
        self,
        schedule: Schedule,
        target: Target,
        times: Times | None = None,
        *,
        min_snr: bool = False,
        classes: int | None = None,
    ) -> None:
        self.schedule, self.target = schedule, target
        self.times = times or Uniform()
        self.min_snr, self.classes = min_snr, classes

    @property
    def n_inputs(self) -> int:
        """How many parts of a batch the net is given."""
        return 2 if self.classes is None else 3

    def __call__(self, items: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, ...]:
        """Noise pictures.

        Args:
            items: pictures, [C, H, W] uint8, and their classes.

        Returns:
            See the class; [B, C, H, W] float32 and [B].
        """
        pictures = from_bytes(torch.stack([picture for picture, _ in items]))
        quantiles, weights = self.times.draw(len(items))
        times = self.schedule.times(quantiles)
        sigma = self.schedule.sigma(times)
        noise = torch.randn(pictures.shape)
        noised = pictures + spread(sigma, noise) * noise
        batch: tuple[Tensor, ...] = (spread(self.target.scale(sigma), noise) * noised, times)
        if self.classes is not None:
            told = torch.tensor([label for _, label in items])
            told[torch.rand(len(told)) < LABEL_DROPOUT] = self.classes
            batch += (told,)
        batch += (self.target.of(pictures, noise, sigma),)
        if self.min_snr:
            of_time = self.target.min_snr(sigma)
            weights = of_time if weights is None else weights * of_time
        return batch if weights is None else (*batch, weights.float())


def from_bytes(pictures: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def to_bytes(pictures: Tensor) -> Tensor:
    """About [-1, 1] -> uint8."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def noise_loss(prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared error, mean over the batch; ``weights`` [B] of its pictures."""
    errors = (prediction.float() - target).square().flatten(1).mean(1)
    return errors.mean() if weights is None else (weights * errors).mean()


def build_loader(
    pictures: Pictures,
    noisify: Noisify,
    batch_size: int,
    *,
    seed: int,
    shuffle: bool = True,
    workers: int = 0,
    rank: int = 0,
) -> "DataLoader[Any]":
    """A loader of noised batches; the noise is new in every epoch.

    The order of the pictures is the same for all processes, which share them; the noise is not.

    Args:
        pictures: what is noised.
        noisify: how.
        batch_size: pictures a batch.
        seed: of the order.
        shuffle: whether it changes; then the last, smaller batch is dropped.
        workers: processes that noise, each with a seed of its own.
        rank: of several processes, which this is.
    """
    return DataLoader(
        pictures,
        batch_size=min(batch_size, len(pictures)),
        shuffle=shuffle,
        drop_last=shuffle,
        collate_fn=noisify,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
        worker_init_fn=_Worker(rank),
    )


class _Worker:
    """Torch gives every worker a seed of its own, but the same in every process.

    What ends the training ends the workers when their last batch has been used.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __call__(self, worker: int) -> None:
        torch.manual_seed((torch.initial_seed() + 1_000_003 * self.rank) % 2**63)
        ignore_termination()
