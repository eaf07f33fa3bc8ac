"""Textures that the project owns, because code draws them: what a first rule is trained on.

Every one tiles, has a motif of some 32 to 64 of its 256 pixels, and colors of its own. The files
beside this module are what :func:`draw` makes with its defaults; ``python -m nca.pictures DIR``
makes them again.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from nca.errors import InputError
from nca.pictures.fluid import draw_brush, draw_bubbles, draw_marbling
from nca.pictures.light import encode
from nca.pictures.mineral import draw_bricks, draw_lava, draw_pebbles
from nca.pictures.organic import (
    draw_blossom,
    draw_coral,
    draw_honeycomb,
    draw_peacock,
    draw_scales,
)
from nca.pictures.torus import Color
from nca.pictures.woven import draw_knit, draw_weave, draw_web

__all__ = ["PICTURES", "draw", "picture_path"]

SUPERSAMPLING = 3
MIN_SIZE = 16

# (size, seed) -> linear light, [size, size, 3]
PICTURES: dict[str, Callable[[int, int], Color]] = {
    "blossom": draw_blossom,
    "bricks": draw_bricks,
    "brush": draw_brush,
    "bubbles": draw_bubbles,
    "coral": draw_coral,
    "honeycomb": draw_honeycomb,
    "knit": draw_knit,
    "lava": draw_lava,
    "marbling": draw_marbling,
    "peacock": draw_peacock,
    "pebbles": draw_pebbles,
    "scales": draw_scales,
    "weave": draw_weave,
    "web": draw_web,
}


def picture_path(name: str) -> Path:
    """The file of a picture: PNG, 256x256, RGB.

    Raises:
        InputError: there is no such picture; the text lists those there are.
    """
    _check_name(name)
    return Path(__file__).with_name(f"{name}.png")


def draw(name: str, size: int = 256, seed: int = 0) -> Image.Image:
    """Draw a picture, size x size RGB. Another size is the same drawing, another seed is not.

    Raises:
        InputError: there is no such picture, the size is below 16 or the seed below 0.
    """
    _check_name(name)
    if size < MIN_SIZE:
        raise InputError(f"size must be {MIN_SIZE} or more, not {size}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, not {seed}")
    fine = PICTURES[name](SUPERSAMPLING * size, seed)
    light = fine.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3).mean((1, 3))
    return Image.fromarray((encode(light) * 255).round().astype(np.uint8))


def _check_name(name: str) -> None:
    if name not in PICTURES:
        raise InputError(f"no picture is called {name!r}; there are {', '.join(PICTURES)}")
