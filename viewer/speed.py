"""Choose the number of steps per frame, limited by the frame rate, and measure rates."""

from collections.abc import Callable
from dataclasses import dataclass

from nca.viewer.controls import LIMITS, powers_of_two

Clock = Callable[[], float]  # returns the time in seconds, like time.monotonic

SPEEDS = powers_of_two(*LIMITS["speed"]["window"])  # steps per frame

SLOWEST_FRAME = 1 / 20  # seconds; if a frame takes longer, fewer steps are run
GROWTH = 1.05
INTERVAL = 0.5  # seconds over which rates are measured


class SpeedControl:
    """Number of steps per frame.

    Attributes:
        steps_per_frame: requested number of steps; below 1: one step in several frames.
        limited: fewer steps than requested are run, to keep the frame rate.
    """

    def __init__(self, steps_per_frame: float = 1.0) -> None:
        self.steps_per_frame = self._limit = steps_per_frame
        self._credit = 0.0
        self._taken = 0

    @property
    def limited(self) -> bool:
        """Whether the frame rate limits the speed."""
        return self._limit < self.steps_per_frame

    def set(self, steps_per_frame: float) -> None:
        """Request another speed."""
        self.steps_per_frame = self._limit = steps_per_frame
        self._credit = 0.0

    def faster(self) -> None:
        """Go to the next higher speed."""
        self.set(next((s for s in SPEEDS if s > self.steps_per_frame), SPEEDS[-1]))

    def slower(self) -> None:
        """Go to the next lower speed."""
        self.set(next((s for s in reversed(SPEEDS) if s < self.steps_per_frame), SPEEDS[0]))

    def steps(self, last_frame: float) -> int:
        """Number of steps to run now.

        Args:
            last_frame: duration of the last frame in seconds, including its steps.
        """
        if last_frame > SLOWEST_FRAME and self._taken > 1:
            self._limit = max(1.0, self._taken * SLOWEST_FRAME / last_frame)
        elif last_frame < 0.8 * SLOWEST_FRAME:
            self._limit *= GROWTH
        self._limit = min(self._limit, self.steps_per_frame)
        self._credit += self._limit
        self._taken = int(self._credit)
        self._credit -= self._taken
        return self._taken


def speed_text(speed: float) -> str:
    """Describe a speed."""
    if speed >= 1:
        return f"{speed:g} {'step' if speed == 1 else 'steps'} per frame"
    return f"one step in {1 / speed:g} frames"


@dataclass
class Rates:
    """Frames and steps per second, over the last half second."""

    _since: float  # time at the start of the interval
    frames: float = 0.0
    steps: float = 0.0
    _frames: int = 0
    _steps: int = 0

    def count_steps(self, count: int) -> None:
        """Count steps."""
        self._steps += count

    def count_frame(self, now: float) -> None:
        """Count a frame that begins at ``now``."""
        self._frames += 1
        seconds = now - self._since
        if seconds >= INTERVAL:
            self.frames, self.steps = self._frames / seconds, self._steps / seconds
            self._since, self._frames, self._steps = now, 0, 0
