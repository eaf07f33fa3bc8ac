"""Compute the loss and gradient of an image that does not fit into memory, tile by tile.

Styles are compared by statistics over all positions. The statistics of the whole image are merged
from those of its tiles. So every tile is processed twice: first without a gradient, for its
statistics; then, after the whole image has been compared, to pass the gradient of the statistics
back to the pixels. Tiles are not compared with the style one by one, so a tile need not contain all
of the style.

Tiles overlap by a margin that is larger than the receptive field in most layers. The tile grid is
shifted randomly in every step, so that any remaining effects of tile borders average out.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.losses.features.base import FeatureExtractor, Features
from nca.losses.perceptual import StyleLoss, StyleTerm, at_layer, describe, mixture
from nca.losses.statistics import Statistic
from nca.losses.term import Term

UNIT = 32  # tile corners are multiples of this, so they fall on whole positions in every layer
MARGIN = 64  # width in pixels of the rim around a tile that is computed, but does not count
COARSEST = 16  # pixels per position of the deepest layers


@dataclass(frozen=True)
class Span:
    """Part of a row or column: ``start`` to ``end`` counts, ``before`` to ``after`` is computed."""

    start: int
    end: int
    before: int
    after: int


@dataclass(frozen=True)
class Tile:
    """A part of an image, in pixels."""

    rows: Span
    columns: Span

    def cut(self, images: Tensor) -> Tensor:
        """Cut the part to compute out of images, [..., H, W]."""
        return images[
            ..., self.rows.before : self.rows.after, self.columns.before : self.columns.after
        ]

    def crop(self, layers: Features) -> Features:
        """Cut the part that counts out of the layers of :meth:`cut`."""
        return {name: self._crop(features) for name, features in layers.items()}

    def _crop(self, features: Tensor) -> Tensor:
        top, bottom = positions(self.rows, features.shape[-2])
        left, right = positions(self.columns, features.shape[-1])
        return features[..., top:bottom, left:right]

    def inside(self, region: Tensor | None) -> Tensor | None:
        """Cut the part that counts out of a region, [H, W]."""
        if region is None:
            return None
        return region[self.rows.start : self.rows.end, self.columns.start : self.columns.end]

    def area(self, inside: Tensor | None = None) -> float:
        """Number of pixels that count; with ``inside``, only those in the region."""
        if inside is not None:
            return float(inside.sum())
        return (self.rows.end - self.rows.start) * (self.columns.end - self.columns.start)


def positions(span: Span, count: int) -> tuple[int, int]:
    """Find which of a layer's ``count`` positions lie in a span: first and end (exclusive).

    A layer computed without padding lacks positions at both ends.
    """
    length = span.after - span.before
    stride = 1
    while length // (2 * stride) >= count and stride < UNIT:
        stride *= 2
    lost = (length // stride - count) // 2
    first = 0 if span.start == span.before else (span.start - span.before) // stride - lost
    last = count if span.end == span.after else (span.end - span.before) // stride - lost
    return max(first, 0), min(last, count)


def spans(length: int, size: int, offset: int) -> list[Span]:
    """Cut a row into spans of at most ``size``, margins included; the first ends at ``offset``.

    A remainder smaller than ``UNIT`` is added to the last span.
    """
    inner = size // UNIT * UNIT - 2 * MARGIN
    cuts = [0, *range(offset % inner or inner, length - UNIT + 1, inner), length]
    return [
        Span(start, end, max(0, start - MARGIN), min(length, end + MARGIN))
        for start, end in itertools.pairwise(cuts)
    ]


def cover(height: int, width: int, size: int, generator: torch.Generator | None) -> list[Tile]:
    """Cover an image with tiles of at most size x size; with a generator, at a random offset.

    An image that is no larger than a tile becomes a single tile.
    """
    offsets = [0, 0]
    if generator is not None:
        drawn = torch.randint(size // UNIT, (2,), generator=generator)
        offsets = [UNIT * offset for offset in drawn.tolist()]
    rows, columns = (
        [Span(0, length, 0, length)] if length <= size else spans(length, size, offset)
        for length, offset in zip((height, width), offsets, strict=True)
    )
    return [Tile(row, column) for row in rows for column in columns]


@torch.no_grad()
def describe_tiled(
    features: FeatureExtractor,
    image: Tensor,
    layers: Sequence[str] | None,
    statistic: Statistic,
    size: int,
    region: Tensor | None = None,
) -> Features:
    """Describe a style image that may be larger than a tile.

    Args:
        features: features to describe.
        image: style image, [1, 3, H, W].
        layers: names of the layers; None: all.
        statistic: describes each layer.
        size: maximum side of a tile.
        region: part of the image to describe, [H, W].
    """
    parts, shares = [], []
    for tile in cover(image.shape[-2], image.shape[-1], size, None):
        inside = tile.inside(region)
        if not is_large_enough(inside):
            continue
        found = tile.crop(features(tile.cut(image), wraps=False))
        kept = {name: found[name] for name in layers or found}
        parts.append(describe(kept, statistic, inside))
        shares.append(tile.area(inside))
    if not parts:
        raise InputError("the white part of a style mask is too small")
    return mixture(parts, statistic, shares)


def is_large_enough(region: Tensor | None) -> bool:
    """Whether a region is large enough to have a position in every layer."""
    if region is None:
        return True
    height, width = (max(1, side // COARSEST) for side in region.shape)
    return bool(at_layer(region, height, width).any())


class TiledLoss(Term):
    """A :class:`~nca.losses.perceptual.StyleLoss` whose features are computed tile by tile.

    Args:
        loss: loss whose statistics can be merged; its content term needs only factors, no content
            features.
        content: content image, [1, 3, H, W]; its features are computed again for each tile.
        size: maximum side of a tile.
        generator: source of random numbers for the offsets.
    """

    def __init__(
        self, loss: StyleLoss, content: Tensor, size: int, generator: torch.Generator
    ) -> None:
        self.loss, self.content, self.size, self.generator = loss, content, size, generator

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        # This supports a single image, and its gradient is right only for the sum of all terms.
        losses: dict[str, Tensor] = {}
        for term in self.loss.pixels:
            losses |= term(images)
        if self.loss.features is None:
            return losses
        names, values, gradient = self.value_and_gradient(images.detach())
        found = _Precomputed.apply(images, gradient, *values)  # type: ignore[no-untyped-call]
        return dict(zip(names, found, strict=True)) | losses

    def value_and_gradient(self, image: Tensor) -> tuple[list[str], list[Tensor], Tensor]:
        """Return names and values of the terms that use features, and the gradient of their sum."""
        tiles = cover(image.shape[-2], image.shape[-1], self.size, self.generator)
        losses, slopes_by_style = self._compare_styles(image, tiles)
        gradient = torch.zeros_like(image)
        for number, tile in enumerate(tiles):
            with torch.enable_grad():
                part = tile.cut(image).clone().requires_grad_()
                layers = tile.crop(self._features(part))
                surrogate = self._content(layers, tile, losses)  # has the gradient of the loss
                for style, slopes in zip(self.loss.styles, slopes_by_style, strict=True):
                    if slopes[number] is not None:
                        described = style.describe(layers, tile.inside(style.region))
                        surrogate = surrogate + dot(described, slopes[number])
            if surrogate.requires_grad:
                tile.cut(gradient).add_(torch.autograd.grad(surrogate, part)[0])
        return list(losses), [value.detach() for value in losses.values()], gradient

    def _features(self, part: Tensor) -> Features:
        assert self.loss.features is not None
        return self.loss.features(part, wraps=False)

    def _compare_styles(
        self, image: Tensor, tiles: list[Tile]
    ) -> tuple[dict[str, Tensor], list[list[Features | None]]]:
        """Return all style losses, and their gradients with respect to tile descriptions."""
        described: list[list[Features | None]] = [[] for _ in self.loss.styles]
        for tile in tiles if self.loss.styles else ():
            with torch.no_grad():
                layers = tile.crop(self._features(tile.cut(image)))
                for style, parts in zip(self.loss.styles, described, strict=True):
                    inside = tile.inside(style.region)
                    parts.append(
                        style.describe(layers, inside) if is_large_enough(inside) else None
                    )
        losses: dict[str, Tensor] = {}
        slopes = []
        for style, parts in zip(self.loss.styles, described, strict=True):
            found, of_parts = self._slopes(style, tiles, parts)
            losses |= found
            slopes.append(of_parts)
        return losses, slopes

    @staticmethod
    def _slopes(
        style: StyleTerm, tiles: list[Tile], parts: list[Features | None]
    ) -> tuple[dict[str, Tensor], list[Features | None]]:
        present = [part for part in parts if part is not None]
        shares = [
            tile.area(tile.inside(style.region))
            for tile, part in zip(tiles, parts, strict=True)
            if part is not None
        ]
        leaves = [value.requires_grad_() for part in present for value in part.values()]
        with torch.enable_grad():
            found = style.compare(mixture(present, style.statistic, shares))
            total = torch.stack(list(found.values())).sum()
        slopes = iter(torch.autograd.grad(total, leaves))
        named = [None if part is None else {name: next(slopes) for name in part} for part in parts]
        return found, named

    def _content(self, layers: Features, tile: Tile, losses: dict[str, Tensor]) -> Tensor:
        """Add a tile's contribution to the content terms to the losses; return its sum."""
        whole = torch.zeros((), device=self.content.device)
        if self.loss.content is None:
            return whole
        with torch.no_grad():
            kept = tile.crop(self._features(tile.cut(self.content)))
        share = tile.area() / (self.content.shape[-2] * self.content.shape[-1])
        for name, value in self.loss.content.compare(layers, kept).items():
            losses[name] = losses.get(name, 0) + share * value.detach()
            whole = whole + share * value.sum()
        return whole


def dot(described: Features, slopes: Features | None) -> Tensor:
    """Sum of products with ``slopes``, the gradient of a loss; this sum has the same gradient."""
    assert slopes is not None
    return torch.stack([(described[name] * slopes[name]).sum() for name in slopes]).sum()


class _Precomputed(torch.autograd.Function):
    """Values whose sum has a known gradient."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, gradient: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        del image
        ctx.save_for_backward(gradient)
        return tuple(value.clone() for value in values)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, *(None for _ in upstream)
