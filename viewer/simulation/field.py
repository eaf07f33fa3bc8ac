"""The owner of each cell, and the soft borders between rules."""

import math

import numpy as np
import numpy.typing as npt

from nca.viewer.controls import BLEND_BORDER as BORDER
from nca.viewer.simulation.stroke import Stroke

Bytes = npt.NDArray[np.uint8]

_TRIANGLE = np.array([BORDER + 1 - abs(d) for d in range(-BORDER, BORDER + 1)], np.float32)


class Field:
    """The owner of every cell, and the shares for blending in shaders.

    Args:
        height, width: size in cells.
        wraps: whether the grid wraps at its edges.

    Attributes:
        owner: number of the owning rule, [H, W] uint8.
        shares: [H, W, 4] uint8: for each cell, number and share (0 to 255) of the rule with the
            largest share, then of the rule with the second largest. The shares add up to 255.
    """

    def __init__(self, height: int, width: int, *, wraps: bool) -> None:
        self.wraps = wraps
        self.owner: Bytes = np.zeros((height, width), np.uint8)
        self.shares: Bytes = np.zeros((height, width, 4), np.uint8)
        self.fill(0)

    @property
    def present(self) -> list[int]:
        """Numbers of the rules with a share of any cell."""
        held = {int(rule) for rule in np.unique(self.shares[..., 0])}
        second = self.shares[..., 2][self.shares[..., 3] > 0]
        return sorted(held | {int(rule) for rule in np.unique(second)})

    def fill(self, rule: int) -> None:
        """Give all cells to one rule."""
        self.owner[...] = rule
        self.shares[...] = (rule, 255, rule, 0)

    def restore(self, owner: Bytes) -> None:
        """Copy the owners of another field of this size."""
        self.owner[...] = owner
        height, width = owner.shape
        self._blend(0, 0, height, width)

    def paint(self, rule: int, stroke: Stroke) -> None:
        """Give the cells under a brush to a rule."""
        if stroke.radius < 0:
            self.fill(rule)
            return
        left, top, right, bottom = _around(stroke)
        self.owner[cells_under(stroke, *self.owner.shape, wraps=self.wraps)] = rule
        self._blend(top - BORDER, left - BORDER, bottom + BORDER, right + BORDER)

    def _blend(self, top: int, left: int, bottom: int, right: int) -> None:
        """Compute the shares in a rectangle: blur the area of every rule, keep the two largest."""
        height, width = self.owner.shape
        if self.wraps:
            rows = np.arange(top, min(bottom, top + height))
            columns = np.arange(left, min(right, left + width))
        else:
            rows = np.arange(max(top, 0), min(bottom, height))
            columns = np.arange(max(left, 0), min(right, width))
        if not len(rows) or not len(columns):
            return
        wide_rows = self._inside(np.arange(rows[0] - BORDER, rows[-1] + BORDER + 1), height)
        wide_columns = self._inside(np.arange(columns[0] - BORDER, columns[-1] + BORDER + 1), width)
        around = self.owner[np.ix_(wide_rows, wide_columns)]
        rules = np.unique(around)
        areas = np.stack([_blurred(around == rule) for rule in rules])  # [rules, rows, columns]
        order = np.argsort(-areas, axis=0, kind="stable")
        second = order[1] if len(rules) > 1 else order[0]
        most = np.take_along_axis(areas, order[:1], 0)[0]
        next_most = np.take_along_axis(areas, second[None], 0)[0] if len(rules) > 1 else 0 * most
        share = np.rint(255 * most / (most + next_most)).astype(np.uint8)
        first, other = rules[order[0]], np.where(share < 255, rules[second], rules[order[0]])
        parts = np.stack([first, share, other, 255 - share], -1)
        self.shares[np.ix_(rows % height, columns % width)] = parts

    def _inside(self, places: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
        inside: npt.NDArray[np.int64]
        inside = places % size if self.wraps else np.clip(places, 0, size - 1)
        return inside


def cells_under(
    stroke: Stroke, height: int, width: int, *, wraps: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the cells of a grid under a brush."""
    left, top, right, bottom = _around(stroke)
    x, y = np.arange(left, right), np.arange(top, bottom)
    rows, columns = np.nonzero(stroke.covers(x[None, :] + 0.5, y[:, None] + 0.5))
    rows, columns = y[rows], x[columns]
    if not wraps:
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns = rows[inside], columns[inside]
    return rows % height, columns % width


def _around(stroke: Stroke) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edge of a stroke, in cells."""
    xs, ys = zip(stroke.start, stroke.end, strict=True)
    left, right = math.floor(min(xs) - stroke.radius), math.ceil(max(xs) + stroke.radius)
    top, bottom = math.floor(min(ys) - stroke.radius), math.ceil(max(ys) + stroke.radius)
    return left, top, right, bottom


def _blurred(area: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Blur with a triangle filter; the result is smaller by 2 * BORDER in both directions."""
    rows, columns = area.shape[0] - 2 * BORDER, area.shape[1] - 2 * BORDER
    weights = _TRIANGLE / _TRIANGLE.sum()
    across = np.zeros((area.shape[0], columns), np.float32)
    for d, weight in enumerate(weights):
        across += weight * area[:, d : d + columns]
    down = np.zeros((rows, columns), np.float32)
    for d, weight in enumerate(weights):
        down += weight * across[d : d + rows]
    return down
