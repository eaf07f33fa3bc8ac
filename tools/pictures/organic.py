"""Pictures from nature: scales, honeycomb, peacock feathers, blossom, coral."""

import numpy as np

from tools.pictures.light import Relief, lit, mix, ramp, rgb, smooth
from tools.pictures.surface import Light, Surface
from tools.pictures.torus import Cells, Color, blur, noise, scatter, stripes_and_spots, window


def draw_scales(size: int, seed: int) -> Color:
    """Draw dragon scales: from emerald to petrol, with rims of worn gold."""
    return scales(size, seed).picture()


def scales(size: int, seed: int) -> Surface:
    """Make the surface of :func:`draw_scales`; only in the picture are the roots painted darker."""
    rng = np.random.default_rng(seed)
    columns, rows = 6, 10
    tint = noise(size, rng, 2)
    # Seven channels: painted color (3), base color (3), roughness.
    relief = Relief(np.zeros((size, size, 7)), np.full((size, size), -1.0))
    for row, column in np.ndindex(rows, columns):
        jitter = rng.random(5) - 0.5
        x = (column + row % 2 / 2 + 0.10 * jitter[0]) / columns
        y = (row + 0.12 * jitter[1]) / rows
        at, dx, dy = window(size, x, y + 0.5 / rows, 1.25 / rows)
        u = dx * columns * (1 + 0.06 * jitter[2]) + 0.12 * jitter[3] * dy * columns
        v = (dy + 0.5 / rows) * rows / 1.5  # 0 at the root, 1 at the tip
        half_width = 0.60 * np.sqrt(np.clip(1 - np.clip(v, 0, 1) ** 3.2, 0, 1))
        edge = half_width - np.abs(u)
        rim = smooth(0.13, 0.03, edge)
        dome = 1 - (np.abs(u) / 0.62) ** 2
        keel = np.exp(-((u / 0.07) ** 2)) * smooth(1.0, 0.2, v)
        height = 0.075 * v + 0.022 * dome + 0.004 * keel - 0.016 * smooth(0.09, 0, edge)
        height = np.where((edge > 0) & (v > -0.3), height, -np.inf)
        hue = np.clip(0.5 + 0.22 * tint[at] + 0.45 * jitter[4], 0, 1)
        body = ramp(hue, "0f5c58 138a6a 2fb06c 8fc24a")
        root = (0.22 + 0.78 * smooth(0.15, 0.95, v))[..., None]
        ribs = 0.5 + 0.5 * np.cos(np.arctan2(u, v + 0.25) * 44)
        ribbed = (1 - 0.22 * ribs * smooth(0.2, 0.6, v))[..., None]
        gold, cover = rgb("f0c878"), 0.9 * rim * smooth(0.25, 0.7, v)
        roughness = (0.36 + 0.16 * ribs) * (1 - cover) + 0.22 * cover
        colors = (
            mix(body * root * ribbed, gold, cover),
            mix(body * np.sqrt(root) * ribbed, gold, cover),
        )
        relief.place(at, height, np.concatenate([*colors, roughness[..., None]], axis=-1))
    painted, color, roughness = np.split(relief.color, [3, 6], axis=-1)
    light = Light(gloss=0.42, hardness=22, shadow=0.05, hollow=0.015)
    return Surface(color, relief.height, roughness[..., 0], light, painted)


def draw_honeycomb(size: int, seed: int) -> Color:
    """Draw honeycomb: cells of pale wax, most of them full of honey, some empty."""
    rng = np.random.default_rng(seed)
    columns, rows = 7, 8  # 8/7 is nearly 2 / sqrt(3): the hexagons are regular
    row, column = np.divmod(np.arange(columns * rows), columns)
    points = np.stack([(column + row % 2 / 2) / columns, row / rows], axis=-1)
    points += 0.008 * (rng.random(points.shape) - 0.5)
    bend = (0.0020 * noise(size, rng, 14), 0.0020 * noise(size, rng, 14))
    cells = Cells.of(size, points, bend=bend, rounding=0.006)
    depth = cells.border * columns * 2  # 0 on the wall, about 1 in the middle
    tone = rng.random(len(points))[cells.owner]
    full = np.where(rng.random(len(points)) < 0.88, 1.0, 0.0)[cells.owner]
    u, v = cells.dx * columns, cells.dy * columns
    honey = ramp(
        0.50 + 0.32 * (u + v) + 0.34 * (tone - 0.5) + 0.30 * (depth - 0.5),
        "5c1a02 a63d04 dd7a0a f7ad1e ffd968",
    )
    empty = ramp(0.10 + 0.55 * depth * (0.55 + u + v), "220a04 5a260a 9a5a1c")
    wall = smooth(0.20, 0.09, depth)
    wax = ramp(0.5 + 0.2 * noise(size, rng, 10), "dba24a f6d080 fff2c8")
    color = mix(mix(empty, honey, full), wax, wall)
    height = blur(0.026 * wall + 0.010 * full * smooth(0.1, 0.8, depth), 0.0022)
    color = lit(color, height, gloss=0.12 + 0.2 * full, hardness=30, shadow=0.025)
    glint = np.exp(-(((u + v + 0.30) / 0.10) ** 2) - ((u - v) / 0.22) ** 2)
    return mix(color, rgb("fff6d8"), 0.8 * glint * full)


def draw_peacock(size: int, seed: int) -> Color:
    """Draw a peacock's train: eyes of blue and bronze among green barbs."""
    rng = np.random.default_rng(seed)
    columns, rows = 4, 6
    relief = Relief(np.zeros((size, size, 3)), np.full((size, size), -1.0))
    for row, column in np.ndindex(rows, columns):
        jitter = rng.random(5) - 0.5
        x = (column + row % 2 / 2 + 0.10 * jitter[0]) / columns
        y = (row + 0.20 * jitter[1]) / rows
        at, dx, dy = window(size, x, y, 0.22)
        lean = 0.4 * jitter[2]
        u = (dx * np.cos(lean) - dy * np.sin(lean)) * columns
        v = (dx * np.sin(lean) + dy * np.cos(lean)) * columns
        angle = np.arctan2(u, v + 0.8)
        barb = np.cos(angle * 72 + 6 * jitter[3])
        reach = np.hypot(u / 0.60, (v - 0.02) / 0.70)
        loose = smooth(0.35, 0.95, reach)
        reach = reach - 0.10 * loose * barb
        eye = np.hypot(u * (1.08 + 0.40 * v), 0.92 * (v - 0.13))
        rings = ramp(
            eye / 0.60 + 0.05 * (1 + barb) * smooth(0.26, 0.5, eye) + 0.03 * jitter[4],
            "0:0c0a48 0.19:121060 0.24:1a46d0 0.34:0aa6d0 0.43:58e6c4 0.46:5a2a10 0.58:9c5418"
            " 0.68:e8b040 0.74:d2cc60 0.84:4a9c50 1:136a50 1.2:083c40",
        )
        notch = smooth(0.12, 0.08, np.hypot(u, v + 0.02))
        color = mix(rings, rgb("0c0a48"), notch) * (1 - loose * (0.25 - 0.25 * barb))[..., None]
        color *= (0.30 + 0.70 * smooth(1.05, 0.75, reach))[..., None]
        height = 0.17 * v / columns + 0.014 * (1 - reach**2) + 0.0014 * barb * loose
        relief.place(at, np.where(reach < 1, height, -np.inf), color)
    return lit(relief.color, relief.height, gloss=0.08, hardness=14, shadow=0.05, ambient=0.45)


def draw_blossom(size: int, seed: int) -> Color:
    """Draw cherry blossom on a pond, from white to rose."""
    rng = np.random.default_rng(seed)
    pond = ramp(0.5 + 0.22 * noise(size, rng, 4), "7fb4ae a5d0c4 cbe6d8")
    relief = Relief(pond, np.full((size, size), -0.012))
    for x, y in scatter(rng, 46, rounds=3):
        jitter = rng.random(4)
        radius = 0.088 * (0.85 + 0.30 * jitter[0])
        at, dx, dy = window(size, x, y, 1.1 * radius)
        r = np.hypot(dx, dy) / radius
        turn = np.arctan2(dy, dx) / (2 * np.pi) + jitter[1]
        petal = (5 * turn) % 1 - 0.5  # 0 along the middle of a petal
        outline = 0.98 * np.cos(np.pi * petal) ** 0.42 - 0.13 * np.exp(-((petal / 0.075) ** 2))
        inside = outline - r
        cup = r**1.6 * np.cos(np.pi * petal) ** 2
        height = 0.020 * jitter[2] + 0.020 * cup - 0.012 * smooth(0.10, 0, inside)
        veins = 0.03 * np.cos(60 * petal) * smooth(0.2, 0.5, r)
        color = ramp(
            r * (0.92 + 0.20 * jitter[3]) + veins + 0.10 * (1 - np.cos(np.pi * petal)),
            "0:9c1f4e 0.12:c8386a 0.26:ec7fa2 0.50:f9c3d2 0.78:ffeef0 1:fff8f4",
        )
        stamen = (13 * turn) % 1 - 0.5
        filament = smooth(0.24, 0.14, np.abs(stamen)) * smooth(0.42, 0.38, r)
        anther = smooth(0.035, 0.020, np.hypot(r - 0.40, stamen * 2 * np.pi * r / 13))
        color = mix(color, rgb("ffe3e4"), 0.55 * filament * smooth(0.08, 0.14, r))
        color = mix(color, rgb("f0a91e"), anther)
        color = mix(color, rgb("e6cf5a"), smooth(0.10, 0.06, r))
        height = height + 0.004 * anther
        relief.place(at, np.where(inside > 0, height, -np.inf), color)
    return lit(
        relief.color, relief.height, shadow=0.035, hollow=0.02, hollow_depth=0.5, ambient=0.5
    )


def draw_coral(size: int, seed: int) -> Color:
    """Draw brain coral: winding ridges of rose and apricot over deep water."""
    rng = np.random.default_rng(seed)
    pattern = stripes_and_spots(size, rng, 8, steps=40) + 0.08
    ridge = smooth(-0.45, 0.30, pattern)
    groove = smooth(0.45, 0.85, pattern)
    polyps = stripes_and_spots(size, rng, 30, spots=1.5, steps=60)
    height = 0.034 * ridge - 0.010 * groove + 0.0020 * ridge * polyps
    color = ramp(
        0.84 * ridge + 0.05 * polyps * ridge - 0.20 * groove + 0.05 * noise(size, rng, 3),
        "0:063044 0.25:0c5a6a 0.42:8a3a5c 0.56:dd4f62 0.74:f8836c 0.9:ffb894 1:ffe6c8",
    )
    return lit(color, height, gloss=0.12, hardness=18, shadow=0.03, hollow=0.02)
