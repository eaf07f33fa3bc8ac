"""Make animations that loop without a jump."""

from collections.abc import Callable, Iterator, Sequence

import torch.nn.functional as F
from torch import Tensor

from nca.rule import Rule

Run = Callable[[Sequence[int]], Iterator[Tensor]]
"""``run(stops)`` runs a rule once and yields the state, [1, C, H, W], at each step in ``stops``."""

BLENDED = 1 / 3  # fraction of the film that fades back to its start
CANDIDATES = 16  # number of possible starts that are compared
BLUR = 4  # states are compared by the mean colors of squares with sides of this many cells


def run_loop(
    rule: Rule, run: Run, frames: int, *, every: int = 1, grown: int = 500
) -> Iterator[Tensor]:
    """Yield the states of a film whose last frame leads back to its first.

    The film starts at a state that resembles the state one film length later. Over the last third,
    the states fade into those that led up to the first frame. The rule repairs shapes that the
    blending distorts.

    Args:
        rule: defines the colors of the states.
        run: runs the rule; see :data:`Run`. If a yielded state is changed in place, the run must
            continue from the changed state.
        frames: number of frames.
        every: number of steps from one frame to the next.
        grown: minimum number of steps before the film; raised to a third of the film's length if
            it is lower.

    Yields:
        The state of every frame, [1, C, H, W].
    """
    length, blended = frames * every, round(BLENDED * frames)
    start = _best_start(rule, run, max(grown, blended * every), length)
    stops = range(start, start + length, every)
    earlier = run([stop - length for stop in stops[frames - blended + 1 :]])
    left = 1.0  # weight of the unblended run in the current state
    for frame, state in enumerate(run(stops)):
        done = (frame - (frames - blended)) / max(blended, 1)
        if done > 0:
            still_left = 1 - done**2 * (3 - 2 * done)
            state.lerp_(next(earlier), 1 - still_left / left)
            left = still_left
        yield state


def _best_start(rule: Rule, run: Run, grown: int, length: int) -> int:
    """Find the step from ``grown`` on whose state is most like the state one film length later."""
    starts = range(grown, grown + length, max(1, length // CANDIDATES))
    stops = sorted({*starts, *(start + length for start in starts)})
    colors = {
        stop: F.avg_pool2d(rule.to_image(state, scale=1), BLUR, ceil_mode=True)
        for stop, state in zip(stops, run(stops), strict=True)
    }
    return min(starts, key=lambda start: float(F.mse_loss(colors[start], colors[start + length])))
