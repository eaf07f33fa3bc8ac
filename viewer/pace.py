"""How many steps a frame takes: as asked, as far as the frame rate allows."""

SPEEDS = (*(1 / 2**i for i in (3, 2, 1)), *(float(2**i) for i in range(11)))  # steps a frame

SLOWEST_FRAME = 1 / 20  # seconds; fewer steps are taken rather than fewer frames
GROWTH = 1.05


class Pace:
    """Steps of each frame.

    Attributes:
        speed: steps a frame that are asked for; below 1: one step in several frames.
        limited: fewer steps than asked are taken, to keep the frame rate.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._limit = speed
        self._credit = 0.0
        self._taken = 0

    @property
    def limited(self) -> bool:
        """Whether the frame rate holds the speed down."""
        return self._limit < self.speed

    def set_speed(self, speed: float) -> None:
        """Ask for another speed."""
        self.speed, self._limit, self._credit = speed, speed, 0.0

    def faster(self) -> None:
        """Go to the next higher speed."""
        self.set_speed(next((s for s in SPEEDS if s > self.speed), SPEEDS[-1]))

    def slower(self) -> None:
        """Go to the next lower speed."""
        self.set_speed(next((s for s in reversed(SPEEDS) if s < self.speed), SPEEDS[0]))

    def steps(self, last_frame: float) -> int:
        """How many steps to take now.

        Args:
            last_frame: seconds that the last frame took, its steps included.
        """
        if last_frame > SLOWEST_FRAME and self._taken > 1:
            self._limit = max(1.0, self._taken * SLOWEST_FRAME / last_frame)
        elif last_frame < 0.8 * SLOWEST_FRAME:
            self._limit *= GROWTH
        self._limit = min(self._limit, self.speed)
        self._credit += self._limit
        self._taken = int(self._credit)
        self._credit -= self._taken
        return self._taken


def speed_text(speed: float) -> str:
    """A speed in words."""
    if speed >= 1:
        return f"{speed:g} {'step' if speed == 1 else 'steps'} a frame"
    return f"one step in {1 / speed:g} frames"
