"""How fast it goes."""

from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]  # gives the time in seconds, as time.monotonic does

INTERVAL = 0.5  # seconds over which is counted


@dataclass
class Rates:
    """Frames and steps per second, over the last half second."""

    _since: float  # the time at the start
    frames: float = 0.0
    steps: float = 0.0
    _frames: int = 0
    _steps: int = 0

    def count_steps(self, count: int) -> None:
        """Take note of steps."""
        self._steps += count

    def count_frame(self, now: float) -> None:
        """Take note of a frame that begins ``now``."""
        self._frames += 1
        seconds = now - self._since
        if seconds >= INTERVAL:
            self.frames, self.steps = self._frames / seconds, self._steps / seconds
            self._since, self._frames, self._steps = now, 0, 0
