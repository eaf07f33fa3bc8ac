"""The distance of pictures from the style of some pictures and from the content of another.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016. All
terms look at the same features, which are computed once::

    features = build_features("vgg19", style)
    loss = StyleLoss(features, styles=[StyleTerm([features(style, torus=False)], Gram())])
    loss(images)  # [B, 3, H, W] in [0, 1] -> {"style/relu1_1": [B], ...}, differentiable
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from nca.errors import InputError
from nca.losses.features import FeatureExtractor, Features
from nca.losses.statistics import Statistic, precise


class PixelTerm(Protocol):
    """A part of the loss that needs no features; see :mod:`nca.losses.pixels`."""

    name: str

    def __call__(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in about [0, 1] -> weighted distance of every picture, [B]."""
        ...


class StyleTerm:
    """Distance of statistics from those of one style, or of a mixture of several.

    Args:
        styles: the features of every style.
        statistic: what is compared of each layer.
        shares: of the styles in the mixture; equal by default.
        masks: where to look in each style, [H, W] of true and false; everywhere by default.
        weights: of layers by name; 1 where not named.
        weight: of all.
        region: where to look in the pictures, [H, W]; everywhere by default.
        name: of the term; a layer's is ``name/layer``, or the layer's own if this is empty.

    Raises:
        InputError: a weight names a layer that there is not, or a mask is empty.
    """

    def __init__(
        self,
        styles: Sequence[Features],
        statistic: Statistic,
        *,
        shares: Sequence[float] | None = None,
        masks: Sequence[Tensor | None] | None = None,
        weights: Mapping[str, float] | None = None,
        weight: float = 1.0,
        region: Tensor | None = None,
        name: str = "",
    ) -> None:
        self.statistic, self.weight, self.region, self.name = statistic, weight, region, name
        shares = shares or [1.0] * len(styles)
        shares = [share / sum(shares) for share in shares]
        descriptions = [
            self.describe(layers, mask)
            for layers, mask in zip(styles, masks or [None] * len(styles), strict=True)
        ]
        self.targets = {
            layer: statistic.merge([described[layer] for described in descriptions], shares)
            for layer in styles[0]
        }
        self.weights = dict.fromkeys(self.targets, 1.0) | dict(weights or {})
        unknown = sorted(set(self.weights) - set(self.targets))
        if unknown:
            raise InputError(f"no layer {unknown[0]!r} to weigh; there are {list(self.targets)}")

    def describe(self, layers: Features, region: Tensor | None = None) -> Features:
        """Statistics of every layer of pictures, in a region if there is one."""
        return {name: self.statistic.describe(select(layers[name], region)) for name in layers}

    def compare(self, descriptions: Features) -> dict[str, Tensor]:
        """Weighted distance of every layer, [B]."""
        return {
            f"{self.name}/{layer}" if self.name else layer: self.weight
            * self.weights[layer]
            * self.statistic.compare(descriptions[layer], target)
            for layer, target in self.targets.items()
        }

    def __call__(self, layers: Features) -> dict[str, Tensor]:
        """Weighted distance of every layer of pictures, [B]."""
        return self.compare(
            self.describe({name: layers[name] for name in self.targets}, self.region)
        )


class ContentTerm:
    """Mean squared difference of features at the same place, relative to the content's own size.

    Args:
        content: features of the content, [1, N, h, w] each; only the layers that are to be
            compared.
        weights: of layers by name; 1 where not named.
        weight: of all.
        relative: divide by the content's mean square, so that nets and layers are alike; the lesson
            does not.
    """

    name = "content"

    def __init__(
        self,
        content: Features,
        *,
        weights: Mapping[str, float] | None = None,
        weight: float = 1.0,
        relative: bool = True,
    ) -> None:
        self.content = content
        self.factors = {
            layer: weight
            * (weights or {}).get(layer, 1.0)
            / (float(features.float().square().mean()) + 1e-12 if relative else 1.0)
            for layer, features in content.items()
        }

    def __call__(self, layers: Features) -> dict[str, Tensor]:
        """Weighted distance of every layer of pictures, [B]."""
        return {
            f"{self.name}/{layer}": self.factors[layer]
            * precise(layers[layer] - content).square().mean((1, 2, 3))
            for layer, content in self.content.items()
        }


class StyleLoss:
    """Every term of a style transfer, from one pass through the features.

    Args:
        features: what styles and content are compared by; None where there are neither.
        styles: one term for every region that has a style of its own.
        content: what is kept of the content.
        pixels: terms that need no features.
        torus: whether the pictures live on a torus.
    """

    def __init__(
        self,
        features: FeatureExtractor | None,
        *,
        styles: Sequence[StyleTerm] = (),
        content: ContentTerm | None = None,
        pixels: Sequence[PixelTerm] = (),
        torus: bool = False,
    ) -> None:
        self.features, self.styles, self.content = features, styles, content
        self.pixels, self.torus = pixels, torus

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted distances by term and layer.

        Args:
            images: [B, 3, H, W] in about [0, 1].

        Returns:
            ``style/LAYER``, ``content/LAYER`` and the names of the other terms -> [B].
        """
        losses: dict[str, Tensor] = {}
        if self.features is not None:
            layers = self.features(images, torus=self.torus)
            for style in self.styles:
                losses |= style(layers)
            if self.content is not None:
                losses |= self.content(layers)
        return losses | {term.name: term(images) for term in self.pixels}


def select(features: Tensor, region: Tensor | None) -> Tensor:
    """The positions of features that lie in a region of the picture.

    Args:
        features: [B, N, h, w].
        region: [H, W] of true and false, of the picture's size; None: all.

    Returns:
        [B, N, 1, n], or the features as they are.

    Raises:
        InputError: there is none.
    """
    if region is None:
        return features
    inside = at_layer(region, features.shape[-2], features.shape[-1])
    chosen = inside.flatten().nonzero().flatten()
    if len(chosen) == 0:
        raise InputError(
            f"a mask of {region.shape[1]}x{region.shape[0]} pixels leaves nothing of a layer of "
            f"{features.shape[-1]}x{features.shape[-2]}; make its white part larger"
        )
    return features.flatten(2).index_select(2, chosen.to(features.device))[:, :, None]


def at_layer(region: Tensor, height: int, width: int) -> Tensor:
    """A region as the positions of a layer that lie in it for the greater part, [h, w]."""
    return F.interpolate(region[None, None].float(), (height, width), mode="area")[0, 0] > 0.5
