"""Losses of network features: the style and content of style transfer, and the perceptual loss.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016. All
terms share the same features, which are computed once::

    features, statistic = build_features("vgg19", style), Gram()
    targets = describe(features(style, wraps=False), statistic)
    loss = StyleLoss(features, styles=[StyleTerm(targets, statistic, name="style")])
    loss(images)  # [B, 3, H, W] in [0, 1] -> {"style/relu1_1": [B], ...}, differentiable
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.errors import InputError
from nca.losses.features.base import FeatureExtractor, Features
from nca.losses.statistics import Statistic, precise
from nca.losses.term import Term


def describe(layers: Features, statistic: Statistic, region: Tensor | None = None) -> Features:
    """Compute statistics of every layer, over a region, [H, W], or over whole images."""
    return {name: statistic.describe(select(features, region)) for name, features in layers.items()}


def mixture(
    descriptions: Sequence[Features], statistic: Statistic, shares: Sequence[float] | None = None
) -> Features:
    """Describe a mixture of several styles, or of parts of one style, with given shares.

    A mixture is a single target. If two styles were separate targets, only the one with the larger
    weight would show: a weighted sum of two distances is smallest at one of the targets, not
    between them.
    """
    shares = shares or [1.0] * len(descriptions)
    shares = [share / sum(shares) for share in shares]
    return {
        name: statistic.merge([described[name] for described in descriptions], shares)
        for name in descriptions[0]
    }


class StyleTerm:
    """Distance between the layer statistics of images and those of a style.

    Args:
        targets: description of the style, from :func:`describe` or :func:`mixture`.
        statistic: compares each layer.
        weights: weights of layers by name; 1 for layers that are not named.
        weight: weight of the term.
        region: part of the images to compare, [H, W] bool; default: everything.
        name: name of the term; layers are called ``name/layer``, or ``layer`` if the name is empty.

    Raises:
        InputError: a weight names a layer that does not exist.
    """

    def __init__(
        self,
        targets: Features,
        statistic: Statistic,
        *,
        weights: Mapping[str, float] | None = None,
        weight: float = 1.0,
        region: Tensor | None = None,
        name: str = "",
    ) -> None:
        self.targets, self.statistic, self.region, self.name = targets, statistic, region, name
        check_layers(weights or {}, targets)
        self.weights = {name: weight * (weights or {}).get(name, 1.0) for name in targets}

    def describe(self, layers: Features, region: Tensor | None = None) -> Features:
        """Describe the layers of images."""
        return describe({name: layers[name] for name in self.targets}, self.statistic, region)

    def compare(self, descriptions: Features) -> dict[str, Tensor]:
        """Weighted distance of every layer from its target, [B]."""
        return {
            f"{self.name}/{layer}" if self.name else layer: self.weights[layer]
            * self.statistic.compare(descriptions[layer], target)
            for layer, target in self.targets.items()
        }

    def __call__(self, layers: Features) -> dict[str, Tensor]:
        """Weighted distance of every layer of images from its target, [B]."""
        return self.compare(self.describe(layers, self.region))


class ContentTerm:
    """Mean squared difference between features at the same position.

    Args:
        content: features of the content image, [1, N, h, w] each, for the compared layers only.
        factors: weights of the layers; see :func:`relative`.
    """

    name = "content"

    def __init__(self, content: Features, factors: Mapping[str, float]) -> None:
        self.content, self.factors = content, factors

    def compare(self, layers: Features, content: Features) -> dict[str, Tensor]:
        """Weighted difference between image layers and content layers, [B]."""
        return {
            f"{self.name}/{layer}": factor
            * precise(layers[layer] - content[layer]).square().mean((1, 2, 3))
            for layer, factor in self.factors.items()
        }

    def __call__(self, layers: Features) -> dict[str, Tensor]:
        """Weighted difference between image layers and the stored content, [B]."""
        return self.compare(layers, self.content)


def relative(content: Features, weight: float, weights: Mapping[str, float]) -> dict[str, float]:
    """Divide ``weight`` by the mean square of the content in each layer.

    This makes networks and layers comparable: a difference with the same mean square as the content
    adds ``weight`` to the loss. ``weights`` holds additional factors by layer name, 1 by default.

    Raises:
        InputError: a weight names a layer that does not exist.
    """
    check_layers(weights, content)
    return {
        name: weight * weights.get(name, 1.0) / (float(precise(features).square().mean()) + 1e-12)
        for name, features in content.items()
    }


def check_layers(weights: Mapping[str, float], layers: Mapping[str, object]) -> None:
    """Refuse weights for layers that do not exist.

    Raises:
        InputError: a layer does not exist; the message names it and lists the existing layers.
    """
    unknown = sorted(set(weights) - set(layers))
    if unknown:
        raise InputError(f"no layer {unknown[0]!r}; the layers are {', '.join(layers)}")


class PerceptualLoss:
    """Distance between the features of images and of their originals, at the same position.

    Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution", ECCV 2016. Unlike in the paper, all layers are used, and the squared
    differences of a layer are divided by the mean square of its features in an example image.

    Args:
        features: computes the layers to compare.
        example: a typical original, [1, 3, H, W] in [0, 1].
        weights: weights by layer name, 1 by default.

    Raises:
        InputError: a weight names a layer that does not exist.
    """

    def __init__(
        self,
        features: FeatureExtractor,
        example: Tensor,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.features = features
        self.factors = relative(features(example, wraps=False), 1.0, weights or {})

    def __call__(self, images: Tensor, originals: Tensor) -> Tensor:
        """Sum over the layers; images and originals, [B, 3, H, W] in about [0, 1] -> [B]."""
        with torch.no_grad():
            content = self.features(originals, wraps=False)
        layers = ContentTerm(content, self.factors)(self.features(images, wraps=False))
        return torch.stack(list(layers.values())).sum(0)


class StyleLoss(Term):
    """All terms of a style transfer, from one pass through the features.

    Args:
        features: features for styles and content; None if there is neither.
        styles: one term per region with its own style.
        content: the content term.
        pixels: terms that need no features.
        wraps: whether the images wrap.
    """

    def __init__(
        self,
        features: FeatureExtractor | None,
        *,
        styles: Sequence[StyleTerm] = (),
        content: ContentTerm | None = None,
        pixels: Sequence[Term] = (),
        wraps: bool = False,
    ) -> None:
        self.features, self.styles, self.content = features, styles, content
        self.pixels, self.wraps = pixels, wraps

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted distances by term and layer.

        Args:
            images: [B, 3, H, W] in about [0, 1].

        Returns:
            ``style/LAYER``, ``content/LAYER`` and the names of the other terms -> [B].
        """
        losses: dict[str, Tensor] = {}
        if self.features is not None:
            layers = self.features(images, wraps=self.wraps)
            for style in self.styles:
                losses |= style(layers)
            if self.content is not None:
                losses |= self.content(layers)
        for term in self.pixels:
            losses |= term(images)
        return losses


def select(features: Tensor, region: Tensor | None) -> Tensor:
    """Select the positions of features that lie in a region of the image.

    Args:
        features: [B, N, h, w].
        region: part of the image, [H, W] bool; None: everything.

    Returns:
        [B, N, 1, n], or the unchanged features.

    Raises:
        InputError: no position lies in the region.
    """
    if region is None:
        return features
    inside = at_layer(region, features.shape[-2], features.shape[-1])
    chosen = inside.flatten().nonzero().flatten()
    if len(chosen) == 0:
        raise InputError(
            f"mask of {region.shape[1]}x{region.shape[0]} pixels: its white part is too small, it "
            f"covers no position of a {features.shape[-1]}x{features.shape[-2]} feature layer"
        )
    return features.flatten(2).index_select(2, chosen.to(features.device))[:, :, None]


def at_layer(region: Tensor, height: int, width: int) -> Tensor:
    """Reduce a region to the resolution of a layer: positions that lie mostly inside, [h, w]."""
    return F.interpolate(region[None, None].float(), (height, width), mode="area")[0, 0] > 0.5
