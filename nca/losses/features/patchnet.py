"""Features that need no download: they are fitted to the target in a fraction of a second.

``PatchNet`` is a small convolutional network. The filters of each layer are the cluster centers of
half-whitened patches of its input (Coates and Ng, "Learning Feature Representations with K-Means",
2012; they whiten fully, but on smooth images, only half whitening converges). ``RandomBank`` is one
layer of fixed random filters on a pyramid (Ustyuzhaninov et al., "Texture Synthesis Using Shallow
Convolutional Networks with Random Filters", 2016). ``Builtin`` combines the two: the network
responds to shapes, and the bank to colors at all scales.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from nca.losses.features.base import FeatureExtractor, Features, circular_pad, halve, pyramid

LAYERS = ((5, 32), (3, 64), (3, 64), (3, 64))  # kernel size, number of filters; 2x2 pooling between
LEVELS = 4
SMALLEST_LEVEL = 12  # side in pixels; a smaller level has too few positions for statistics
PATCHES = 4000  # maximum number of patches to cluster
NOISE_FLOOR = 0.05  # variance added in every direction, as a fraction of the mean variance
COLOR_FLOOR = 0.03**2  # variance added along every color axis


class Normalization:
    """Normalize to zero mean and an overall std of about 1, with half-whitened color axes.

    The color channels of an image mostly vary together, so an error in hue would hardly count
    compared with an error in brightness. Half whitening gives it more weight; see also
    :func:`_patch_centers`.
    """

    def __init__(self, target: Tensor) -> None:
        self.mean = target.mean((2, 3), keepdim=True)
        colors = (target - self.mean).flatten(2)[0]
        values, vectors = torch.linalg.eigh(colors @ colors.T / colors.shape[1])
        # Without this floor, noise in a nearly flat image would be amplified to full contrast.
        values = values.clamp(min=0) + COLOR_FLOOR
        quarter_root = (values + NOISE_FLOOR * values.mean()).pow(0.25)
        std = (values / quarter_root.square()).mean().sqrt()
        self.matrix = (vectors / quarter_root @ vectors.T / std)[:, :, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        """Normalize images, [B, C, H, W], with the mean and matrix of the target."""
        return F.conv2d(images - self.mean, self.matrix)


class PatchNet(FeatureExtractor):
    """A convolutional network that is fitted to a target.

    Args:
        target: image, [1, C, H, W] in [0, 1].
        seed: random seed for choosing the patches and the initial cluster centers.
    """

    def __init__(self, target: Tensor, seed: int = 0) -> None:
        self.normalize = Normalization(target)
        self.layers: list[tuple[Tensor, Tensor]] = []
        generator = torch.Generator().manual_seed(seed)
        features = self.normalize(target)
        for size, count in LAYERS:
            if self.layers:
                features = F.avg_pool2d(features, 2)
            if min(features.shape[2:]) < SMALLEST_LEVEL:
                break
            filters = _patch_centers(features, size, count, generator)
            weight, bias = _equalize(filters, features)
            self.layers.append((weight, bias))
            features = F.relu(F.conv2d(features, weight, bias))

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        features = self.normalize(images)
        result = {"color": _with_ones(features)}
        for i, (weight, bias) in enumerate(self.layers):
            if i:
                features = F.avg_pool2d(features, 2)
            padded = circular_pad(features, weight.shape[-1] // 2) if wraps else features
            features = F.conv2d(padded, weight, bias).relu_()
            result[f"net{i + 1}"] = features
        return result


class RandomBank(FeatureExtractor):
    """Zero-mean random filters on a pyramid, both signs rectified, plus the colors.

    Args:
        target: image, [1, C, H, W] in [0, 1]; its responses are normalized to a std of 1.
        size: side of the filters.
        count: number of filters per level.
        seed: random seed of the filters.
    """

    def __init__(self, target: Tensor, size: int = 5, count: int = 24, seed: int = 0) -> None:
        self.normalize = Normalization(target)
        self.levels: list[tuple[Tensor, Tensor]] = []
        level = self.normalize(target)
        while len(self.levels) < LEVELS and min(level.shape[2:]) >= SMALLEST_LEVEL:
            generator = torch.Generator().manual_seed(seed + len(self.levels))
            filters = torch.randn(count, target.shape[1], size, size, generator=generator)
            filters -= filters.mean((2, 3), keepdim=True)
            self.levels.append(_equalize(filters.to(target), level))
            level = halve(level, wraps=False)

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        result = {}
        levels = pyramid(self.normalize(images), len(self.levels), wraps=wraps)
        for i, ((weight, bias), level) in enumerate(zip(self.levels, levels, strict=True)):
            margin = weight.shape[-1] // 2
            padded = circular_pad(level, margin) if wraps else level
            response = F.conv2d(padded, weight, bias)
            colors = F.pad(padded, (-margin,) * 4)  # the pixels under the filter centers
            result[f"bank{i + 1}"] = _BothSigns.apply(response, _with_ones(colors))  # type: ignore[no-untyped-call]
        return result


class _BothSigns(torch.autograd.Function):
    """``cat([relu(x), relu(-x), more])``, but stores only signs for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, more: Tensor) -> Tensor:
        ctx.save_for_backward(x <= 0, x >= 0)
        ctx.sizes, ctx.dtype = [x.shape[1], x.shape[1], more.shape[1]], more.dtype
        result = torch.cat([x, -x, more.to(x.dtype)], 1)
        result[:, : 2 * x.shape[1]].relu_()
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        above, below, more = torch.split(gradients[0], ctx.sizes, 1)
        not_above, not_below = ctx.saved_tensors
        gradient = above.masked_fill(not_above, 0).sub_(below.masked_fill(not_below, 0))
        return gradient, more.to(ctx.dtype)


class Builtin(FeatureExtractor):
    """``PatchNet`` and ``RandomBank`` together: the default features."""

    def __init__(self, target: Tensor, seed: int = 0) -> None:
        self.network, self.bank = PatchNet(target, seed), RandomBank(target, seed=seed)

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        return self.network(images, wraps=wraps) | self.bank(images, wraps=wraps)


def _with_ones(features: Tensor) -> Tensor:
    """Append a channel of ones, so that the Gram matrix also holds the means."""
    return torch.cat([features, torch.ones_like(features[:, :1])], 1)


def _equalize(filters: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Scale filters, and choose biases, so that responses to ``features`` have mean 0 and std 1.

    A filter that hardly responds to the target would get an enormous gain, and the loss grows with
    the fourth power of the gain. So the variance of the response to a little white noise is added
    to the variance of each response.
    """
    response = F.conv2d(features, filters)
    noise = NOISE_FLOOR * features.var((0, 2, 3)).mean() * filters.square().sum((1, 2, 3))
    std = (response.var((0, 2, 3)) + noise).sqrt() + 1e-6
    return filters / std[:, None, None, None], -response.mean((0, 2, 3)) / std


def _patch_centers(features: Tensor, size: int, count: int, generator: torch.Generator) -> Tensor:
    """Compute filters, [count, C, size, size], that respond to typical patches of ``features``."""
    patches = F.unfold(features, size)[0].T  # [positions, C * size**2]
    chosen = torch.randperm(len(patches), generator=generator)[:PATCHES]
    patches = patches[chosen.to(patches.device)]
    patches = patches - patches.mean(0)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    values = values.clamp(min=0)
    quarter_root = (values + NOISE_FLOOR * values.mean() + 1e-12).pow(0.25)
    whitening = vectors / quarter_root
    centers = _spherical_kmeans(patches @ whitening, count, generator)
    filters: Tensor = centers @ whitening.T
    return filters.view(count, features.shape[1], size, size)


def _spherical_kmeans(
    points: Tensor, count: int, generator: torch.Generator, rounds: int = 12
) -> Tensor:
    """Cluster points by direction; return unit vectors in the main directions, [count, D]."""
    first = torch.randperm(len(points), generator=generator)[:count].to(points.device)
    centers = F.normalize(points[first], dim=1)
    if len(centers) < count:
        more = torch.randn(count - len(centers), points.shape[1], generator=generator)
        centers = torch.cat([centers, F.normalize(more.to(points.device), dim=1)])
    for _ in range(rounds):
        length, nearest = (points @ centers.T).max(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, points * length[:, None])
        empty = sums.norm(dim=1) < 1e-6
        sums[empty] = centers[empty]
        centers = F.normalize(sums, dim=1)
    return centers
