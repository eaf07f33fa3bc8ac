"""``python -m tools.classic FILE.webp``: four classic automata side by side.

This makes the animation in docs/explanation/classic-automata.md.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from nca.automata.construction import Classic, build
from nca.automata.notation import NAMES, parse_automaton
from nca.automata.rle import parse_pattern, placed
from nca.images import to_image

WIDTH, HEIGHT = 76, 52  # cells of a panel
SCALE, GAP = 4, 8  # pixels per side of a cell, and between panels
FRAMES, MILLISECONDS = 60, 90  # number of frames, and duration of each
# Automaton -> number of steps before the first frame.
PANELS = {"life": 30, "brians-brain": 20, "bombers": 110, "cyclic": 240}
GUN = """x = 36, y = 9
24bo$22bobo$12b2o6b2o12b2o$11bo3bo4b2o12b2o$2o8bo5bo3b2o$2o8bo3bob2o4b
obo$10bo5bo7bo$11bo3bo$12b2o!"""


def first_state(name: str, classic: Classic) -> Tensor:
    """Run an automaton up to the first frame, [1, C, H, W]; Life starts from a glider gun."""
    if name == "life":
        state = placed(parse_pattern(GUN), classic.states, (HEIGHT, WIDTH))[None]
    else:
        state = classic.rule.initial_state(1, HEIGHT, WIDTH, seed=4)
    grown: Tensor = classic.rule(state, PANELS[name])
    return grown


def pictures(name: str) -> Iterator[Image.Image]:
    """Yield the frames of one panel."""
    classic = build(parse_automaton(name), NAMES[name].density)
    state = first_state(name, classic)
    for _ in range(FRAMES):
        picture = to_image(classic.rule.to_image(state)[0])
        yield picture.resize((SCALE * WIDTH, SCALE * HEIGHT), Image.Resampling.NEAREST)
        state = classic.rule(state, 1)


def main(out: Path) -> None:
    """Write the animation."""
    size = (2 * SCALE * WIDTH + GAP, 2 * SCALE * HEIGHT + GAP)
    frames = []
    for panels in zip(*map(pictures, PANELS), strict=True):
        frame = Image.new("RGB", size, "white")
        for number, panel in enumerate(panels):
            row, column = divmod(number, 2)
            frame.paste(panel, (column * (size[0] - panel.width), row * (size[1] - panel.height)))
        frames.append(frame)
    frames[0].save(
        out,
        save_all=True,
        append_images=frames[1:],
        duration=MILLISECONDS,
        loop=0,
        lossless=True,
        method=6,
    )


if __name__ == "__main__":
    torch.set_grad_enabled(mode=False)
    main(Path(sys.argv[1]))
