"""``python -m tools.growing FILE.webp [RULE]``: a texture grows, is scratched, and heals.

This makes the animation in README.md. RULE is the name of a bundled rule.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.gallery import gallery_path
from nca.images import to_image
from nca.rule import Rule
from nca.rulefile import load_rule

WIDTH, HEIGHT = 320, 160  # cells
# Step numbers of the frames, while the texture grows.
GROW = (0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 120, 150, 200, 260, 320)
STROKE = 14  # number of frames while it is scratched
# Step numbers of the frames after the scratch.
HEAL = (2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 100, 130, 160, 200)
RADIUS = 13  # of the scratch, in cells
MILLISECONDS = 80  # per frame


def erase(state: Tensor, progress: float) -> Tensor:
    """Erase a disc that moves across the grid along a wave, for ``progress`` from 0 to 1."""
    x = WIDTH * (0.12 + 0.76 * progress)
    y = HEIGHT * (0.5 + 0.28 * torch.tensor(6.3 * progress).sin())
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return state * ((rows - y).square() + (columns - x).square() > RADIUS**2)


def states(rule: Rule) -> Iterator[Tensor]:
    """Yield the state of each frame, [1, C, H, W]."""
    for state in simulate(rule, rule.initial_state(1, HEIGHT, WIDTH, seed=0), GROW, seed=0):
        yield state
    for frame in range(STROKE):
        for part in range(4):  # several discs per frame, so that the line has no gaps
            state = erase(state, (frame + part / 4) / STROKE)
        yield state
        (state,) = simulate(rule, state, (1,), seed=1 + frame)
    yield from simulate(rule, state, HEAL, seed=100)


def main(out: Path, name: str) -> None:
    """Write the animation."""
    rule = load_rule(gallery_path(name)).rule
    frames: list[Image.Image] = [to_image(rule.to_image(state)[0]) for state in states(rule)]
    durations = [MILLISECONDS] * len(frames)
    durations[len(GROW) - 1] = durations[-1] = 1200
    frames[0].save(
        out, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(sys.argv[2:] or ["scales"]))
