"""What is compared of a layer of features: Gram matrix, distribution, or moments.

Each statistic describes the features of a target once and then tells, for every picture of a
batch, how far its features are. All of it in float32, whatever the precision of the features: sums
of products over ten thousand positions leave the range of float16 and the digits of bfloat16.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor


class Statistic(Protocol):
    """Compares features of shape [B, N, h, w] with those of a target."""

    def describe(self, features: Tensor) -> Tensor:
        """What is kept of a target, [1, N, h, w]; its size may differ from the pictures'."""
        ...

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """How far every picture is from what was described, [B], zero when equal."""
        ...


def _precise(features: Tensor) -> Tensor:
    """Float32, or float64 where it is that already."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def gram(features: Tensor) -> Tensor:
    """Products of all pairs of channels, averaged over positions: [B, N, h, w] -> [B, N, N].

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015.
    """
    with torch.autocast(features.device.type, enabled=False):
        matrix: Tensor = _Gram.apply(_precise(features).flatten(2))  # type: ignore[no-untyped-call]
        return matrix


class _Gram(torch.autograd.Function):
    """F F^T / n, whose two equal halves of the gradient autograd would compute one by one."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat @ flat.mT / flat.shape[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        # In this order it lies as the other gradients of channels_last features do: adding two that
        # lie differently takes longer than making one.
        gradient: Tensor = flat.mT @ (gradients[0] + gradients[0].mT) / flat.shape[2]
        return gradient.mT


class Gram:
    """Relative distance of Gram matrices, ``sqrt(d**2 + c**2) - c`` with d = |G - T| / |T|.

    The squared distance of Gatys is quartic in the features, and one blown-up sample drowns the
    rest; this one grows linearly when far and is quadratic when near.
    """

    knee = 0.1

    def describe(self, features: Tensor) -> Tensor:
        """See :class:`Statistic`."""
        return gram(features)

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """See :class:`Statistic`."""
        square = (gram(features) - target).square().sum((1, 2)) / target.square().sum()
        return (square + self.knee**2).sqrt() - self.knee


class LessonGram:
    """The loss of fast.ai's lesson 20, to the letter: mean squared difference of Gram matrices.

    The matrix of a batch is summed over the batch there, which makes it B times the target's for B
    perfect pictures. Kept for the preset that repeats the lesson, and for nothing else.
    """

    def describe(self, features: Tensor) -> Tensor:
        """See :class:`Statistic`."""
        return gram(features)

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """See :class:`Statistic`; the same number for every picture."""
        difference = gram(features).sum(0) - target[0]
        return difference.square().mean().expand(len(features))


class Moments:
    """Relative distance of the mean and of the covariance of the channels.

    Unlike the Gram matrix, which mixes the two, it weighs them alike.
    """

    def describe(self, features: Tensor) -> Tensor:
        """See :class:`Statistic`. [1, N, N + 1]: the covariance, and the mean as last column."""
        mean = _precise(features).mean((2, 3))
        centered = _precise(features) - mean[:, :, None, None]
        return torch.cat([gram(centered), mean[:, :, None]], 2)

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """See :class:`Statistic`."""
        square = (self.describe(features) - target).square()
        scale = target.square()
        covariance = square[:, :, :-1].sum((1, 2)) / scale[:, :, :-1].sum()
        mean = square[:, :, -1].sum(1) / (scale[:, :, -1].sum() + 1e-6)
        knee = Gram.knee
        return (covariance + knee**2).sqrt() + (mean + knee**2).sqrt() - 2 * knee


class SlicedTransport:
    """Sliced optimal transport: distance of sorted projections on random directions.

    Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021. They square
    the differences; here it is their absolute value, relative to the spread of the target's.
    Directions are drawn anew at every call.

    Args:
        generator: of the directions.
        directions: how many.
        samples: positions taken of a picture at most, at random.
    """

    def __init__(
        self, generator: torch.Generator, directions: int = 32, samples: int = 4096
    ) -> None:
        self.generator, self.directions, self.samples = generator, directions, samples

    def describe(self, features: Tensor) -> Tensor:
        """See :class:`Statistic`. The features themselves, [1, N, h * w]."""
        return _precise(features).flatten(2)

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """See :class:`Statistic`."""
        with torch.autocast(features.device.type, enabled=False):
            flat = _precise(features).flatten(2)
            if flat.shape[2] > self.samples:
                chosen = torch.randperm(flat.shape[2], generator=self.generator)[: self.samples]
                flat = flat[:, :, chosen.to(flat.device)]
            directions = torch.randn(self.directions, flat.shape[1], generator=self.generator).to(
                flat.device
            )
            directions = directions / directions.norm(dim=1, keepdim=True)
            theirs = (directions.to(target) @ target[0]).sort(1).values  # [D, M]
            mine = (directions @ flat).sort(2).values  # [B, D, m]
            theirs = quantiles(theirs, mine.shape[2])
            spread = (theirs - theirs.mean(1, keepdim=True)).abs().mean()
            distance: Tensor = (mine - theirs).abs().mean((1, 2)) / (spread + 1e-6)
            return distance


def quantiles(values: Tensor, count: int) -> Tensor:
    """``count`` evenly spaced ones of sorted values, [..., M] -> [..., count]."""
    at = (torch.arange(count, device=values.device) + 0.5) / count
    return values[..., (at * values.shape[-1]).long()]


STATISTICS: dict[str, Callable[[torch.Generator], Statistic]] = {
    "gram": lambda _: Gram(),
    "transport": SlicedTransport,
    "moments": lambda _: Moments(),
    "lesson20": lambda _: LessonGram(),
}
