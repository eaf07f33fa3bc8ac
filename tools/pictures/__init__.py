"""The code that draws the bundled pictures.

Every picture tiles without a seam and has its own palette. Its motif is 32 to 64 pixels wide; the
picture is 256 pixels wide. :func:`draw` with its defaults made the files in ``nca/pictures/files``;
``python -m tools.pictures DIR`` draws them again.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from nca.errors import InputError
from tools.pictures.floors import draw_parquet, draw_tiles
from tools.pictures.fluid import draw_brush, draw_bubbles, draw_marbling
from tools.pictures.light import encode
from tools.pictures.mineral import draw_bricks, draw_lava, draw_pebbles
from tools.pictures.organic import (
    draw_blossom,
    draw_coral,
    draw_honeycomb,
    draw_peacock,
    draw_scales,
)
from tools.pictures.torus import Color
from tools.pictures.woven import draw_knit, draw_weave, draw_web

__all__ = ["DRAWINGS", "draw"]

SUPERSAMPLING = 3
MIN_SIZE = 16

# (size, seed) -> linear light, [size, size, 3]
DRAWINGS: dict[str, Callable[[int, int], Color]] = {
    "blossom": draw_blossom,
    "bricks": draw_bricks,
    "brush": draw_brush,
    "bubbles": draw_bubbles,
    "coral": draw_coral,
    "honeycomb": draw_honeycomb,
    "knit": draw_knit,
    "lava": draw_lava,
    "marbling": draw_marbling,
    "parquet": draw_parquet,
    "peacock": draw_peacock,
    "pebbles": draw_pebbles,
    "scales": draw_scales,
    "tiles": draw_tiles,
    "weave": draw_weave,
    "web": draw_web,
}


def draw(name: str, size: int = 256, seed: int = 0) -> Image.Image:
    """Draw a picture, size x size RGB. The seed changes what is drawn; the size does not.

    Raises:
        InputError: there is no such picture, the size is below 16 or the seed below 0.
    """
    if name not in DRAWINGS:
        raise InputError(f"no image is called {name!r}; there are {', '.join(DRAWINGS)}")
    if size < MIN_SIZE:
        raise InputError(f"`size` {size}: must be {MIN_SIZE} or more")
    if seed < 0:
        raise InputError(f"`seed` {seed}: must be 0 or more")
    fine = DRAWINGS[name](SUPERSAMPLING * size, seed)
    light = fine.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3).mean((1, 3))
    return Image.fromarray((encode(light) * 255).round().astype(np.uint8))
