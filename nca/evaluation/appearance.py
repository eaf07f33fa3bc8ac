"""Visible properties of a texture: grain, order, and stroke direction."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.losses.features.base import circular_pad

MIN_SPECKLE = 1e-3  # lower bound on a target's speckle, to avoid dividing by 0 for a flat target
MAX_PEAKS = 4
MIN_HEIGHT = 0.35  # minimum height of a peak; irregular textures have random peaks up to 0.3
MIN_SEPARATION = 3  # a peak is the highest value within this many pixels
# How far from a target's peak to search for the same peak of an image: a fraction of the peak's
# shift, but no less than a minimum in pixels.
SEARCH_RADIUS, MIN_SEARCH_RADIUS = 0.15, 2.0
BINS = 36


@dataclass(frozen=True)
class Appearance:
    """Properties of an image relative to those of a target.

    Attributes:
        speckle: mean distance of a pixel from the median of its 3x3 neighborhood, relative to the
            target; above 1, the image is grainier than the target.
        order: height of the autocorrelation peaks, relative to the target; 0: no order is left;
            None: the target has no order.
        misplaced: mean distance between these peaks and the target's peaks, in pixels; None if the
            target has no order.
        orientation: mean angle between the strokes of the image and those of the target, from 0 to
            90 degrees.
    """

    speckle: float
    order: float | None
    misplaced: float | None
    orientation: float


class AppearanceMeter:
    """Compares images with a target.

    Args:
        target: target image, [1, 3, H, W] in [0, 1].
    """

    def __init__(self, target: Tensor) -> None:
        self.target = target[0]
        self.peaks = peaks(autocorrelation(target[0], wraps=False))
        self.directions = directions(target[0], wraps=False)

    def __call__(self, image: Tensor, *, wraps: bool = True) -> Appearance:
        """Compare an image, [3, h, w]. Values are clipped to [0, 1]."""
        image = image.clamp(0, 1)
        order, misplaced = self._order(image, wraps=wraps)
        return Appearance(
            relative_speckle(image, self.target, wraps=wraps),
            order,
            misplaced,
            direction_distance(directions(image, wraps=wraps), self.directions),
        )

    def _order(self, image: Tensor, *, wraps: bool) -> tuple[float | None, float | None]:
        correlation = autocorrelation(image, wraps=wraps)
        found = [
            (peak, place)
            for peak in self.peaks
            if (place := _highest_near(correlation, peak)) is not None
        ]
        if not found:
            return None, None
        height = sum(max(place.height, 0) for _, place in found)
        expected = sum(peak.height for peak, _ in found)
        apart = [math.dist((p.down, p.right), (q.down, q.right)) for p, q in found]
        return height / expected, sum(apart) / len(apart)


def mean_speckle(images: Tensor, target: Tensor, *, wraps: bool) -> float:
    """Mean speckle of images, [B, 3, h, w], relative to a target. Values are clipped to [0, 1]."""
    each = [relative_speckle(one, target, wraps=wraps) for one in images.clamp(0, 1).cpu()]
    return sum(each) / len(each)


def relative_speckle(image: Tensor, target: Tensor, *, wraps: bool) -> float:
    """Speckle of an image, [3, h, w] in [0, 1], relative to its target, [3, H, W]."""
    return speckle(image, wraps=wraps) / max(speckle(target, wraps=False), MIN_SPECKLE)


def speckle(image: Tensor, *, wraps: bool) -> float:
    """Mean distance of a pixel from the median of its 3x3 neighborhood: [3, h, w] -> 0 to 1."""
    padded = circular_pad(image[None], 1) if wraps else image[None]
    around = F.unfold(padded, 3).view(1, 3, 9, -1)  # [1, 3, 9, N]
    return float((around[:, :, 4] - around.median(2).values).abs().mean())


@dataclass(frozen=True)
class Peak:
    """A maximum of an autocorrelation: shift in pixels, and height (1 at zero shift)."""

    down: int
    right: int
    height: float


def autocorrelation(image: Tensor, *, wraps: bool) -> Tensor:
    """Correlate the colors of an image with those of shifted copies of it.

    Args:
        image: image, [3, h, w].
        wraps: whether the image wraps; if not, only the overlap counts.

    Returns:
        [2 (h // 2) + 1, 2 (w // 2) + 1], approximately in [-1, 1]; the center is the value at zero
        shift. For a flat image, all values except the center are 0.
    """
    height, width = image.shape[1:]
    centered = (image - image.mean((1, 2), keepdim=True)).double()
    size = (height, width) if wraps else (2 * height, 2 * width)

    def products(of: Tensor) -> Tensor:
        found: Tensor = torch.fft.irfft2(torch.fft.rfft2(of, s=size).abs().square(), s=size).sum(0)
        return found

    sums = products(centered)
    pairs = products(torch.ones_like(centered)).clamp(min=1)
    mean = sums / pairs
    correlation: Tensor = mean / mean[0, 0].clamp(min=1e-9)
    correlation[0, 0] = 1.0
    down, right = (torch.arange(-(side // 2), side // 2 + 1) for side in (height, width))
    return correlation.float()[down % size[0]][:, right % size[1]]


def peaks(correlation: Tensor) -> list[Peak]:
    """Find the highest maxima, except the center, in one half; the other half is symmetric."""
    window = 2 * MIN_SEPARATION + 1
    highest = F.max_pool2d(correlation[None, None], window, 1, MIN_SEPARATION)[0, 0]
    middle_row, middle_column = (side // 2 for side in correlation.shape)
    found = []
    for row, column in (correlation == highest).nonzero().tolist():
        down, right = row - middle_row, column - middle_column
        inside = MIN_SEPARATION <= row < len(correlation) - MIN_SEPARATION
        inside &= MIN_SEPARATION <= column < correlation.shape[1] - MIN_SEPARATION
        if inside and (down > 0 or (down == 0 and right > 0)):
            found.append(Peak(down, right, float(correlation[row, column])))
    strong = sorted(found, key=lambda peak: -peak.height)[:MAX_PEAKS]
    return [peak for peak in strong if peak.height >= MIN_HEIGHT]


def _highest_near(correlation: Tensor, peak: Peak) -> Peak | None:
    """Find the highest value near a peak; None if the image is too small for the peak's shift."""
    radius = max(MIN_SEARCH_RADIUS, SEARCH_RADIUS * math.hypot(peak.down, peak.right))
    half_height, half_width = (side // 2 for side in correlation.shape)
    if peak.down > half_height or abs(peak.right) > half_width:
        return None
    down = torch.arange(-half_height, half_height + 1)[:, None]
    right = torch.arange(-half_width, half_width + 1)
    far = (down - peak.down).square() + (right - peak.right).square() > radius**2
    row, column = divmod(int(correlation.masked_fill(far, -2).argmax()), correlation.shape[1])
    return Peak(row - half_height, column - half_width, float(correlation[row, column]))


def directions(image: Tensor, *, wraps: bool) -> np.ndarray:
    """Compute the distribution of gradient strength over directions: [3, h, w] -> [36], sum 1.

    Each bin covers 5 degrees. Together, they cover 180 degrees, because opposite gradients belong
    to the same stroke direction. An image without gradients gives a uniform distribution.
    """
    gray = image.mean(0).double().numpy()
    across, down = (
        np.roll(gray, -1, 1) - np.roll(gray, 1, 1),
        np.roll(gray, -1, 0) - np.roll(gray, 1, 0),
    )
    if not wraps:
        across, down = across[1:-1, 1:-1], down[1:-1, 1:-1]
    strength = np.hypot(across, down)
    bins = np.arctan2(down, across) / np.pi % 1 * BINS
    lower = np.floor(bins).astype(int)
    share = bins - lower
    histogram = np.bincount(lower.ravel() % BINS, ((1 - share) * strength).ravel(), BINS)
    histogram += np.bincount((lower.ravel() + 1) % BINS, (share * strength).ravel(), BINS)
    total = histogram.sum()
    return histogram / total if total > 1e-9 else np.full(BINS, 1 / BINS)


def direction_distance(mine: np.ndarray, theirs: np.ndarray) -> float:
    """Earth mover's distance between two circular histograms of directions, in degrees."""
    flow = np.cumsum(mine - theirs)
    return float(np.abs(flow - np.median(flow)).sum() * 180 / BINS)
