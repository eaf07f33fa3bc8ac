"""The distance between images and a texture, and the penalty on states that overflow."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nca.losses.features.base import FeatureExtractor, circular_pad
from nca.losses.features.patchnet import Builtin
from nca.losses.native import TextureKernel
from nca.losses.perceptual import StyleTerm, describe
from nca.losses.statistics import Statistic
from nca.losses.term import Term

MIN_VARIANCE = 1e-4  # added to the variance, because a channel may be constant


class TextureLoss(Term):
    """Distance between images and the texture of a target, by a statistic of features.

    Args:
        target: image, [1, C, H, W] in [0, 1].
        features: computes the layers to compare.
        statistic: compares each layer.
        weights: weights by layer name, 1 by default.
        wraps: whether the images wrap; the target does not.
        joint: whether the images of a batch are compared as parts of one texture, if gradients are
            computed. This is for small crops: none of them has all features of the target.
        name: prefix for layer names.

    Raises:
        InputError: a weight names a layer that does not exist.
    """

    def __init__(
        self,
        target: Tensor,
        features: FeatureExtractor,
        statistic: Statistic,
        *,
        weights: Mapping[str, float] | None = None,
        wraps: bool = True,
        joint: bool = False,
        name: str = "texture",
    ) -> None:
        self.features, self.wraps, self.joint = features, wraps, joint
        self.device = target.device
        with torch.no_grad():
            targets = describe(features(target, wraps=False), statistic)
        self.random = statistic.random
        self.style = StyleTerm(targets, statistic, weights=weights, name=name)
        self.kernel: TextureKernel | None = None
        if isinstance(features, Builtin) and statistic.from_moments:
            self.kernel = TextureKernel(features)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Distance of every image by layer, ``NAME/LAYER`` -> [B]."""
        images = images.to(self.device)
        joint = self.joint and torch.is_grad_enabled()
        moments = self.kernel and self.kernel(images, wraps=self.wraps)
        if moments:
            of_moments = self.style.statistic.of_moments
            if joint:
                moments = {name: one.mean(0, keepdim=True) for name, one in moments.items()}
            distances = self.style.compare({name: of_moments(m) for name, m in moments.items()})
        else:
            features = self.features(images, wraps=self.wraps)
            if joint:
                features = {name: side_by_side(one) for name, one in features.items()}
            distances = self.style(features)
        return {name: distance.expand(len(images)) for name, distance in distances.items()}

    def __repr__(self) -> str:
        features, statistic = type(self.features).__name__, type(self.style.statistic).__name__
        return f"TextureLoss({features}, {statistic})"


def side_by_side(features: Tensor) -> Tensor:
    """Join the features of all images, [B, N, h, w] -> [1, N, B * h, w]."""
    return features.transpose(0, 1).flatten(1, 2)[None]


def overflow(state: Tensor) -> Tensor:
    """Mean distance of state values from [-1, 1]; penalizing it keeps a rule from blowing up."""
    return (state - state.clamp(-1, 1)).abs().mean()


def curvature(state: Tensor, *, wraps: bool) -> Tensor:
    """Squared second differences of neighboring cells, relative to the variance: [B, ...] -> [B].

    It is about 12 for independent random values, and small for channels that vary slowly. It does
    not depend on the scale of the values, so a rule cannot lower it by shrinking them.

    Args:
        state: [B, C, H, W]; the result is the mean over all channels.
        wraps: whether cells at opposite borders are neighbors.
    """
    padded = circular_pad(state, 1) if wraps else state
    down, across = (padded.diff(n=2, dim=axis).square().mean((2, 3)) for axis in (2, 3))
    return ((down + across) / (state.var((2, 3)) + MIN_VARIANCE)).mean(1)
