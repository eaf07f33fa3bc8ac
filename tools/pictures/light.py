"""Color and light: color ramps, lighting of a relief, and conversion to sRGB.

Everything is computed in linear light, because averages and lighting are correct only there.
"""

import math

import numpy as np

from tools.pictures.torus import Color, Field, Index, blur

# Ottosson, "A perceptual color space for image processing", 2020.
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
SUN = (-0.55, -0.62, 0.56)  # direction of the sun: left, above, in front
SKY = (0.80, 0.93, 1.18)
WARM = (1.08, 1.0, 0.88)


def rgb(code: str) -> Color:
    """Convert six hexadecimal digits of sRGB to linear light, [3]."""
    encoded = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encode(linear: Color) -> Color:
    """Convert linear light to sRGB in [0, 1]; very bright colors are compressed toward white."""
    light = np.maximum(linear, 0)
    light = light / (1 + light**6) ** (1 / 6)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def ramp(t: Field, colors: str) -> Color:
    """Look up colors on a ramp, [...] -> [..., 3] linear light.

    Args:
        t: position on the ramp, clipped to [0, 1].
        colors: sRGB codes at equal intervals, or ``position:code`` for other intervals. Colors in
            between are interpolated in Oklab, where the mean of two colors looks halfway between
            them.
    """
    codes = colors.split()
    places = np.linspace(0, 1, len(codes))
    for i, code in enumerate(codes):
        if ":" in code:
            place, codes[i] = code.split(":")
            places[i] = float(place)
    stops = np.cbrt(np.array([rgb(code) for code in codes]) @ TO_LMS.T)
    fine = np.linspace(0, 1, 1024)
    roots = np.stack([np.interp(fine, places, stops[:, i]) for i in range(3)], axis=-1)
    table = roots**3 @ np.linalg.inv(TO_LMS).T
    return np.stack([np.interp(t, fine, table[:, i]) for i in range(3)], axis=-1)


def smooth(low: float | Field, high: float | Field, value: Field) -> Field:
    """Compute a soft step: 0 below ``low``, 1 above ``high``; reversed if low > high."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(below: Color, above: Color, cover: Field) -> Color:
    """Put a color over another, [..., 3]; where ``cover`` [...] is 1, only ``above`` is visible."""
    return below + (above - below) * cover[..., None]


class Relief:
    """A picture of overlapping objects; at each pixel, the highest object is visible.

    Therefore, the objects can be drawn in any order. In an image that wraps, no order would be
    right everywhere.
    """

    def __init__(self, ground: Color, height: Field) -> None:
        self.color, self.height = ground.copy(), height.copy()

    def place(self, at: Index, height: Field, color: Color) -> None:
        """Put an object on the pixels ``at``; ``height`` is ``-inf`` where it covers no pixel."""
        seen = height > self.height[at]
        self.height[at] = np.where(seen, height, self.height[at])
        self.color[at] = np.where(seen[..., None], color, self.color[at])


def cast_shadow(height: Field, reach: float) -> Field:
    """Compute the shadows in a relief, [n, n]: 0 in the light, 1 in full shadow.

    Args:
        height: heights, [n, n].
        reach: length of the longest shadow.
    """
    n, steps = len(height), 16
    level = math.hypot(SUN[0], SUN[1])
    slope = SUN[2] / level
    highest = np.zeros_like(height)
    for i in range(1, steps + 1):
        length = reach * i / steps
        shift = (round(-SUN[1] / level * length * n), round(-SUN[0] / level * length * n))
        above = np.roll(height, shift, (0, 1)) - height - slope * length
        np.maximum(highest, above, out=highest)
    return np.clip(highest / (0.25 * reach * slope), 0, 1)


def lit(
    color: Color,
    height: Field,
    *,
    ambient: float = 0.35,
    hollow: float = 0.02,
    hollow_depth: float = 0.6,
    shadow: float = 0.0,
    gloss: float | Field = 0.0,
    hardness: float = 40.0,
) -> Color:
    """Light a relief with a warm sun from the upper left and a cool sky.

    Args:
        color: color of the surface, [n, n, 3].
        height: heights as fractions of the picture's side, [n, n].
        ambient: fraction of the light that comes from the sky.
        hollow: size of the hollows that get less light from the sky.
        hollow_depth: how dark hollows get, 0 to 1.
        shadow: length of the longest cast shadow; 0: no shadows.
        gloss: strength of the highlight: a number, or a field, [n, n].
        hardness: hardness of the highlight; larger values make it smaller and sharper.

    Returns:
        Linear light, [n, n, 3]. A level, sunlit place keeps its color.
    """
    n = len(height)
    slope_x = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * n / 2
    slope_y = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * n / 2
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    sun = np.array(SUN) / np.linalg.norm(SUN)
    facing = np.clip((-slope_x * sun[0] - slope_y * sun[1] + sun[2]) / length, 0, None)
    half = sun + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    mirror = np.clip((-slope_x * half[0] - slope_y * half[1] + half[2]) / length, 0, 1)
    depth = np.clip((blur(height, hollow) - height) / hollow, 0, 1)
    sky = 1 - hollow_depth * smooth(0, 0.5, depth)
    direct = facing / sun[2]
    highlight = gloss * mirror**hardness
    if shadow:
        visible = 1 - cast_shadow(height, shadow)
        direct, highlight = direct * visible, highlight * visible
    direct = (1 - ambient) * direct * (0.5 + 0.5 * sky)
    light = np.multiply.outer(ambient * sky, SKY) + np.multiply.outer(direct, WARM)
    shown: Color = color * light + highlight[..., None]
    return shown
