"""The distance between the picture of a state and a target texture.

Without a decoder, the picture has one pixel per cell, and the loss covers all of it. With a
decoder, the picture is too large to be compared whole in every iteration. So two views of it are
compared, as in Pajouheshgar et al., "Neural Cellular Automata: From Cells to Pixels",
arXiv:2506.22899, 2025: a crop at full resolution for the strokes, and the whole picture at reduced
resolution for the layout. Each view has its own features, fitted to the target at that resolution.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from typing_extensions import override

from nca.decoder import pixel_places
from nca.errors import InputError
from nca.evaluation.appearance import mean_speckle
from nca.losses.build import build_loss
from nca.losses.features.base import halve
from nca.losses.features.build import FITTED, is_pretrained
from nca.losses.graphed import with_graphs
from nca.losses.term import Term
from nca.maps import MapName, map_channels, map_width
from nca.rule import Rule
from nca.texture.device import device_of
from nca.texture.settings import TrainSettings

CROP, SCORED_CROP = 112, 256  # side of the crop, in pixels, in training and in scoring
SHORTEST_NORMAL = 0.5  # see Rule.to_maps
SAMPLES = 1.5  # per cell and axis; the reduced picture has half as many pixels per axis


class PictureLoss(ABC):
    """Distance between the pictures of states and a target texture, by layer.

    All maps of a material are compared at once, so that the rule learns how they are aligned. Every
    map is multiplied by its weight, which scales its contrast.

    Args:
        settings: settings of the run.

    Raises:
        InputError: a weight is for a map that is not learned, or the features are those of a
            pretrained network, which has only color inputs; there are weights, but no maps.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self.weights: Tensor | None = None  # of every channel, [N, 1, 1]
        if settings.task.maps:
            self.weights = _map_weights(settings).to(device_of(settings))
        elif settings.task.material.map_weights:
            raise InputError("`map_weights`: only a material has maps; see `maps`")

    def weighted(self, values: Tensor) -> Tensor:
        """Multiply the maps in [..., N, H, W] by their weights."""
        return values if self.weights is None else self.weights * values.to(self.weights.device)

    def joined(self, maps: dict[MapName, Tensor]) -> Tensor:
        """What is compared of the maps of a rule, [B, N, H, W]."""
        return self.weighted(torch.cat(list(maps.values()), 1))

    @abstractmethod
    def __call__(self, rule: Rule, state: Tensor) -> dict[str, Tensor]:
        """Distance of every state, [B, C, H, W]: name of the layer -> [B]."""


def picture_loss(
    settings: TrainSettings, target: Tensor, generator: torch.Generator, suffix: str = ""
) -> PictureLoss:
    """Make the texture loss for one target, [N, S, S]; ``suffix`` goes into the layer names.

    Raises:
        InputError: the features do not exist, or the pictures are too small for them; or the maps
            of a material do not fit, see :class:`PictureLoss`.
    """
    kind = FinePicture if settings.rule.decoder else WholePicture
    return kind(settings, target, generator, suffix)


def _map_weights(settings: TrainSettings) -> Tensor:
    channels, weights = map_channels(settings.task.maps), settings.task.material.map_weights
    if is_pretrained(settings.loss.features):
        raise InputError(
            f"`features` {settings.loss.features}: has only color inputs; for the maps of a "
            f"material, use {', '.join(FITTED)}"
        )
    for name in weights:
        if name not in channels:
            raise InputError(f"`map_weights` {name}: must be one of {', '.join(channels)}")
    values = torch.ones(map_width(settings.task.maps), 1, 1)
    for name, part in channels.items():
        values[part] = weights.get(name, 1.0)
    return values


class WholePicture(PictureLoss):
    """Compares whole pictures; used without a decoder."""

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, suffix: str
    ) -> None:
        super().__init__(settings)
        side = smallest_grid(settings)
        wraps = settings.rule.wraps
        target = self.weighted(target)
        self.loss = texture_loss(settings, target, generator, side, "texture" + suffix, wraps)

    @override
    def __call__(self, rule: Rule, state: Tensor) -> dict[str, Tensor]:
        return self.loss(self.joined(rule.to_maps(state, shortest=SHORTEST_NORMAL)))


class FinePicture(PictureLoss):
    """Compares a full-size crop (``texture/LAYER``) and the reduced picture (``layout/LAYER``).

    The crop is taken at a random place, the same for all states of a call. In training, the crops
    of all states are compared jointly: a crop shows only a few objects, and need not have all
    colors of the target. The reduced picture averages samples on a grid with a random offset. The
    target is reduced in the same way, so that fine strokes contribute equally to both.
    """

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, suffix: str
    ) -> None:
        super().__init__(settings)
        target = self.weighted(target)
        self.generator, self.wraps = generator, settings.rule.wraps
        grid, scale = smallest_grid(settings), settings.rule.decoder
        self.crop = texture_loss(
            settings,
            target,
            generator,
            min(CROP, grid * scale),
            "texture" + suffix,
            wraps=False,
            joint=True,
        )
        size = target.shape[-1]
        places = pixel_places(0, size, _sample_count(size // scale)).long()
        small = halve(target[None][..., places, :][..., places], wraps=False)[0]
        # Terms such as patches compare only the crop, because they use several scales themselves.
        plain = replace(settings, loss=replace(settings.loss, terms={}))
        self.layout = texture_loss(plain, small, generator, grid, "layout" + suffix, self.wraps)

    @override
    def __call__(self, rule: Rule, state: Tensor) -> dict[str, Tensor]:
        places = torch.rand(4, generator=self.generator).tolist()
        most = CROP if torch.is_grad_enabled() else SCORED_CROP
        window = self._window(rule.settings.pixels_per_cell, state.shape[2:], most, places)
        fine = self.joined(rule.to_maps(state, window=window, shortest=SHORTEST_NORMAL))
        height, width = state.shape[2:]
        moved = ((place - 0.5) / SAMPLES for place in places[2:])
        down, across = (
            pixel_places(start, side, _sample_count(side))
            for start, side in zip(moved, (height, width), strict=True)
        )
        samples = self.joined(rule.maps_at(state, down, across, shortest=SHORTEST_NORMAL))
        return self.crop(fine) | self.layout(halve(samples, wraps=self.wraps))

    def _window(
        self, scale: int, size: Sequence[int], most: int, places: Sequence[float]
    ) -> tuple[float, float, float, float]:
        """Place a window of at most ``most`` pixels at whole pixels; on a torus it may wrap."""
        starts, lengths = [], []
        for side, place in zip(size, places[:2], strict=True):
            length = min(most // scale, side) * scale
            room = side * scale if self.wraps else side * scale - length + 1
            starts.append(int(place * room) / scale)
            lengths.append(length / scale)
        return starts[0], starts[1], lengths[0], lengths[1]


def _sample_count(cells: int) -> int:
    return 2 * round(SAMPLES * cells / 2)  # even, so that halving creates no seam


def smallest_grid(settings: TrainSettings) -> int:
    """Side of the smaller grid of both parts of training, in cells."""
    return min(settings.pool.unroll.grid, settings.pool.unroll.last_grid)


def texture_loss(
    settings: TrainSettings,
    target: Tensor,
    generator: torch.Generator,
    side: int,
    name: str,
    wraps: bool,
    *,
    joint: bool = False,
) -> Term:
    """Make a loss for images of at least ``side`` pixels; ``name`` is the prefix of its layers."""
    device = device_of(settings)
    loss = build_loss(
        target[None].to(device), settings.loss, generator, wraps=wraps, joint=joint, name=name
    )
    with large_enough(settings):
        loss(torch.zeros(1, len(target), side, side))
    return with_graphs(loss) if device.type == "cuda" else loss


@contextmanager
def large_enough(settings: TrainSettings) -> Iterator[None]:
    """Report a grid that is too small for the features, which the ``with`` block computes.

    Raises:
        InputError: the block raised a RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            f"`grid` {smallest_grid(settings)}: too small for `features` "
            f"{settings.loss.features} with `padding` {settings.rule.padding}"
        ) from error


SPECKLE_CELLS = 32  # side, in cells, of the part of a decoder's picture whose speckle is measured


def speckle_of(rule: Rule, state: Tensor, target: Tensor) -> float:
    """Mean speckle of the pictures of states, [B, C, H, W], relative to the target's speckle."""
    if rule.decoder is None:
        return mean_speckle(rule.to_rgb(state), target, wraps=rule.settings.wraps)
    height, width = (min(side, SPECKLE_CELLS) for side in state.shape[2:])
    part = rule.to_image(state, window=(0, 0, height, width))
    return mean_speckle(part, target, wraps=False)
