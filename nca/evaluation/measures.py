"""Image distances that training never minimizes, and measurements of a run over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.simulate import simulate
from nca.evaluation.appearance import AppearanceMeter
from nca.losses.features.base import circular_pad, halve, pyramid
from nca.rule import Rule

PATCH, LEVELS, DIRECTIONS, QUANTILES = 7, 4, 256, 512
DIRECTIONS_SEED = 20_260_131  # not one of the seeds that training uses
DIRECTIONS_AT_ONCE = 16  # all 256 at once would take 3 GB for 1024x1024 pixels
PIECES = 16  # number of random crops of the target per scale
GROWN = 1000  # number of steps after which a texture counts as grown


def _quantiles(projected: Tensor) -> Tensor:
    """Quantiles of values, [B, directions, N] -> [B, directions, QUANTILES]."""
    at = (torch.arange(QUANTILES) + 0.5) / QUANTILES * projected.shape[2]
    # NumPy's sort returns no indices and uses wide registers, so it is about ten times as fast as
    # torch's.
    return torch.from_numpy(np.sort(projected.numpy(), 2)[:, :, at.long()])


def _directions(dimensions: int) -> Tensor:
    generator = torch.Generator().manual_seed(DIRECTIONS_SEED)
    return F.normalize(torch.randn(DIRECTIONS, dimensions, generator=generator), dim=1)


class PatchDistance:
    """Sliced Wasserstein-1 distance between 7x7 color patches at four scales, times 100.

    Elnekave and Weiss, "Generating Natural Images with Direct Patch Distributions Matching", ECCV
    2022; the projections use fixed directions that training never uses. The distance does not
    detect disorder at scales beyond the coarsest patch (56 pixels). A small image has fewer scales
    and less content, so compare its distance with :meth:`floor`.

    Args:
        target: target image, [1, 3, H, W] in [0, 1].
    """

    def __init__(self, target: Tensor) -> None:
        self.directions = _directions(3 * PATCH * PATCH).view(DIRECTIONS, 3, PATCH, PATCH)
        self.levels = _level_count(target.shape[2:])
        self.pyramid = pyramid(target, self.levels, wraps=False)
        self.target = [self._describe(level) for level in self.pyramid]

    def __call__(self, images: Tensor, *, wraps: bool = True) -> Tensor:
        """Distance of every image, [B, 3, h, w] -> [B]. Values are clipped to [0, 1]."""
        level, distances = images.clamp(0, 1), []
        for i in range(min(self.levels, _level_count(images.shape[2:]))):
            if i:
                level = halve(_even(level), wraps=True) if wraps else halve(level, wraps=False)
            padded = circular_pad(level, PATCH // 2) if wraps else level
            distances.append((self._describe(padded) - self.target[i]).abs().mean((1, 2)))
        return 100 * torch.stack(distances).mean(0)

    def floor(self, size: tuple[int, int], *, wraps: bool = True) -> float | None:
        """Distance between the target and its own crops; compare small images with this.

        This is the mean over 16 random crops at each scale, each with as many patches as the image
        has at that scale. The result is None if the target is too small for such a crop.

        Args:
            size: height and width of the image.
            wraps: whether the image wraps.
        """
        generator = torch.Generator().manual_seed(DIRECTIONS_SEED)
        distances = []
        for i in range(min(self.levels, _level_count(size))):
            height, width = (side // 2**i + 2 * (PATCH // 2) * wraps for side in size)
            level = self.pyramid[i]
            tops, lefts = level.shape[2] - height + 1, level.shape[3] - width + 1
            if min(tops, lefts) < 1:
                return None
            for _ in range(PIECES):
                top = int(torch.randint(tops, (), generator=generator))
                left = int(torch.randint(lefts, (), generator=generator))
                piece = level[:, :, top : top + height, left : left + width]
                distances.append(float((self._describe(piece) - self.target[i]).abs().mean()))
        return 100 * sum(distances) / len(distances)

    def _describe(self, level: Tensor) -> Tensor:
        """Quantiles of projections of all patches, [B, 3, h, w] -> [B, directions, QUANTILES]."""
        parts = torch.split(self.directions, DIRECTIONS_AT_ONCE)
        return torch.cat([_quantiles(F.conv2d(level, part).flatten(2)) for part in parts], 1)


def _level_count(size: Sequence[int]) -> int:
    """Number of scales at which an image has room for a patch."""
    return min(LEVELS, int(math.log2(min(size) / PATCH)) + 1)


def _even(image: Tensor) -> Tensor:
    """Repeat an image along odd sides, because halving an odd side would create a seam."""
    return image.repeat(1, 1, 1 + image.shape[2] % 2, 1 + image.shape[3] % 2)


def color_distance(images: Tensor, target: Tensor) -> Tensor:
    """Sliced Wasserstein-1 distance between pixel colors, times 100: [B, 3, h, w] -> [B]."""
    parts = torch.split(_directions(3), DIRECTIONS_AT_ONCE)
    mine, theirs = (
        torch.cat([_quantiles(part @ picture.flatten(2)) for part in parts], 1)
        for picture in (images.clamp(0, 1), target)
    )
    return 100 * (mine - theirs).abs().mean((1, 2))


@dataclass(frozen=True)
class Measurement:
    """Figures of a run after some steps.

    Attributes:
        steps: number of steps from the initial state.
        patch, color: distances from the target.
        flicker: mean change of the displayed colors in one step, in levels out of 255.
        saturated: fraction of displayed values that are clipped by more than 2%.
        largest: largest absolute value in the state.
        speckle, order, misplaced, orientation: see :class:`~nca.evaluation.appearance.Appearance`.
        picture: the displayed colors, [3, H, W] in [0, 1].
    """

    steps: int
    patch: float
    color: float
    flicker: float
    saturated: float
    largest: float
    speckle: float
    order: float | None
    misplaced: float | None
    orientation: float
    picture: Tensor


@torch.no_grad()
def follow(
    rule: Rule,
    target: Tensor,
    distance: PatchDistance,
    stops: Sequence[int],
    size: tuple[int, int],
    seed: int,
) -> list[Measurement]:
    """Measure a run after given numbers of steps; stop when the state is no longer finite.

    Args:
        rule: rule to run.
        target: target image, [1, 3, H, W] in [0, 1].
        distance: patch distance from the target.
        stops: numbers of steps, in ascending order.
        size: height and width of the grid, in cells.
        seed: random seed of the run.
    """
    wraps, meter = rule.settings.wraps, AppearanceMeter(target)
    both = [at for stop in stops for at in (stop, stop + 1)]
    states = simulate(rule, rule.initial_state(1, *size, seed=seed), both, seed=seed)
    moments = []
    for stop in stops:
        state, after = next(states), next(states)
        if not torch.isfinite(after).all():
            break
        shown, later = rule.to_image(state), rule.to_image(after)
        clipped = (shown - shown.clamp(0, 1)).abs() > 0.02
        change = (later.clamp(0, 1) - shown.clamp(0, 1)).abs().mean()
        moments.append(
            Measurement(
                stop,
                float(distance(shown, wraps=wraps)),
                float(color_distance(shown, target)),
                255 * float(change),
                float(clipped.float().mean()),
                float(state.abs().max()),
                **vars(meter(shown[0], wraps=wraps)),
                picture=shown[0].clamp(0, 1),
            )
        )
    return moments


def seam(picture: Tensor) -> float:
    """Change across the wrapped border of an image, relative to the change inside; 1: no seam.

    Args:
        picture: image, [3, H, W].
    """
    ratios = []
    for axis in (1, 2):
        inside = picture.diff(dim=axis).abs().mean()
        across = (picture.select(axis, 0) - picture.select(axis, -1)).abs().mean()
        ratios.append(float(across / (inside + 1e-6)))
    return max(ratios)
