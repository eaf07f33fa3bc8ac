"""Distances between pictures that no training here minimizes, and what a run does over time."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.losses.features import circular_pad, pyramid
from nca.rule import Rule
from nca.unroll.simulate import simulate

PATCH, LEVELS, DIRECTIONS, QUANTILES = 7, 4, 256, 512
DIRECTIONS_SEED = 20_260_131  # training draws its directions from other seeds
WARM_UP = 1000
DISC = 0.25  # of the width: the diameter of what is erased
HEALED = 1.1
LOOK_EVERY, LONGEST_HEALING = 10, 2000


def _sorted_along(values: Tensor, directions: Tensor) -> Tensor:
    """[B, D, N] values -> [B, directions, QUANTILES] quantiles of their projections."""
    projected = (directions @ values).sort(2).values
    at = (torch.arange(QUANTILES) + 0.5) / QUANTILES * projected.shape[2]
    return projected[:, :, at.long()]


def _directions(dimensions: int) -> Tensor:
    generator = torch.Generator().manual_seed(DIRECTIONS_SEED)
    return F.normalize(torch.randn(DIRECTIONS, dimensions, generator=generator), dim=1)


class PatchDistance:
    """Sliced Wasserstein-1 distance of 7x7 color patches on four scales, times 100.

    Elnekave and Weiss, "Generating Natural Images with Direct Patch Distributions Matching", ECCV
    2022, with fixed directions on which nothing is trained. Blind to order beyond a patch of the
    coarsest scale (56 pixels).

    Args:
        target: [1, 3, H, W] in [0, 1].
    """

    def __init__(self, target: Tensor) -> None:
        self.directions = _directions(3 * PATCH * PATCH)
        self.levels = min(LEVELS, int(math.log2(min(target.shape[2:]) / PATCH)) + 1)
        self.target = self._describe(target, torus=False)

    def __call__(self, images: Tensor, *, torus: bool = True) -> Tensor:
        """Distance of every picture, [B, 3, h, w] -> [B]. Values are clipped to [0, 1]."""
        mine = self._describe(images.clamp(0, 1), torus=torus)
        levels = zip(mine, self.target, strict=False)  # small pictures have fewer levels
        return 100 * torch.stack([(a - b).abs().mean((1, 2)) for a, b in levels]).mean(0)

    def _describe(self, images: Tensor, *, torus: bool) -> list[Tensor]:
        result = []
        for level in pyramid(images, self.levels, torus=torus):
            if min(level.shape[2:]) < PATCH:
                break
            padded = circular_pad(level, PATCH // 2) if torus else level
            result.append(_sorted_along(F.unfold(padded, PATCH), self.directions))
        return result


def color_distance(images: Tensor, target: Tensor) -> Tensor:
    """Sliced Wasserstein-1 distance of the colors of pixels, times 100: [B, 3, h, w] -> [B]."""
    directions = _directions(3)
    mine = _sorted_along(images.clamp(0, 1).flatten(2), directions)
    theirs = _sorted_along(target.flatten(2), directions)
    return 100 * (mine - theirs).abs().mean((1, 2))


@dataclass(frozen=True)
class Moment:
    """What a run looks like after some steps.

    Attributes:
        steps: since the seed.
        patch, color: distances from the target.
        flicker: mean change of the shown colors in one step, in levels of 255.
        saturated: part of the shown values that are clipped by more than 2 %.
        largest: absolute value in the state.
        picture: [3, H, W] in [0, 1].
    """

    steps: int
    patch: float
    color: float
    flicker: float
    saturated: float
    largest: float
    picture: Tensor


def follow(
    rule: Rule, target: Tensor, stops: Sequence[int], size: tuple[int, int], seed: int
) -> list[Moment]:
    """Look at one run after some steps; the list ends where the state is no longer finite.

    Args:
        rule: what runs.
        target: [1, 3, H, W] in [0, 1].
        stops: rising numbers of steps.
        size: height and width of the grid.
        seed: of the run.
    """
    distance = PatchDistance(target)
    torus = rule.settings.padding == "circular"
    both = [at for stop in stops for at in (stop, stop + 1)]
    states = simulate(rule, rule.seed(1, *size, seed=seed), both, seed=seed)
    moments = []
    for stop in stops:
        state, after = next(states), next(states)
        if not torch.isfinite(after).all():
            break
        shown, later = rule.to_rgb(state), rule.to_rgb(after)
        clipped = (shown - shown.clamp(0, 1)).abs() > 0.02
        change = (later.clamp(0, 1) - shown.clamp(0, 1)).abs().mean()
        moments.append(
            Moment(
                stop,
                float(distance(shown, torus=torus)),
                float(color_distance(shown, target)),
                255 * float(change),
                float(clipped.float().mean()),
                float(state.abs().max()),
                shown[0].clamp(0, 1),
            )
        )
    return moments


@dataclass(frozen=True)
class Healing:
    """What became of an erased disc.

    Attributes:
        steps: until it is as like the target as places of its size were before, within 10 %; None
            if it never is within 2,000.
        bound: that distance, 10 % included.
        distances: of the place, every 10 steps from right after the erasing.
        before, erased, after: the place and its surroundings, [3, h, w] in [0, 1].
    """

    steps: int | None
    bound: float
    distances: list[float]
    before: Tensor
    erased: Tensor
    after: Tensor


class PlaceDistance:
    """How unlike a small place and a target are: patches of each that the other has not.

    Mean distance of every 7x7 patch to its nearest in the other, both ways; Simakov et al.,
    "Summarizing Visual Data Using Bidirectional Similarity", CVPR 2008. A distance of
    distributions is too rough for so few patches; and one way only, a flat place looks well, as
    it is near to some patch of most pictures.

    Args:
        target: [1, 3, H, W] in [0, 1].
    """

    def __init__(self, target: Tensor) -> None:
        self.target = F.unfold(target, PATCH)[0].T

    def __call__(self, picture: Tensor) -> float:
        """Root mean square difference per value, times 100, of [1, 3, h, w] in [0, 1]."""
        distances = torch.cdist(F.unfold(picture, PATCH)[0].T, self.target)
        both = float(distances.min(1).values.mean() + distances.min(0).values.mean())
        return 100 * both / math.sqrt(self.target.shape[1])


def heal(rule: Rule, target: Tensor, size: int, seed: int) -> Healing:
    """Erase a disc a quarter as wide as the grid from a grown texture, and wait.

    Args:
        rule: what runs.
        target: [1, 3, H, W] in [0, 1].
        size: side of the grid.
        seed: of the run.
    """
    distance = PlaceDistance(target)
    (state,) = simulate(rule, rule.seed(1, size, size, seed=seed), [WARM_UP], seed=seed)
    along = torch.arange(size) - size / 2 + 0.5
    radius = DISC * size / 2
    disc = along.square() + along[:, None].square() < radius**2
    inner = slice(round(size / 2 - radius), round(size / 2 + radius))
    outer = slice(size // 4, 3 * size // 4)

    def look(of: Tensor, place: slice) -> Tensor:
        return rule.to_rgb(of)[:, :, place, place].clamp(0, 1)

    before = look(state, outer)
    width = inner.stop - inner.start
    places = (slice(start, start + width) for start in range(0, size - width + 1, width))
    bound = HEALED * statistics.mean(distance(look(state, place)) for place in places)
    state = state.masked_fill(disc, 0.0)
    erased, healed_after = look(state, outer), None
    distances = [distance(look(state, inner))]
    stops = range(LOOK_EVERY, LONGEST_HEALING + 1, LOOK_EVERY)
    for steps, healing in zip(stops, simulate(rule, state, stops, seed=seed + 1), strict=True):
        state = healing
        if not torch.isfinite(state).all():
            break
        distances.append(distance(look(state, inner)))
        if distances[-1] <= bound:
            healed_after = steps
            break
    after = look(state, outer).nan_to_num()
    return Healing(healed_after, bound, distances, before[0], erased[0], after[0])


def seam(picture: Tensor) -> float:
    """How much more a picture changes across its border than inside, as a ratio; 1 is no seam.

    Args:
        picture: [3, H, W].
    """
    ratios = []
    for axis in (1, 2):
        inside = picture.diff(dim=axis).abs().mean()
        across = (picture.select(axis, 0) - picture.select(axis, -1)).abs().mean()
        ratios.append(float(across / (inside + 1e-6)))
    return max(ratios)
