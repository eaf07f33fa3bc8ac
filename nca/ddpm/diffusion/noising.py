"""Add noise in the collate function, so that the loader gives complete training batches.

:class:`Denoising` is the objective. Training needs a callback only if times (noise levels) are
drawn by their loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from typing_extensions import override

from nca.ddpm.data.dataset import ImageDataset
from nca.ddpm.diffusion.denoiser import run_network
from nca.ddpm.diffusion.parameterization import Parameterization, expand_like
from nca.ddpm.diffusion.schedules import Schedule
from nca.system.signals import ignore_termination
from nca.training.callback import Callback
from nca.training.callbacks.device import to_device
from nca.training.learner import Learner
from nca.training.objective import Objective

LABEL_DROPOUT = 0.1  # fraction of images that are trained without their class


@dataclass(frozen=True)
class Batch:
    """Noised images, and what the network should predict for them.

    Attributes:
        input: noised images, scaled for the network, [B, C, H, W].
        times: times of the noise levels, [B].
        classes: classes of the images, [B], if the network is conditioned on them.
        target: what the network should predict, [B, C, H, W].
        weights: weights of the images' errors, [B]; None: equal.
    """

    input: Tensor
    times: Tensor
    classes: Tensor | None
    target: Tensor
    weights: Tensor | None

    def to(self, device: torch.device, non_blocking: bool = True) -> "Batch":
        """Move to a device; the loaders of Accelerate call this."""
        del non_blocking
        moved: Batch = to_device(self, device)
        return moved


class Denoising(Objective):
    """Squared error of the prediction for a :class:`Batch`, weighted by image."""

    @override
    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        return run_network(model, batch.input, batch.times, batch.classes)

    @override
    def losses(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"noise": noise_loss(prediction, batch.target, batch.weights)}


class Times(Protocol):
    """Chooses the times of a batch, as quantiles of the schedule's distribution."""

    def draw(self, count: int) -> tuple[Tensor, Tensor | None]:
        """Quantiles in [0, 1), [count], and the weights that compensate for the choice."""
        ...


class Uniform(Times):
    """Draws independent times."""

    @override
    def draw(self, count: int) -> tuple[Tensor, None]:
        return torch.rand(count, dtype=torch.float64), None


class Stratified(Times):
    """Draws one time from each of B equal parts of the range, so batches cover all noise levels."""

    @override
    def draw(self, count: int) -> tuple[Tensor, None]:
        return (torch.arange(count) + torch.rand(count, dtype=torch.float64)) / count, None


class ByLoss(Times, Callback):
    """Draws times with a large loss more often; it is also a callback, which observes the losses.

    Times are grouped into bins. The probability of a bin is proportional to the root of the mean
    squared loss in it (Nichol and Dhariwal 2021, section 3.3). The paper keeps the last ten losses
    of every time; here each bin keeps a decaying mean.

    Args:
        schedule: gives the bin of a time.
        bins: number of bins.
        floor: fraction that is always drawn uniformly.
        decay: decay of the mean.
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
        """Update the means with the losses of the batch, of all processes."""
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


class Noisify:
    """Collate function that adds noise to images.

    Args:
        schedule: noise levels of times.
        parameterization: what the network predicts.
        times: draws the times.
        min_snr: use min-SNR weights for the loss.
        classes: number of classes, if the network is conditioned on them; class ``classes`` stands
            for no class.
    """

    def __init__(
        self,
        schedule: Schedule,
        parameterization: Parameterization,
        times: Times | None = None,
        *,
        min_snr: bool = False,
        classes: int | None = None,
    ) -> None:
        self.schedule, self.parameterization = schedule, parameterization
        self.times = times or Uniform()
        self.min_snr, self.classes = min_snr, classes

    def __call__(self, items: Sequence[tuple[Tensor, int]]) -> Batch:
        """Add noise to images, [C, H, W] uint8, each with its class."""
        images = from_bytes(torch.stack([image for image, _ in items]))
        quantiles, weights = self.times.draw(len(items))
        times = self.schedule.times(quantiles)
        sigma = self.schedule.sigma(times)
        noise = torch.randn(images.shape)
        noised = images + expand_like(sigma, noise) * noise
        classes = None
        if self.classes is not None:
            classes = torch.tensor([label for _, label in items])
            classes[torch.rand(len(classes)) < LABEL_DROPOUT] = self.classes
        if self.min_snr:
            of_time = self.parameterization.min_snr(sigma)
            weights = of_time if weights is None else weights * of_time
        return Batch(
            expand_like(self.parameterization.scale(sigma), noise) * noised,
            times,
            classes,
            self.parameterization.target(images, noise, sigma),
            None if weights is None else weights.float(),
        )


def from_bytes(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_bytes(images: Tensor) -> Tensor:
    """[-1, 1] -> uint8."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def noise_loss(prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared error, averaged over the batch with ``weights`` [B]."""
    errors = (prediction.float() - target).square().flatten(1).mean(1)
    return errors.mean() if weights is None else (weights * errors).mean()


def build_loader(
    images: ImageDataset,
    noisify: Noisify,
    batch_size: int,
    *,
    seed: int,
    shuffle: bool = True,
    workers: int = 0,
    rank: int = 0,
) -> "DataLoader[Any]":
    """Make a loader of noised batches; the noise is new in every epoch.

    All processes, which share the images, use the same order of images but different noise.

    Args:
        images: images to add noise to.
        noisify: adds the noise.
        batch_size: images per batch.
        seed: random seed of the order.
        shuffle: change the order every epoch, and drop the last, smaller batch.
        workers: number of processes that add noise, each with its own seed.
        rank: index of this process.
    """
    return DataLoader(
        images,
        batch_size=min(batch_size, len(images)),
        shuffle=shuffle,
        drop_last=shuffle,
        collate_fn=noisify,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
        worker_init_fn=_Worker(rank),
    )


class _Worker:
    """Initializes a worker process of a data loader.

    The seed depends on the rank, because torch gives worker i the same seed in every training
    process. Workers ignore the signals that end the training; they end when their last batch has
    been used.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __call__(self, worker: int) -> None:
        torch.manual_seed((torch.initial_seed() + 1_000_003 * self.rank) % 2**63)
        ignore_termination()
