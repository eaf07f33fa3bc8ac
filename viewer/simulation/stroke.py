"""The path of a brush."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Stroke:
    """A brush moved along a line, in cells, y down. A radius below 0 covers everything."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float

    def covers(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which points of a plane, in cells, lie under the brush, as in ``paint.glsl``."""
        line = np.subtract(self.end, self.start, dtype=np.float64)
        from_start = np.subtract(x, self.start[0]), np.subtract(y, self.start[1])
        along = from_start[0] * line[0] + from_start[1] * line[1]
        along = np.clip(along / max(float(line @ line), 1e-6), 0, 1)
        away = np.hypot(from_start[0] - along * line[0], from_start[1] - along * line[1])
        covered: npt.NDArray[np.bool_] = away < self.radius
        return covered


EVERYWHERE = Stroke((0.0, 0.0), (0.0, 0.0), -1.0)
