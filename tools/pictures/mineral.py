"""Pictures of stone and clay: lava, pebbles, bricks."""

import numpy as np

from tools.pictures.light import lit, mix, ramp, rgb, smooth
from tools.pictures.surface import Light, Surface
from tools.pictures.torus import Cells, Color, blur, grid, noise, scatter, stripes_and_spots


def draw_lava(size: int, seed: int) -> Color:
    """Draw cooling lava: plates of basalt with fire in the cracks."""
    rng = np.random.default_rng(seed)
    count = 40
    bend = (0.008 * noise(size, rng, 11), 0.008 * noise(size, rng, 11))
    cells = Cells.of(size, scatter(rng, count, rounds=1), bend=bend, rounding=0.004)
    width = 0.009 + 0.003 * noise(size, rng, 4)
    crack = smooth(width + 0.004, width - 0.003, cells.border)
    folds = stripes_and_spots(size, rng, 26, drift=(0.4, 0.4), steps=40)
    plate = smooth(0, 0.05, cells.border - width)
    tilt = rng.random((count, 2)) - 0.5
    height = 0.030 * plate + 0.0022 * folds * plate
    height += 0.35 * (tilt[cells.owner, 0] * cells.dx + tilt[cells.owner, 1] * cells.dy)
    tone = 0.45 + 0.10 * folds + 0.4 * (rng.random(count)[cells.owner] - 0.5)
    rock = lit(
        ramp(tone, "16131d 2b2735 474255 6f6a78"), height * (1 - crack), gloss=0.25, shadow=0.03
    )
    heat = np.clip(1 - cells.border / (width + 0.005), 0, 1) + 0.10 * noise(size, rng, 6)
    fire = ramp(heat, "7a0c02 d62c04 ff7012 ffb637 fff0a8") * 1.2
    glow = blur(crack, 0.012)[..., None] * rgb("ff4a10") * 0.75
    return mix(rock, fire, crack) + glow * (1 - crack)[..., None]


def draw_pebbles(size: int, seed: int) -> Color:
    """Draw pebbles in shallow water: slate, rust and chalk, some with a vein."""
    return pebbles(size, seed).picture()


def pebbles(size: int, seed: int) -> Surface:
    """Make the surface of :func:`draw_pebbles`; all of it is wet."""
    rng = np.random.default_rng(seed)
    count = 54
    points = scatter(rng, count, rounds=2)
    bend = (0.005 * noise(size, rng, 5), 0.005 * noise(size, rng, 5))
    weights = 0.004 * rng.random(count)
    cells = Cells.of(size, points, weights=weights, bend=bend, rounding=0.008)
    stone = smooth(0.0015, 0.0045, cells.border)
    dome = np.sqrt(np.clip((cells.border - 0.002) / 0.05, 0, 1))
    speck = noise(size, rng, 55)
    tone = rng.random(count)[cells.owner]
    color = ramp(tone, "2f3e4e 4f6478 8ea3ab d3d6cd f2eadb d9b98e bd7b4e 94503a 5e3d40 3c4650")
    angle = np.pi * rng.random(count)[cells.owner]
    across = np.cos(angle) * cells.dx + np.sin(angle) * cells.dy
    along = np.sin(angle) * cells.dx - np.cos(angle) * cells.dy
    veined = (rng.random(count) < 0.35)[cells.owner]
    vein = veined * smooth(0.0075, 0.0045, np.abs(across + 3 * along**2 + 0.004))
    color = mix(color * (1 + 0.09 * speck)[..., None], rgb("f6f0e2"), 0.85 * vein)
    water = ramp(0.5 + 0.2 * noise(size, rng, 8), "0a2430 12404c 1f6064")
    height = 0.042 * dome * stone + 0.0005 * speck * stone
    color = mix(water, color, stone)
    polish = 0.30 + 0.20 * np.abs(2 * tone - 1) + 0.03 * speck - 0.12 * vein
    light = Light(gloss=0.30, hardness=35, shadow=0.05, hollow=0.025, hollow_depth=0.75)
    return Surface(color, height, 0.12 + (polish - 0.12) * stone, light)


def draw_bricks(size: int, seed: int) -> Color:
    """Draw an old wall: hand-made bricks of rose and oxblood in pale mortar."""
    return bricks(size, seed).picture()


def bricks(size: int, seed: int) -> Surface:
    """Make the surface of :func:`draw_bricks`; dark bricks were fired hotter and are smoother."""
    rng = np.random.default_rng(seed)
    columns, rows = 4, 8
    x, y = grid(size)
    x, y = x + 0.0025 * noise(size, rng, 7), y + 0.0025 * noise(size, rng, 7)
    row = np.floor(y * rows).astype(int) % rows
    slip = 0.10 * (rng.random(rows) - 0.5) + 0.5 * (np.arange(rows) % 2)
    along = x * columns + slip[row]
    brick = np.floor(along).astype(int) % columns + columns * row
    u, v = along % 1 - 0.5, y * rows % 1 - 0.5
    jitter = (rng.random((columns * rows, 4)) - 0.5)[brick]
    dx = (0.5 - np.abs(u)) / columns
    dy = (0.5 - np.abs(v + 0.10 * jitter[..., 0] * u)) / rows
    corner = 0.020
    edge = corner - np.hypot(np.maximum(corner - dx, 0), np.maximum(corner - dy, 0))
    worn = noise(size, rng, 22)
    edge = edge - 0.0085 + 0.0012 * worn
    body = smooth(0, 0.003, edge)
    pillow = smooth(0, 0.011, edge)
    fired = noise(size, rng, 4, 9)
    tone = 0.50 + 0.75 * jitter[..., 1] + 0.07 * fired + 0.035 * worn + 0.10 * u
    clay = ramp(tone, "5c1c2a 8a2c2e b0402f cb5b3e dc7f58 e6a582")
    mortar = ramp(0.5 + 0.2 * worn, "cdb9a0 e6d6bf f6ead8")
    height = 0.011 * pillow + 0.0007 * worn
    height += 0.06 * body * (jitter[..., 2] * u / columns + jitter[..., 3] * v / rows)
    fired_clay = 0.52 + 0.30 * np.clip(tone, 0, 1) + 0.04 * worn
    roughness = 0.92 + (fired_clay - 0.92) * body
    light = Light(shadow=0.018, hollow=0.012, hollow_depth=0.4)
    return Surface(mix(mortar, clay, body), height, roughness, light)
