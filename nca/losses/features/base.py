"""The interface of feature extractors, and the simplest one: raw patches.

A feature extractor maps images to named layers of features. For images that wrap (the states of a
rule with circular padding), convolutions use circular padding, so there is no border. For other
images, convolutions use no padding ("valid"), so that no invented pixels contribute.
"""

import math
from collections.abc import Collection, Sequence
from functools import cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError

Features = dict[str, Tensor]


class FeatureExtractor(Protocol):
    """Maps images to features."""

    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        """Compute the features of every layer.

        Args:
            images: [B, C, H, W] in about [0, 1].
            wraps: whether the left edge joins the right edge, and the top joins the bottom.

        Returns:
            Layer name -> [B, N, h, w], shallow layers first.
        """
        ...


def check_taps(network: str, taps: Collection[str], names: Sequence[str]) -> None:
    """Refuse layers that a network does not have, or an empty choice of layers.

    Raises:
        InputError: a layer does not exist, or none is chosen; the message lists the layers.
    """
    for name in taps:
        if name not in names:
            raise InputError(f"{network} has no layer {name!r}; it has {', '.join(names)}")
    if not taps:
        raise InputError(f"{network}: no layer is chosen; it has {', '.join(names)}")


def circular_pad(images: Tensor, size: int) -> Tensor:
    """Add ``size`` pixels on every side of images that wrap."""
    return F.pad(images, (size, size, size, size), mode="circular")


@cache
def binomial(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the filter [1, 3, 3, 1] / 8, applied along both axes, as a [4, 4] tensor."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=device, dtype=dtype) / 8
    return torch.outer(taps, taps)


def halve(images: Tensor, *, wraps: bool) -> Tensor:
    """Blur with the binomial filter [1, 3, 3, 1] / 8 and keep every second pixel."""
    channels = images.shape[1]
    kernel = binomial(images.device, images.dtype).expand(channels, 1, 4, 4)
    padded = F.pad(images, (1, 1, 1, 1), mode="circular" if wraps else "reflect")
    return F.conv2d(padded, kernel, stride=2, groups=channels)


def pyramid(images: Tensor, levels: int, *, wraps: bool) -> list[Tensor]:
    """Return images at full, half, quarter ... size: ``levels`` of them."""
    result = [images]
    for _ in range(levels - 1):
        result.append(halve(result[-1], wraps=wraps))
    return result


class Patches(FeatureExtractor):
    """Raw color patches of an image pyramid; with sliced transport, they give a patch distance.

    Elnekave and Weiss, "Generating Natural Images with Direct Patch Distributions Matching",
    ECCV 2022.
    """

    def __init__(self, size: int = 7, levels: int = 4) -> None:
        self.size, self.levels = size, levels

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        result = {}
        for level, picture in enumerate(pyramid(images, self.levels, wraps=wraps)):
            padded = circular_pad(picture, self.size // 2) if wraps else picture
            patches = F.unfold(padded, self.size)  # [B, C * size**2, positions]
            side = padded.shape[-1] - self.size + 1
            result[f"patch{level}"] = patches.view(*patches.shape[:2], -1, side)
        return result


class Mirrored(FeatureExtractor):
    """Features of an image mirrored at its border, so that border pixels count as much as others.

    Without padding, fewer positions see a border pixel than an inner pixel, and an optimized image
    gets a visible frame. So the image is padded, and each layer is cropped to the positions of the
    original image. Then every pixel counts the same.
    """

    def __init__(self, features: FeatureExtractor, margin: int = 16) -> None:
        self.features, self.margin = features, margin

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        if wraps:
            return self.features(images, wraps=True)
        height, width = images.shape[-2:]
        margin = min(self.margin, height, width)
        layers = self.features(mirror(images, margin), wraps=False)
        return {name: _middle(layer, height, width, margin) for name, layer in layers.items()}


def mirror(images: Tensor, size: int) -> Tensor:
    """Add ``size`` pixels on every side, mirrored at the border: 321 123 321.

    Unlike 32 123 21, this repeats border pixels as often as all others, even after the image has
    been halved in size.
    """
    for axis in (-2, -1):
        length = images.shape[axis]
        before = images.narrow(axis, 0, size).flip(axis)
        after = images.narrow(axis, length - size, size).flip(axis)
        images = torch.cat([before, images, after], axis)
    return images


def _middle(layer: Tensor, height: int, width: int, margin: int) -> Tensor:
    for axis, length in ((-2, height), (-1, width)):
        count = layer.shape[axis]
        stride = 2 ** math.floor(math.log2((length + 2 * margin) / count))
        kept = min(count, length // stride)
        layer = layer.narrow(axis, (count - kept) // 2, kept)
    return layer
