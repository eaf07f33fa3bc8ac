"""Healing: how long it takes until an erased place (part of the grid) looks like any other."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends.simulate import simulate
from nca.evaluation.measures import GROWN
from nca.rule import Rule

DISC = 0.25  # diameter of the erased disc, as a fraction of the width
# The bound exceeds the mean by this fraction or by this many stds, whichever is more.
TOLERANCE, STDS = 0.1, 2
MEASURABLE = 1.3  # minimum distance right after erasure, as a multiple of the bound
MIN_BOUND = 200 / 255  # distance if colors differ by 1/255 in both directions
LOOK_EVERY = 10  # steps between two measurements
LOOKS = 2  # measurements in a row that must not exceed the bound
MAX_STEPS = 2000

MOST_PER_CELL = 2  # pixels per cell in measured pictures; at 8, a patch would be flat
PATCH, AROUND, CONTRAST = 3, 7, 2.0  # patch side, side of its surroundings, weight of the contrast
TEXTURE_PATCHES, PLACE_PATCHES, PATCHES_AT_ONCE = 16_384, 4096, 512
PATCHES_SEED = 20_260_131

NOT_MEASURABLE, BLEW_UP = "not measurable", "blew up"


class PlaceDistance:
    """Distance between a round place and a texture.

    This is the mean distance between each patch and the nearest patch in the other image, added up
    over both directions (Simakov et al., "Summarizing Visual Data Using Bidirectional Similarity",
    CVPR 2008). With one direction only, a flat place would have a small distance, because most
    images contain a flat patch.

    Differences from the paper: patches are small, 3x3 pixels, and are extended by the contrast of
    the 7x7 pixels around them (std of each color channel, with twice the weight). Without the
    contrast, a flat patch would be nearer to most rough patches than rough patches are to each
    other.

    In large images, only 16,384 random patches of the texture and 4,096 of the place are compared,
    the same ones every time.

    Args:
        texture: image of the texture, [1, 3, H, W] in [0, 1].
        disc: the round part of a square place, [w, w] bool.
    """

    def __init__(self, texture: Tensor, disc: Tensor) -> None:
        margin = AROUND // 2
        centers = disc[margin:-margin, margin:-margin].flatten().nonzero()[:, 0]
        self.centers = _random_rows(centers, PLACE_PATCHES)
        self.texture = _random_rows(_describe(texture), TEXTURE_PATCHES)

    def __call__(self, picture: Tensor) -> float:
        """Distance of an image of the place, [1, 3, w, w] in [0, 1]: RMS differences, times 100."""
        place = _describe(picture)[self.centers]
        nearest, nearest_to_texture = [], torch.full((len(self.texture),), math.inf)
        for part in torch.split(place, PATCHES_AT_ONCE):
            distances = torch.cdist(part, self.texture)
            nearest.append(distances.min(1).values)
            nearest_to_texture = torch.minimum(nearest_to_texture, distances.min(0).values)
        return 100 * float(torch.cat(nearest).mean() + nearest_to_texture.mean())


def _describe(picture: Tensor) -> Tensor:
    """Patch and contrast for every pixel that has 7x7 pixels around it, [1, 3, h, w] -> [N, 30]."""
    margin = (AROUND - PATCH) // 2
    patches = F.unfold(F.pad(picture, (-margin,) * 4), PATCH)  # [1, 27, N]
    mean = F.avg_pool2d(picture, AROUND, 1)
    variance = F.avg_pool2d(picture.square(), AROUND, 1) - mean.square()
    contrast = CONTRAST * variance.clamp(min=0).sqrt().flatten(2)
    parts = [part[0] / math.sqrt(part.shape[1]) for part in (patches, contrast)]
    return torch.cat(parts).T


def _random_rows(rows: Tensor, most: int) -> Tensor:
    generator = torch.Generator().manual_seed(PATCHES_SEED)
    return rows[torch.randperm(len(rows), generator=generator)[:most]]


@dataclass(frozen=True)
class Healing:
    """How an erased disc healed.

    Attributes:
        steps: number of steps until the place looks like any other, in two measurements in a row;
            None if it never does, or if healing cannot be measured.
        outcome: ``steps`` as text, or why there is no number.
        measurable: whether the distance is clearly above the bound right after erasure.
        bound: maximum distance that counts as healed: the mean distance of places of the same size
            before erasure, plus 10% or two stds, whichever is more; None if the state blew up
            before erasure, or if the place has fewer than 7x7 pixels.
        distances: distances of the place, right after erasure and then every 10 steps.
        pictures: the middle of the grid before erasure, right after it, and at the end, [3, h, w]
            in [0, 1].
    """

    steps: int | None
    outcome: str
    measurable: bool
    bound: float | None
    distances: list[float]
    pictures: dict[str, Tensor]


@torch.no_grad()
def heal(rule: Rule, size: int, seed: int) -> Healing:
    """Erase a disc a quarter as wide as the grid from a grown texture, and measure the healing.

    The place is not compared with the target, but with another texture that the same rule has
    grown. If a rule is far from its target, a scar may be as close to the target as the rest of the
    texture. With a decoder, pictures of at most 2x2 pixels per cell are compared, so that a patch
    covers as much of the texture as without a decoder.

    Args:
        rule: rule to run.
        size: side of the grid, in cells.
        seed: random seed of the run.
    """
    radius = DISC * size / 2
    inner = slice(round(size / 2 - radius), round(size / 2 + radius))
    width = inner.stop - inner.start
    natural = rule.settings.pixels_per_cell
    scale = min(natural, MOST_PER_CELL)
    if width * scale < AROUND:
        return Healing(None, NOT_MEASURABLE, False, None, [], {})
    (grown,) = simulate(rule, rule.initial_state(2, size, size, seed=seed), [GROWN], seed=seed)
    if not torch.isfinite(grown).all():
        return Healing(None, BLEW_UP, False, None, [], {})
    state, other = torch.split(grown, 1)
    along = torch.arange(size) - size / 2 + 0.5
    disc = along.square() + along[:, None].square() < radius**2
    outer = slice(size // 4, 3 * size // 4)
    place = disc[inner, inner].repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    distance = PlaceDistance(rule.to_image(other, scale=scale).clamp(0, 1), place)

    def look(of: Tensor, rows: slice, columns: slice, scale: int = scale) -> Tensor:
        window = (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        return rule.to_image(of, scale=scale, window=window).clamp(0, 1)

    places = [slice(start, start + width) for start in range(0, size - width + 1, width)]
    usual = [distance(look(state, y, x)) for y in places for x in places]
    bound = bound_of(usual)
    erased = state.masked_fill(disc, 0.0)
    pictures = {"grown": look(state, outer, outer, natural)[0]}
    pictures["a disc is erased"] = look(erased, outer, outer, natural)[0]
    distances = [distance(look(erased, inner, inner))]
    measurable = distances[0] >= MEASURABLE * bound
    outcome = f"not in {MAX_STEPS:,}" if measurable else NOT_MEASURABLE
    steps, alike, shown, shown_after = None, 0, pictures["a disc is erased"], 0
    stops = range(LOOK_EVERY, MAX_STEPS + 1, LOOK_EVERY)
    for stop, healing in zip(stops, simulate(rule, erased, stops, seed=seed + 1), strict=True):
        if not torch.isfinite(healing).all():
            outcome = BLEW_UP
            break
        distances.append(distance(look(healing, inner, inner)))
        alike = alike + 1 if measurable and distances[-1] <= bound else 0
        if alike <= 1:
            shown, shown_after = look(healing, outer, outer, natural)[0], stop
        if alike == LOOKS:
            steps = shown_after
            outcome = f"{steps}"
            break
    pictures[f"{shown_after:,} steps later"] = shown
    return Healing(steps, outcome, measurable, bound, distances, pictures)


def bound_of(usual: Sequence[float]) -> float:
    """Maximum distance of a place that counts as healed; see :class:`Healing`."""
    mean = statistics.mean(usual)
    return max(mean + max(TOLERANCE * mean, STDS * statistics.pstdev(usual)), MIN_BOUND)


def healing_figures(healing: Sequence[Healing]) -> dict[str, Any]:
    """Summarize several runs: steps until healed (None: not healed), outcomes, distances over time.

    The median covers only runs whose healing can be measured; it is None if half of them or more do
    not heal.
    """
    steps = [math.inf if h.steps is None else h.steps for h in healing if h.measurable]
    median = statistics.median(steps) if steps else math.inf
    return {
        "disc": DISC,
        "steps": [h.steps for h in healing],
        "outcomes": [h.outcome for h in healing],
        "measurable": [h.measurable for h in healing],
        "median": median if math.isfinite(median) else None,
        "every": LOOK_EVERY,
        "bounds": [h.bound for h in healing],
        "distances": [h.distances for h in healing],
    }
