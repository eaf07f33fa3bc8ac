"""The code that draws the bundled pictures and materials.

Every picture tiles without a seam and has its own palette. Its motif is 32 to 64 pixels wide; the
picture is 256 pixels wide. Four pictures are lit surfaces whose maps are bundled too, as materials.
:func:`draw` and :func:`draw_maps` with their defaults made the files in ``nca/pictures``;
``python -m tools.pictures DIR`` draws them again.
"""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.maps import MapName
from tools.pictures.floors import draw_parquet, draw_tiles
from tools.pictures.fluid import draw_brush, draw_bubbles, draw_marbling
from tools.pictures.light import encode
from tools.pictures.mineral import bricks, draw_bricks, draw_lava, draw_pebbles, pebbles
from tools.pictures.organic import (
    draw_blossom,
    draw_coral,
    draw_honeycomb,
    draw_peacock,
    draw_scales,
    scales,
)
from tools.pictures.surface import Surface, average
from tools.pictures.torus import Color
from tools.pictures.woven import draw_knit, draw_weave, draw_web, weave

__all__ = ["DRAWINGS", "SURFACES", "draw", "draw_maps"]

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

# The pictures that also exist as maps: (size, seed) -> the surface before it is lit
SURFACES: dict[str, Callable[[int, int], Surface]] = {
    "bricks": bricks,
    "pebbles": pebbles,
    "scales": scales,
    "weave": weave,
}


def draw(name: str, size: int = 256, seed: int = 0) -> Image.Image:
    """Draw a picture, size x size RGB. The seed changes what is drawn; the size does not.

    Raises:
        InputError: there is no such picture, the size is below 16 or the seed below 0.
    """
    _check("image", name, DRAWINGS, size, seed)
    light = average(DRAWINGS[name](SUPERSAMPLING * size, seed), size)
    return Image.fromarray((encode(light) * 255).round().astype(np.uint8))


def draw_maps(name: str, size: int = 256, seed: int = 0) -> dict[MapName, Tensor]:
    """Draw the maps of a material, [1 or 3, size, size] in [0, 1]; see :func:`draw`.

    Raises:
        InputError: there is no such material, the size is below 16 or the seed below 0.
    """
    _check("material", name, SURFACES, size, seed)
    return SURFACES[name](SUPERSAMPLING * size, seed).maps(size)


def _check(kind: str, name: str, known: Mapping[str, object], size: int, seed: int) -> None:
    if name not in known:
        raise InputError(f"no {kind} is called {name!r}; there are {', '.join(known)}")
    if size < MIN_SIZE:
        raise InputError(f"`size` {size}: must be {MIN_SIZE} or more")
    if seed < 0:
        raise InputError(f"`seed` {seed}: must be 0 or more")
