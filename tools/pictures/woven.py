"""Pictures of threads: a weave, knitted wool, a spider's web."""

import numpy as np

from tools.pictures.light import Relief, lit, mix, ramp, rgb, smooth
from tools.pictures.surface import Light, Surface
from tools.pictures.torus import Cells, Color, Field, blur, grid, noise, pixel, scatter, window


def draw_weave(size: int, seed: int) -> Color:
    """Draw plain weave: the warp is indigo; the weft alternates between raw linen and ochre."""
    return weave(size, seed).picture()


def weave(size: int, seed: int) -> Surface:
    """Make the surface of :func:`draw_weave`; the backs of the threads are worn smooth."""
    rng = np.random.default_rng(seed)
    x, y = grid(size)
    x, y = x + 0.0025 * noise(size, rng, 6), y + 0.0025 * noise(size, rng, 6)
    indigo, linen, ochre = (
        "0a1134 16245f 2c468f 7b96c8",
        "8a7a62 cfc0a2 efe6d0 fffaec",
        "7a3410 bb6a1e e0a044 f6d488",
    )
    relief = Relief(np.zeros((size, size, 3)), np.full((size, size), -0.03))
    relief.place(np.ix_(range(size), range(size)), *_threads(x, y, 1, (indigo, indigo), rng))
    relief.place(np.ix_(range(size), range(size)), *_threads(y, x, -1, (linen, ochre), rng))
    worn = smooth(0.005, 0.045, relief.height)
    light = Light(shadow=0.04, hollow=0.018, hollow_depth=0.8)
    return Surface(relief.color, relief.height, 0.95 - 0.25 * worn, light)


def _threads(
    across: Field, along: Field, first: int, dyes: tuple[str, str], rng: np.random.Generator
) -> tuple[Field, Color]:
    """Return height and color of eight parallel threads; ``first``: sign of the wave of heights."""
    size, threads = len(across), 8
    number = np.floor(across * threads).astype(int) % threads
    half = 0.47 + 0.03 * (rng.random(threads)[number] - 0.5)
    u = np.clip((across * threads % 1 - 0.5) / half, -1, 1)
    wave = first * (1 - 2 * (number % 2)) * np.cos(np.pi * (along * threads - 0.5))
    round_ = np.sqrt(1 - u**2)
    twist = np.cos(2 * np.pi * (40 * along - 1.4 * np.arcsin(u)))
    height = 0.018 * wave + 0.026 * round_ + 0.0022 * twist * round_
    worn = 0.15 * (rng.random(threads)[number] - 0.5) + 0.04 * noise(size, rng, 45)
    tone = 0.62 + 0.22 * twist + worn
    color = np.where((number % 2 == 0)[..., None], ramp(tone, dyes[0]), ramp(tone, dyes[1]))
    return np.where(np.abs(u) < 1, height, -np.inf), color


def draw_knit(size: int, seed: int) -> Color:
    """Draw knitted wool: madder red flecked with cream."""
    rng = np.random.default_rng(seed)
    columns, rows = 6, 8
    ground = np.broadcast_to(rgb("1e040c"), (size, size, 3))
    relief = Relief(ground, np.full((size, size), -0.04))
    fuzz = noise(size, rng, 50)
    for row, column, leg in np.ndindex(rows, columns, 2):
        side = 2 * leg - 1
        jitter = rng.random(4) - 0.5
        x = (column + 0.75 + side * (0.250 + 0.015 * jitter[0])) / columns
        y = (row + 0.5 + 0.06 * jitter[1]) / rows
        at, dx, dy = window(size, x, y, 0.14)
        lean = side * (0.46 + 0.06 * jitter[2])
        u = (dx * np.cos(lean) + dy * np.sin(lean)) * columns / 0.215
        v = (-dx * np.sin(lean) + dy * np.cos(lean)) * rows / 0.90
        u = u - side * 0.30 * (v**2 - 0.3)
        inside = 1 - u**2 * (1 + 0.35 * v) - np.abs(v) ** 3
        dome = np.sqrt(np.clip(inside, 0, 1))
        twist = np.cos(2 * np.pi * (1.5 * v - side * 0.95 * u))
        height = 0.034 * dome + 0.020 * v + 0.0030 * twist * dome
        tone = 0.56 + 0.13 * twist + 0.045 * fuzz[at] + 0.16 * jitter[3]
        fleck = (row % 4, column % 2) in ((0, 0), (2, 1))
        wool = "a8866c e6cba8 fff0d8" if fleck else "500816 a3152b d43a3c ef7a60"
        relief.place(at, np.where(inside > 0, height, -np.inf), ramp(tone, wool))
    return lit(relief.color, relief.height, shadow=0.03, hollow=0.014, hollow_depth=0.8)


def draw_web(size: int, seed: int) -> Color:
    """Draw spiders' webs with dew, in front of a garden at dawn."""
    rng = np.random.default_rng(seed)
    count = 8
    points = scatter(rng, count, rounds=4)
    bend = (0.003 * noise(size, rng, 6), 0.003 * noise(size, rng, 6))
    cells = Cells.of(size, points, bend=bend)
    spokes = (9 + np.floor(3 * rng.random(count))).astype(int)[cells.owner]
    angle = np.arctan2(cells.dy, cells.dx) / (2 * np.pi) + rng.random(count)[cells.owner]
    sector = (angle * spokes + 0.4 * np.sin(4 * np.pi * angle)) % 1 - 0.5
    radius = np.hypot(cells.dx, cells.dy)
    spacing, fine = 0.030, 0.0034
    turn = radius * (1 + 0.5 * (0.25 - sector**2)) / spacing
    ring = np.abs((turn + angle) % 1 - 0.5) * spacing
    spiral = smooth(fine, 0.5 * fine, ring) * smooth(1.0, 1.3, turn)
    from_spoke = (0.5 - np.abs(sector)) * 2 * np.pi * radius / spokes
    spoke = smooth(fine, 0.5 * fine, from_spoke)
    frame = smooth(1.3 * fine, 0.6 * fine, cells.border)
    thread = np.maximum(np.maximum(0.8 * spiral, spoke), frame)
    garden = blur(noise(size, rng, 3), 0.02)
    hearts = np.exp(-((radius / 0.13) ** 2))
    ground = ramp(0.24 + 0.12 * garden + 0.46 * hearts, "0b1030 1b2350 3b3a72 7a4f86 c56f80 f0a184")
    silk = ramp(0.5 + 0.3 * noise(size, rng, 9), "b4bfe4 f2ecf4 fff1df")
    return _hang_dew(mix(ground, silk, 0.85 * thread), thread, rng)


def _hang_dew(picture: Color, thread: Field, rng: np.random.Generator) -> Color:
    size = len(picture)
    for x, y in scatter(rng, 1100, rounds=0):
        if thread[pixel(size, x, y)] < 0.8:
            continue
        radius = 0.0065 + 0.0070 * rng.random() ** 3
        place, dx, dy = window(size, x, y, 1.3 * radius)
        body = ramp(0.5 + 0.4 * (dx + dy) / radius, "3a3560 8a86b8 e9e4f4 ffffff")
        drop = mix(picture[place], body, smooth(1.08, 0.92, np.hypot(dx, dy) / radius))
        glint = np.hypot(dx + 0.36 * radius, dy + 0.36 * radius) / radius
        picture[place] = mix(drop, rgb("ffffff") * 1.6, smooth(0.42, 0.22, glint))
    return picture
