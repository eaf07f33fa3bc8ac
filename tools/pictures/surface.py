"""Surfaces: what a picture shows before it is lit, and the maps that follow from it."""

from dataclasses import asdict, dataclass

import numpy as np

from nca.maps import MapName
from tools.pictures.light import encode, lit
from tools.pictures.torus import Color, Field

PITS = 0.01  # share of the surface that may be deeper than the lowest height: holes of few pixels
# Heights have 12 of the 16 bits of their file, which is a quarter smaller so.
LEVELS, TOP = 65535 / 16, 4095
DIRECTIONS, STOPS = 16, 12  # where the horizon is searched for
REACH = 0.1  # fraction of the side; what is farther away is too low to hide much of the sky


@dataclass(frozen=True)
class Light:
    """Settings of :func:`tools.pictures.light.lit`."""

    ambient: float = 0.35
    hollow: float = 0.02
    hollow_depth: float = 0.6
    shadow: float = 0.0
    gloss: float = 0.0
    hardness: float = 40.0


@dataclass(frozen=True)
class Surface:
    """A drawing without light.

    Attributes:
        color: base color in linear light, [n, n, 3].
        height: heights as fractions of the picture's side, [n, n].
        roughness: perceptual roughness, [n, n].
        light: the light of the picture.
        painted: color of the picture, if it is painted with shadows that the base color lacks.
    """

    color: Color
    height: Field
    roughness: Field
    light: Light
    painted: Color | None = None

    def picture(self) -> Color:
        """The lit surface, [n, n, 3] in linear light."""
        color = self.color if self.painted is None else self.painted
        return lit(color, self.height, **asdict(self.light))

    def maps(self, size: int) -> dict[MapName, Field]:
        """The maps of the material, [size, size, 1 or 3] in [0, 1]; ``size`` must divide n."""
        floor = np.quantile(self.height, PITS)
        relief = np.maximum(self.height, floor)
        height = average(relief, size)
        facing = average(normals(relief), size)
        facing /= np.linalg.norm(facing, axis=-1, keepdims=True)
        return {
            "color": encode(average(self.color, size)),
            "normal": facing / 2 + 0.5,
            "height": np.round((height - floor) / (height.max() - floor) * TOP)[..., None] / LEVELS,
            "roughness": average(self.roughness, size)[..., None],
            "occlusion": open_sky(height)[..., None],
        }


def average(field: Field, size: int) -> Field:
    """The means of square blocks, [n, n, ...] -> [size, size, ...]."""
    blocks = field.reshape(size, len(field) // size, size, len(field) // size, *field.shape[2:])
    means: Field = blocks.mean((1, 3))
    return means


def normals(height: Field) -> Field:
    """Normals of a relief whose heights are fractions of its side, [n, n, 3]: x right, y up."""
    n = len(height)
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * n / 2
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * n / 2
    vectors = np.stack([-right, down, np.ones_like(height)], axis=-1)
    lengths: Field = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / lengths


def open_sky(height: Field) -> Field:
    """Share of the light of an even sky that arrives on a level patch, [n, n].

    In each direction, the sky is open above the horizon (Max, "Horizon mapping", The Visual
    Computer 4, 1988); the share of the light from above an angle is its cosine squared.
    """
    n, sky = len(height), np.zeros_like(height)
    for angle in 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        steepest = np.zeros_like(height)
        for distance in np.geomspace(1 / n, REACH, STOPS):
            shift = round(n * distance * np.sin(angle)), round(n * distance * np.cos(angle))
            above = np.roll(height, shift, (0, 1)) - height
            np.maximum(steepest, above * n / np.hypot(*shift), out=steepest)
        sky += 1 / (1 + steepest**2) / DIRECTIONS
    return sky
