"""Draw images of letters and shapes in two colors, for machines without an internet connection.

Position, size, color, and the rotation of polygons vary. The images are so simple that it is easy
to see what a model has learned.
"""

import math
import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

COUNT = 6000
SCALE = 4  # for smooth edges, glyphs are drawn larger by this factor and then scaled down
LETTERS = "AEHKRSX"
Point = tuple[float, float]
Draw = Callable[[ImageDraw.ImageDraw, Point, float, float, str], None]


def draw_glyphs(
    size: int, count: int = COUNT, seed: int = 0
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Draw images of all classes in turn.

    Args:
        size: width and height of the images, in pixels.
        count: number of images.
        seed: random seed for position, size, rotation and colors.

    Returns:
        [N, 3, S, S] uint8, [N] classes, and their names.
    """
    chance = random.Random(seed)
    names = (*SHAPES, *LETTERS)
    drawn = [_image(names[i % len(names)], size, chance) for i in range(count)]
    images = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()
    return images, torch.arange(count) % len(names), names


def _image(name: str, size: int, chance: random.Random) -> np.ndarray:
    side = SCALE * size
    hue = chance.random()
    paper = _hsv(hue + chance.uniform(0.35, 0.65), chance.uniform(0.1, 0.5), chance.uniform(0, 0.3))
    ink = _hsv(hue, chance.uniform(0.5, 1), chance.uniform(0.8, 1))
    image = Image.new("RGB", (side, side), paper)
    radius = side * chance.uniform(0.28, 0.38)
    center = tuple(side / 2 + chance.uniform(-0.1, 0.1) * side for _ in range(2))
    draw = SHAPES.get(name, _letter(name))
    draw(ImageDraw.Draw(image), (center[0], center[1]), radius, chance.uniform(-0.3, 0.3), ink)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))


def _hsv(hue: float, saturation: float, value: float) -> str:
    return f"hsv({360 * (hue % 1):.0f},{100 * saturation:.0f}%,{100 * value:.0f}%)"


def _polygon(corners: int, depth: float = 1.0) -> Draw:
    """A regular polygon, or, with ``depth`` below 1, a star.

    Every other corner of a star lies at ``depth`` times the radius.
    """

    def draw(
        canvas: ImageDraw.ImageDraw, center: Point, radius: float, turn: float, ink: str
    ) -> None:
        points = []
        for i in range(corners):
            angle = turn - math.pi / 2 + 2 * math.pi * i / corners
            length = radius * (depth if i % 2 else 1)
            points.append(
                (center[0] + length * math.cos(angle), center[1] + length * math.sin(angle))
            )
        canvas.polygon(points, fill=ink)

    return draw


def _ring(canvas: ImageDraw.ImageDraw, center: Point, radius: float, turn: float, ink: str) -> None:
    del turn
    box = (center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius)
    canvas.ellipse(box, outline=ink, width=round(0.4 * radius))


def _letter(name: str) -> Draw:
    def draw(
        canvas: ImageDraw.ImageDraw, center: Point, radius: float, turn: float, ink: str
    ) -> None:
        del turn
        font = ImageFont.load_default(2.2 * radius)
        canvas.text(center, name, ink, font, anchor="mm", stroke_width=round(0.06 * radius))

    return draw


SHAPES: dict[str, Draw] = {
    "ring": _ring,
    "disc": _polygon(40),
    "triangle": _polygon(3),
    "square": _polygon(4),
    "star": _polygon(10, 0.42),
}
