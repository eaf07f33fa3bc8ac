"""Build the loss of a style transfer at each scale from the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.errors import InputError
from nca.images.color_profiles import Profile
from nca.losses.features.base import FeatureExtractor, Mirrored, check_taps
from nca.losses.features.build import build_features, is_pretrained
from nca.losses.features.pretrained import ARCHITECTURES, Pretrained
from nca.losses.features.residual import CONVNEXT_TAPS, RESNET_TAPS, Residual
from nca.losses.perceptual import ContentTerm, StyleLoss, StyleTerm, mixture, relative
from nca.losses.pixels import MatchImage, OverallColor, Palette, TotalVariation
from nca.losses.statistics import build_statistic
from nca.losses.term import Term
from nca.losses.tiled import TiledLoss, cover, describe_tiled
from nca.style.photos import read_color
from nca.style.scales import Size, resize
from nca.style.settings import PixelSettings, StyleSettings

# The content layer is the first of these that the network has.
CONTENT = (
    "relu4_2", "relu4_1", "relu3_1", "relu2_2", "fire5", "layer2", "features.3",
    "net3", "net2", "net1",
)  # fmt: skip
# Smallest side of an image, in pixels, for features that are fitted to images; 12 if not listed.
MIN_SIDES = {"patches": 56}
SAMPLE = 256  # side in pixels of the crops, one per image, that features are fitted to


@dataclass(frozen=True)
class StyleInputs:
    """All images of a style transfer, at the size of the result.

    Attributes:
        content: content image, [1, 3, H, W] in [0, 1].
        styles: style images, [1, 3, h, w] each.
        image: image to match pixel by pixel, [1, 3, H, W].
        regions: region of the result for each style, [H, W] each; empty: everything.
        masks: region of each style that is used, [h, w] each; empty: everything.
        profile: color profile of all images; None: sRGB.
    """

    content: Tensor
    styles: Sequence[Tensor]
    image: Tensor
    regions: Sequence[Tensor] = ()
    masks: Sequence[Tensor] = ()
    profile: Profile = None

    def at(self, size: Size) -> "StyleInputs":
        """The same images for a result of another size."""
        factor = max(size) / max(self.content.shape[-2:])
        of_styles = [_scaled(style, factor) for style in self.styles]
        return StyleInputs(
            resize(self.content, size),
            [resize(style, of) for style, of in zip(self.styles, of_styles, strict=True)],
            resize(self.image, size),
            [resize_mask(region, size) for region in self.regions],
            [resize_mask(mask, of) for mask, of in zip(self.masks, of_styles, strict=False)],
            self.profile,
        )


class Losses:
    """Builds the loss at every scale.

    Args:
        settings: settings of the style transfer.
        pictures: images at the size of the result.
        generator: source of all random numbers in a step.

    Raises:
        InputError: all weights are 0, or the statistic cannot be computed in tiles.
    """

    def __init__(
        self, settings: StyleSettings, pictures: StyleInputs, generator: torch.Generator
    ) -> None:
        self.settings, self.pictures, self.generator = settings, pictures, generator
        self.statistic = build_statistic(settings.loss.statistic, generator)
        self.with_style = bool(pictures.styles) and settings.loss.style_weight > 0
        self.with_content = settings.loss.content_weight > 0
        self._net: FeatureExtractor | None = None
        self._shared = False
        self._layers: tuple[Sequence[str], Sequence[str]] = (), ()
        longest = max(pictures.content.shape[-2:])
        if self.with_style and longest > settings.scales.tile and not self.statistic.mergeable:
            raise InputError(
                f"`statistic` {settings.loss.statistic} with `tile` {settings.scales.tile}: it "
                f"sorts the features of the whole image, which tiles cannot do; use gram, "
                f"wasserstein or moments, or `tile` {longest}, which takes more memory"
            )
        if not (self.with_style or self.with_content or _pixel_terms(settings.pixels, pictures)):
            raise InputError("all weights are 0, so there is nothing to optimize")

    def share_features(self, other: "Losses") -> None:
        """Use the feature extractor of other losses at all scales instead of building one."""
        self._net, self._layers, self._shared = other._net, other._layers, True

    def at(self, size: Size) -> StyleLoss | TiledLoss:
        """The loss of an image of this height and width.

        Raises:
            InputError: the features are not available, or a layer or a mask is not usable.
        """
        settings, pictures = self.settings, self.pictures.at(size)
        loss = StyleLoss(None, pixels=_pixel_terms(settings.pixels, pictures))
        if not (self.with_style or self.with_content):
            return loss
        loss.features = features = self._features(pictures)
        self._check_sides(features, pictures)
        if self.with_style:
            loss.styles = self._style_terms(features, pictures)
        if self.with_content:
            loss.content = self._content_term(features, pictures.content)
        if max(size) <= settings.scales.tile:
            return loss
        return TiledLoss(loss, pictures.content, settings.scales.tile, self.generator)

    def _features(self, pictures: StyleInputs) -> FeatureExtractor:
        name = self.settings.network.features
        if self._net is not None and (self._shared or is_pretrained(name)):
            return self._net
        if is_pretrained(name):
            self._net = build_features(
                name,
                pictures.content,
                taps=self._taps,
                border=self.settings.network.border,
                pooling=self.settings.network.pooling,
            )
        else:
            self._check_sides(None, pictures)
            fitted = center_crops([pictures.content, *pictures.styles])
            self._net = Mirrored(
                build_features(name, fitted, pooling=self.settings.network.pooling)
            )
            self._taps(list(self._net(fitted, wraps=False)))
        return self._net

    def _check_sides(self, features: FeatureExtractor | None, pictures: StyleInputs) -> None:
        name = self.settings.network.features
        least = MIN_SIDES.get(name, 12)
        if isinstance(features, Pretrained | Residual):
            least = features.min_side
        for picture in (pictures.content, *pictures.styles):
            height, width = picture.shape[-2:]
            if min(height, width) < least:
                raise InputError(
                    f"a picture is {width}x{height} pixels at one scale, but `features` {name} "
                    f"needs {least} or more; use a larger `smallest`, or a less elongated image"
                )

    def _taps(self, names: Sequence[str]) -> tuple[str, ...]:
        """Choose the layers of style and content: from the settings, or the usual ones."""
        settings = self.settings
        if wanted := (*settings.network.style_layers, *settings.network.content_layers):
            check_taps(settings.network.features, wanted, names)
        usual = {tap for net in ARCHITECTURES.values() for tap in net.taps}
        usual |= {*RESNET_TAPS, *CONVNEXT_TAPS}
        style = settings.network.style_layers or [name for name in names if name in usual] or names
        content = settings.network.content_layers or [name for name in CONTENT if name in names][:1]
        self._layers = style, content or names[-1:]
        chosen = (style if self.with_style else ()), (content if self.with_content else ())
        return tuple(dict.fromkeys(name for layers in chosen for name in layers))

    def _style_terms(self, features: FeatureExtractor, pictures: StyleInputs) -> list[StyleTerm]:
        settings, statistic = self.settings, self.statistic
        masks: Sequence[Tensor | None] = pictures.masks or [None] * len(pictures.styles)
        described = [
            describe_tiled(features, style, self._layers[0], statistic, settings.scales.tile, mask)
            for style, mask in zip(pictures.styles, masks, strict=True)
        ]
        weights = _layer_weights("style", settings.loss.layer_weights)
        shares = settings.loss.style_weights or [1.0] * len(described)
        if not pictures.regions:
            targets = mixture(described, statistic, shares)
            return [
                StyleTerm(
                    targets,
                    statistic,
                    weights=weights,
                    weight=settings.loss.style_weight,
                    name="style",
                )
            ]
        return [
            StyleTerm(
                described[i],
                statistic,
                weights=weights,
                weight=settings.loss.style_weight * shares[i] / sum(shares),
                region=region,
                name=f"style {i + 1}",
            )
            for i, region in enumerate(pictures.regions)
        ]

    @torch.no_grad()
    def _content_term(self, features: FeatureExtractor, content: Tensor) -> ContentTerm:
        settings, wanted = self.settings, self._layers[1]
        weights = _layer_weights("content", settings.loss.layer_weights)
        if max(content.shape[-2:]) > settings.scales.tile:
            # A tiled loss computes the features for each tile again. Here a sample is enough,
            # because only the scale of the features is needed.
            tiles = cover(content.shape[-2], content.shape[-1], settings.scales.tile, None)
            content = tiles[len(tiles) // 2].cut(content)
        layers = features(content, wraps=False)
        kept = {name: layers[name] for name in wanted}
        weight = settings.loss.content_weight
        if settings.loss.relative_content:
            factors = relative(kept, weight, weights)
        else:
            factors = {name: weight * weights.get(name, 1.0) for name in kept}
        return ContentTerm(kept, factors)


def _pixel_terms(settings: PixelSettings, pictures: StyleInputs) -> list[Term]:
    terms: list[Term] = []
    if settings.smooth_weight:
        terms.append(settings.smooth_weight * TotalVariation())
    if settings.image_weight:
        terms.append(settings.image_weight * MatchImage(pictures.image))
    if settings.color and settings.color_weight:
        color = read_color(settings.color, pictures.profile)
        terms.append(settings.color_weight * OverallColor(color))
    if settings.palette and settings.palette_weight:
        colors = [read_color(color, pictures.profile) for color in settings.palette]
        terms.append(settings.palette_weight * Palette(colors))
    return terms


def _layer_weights(term: str, weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of the layers of one term, by layer name."""
    return {
        name.removeprefix(f"{term}/"): weight
        for name, weight in weights.items()
        if name.startswith(f"{term}/")
    }


def _scaled(picture: Tensor, factor: float) -> Size:
    height, width = (max(1, round(side * factor)) for side in picture.shape[-2:])
    return height, width


def center_crops(pictures: Sequence[Tensor]) -> Tensor:
    """Crop images to their centers and join the crops, [1, 3, S, n * S], to fit features to."""
    side = min(SAMPLE, *(length for picture in pictures for length in picture.shape[-2:]))
    middles = []
    for picture in pictures:
        top, left = ((length - side) // 2 for length in picture.shape[-2:])
        middles.append(picture[..., top : top + side, left : left + side])
    return torch.cat(middles, 3)


def resize_mask(mask: Tensor, size: Size) -> Tensor:
    """Resize a region, [H, W] bool."""
    if tuple(mask.shape) == size:
        return mask
    return F.interpolate(mask[None, None].float(), size, mode="area")[0, 0] > 0.5
