"""How many steps a frame takes: as asked, as far as the frame rate allows; and what is reached."""

from collections.abc import Callable
from dataclasses import dataclass

from nca.viewer.controls import LIMITS, powers_of_two

Clock = Callable[[], float]  # gives the time in seconds, as time.monotonic does

SPEEDS = powers_of_two(*LIMITS["speed"]["window"])  # steps a frame

SLOWEST_FRAME = 1 / 20  # seconds; fewer steps are taken rather than fewer frames
GROWTH = 1.05
INTERVAL = 0.5  # seconds over which rates are counted


class SpeedControl:
    """Steps of each frame.

    Attributes:
        steps_per_frame: steps that are asked for; below 1: one step in several frames.
        limited: fewer steps than asked are taken, to keep the frame rate.
    """

    def __init__(self, steps_per_frame: float = 1.0) -> None:
        self.steps_per_frame = self._limit = steps_per_frame
        self._credit = 0.0
        self._taken = 0

    @property
    def limited(self) -> bool:
        """Whether the frame rate holds the speed down."""
        return self._limit < self.steps_per_frame

    def set(self, steps_per_frame: float) -> None:
        """Ask for another speed."""
        self.steps_per_frame = self._limit = steps_per_frame
        self._credit = 0.0

    def faster(self) -> None:
        """Go to the next higher speed."""
        self.set(next((s for s in SPEEDS if s > self.steps_per_frame), SPEEDS[-1]))

    def slower(self) -> None:
        """Go to the next lower speed."""
        self.set(next((s for s in reversed(SPEEDS) if s < self.steps_per_frame), SPEEDS[0]))

    def steps(self, last_frame: float) -> int:
        """How many steps to take now.

        Args:
            last_frame: seconds that the last frame took, its steps included.
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
    """A speed in words."""
    if speed >= 1:
        return f"{speed:g} {'step' if speed == 1 else 'steps'} a frame"
    return f"one step in {1 / speed:g} frames"


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
