"""A picture that flashes, and a count of its flashes that does not depend on the shaders."""

from collections.abc import Sequence

RATE, FRAMES = 60, 180  # frames per second, and of a test
SIZE = 320  # of the screen, in pixels


def flashing(number: int, every: int) -> float:
    """Value of all cells in a frame: they change between black and white."""
    return 0.5 if number // every % 2 else -0.5


def most_turns(colors: Sequence[float]) -> int:
    """Most turns of the relative luminance by a tenth or more within a second; two are a flash."""
    light = [color**2.2 for color in colors]
    turns, extreme, direction = [], light[0], 0
    for number, value in enumerate(light):
        change = value - extreme
        if abs(change) >= 0.1 and change * direction <= 0:
            turns.append(number)
            direction, extreme = (1 if change > 0 else -1), value
        elif change * direction > 0:
            extreme = value
    return max((sum(n <= t < n + RATE for t in turns) for n in turns), default=0)
