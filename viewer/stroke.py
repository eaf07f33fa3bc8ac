"""Where a brush goes, and which rule owns which cell."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.uint8]

SOFT_BORDER = 0.5  # the part of the radius over which a rule fades into its neighbor


@dataclass(frozen=True)
class Stroke:
    """A brush of ``radius`` moved along a line, in cells, y down. Everywhere: radius below 0."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float


EVERYWHERE = Stroke((0.0, 0.0), (0.0, 0.0), -1.0)


def field_of_one(height: int, width: int, rule: int = 0) -> Field:
    """A field all of whose cells belong to one rule, [height, width, 4]."""
    field = np.zeros((height, width, 4), np.uint8)
    field[..., 0] = rule
    field[..., 1] = 255
    return field


def paint_field(field: Field, rule: int, stroke: Stroke, *, wraps: bool) -> None:
    """Give the cells under a brush to a rule, with a soft border.

    Two rules at most share a cell: the brush replaces the weaker of the two.

    Args:
        field: [H, W, 4], changed in place: number and share (0 to 255) of one rule, and of another.
        rule: number of the rule.
        stroke: where.
        wraps: the grid is a torus.

    """
    if stroke.radius < 0:
        field[...] = (rule, 255, 0, 0)
        return
    away = stroke.radius - _distance(field.shape[0], field.shape[1], stroke, wraps)
    weight = np.clip(away / (SOFT_BORDER * stroke.radius), 0, 1)
    rows, columns = np.nonzero(weight > 0)
    cells = field[rows, columns].astype(np.int32)
    new = np.rint(255 * weight[rows, columns]).astype(np.int32)
    first_is_rule = (cells[:, 0] == rule) & (cells[:, 1] > 0)
    second_is_rule = (cells[:, 2] == rule) & (cells[:, 3] > 0)
    other_is_first = ~first_is_rule & (second_is_rule | (cells[:, 1] >= cells[:, 3]))
    old = np.where(first_is_rule, cells[:, 1], np.where(second_is_rule, cells[:, 3], 0))
    share = np.maximum(old, new)
    cells[:, 2] = np.where(other_is_first, cells[:, 0], cells[:, 2])
    cells[:, 0], cells[:, 1], cells[:, 3] = rule, share, 255 - share
    field[rows, columns] = cells


def _distance(height: int, width: int, stroke: Stroke, wraps: bool) -> npt.NDArray[np.float64]:
    """Distance of the middle of every cell from the line of a stroke, as in paint.glsl."""
    line = np.subtract(stroke.end, stroke.start, dtype=np.float64)
    middle = np.asarray(stroke.start, dtype=np.float64) + line / 2
    x = np.arange(width)[None, :] + 0.5 - middle[0]
    y = np.arange(height)[:, None] + 0.5 - middle[1]
    if wraps:
        x = x - width * np.round(x / width)
        y = y - height * np.round(y / height)
    along = np.clip((x * line[0] + y * line[1]) / max(float(line @ line), 1e-6), -0.5, 0.5)
    distance: npt.NDArray[np.float64] = np.hypot(x - along * line[0], y - along * line[1])
    return distance
