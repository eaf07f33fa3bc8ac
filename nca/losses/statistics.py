"""Statistics of a feature layer: Gram matrix, distribution, or moments.

Each statistic describes features, and compares descriptions. The target is described once, and the
images are described in every batch. Descriptions of parts can be merged into a description of the
whole; this is used to combine several styles, and to compare images that do not fit into memory.
Everything is computed in float32, even if the features have a lower precision, because sums of
products over ten thousand positions exceed the range of float16 and the precision of bfloat16.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError


class Statistic(ABC):
    """Compares features of shape [B, N, h, w] with the features of a target of any size.

    Attributes:
        mergeable: whether descriptions are small, and merging those of the parts of an image gives
            the same result as describing the whole image.
        random: whether every call draws random numbers.
        from_moments: whether :meth:`of_moments` can replace :meth:`describe`.
    """

    mergeable, random, from_moments = True, False, False

    @abstractmethod
    def describe(self, features: Tensor) -> Tensor:
        """Describe every image, [B, ...], regardless of where in the image features occur."""

    def of_moments(self, moments: Tensor) -> Tensor:
        """Describe features, given second moments and, in the last column, means: [B, N, N + 1]."""
        raise NotImplementedError

    @abstractmethod
    def compare(self, description: Tensor, target: Tensor) -> Tensor:
        """Compute distances of images from a described target, [1, ...]: [B], zero if equal."""

    def merge(self, descriptions: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """Describe a mixture of parts whose given shares add up to 1."""
        parts = [share * part for share, part in zip(shares, descriptions, strict=True)]
        return torch.stack(parts).sum(0)

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """Distance of the features of every image from a described target, [B]."""
        return self.compare(self.describe(features), target)


def precise(features: Tensor) -> Tensor:
    """Convert features to float32, unless they are float64."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def gram(features: Tensor) -> Tensor:
    """Products of all pairs of channels, averaged over positions: [B, N, h, w] -> [B, N, N].

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015.
    """
    with torch.autocast(features.device.type, enabled=False):
        matrix: Tensor = _Gram.apply(precise(features).flatten(2))  # type: ignore[no-untyped-call]
        return matrix


class _Gram(torch.autograd.Function):
    """F F^T / n; the two halves of its gradient are equal, and are computed only once."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat @ flat.mT / flat.shape[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        # Multiplied in this order, the gradient has the same memory layout as other gradients of
        # channels_last features. Adding gradients of different layouts would take longer than
        # computing one.
        gradient: Tensor = flat.mT @ (gradients[0] + gradients[0].mT)
        return gradient.div_(flat.shape[2]).mT


def pseudo_huber(square: Tensor) -> Tensor:
    """Compute ``sqrt(square + c**2) - c``: linear in a large distance, quadratic in a small one.

    The squared distance used by Gatys et al. grows with the fourth power of the features, so one
    blown-up sample would outweigh all others.
    """
    return (square + DELTA**2).sqrt() - DELTA


DELTA = 0.1  # relative distance below which the pseudo-Huber loss is about quadratic


class Gram(Statistic):
    """Relative distance between Gram matrices, ``pseudo_huber(|G - T|**2 / |T|**2)``."""

    from_moments = True

    @override
    def describe(self, features: Tensor) -> Tensor:
        # [B, N, N]
        return gram(features)

    @override
    def of_moments(self, moments: Tensor) -> Tensor:
        return moments[:, :, :-1]

    @override
    def compare(self, description: Tensor, target: Tensor) -> Tensor:
        return pseudo_huber((description - target).square().sum((1, 2)) / target.square().sum())


class LessonGram(Statistic):
    """The loss of fast.ai's lesson 20, unchanged: mean squared difference between Gram matrices.

    The lesson sums the matrices of a batch. So for B perfect images, the sum is B times the target
    matrix, and the loss is not zero. This class exists only for the presets that reproduce the
    lesson.
    """

    from_moments = True

    @override
    def describe(self, features: Tensor) -> Tensor:
        # [B, N, N]
        return gram(features)

    @override
    def of_moments(self, moments: Tensor) -> Tensor:
        return moments[:, :, :-1]

    @override
    def compare(self, description: Tensor, target: Tensor) -> Tensor:
        # Every image gets the same value.
        difference = description.sum(0) - target[0]
        return difference.square().mean().expand(len(description))


class Moments(Statistic):
    """Relative distance between the channel means, plus that between the channel covariances.

    A Gram matrix mixes the two; here they count equally.
    """

    from_moments = True

    @override
    def describe(self, features: Tensor) -> Tensor:
        # [B, N, N + 1]: the covariance, and the mean in the last column
        mean = precise(features).mean((2, 3))
        centered = precise(features) - mean[:, :, None, None]
        return torch.cat([gram(centered), mean[:, :, None]], 2)

    @override
    def of_moments(self, moments: Tensor) -> Tensor:
        second, mean = moments[:, :, :-1], moments[:, :, -1:]
        return torch.cat([second - mean * mean.mT, mean], 2)

    @override
    def compare(self, description: Tensor, target: Tensor) -> Tensor:
        square = (description - target).square()
        scale = target.square()
        covariance = square[:, :, :-1].sum((1, 2)) / scale[:, :, :-1].sum()
        mean = square[:, :, -1].sum(1) / (scale[:, :, -1].sum() + 1e-6)
        return pseudo_huber(covariance) + pseudo_huber(mean)

    @override
    def merge(self, descriptions: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        # The covariance of a mixture includes the spread of the means.
        mixed = super().merge(descriptions, shares)
        offsets = [part[:, :, -1:] - mixed[:, :, -1:] for part in descriptions]
        between = super().merge([offset @ offset.mT for offset in offsets], shares)
        return torch.cat([mixed[:, :, :-1] + between, mixed[:, :, -1:]], 2)


class Wasserstein(Moments):
    """Distance between Gaussians with the features' means and covariances, relative to the target.

    ``W**2 = |m - n|**2 + tr(C + D - 2 (D^.5 C D^.5)^.5)`` (Dowson and Landau, "The Frechet distance
    between multivariate normal distributions", 1982), used for style by Katherine Crowson in
    style-transfer-pytorch, 2021. The result is passed through ``pseudo_huber``.
    """

    floor = 1e-4  # smallest spread in any direction, relative to the mean spread

    def __init__(self) -> None:
        self._roots: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    @override
    def compare(self, description: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(description.device.type, enabled=False):
            mean, covariance = description[:, :, -1], description[:, :, :-1]
            target_mean, target_covariance = target[:, :, -1], target[:, :, :-1]
            noise, root = self._of_target(target)
            # The product is symmetric up to rounding.
            overlap = trace_of_root(root @ (covariance + noise) @ root, noise[0, 0])
            square = (
                (mean - target_mean).square().sum(1)
                + _trace(covariance + noise)
                + _trace(target_covariance + noise)
                - 2 * overlap
            )
            spread = _trace(target_covariance) + 1e-12
            scale = spread + target_mean.square().sum(1)
            return pseudo_huber((square / scale).clamp(min=0))

    @torch.no_grad()
    def _of_target(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the floor as a matrix, and the root of the target's covariance; computed once."""
        if id(target) not in self._roots:
            covariance = target[0, :, :-1]
            spread = covariance.trace() + 1e-12
            noise = self.floor * spread / len(covariance) * torch.eye(len(covariance)).to(target)
            values, vectors = torch.linalg.eigh(covariance + noise)
            root = (vectors * values.clamp(min=0).sqrt()) @ vectors.mT
            self._roots[id(target)] = target, noise, root
        _, noise, root = self._roots[id(target)]
        return noise, root


def trace_of_root(matrices: Tensor, floor: Tensor) -> Tensor:
    """Trace of the square root of symmetric matrices, [B, N, N] -> [B]; NaN if one is not finite.

    On a GPU, only matrix products are used, because a decomposition takes a thousand kernels there.

    Args:
        matrices: the matrices; on a CPU, only the lower triangles are read.
        floor: minimum for the root of an eigenvalue; ignored on a GPU.
    """
    if matrices.is_cuda:
        trace: Tensor = _TraceOfRoot.apply(matrices)  # type: ignore[no-untyped-call]
        return trace
    # LAPACK refuses values that are not finite, which a state that blows up has.
    finite = matrices.isfinite().all(2).all(1)
    identity = torch.eye(matrices.shape[1]).to(matrices)
    values: Tensor = torch.linalg.eigvalsh(matrices.where(finite[:, None, None], identity))
    return values.clamp(min=float(floor) ** 2).sqrt().sum(1).where(finite, torch.nan)


class _TraceOfRoot(torch.autograd.Function):
    """The coupled Newton-Schulz iteration: Higham, "Functions of Matrices", 2008, eq. 6.35.

    The gradient of the trace is half the inverse root, which the iteration also yields. For a
    nearly singular matrix, this inverse is smaller than the exact one.
    """

    iterations = 20

    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        norm = matrices.flatten(1).norm(dim=1)[:, None, None]
        identity = torch.eye(matrices.shape[1], device=matrices.device).expand_as(matrices)
        root, inverse = matrices / norm, identity
        for _ in range(_TraceOfRoot.iterations):
            factor = torch.baddbmm(1.5 * identity, inverse, root, alpha=-0.5)
            root, inverse = root @ factor, factor @ inverse
        ctx.save_for_backward(inverse / norm.sqrt())
        trace: Tensor = _trace(root) * norm[:, 0, 0].sqrt()
        return trace

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        gradient: Tensor = 0.5 * gradients[0][:, None, None] * inverse
        return gradient


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)


class SlicedTransport(Statistic):
    """Sliced optimal transport: distance between sorted projections onto random directions.

    Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021. They square
    the differences; here, absolute differences are divided by the spread of the target's
    projections. Every call draws new directions.

    Args:
        generator: source of random numbers for directions and positions.
        directions: number of directions.
        samples: maximum number of random positions per image.
    """

    mergeable = False
    random = True

    def __init__(
        self, generator: torch.Generator, directions: int = 32, samples: int = 4096
    ) -> None:
        self.generator, self.directions, self.samples = generator, directions, samples

    @override
    def describe(self, features: Tensor) -> Tensor:
        # The features themselves, [B, N, h * w].
        return precise(features).flatten(2)

    @override
    def compare(self, description: Tensor, target: Tensor) -> Tensor:
        flat = description
        with torch.autocast(flat.device.type, enabled=False):
            if flat.shape[2] > self.samples:
                chosen = torch.randperm(flat.shape[2], generator=self.generator)[: self.samples]
                flat = flat[:, :, chosen.to(flat.device)]
            directions = torch.randn(self.directions, flat.shape[1], generator=self.generator).to(
                flat
            )
            directions = directions / directions.norm(dim=1, keepdim=True)
            theirs = (directions.to(target) @ target[0]).sort(1).values  # [D, M]
            mine = (directions @ flat).sort(2).values  # [B, D, m]
            count = mine.shape[2]
            quantiles = (torch.arange(count, device=flat.device) + 0.5) / count
            theirs = theirs[:, (quantiles * theirs.shape[1]).long()]
            spread = (theirs - theirs.mean(1, keepdim=True)).abs().mean()
            distance: Tensor = (mine - theirs).abs().mean((1, 2)) / (spread + 1e-6)
            return distance

    @override
    def merge(self, descriptions: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        # Take random positions from every part, in proportion to its share.
        if len(descriptions) == 1:
            return descriptions[0]
        parts = []
        for share, part in zip(shares, descriptions, strict=True):
            count = max(1, round(4 * self.samples * share))
            chosen = torch.randint(part.shape[2], (count,), generator=self.generator)
            parts.append(part[:, :, chosen.to(part.device)])
        return torch.cat(parts, 2)


# Statistics by name; some need random numbers.
STATISTICS: dict[str, Callable[[torch.Generator], Statistic]] = {
    "gram": lambda _: Gram(),
    "wasserstein": lambda _: Wasserstein(),
    "transport": SlicedTransport,
    "moments": lambda _: Moments(),
    "lesson20": lambda _: LessonGram(),
}


def build_statistic(name: str, generator: torch.Generator) -> Statistic:
    """Make a statistic by name.

    Raises:
        InputError: the name is unknown.
    """
    if name not in STATISTICS:
        raise InputError(f"`statistic` {name}: must be one of {', '.join(STATISTICS)}")
    return STATISTICS[name](generator)
