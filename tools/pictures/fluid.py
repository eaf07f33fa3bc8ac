"""Pictures of liquids: soap bubbles and paint."""

import numpy as np

from tools.pictures.light import lit, mix, ramp, rgb, smooth
from tools.pictures.torus import Cells, Color, grid, noise, pixel, scatter, window

NIGHT = "0b1748 16308a 2a66bd 46a0c6 93d0bd efe3a4 f8c84e ef8f38"


def draw_bubbles(size: int, seed: int) -> Color:
    """Draw foam: soap films that shine in all colors over dark water."""
    rng = np.random.default_rng(seed)
    count = 44
    points = scatter(rng, count, rounds=5)
    weights = 0.0035 * rng.random(count)
    cells = Cells.of(size, points, weights=weights, rounding=0.013)
    deepest = np.full(count, 0.01)
    np.maximum.at(deepest, cells.owner, cells.border)
    deepest = deepest[cells.owner]
    rho = 1 - cells.border / deepest  # 0 in the middle, 1 on the wall, more in the corners
    u, v = cells.dx / deepest, cells.dy / deepest
    angle = np.arctan2(v, u)
    thickness = 0.85 * rho**2 + 0.20 * v - 0.12 * u + 0.08 * noise(size, rng, 8)
    film = ramp(
        (thickness + 0.5 * rng.random(count)[cells.owner]) % 1,
        "1aa5c4 63dccb f8edb0 ffab8f f070b0 a26df0 4a7ff0 1aa5c4",
    )
    water = ramp(0.45 + 0.22 * (u + v), "021830 053a58 0b7080")
    picture = mix(water, film, 0.06 + 0.86 * smooth(0.30, 0.92, rho))
    picture *= (1 - 0.45 * smooth(0.92, 1.0, rho))[..., None]
    wall = smooth(0.006, 0.0, cells.border)
    picture = mix(picture, ramp(0.5 - 0.3 * v, "7fd0e6 f4fcff"), 0.9 * wall)
    toward_sun = np.cos(angle + 0.72 * np.pi)
    arc = smooth(0.70, 0.93, toward_sun) * smooth(0.13, 0.05, np.abs(rho - 0.60))
    echo = smooth(0.55, 0.95, -toward_sun) * smooth(0.16, 0.03, np.abs(rho - 0.74))
    spark = smooth(0.10, 0.05, np.hypot(u - 0.34, v - 0.40))
    picture = mix(picture, rgb("c9fbff"), 0.50 * echo)
    picture = mix(picture, rgb("ffffff") * 1.3, 0.92 * arc)
    return mix(picture, rgb("ffffff"), 0.8 * spark)


def draw_brush(size: int, seed: int) -> Color:
    """Draw brush strokes: a night sky in thick oil, ultramarine to naples yellow."""
    rng = np.random.default_rng(seed)
    stream = noise(size, rng, 3.4)
    slope_x = np.roll(stream, -1, 1) - np.roll(stream, 1, 1)
    slope_y = np.roll(stream, -1, 0) - np.roll(stream, 1, 0)
    picture = ramp(0.42 + 0.20 * stream, NIGHT)
    height = np.zeros((size, size))
    for x, y in scatter(rng, 900, rounds=1):
        at = pixel(size, x, y)
        jitter = rng.random(5) - 0.5
        direction = np.arctan2(slope_x[at], -slope_y[at]) + 0.4 * jitter[0]
        length, width = 0.056 * (1 + 0.6 * jitter[1]), 0.0195 * (1 + 0.5 * jitter[2])
        place, dx, dy = window(size, x, y, 1.1 * length)
        u = (dx * np.cos(direction) + dy * np.sin(direction)) / length
        v = (-dx * np.sin(direction) + dy * np.cos(direction)) / width
        v = v + 3.0 * jitter[3] * u**2
        phase = 2 * np.pi * rng.random(3)
        hair = np.cos(np.multiply.outer(v, (4, 7, 11)) + phase).mean(-1)
        end = 0.88 + 0.10 * hair
        cover = smooth(1.0, 0.82, np.abs(v)) * smooth(end, end - 0.10, np.abs(u))
        tone = 0.47 + 0.23 * stream[at] + 0.28 * jitter[4]
        paint = ramp(np.clip(tone, 0.02, 0.98) + 0.045 * hair, NIGHT)
        picture[place] = mix(picture[place], paint, 0.96 * cover)
        thick = 0.0055 * (1 - 0.4 * v**2) + 0.0007 * hair + 0.003 * smooth(0.5, 0.9, np.abs(u))
        height[place] += (thick - 0.65 * height[place]) * cover
    return lit(picture, height, gloss=0.10, hardness=16, ambient=0.42, hollow=0.008)


def draw_marbling(size: int, seed: int) -> Color:
    """Draw marbled paper: bands of ink on water, shaken a little and then combed.

    The comb is a row of tine lines (Lu, Jaffer et al., "Mathematical Marbling", IEEE CG&A 32(6),
    2012): ink moves along the comb, and the motion decreases exponentially with the distance from a
    tine.
    """
    rng = np.random.default_rng(seed)
    x, y = grid(size)
    x, y = x + 0.010 * noise(size, rng, 3), y + 0.010 * noise(size, rng, 3)
    x = x + 0.024 * np.sin(2 * np.pi * 4 * y)
    from_tine = np.abs(x * 8 % 1 - 0.5)
    y = y - 0.15 * np.exp(-4 * (0.5 - from_tine)) + 0.006 * noise(size, rng, 10)
    plum, cream, violet, gold = rgb("2b1a5e"), rgb("f3e7d3"), rgb("7b3fa0"), rgb("e9b44c")
    petrol, lilac, rose = rgb("1f7a8c"), rgb("c8a2d8"), rgb("b0356b")
    inks = np.stack([plum, cream, violet, gold, cream, petrol, lilac, cream, rose])
    widths = np.array([1.5, 0.35, 1.4, 0.6, 0.3, 1.1, 0.8, 0.3, 1.0])
    ends = np.cumsum(widths / widths.sum())[:-1]
    return inks[np.searchsorted(ends, y * 4 % 1, side="right")]
