"""Pictures of regularly patterned floors: glazed tiles, herringbone parquet."""

import numpy as np

from tools.pictures.light import lit, mix, ramp, rgb, smooth
from tools.pictures.torus import Color, grid, noise, wrap


def draw_tiles(size: int, seed: int) -> Color:
    """Draw glazed tiles: stars of cobalt and turquoise between white crosses."""
    rng = np.random.default_rng(seed)
    periods = 4
    x, y = grid(size)
    x, y = x + 0.0012 * noise(size, rng, 7), y + 0.0012 * noise(size, rng, 7)
    u, v = x * periods % 1 - 0.5, y * periods % 1 - 0.5
    # A star is the union of two squares, one of them rotated by 45 degrees.
    square, diamond = np.maximum(np.abs(u), np.abs(v)), (np.abs(u) + np.abs(v)) / np.sqrt(2)
    outside = np.minimum(square, diamond) - 0.5 / np.sqrt(2)
    star = outside < 0
    middle = np.where(star, 0.5, 0.0)  # offset of the center of the star or cross, in periods
    column = np.floor(x * periods + 0.5 - middle).astype(int) % periods
    row = np.floor(y * periods + 0.5 - middle).astype(int) % periods
    dx, dy = wrap(x * periods - middle), wrap(y * periods - middle)
    jitter = (rng.random((2, periods, periods, 3)) - 0.5)[star.astype(int), row, column]
    edge = np.abs(outside) / periods
    worn = noise(size, rng, 20)
    body = smooth(0.0028, 0.0050, edge + 0.0004 * worn)
    glaze = 0.7 + 0.30 * jitter[..., 0] - 0.30 * smooth(0.004, 0.018, edge)
    glaze += 0.05 * noise(size, rng, 9)
    cobalt = ramp(glaze, "2b6fd0 1b4fb4 123a94 0c2a70")
    turquoise = ramp(glaze, "4cc4b4 22a099 137f80 0c5f66")
    white = ramp(glaze - 0.1, "fffaf0 f6ecd8 e6d6ba c8b494")
    colored = np.where(((column + row) % 2 == 0)[..., None], cobalt, turquoise)
    grout = rgb("8c7a66") * (1 + 0.1 * worn)[..., None]
    color = mix(grout, np.where(star[..., None], colored, white), body)
    height = 0.010 * smooth(0.002, 0.016, edge) * body + 0.0004 * noise(size, rng, 12)
    height += 0.035 * body * (jitter[..., 1] * dx + jitter[..., 2] * dy) / periods
    return lit(
        color, height, gloss=0.35 * body, hardness=60, shadow=0.012, hollow=0.01, hollow_depth=0.5
    )


def draw_parquet(size: int, seed: int) -> Color:
    """Draw herringbone parquet: oiled oak, from honey to walnut."""
    rng = np.random.default_rng(seed)
    units, length = 16, 4  # units per side of the picture; a plank covers 4 x 1 units
    x, y = grid(size)
    x, y = x + 0.0008 * noise(size, rng, 6), y + 0.0008 * noise(size, rng, 6)
    column, row = (np.floor(units * at).astype(int) for at in (x, y))
    # Each row repeats one horizontal plank (4 units) and four vertical planks (1 unit each). The
    # next row is shifted to the right by one unit.
    turn = (column - row) % (2 * length)
    lying = turn < length
    # Index of this unit along its plank, 0 to 3.
    place = np.where(lying, turn, 2 * length - 1 - turn)
    left = np.where(lying, column - place, column) % units
    top = np.where(lying, row, row - place) % units
    along = place + np.where(lying, units * x - column, units * y - row)
    across = np.where(lying, units * y - row, units * x - column)
    jitter = (rng.random((units, units, 2)) - 0.5)[top, left]
    edge = np.minimum(0.5 - np.abs(across - 0.5), length / 2 - np.abs(along - length / 2)) / units
    fibers = np.where(lying, noise(size, rng, 6, 60), noise(size, rng, 60, 6))
    bow = (along / length - 0.5 + 0.6 * jitter[..., 1]) ** 2
    rings = np.cos(2 * np.pi * (2.2 * across + 2 * bow + 7 * jitter[..., 0]))
    tone = 0.46 + 0.62 * jitter[..., 0] + 0.07 * fibers + 0.10 * rings
    oak = ramp(tone, "4a2412 75401d a5642c c98a45 e2b06a f0cd93")
    color = mix(rgb("1c0d06"), oak, smooth(0.0006, 0.0026, edge))
    height = 0.006 * smooth(0, 0.006, edge) + 0.0003 * fibers
    return lit(color, height, gloss=0.10, hardness=20, shadow=0.006, hollow=0.006, hollow_depth=0.5)
