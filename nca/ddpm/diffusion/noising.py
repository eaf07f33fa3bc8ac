"""Add noise in the collate function, so that the loader yields complete training batches.

:class:`Denoising` is the training objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from typing_extensions import override

from nca.ddpm.data.dataset import ImageDataset
from nca.ddpm.diffusion.denoiser import run_network
from nca.ddpm.diffusion.parameterization import Parameterization, expand_like
from nca.ddpm.diffusion.schedules import Schedule
from nca.ddpm.diffusion.times import Times, Uniform
from nca.system.signals import ignore_termination
from nca.training.callbacks.device import to_device
from nca.training.objective import Objective

LABEL_DROPOUT = 0.1  # fraction of images that the network sees without their class


@dataclass(frozen=True)
class Batch:
    """Noised images, and what the network should predict for them.

    Attributes:
        input: noised images, scaled for the network, [B, C, H, W].
        times: times that correspond to the noise levels, [B].
        classes: classes of the images, [B]; None if the network is not conditioned on classes.
        target: what the network should predict, [B, C, H, W].
        weights: weights of the images' errors, [B]; None: all weights are 1.
    """

    input: Tensor
    times: Tensor
    classes: Tensor | None
    target: Tensor
    weights: Tensor | None

    def to(self, device: torch.device, non_blocking: bool = True) -> "Batch":
        """Move to a device; the data loaders of Accelerate call this."""
        del non_blocking
        moved: Batch = to_device(self, device)
        return moved


class Denoising(Objective):
    """Squared error of the prediction for a :class:`Batch`, with a weight for each image."""

    @override
    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        return run_network(model, batch.input, batch.times, batch.classes)

    @override
    def losses(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"noise": noise_loss(prediction, batch.target, batch.weights)}


class Noisify:
    """Collate function that adds noise to images.

    Args:
        schedule: maps times to noise levels.
        parameterization: what the network predicts.
        times: draws the times.
        min_snr: use min-SNR weights for the loss.
        classes: number of classes; None: not conditioned on classes. The index ``classes``
            means "without a class".
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
        """Add noise to images, [C, H, W] uint8; each item also has the image's class."""
        images = from_bytes(torch.stack([image for image, _ in items]))
        return self.noised(images, torch.tensor([label for _, label in items]))

    def noised(self, images: Tensor, labels: Tensor | None = None) -> Batch:
        """Add noise to images, [B, C, H, W] in about [-1, 1]; ``labels``, if any, are [B]."""
        quantiles, weights = self.times.draw(len(images))
        times = self.schedule.times(quantiles)
        sigma = self.schedule.sigma(times)
        noise = torch.randn(images.shape)
        noised = images + expand_like(sigma, noise) * noise
        classes = None
        if self.classes is not None and labels is not None:
            dropped = torch.rand(len(labels)) < LABEL_DROPOUT
            classes = labels.masked_fill(dropped, self.classes)
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
    """Mean squared error over a batch; ``weights`` [B] multiply the errors of the images."""
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
    """Make a loader of noised batches; every epoch draws new noise.

    All training processes use the same order of images and divide its batches among themselves, but
    each process draws different noise.

    Args:
        images: images to add noise to.
        noisify: adds the noise.
        batch_size: images per batch.
        seed: random seed for the order.
        shuffle: change the order every epoch, and drop the last batch if it is smaller.
        workers: number of worker processes that add noise, each with its own seed.
        rank: index of this training process.
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
    process. Workers ignore the signals that end training; they exit after their last batch has been
    used.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __call__(self, worker: int) -> None:
        torch.manual_seed((torch.initial_seed() + 1_000_003 * self.rank) % 2**63)
        ignore_termination()
