"""Geometry on a torus: a unit square whose opposite sides are joined, so that drawings tile.

Lengths are fractions of the side; x points right and y down. A field is an array, [n, n]. Random
values are drawn on a grid of fixed size, not per pixel, so a drawing looks the same for every n.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field: TypeAlias = NDArray[np.float64]  # [n, n]
Points: TypeAlias = NDArray[np.float64]  # [count, 2], x and y
Color: TypeAlias = NDArray[np.float64]  # [..., 3], linear light
Index: TypeAlias = tuple[NDArray[np.intp], ...]

NOISE_GRID = 256
PATTERN_GRID = 192


def grid(n: int) -> tuple[Field, Field]:
    """Return the coordinates x and y of the pixel centers, each [n, n] in (0, 1)."""
    centers = (np.arange(n) + 0.5) / n
    x, y = np.meshgrid(centers, centers)
    return x, y


def wrap(difference: Field) -> Field:
    """Compute the shortest difference on the torus, in [-0.5, 0.5]."""
    return difference - np.round(difference)


def frequencies(n: int) -> tuple[Field, Field]:
    """Return cycles per side along x, [1, n//2 + 1], and y, [n, 1], ordered as in np.fft.rfft2."""
    along_x, along_y = np.arange(n // 2 + 1.0), (np.arange(n) + n // 2) % n - n // 2
    return along_x[None, :], along_y[:, None].astype(np.float64)


def resample(field: Field, n: int) -> Field:
    """Resample a field as a trigonometric polynomial, [m, m] -> [n, n]; exact if n >= m."""
    m = len(field)
    spectrum = np.fft.fftshift(np.fft.fft2(field)) * (n / m) ** 2
    if n >= m:
        spectrum = np.pad(spectrum, ((n // 2 - m // 2, (n + 1) // 2 - (m + 1) // 2),) * 2)
    else:
        first = m // 2 - n // 2
        spectrum = spectrum[first : first + n, first : first + n]
    # Samples are at pixel centers, so grids of different sizes start at different points.
    k = np.arange(n) - n // 2
    turn = np.exp(1j * np.pi * k * (1 / n - 1 / m))
    return np.fft.ifft2(np.fft.ifftshift(spectrum * turn[:, None] * turn)).real


def blur(field: Field, radius: float) -> Field:
    """Blur a field with a Gaussian; ``radius`` is its std, as a fraction of the side."""
    kx, ky = frequencies(len(field))
    falloff = np.exp(-2 * (np.pi * radius) ** 2 * (kx**2 + ky**2))
    return np.fft.irfft2(np.fft.rfft2(field) * falloff, field.shape)


def noise(
    n: int, rng: np.random.Generator, frequency_x: float, frequency_y: float | None = None
) -> Field:
    """Make smooth noise with mean 0 and variance 1, [n, n].

    Args:
        n: side in pixels.
        rng: source of random numbers.
        frequency_x: std of the frequencies along x, in cycles per side.
        frequency_y: std of the frequencies along y; default: the same as along x.
    """
    kx, ky = frequencies(NOISE_GRID)
    squared = (kx / frequency_x) ** 2 + (ky / (frequency_y or frequency_x)) ** 2
    spectrum = np.fft.rfft2(rng.random((NOISE_GRID, NOISE_GRID))) * np.exp(-squared / 2)
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (NOISE_GRID, NOISE_GRID))
    return resample(field / field.std(), n)


def stripes_and_spots(
    n: int,
    rng: np.random.Generator,
    waves: float,
    *,
    spots: float = 0.0,
    drift: tuple[float, float] = (0.0, 0.0),
    steps: int = 160,
) -> Field:
    """Grow a pattern from noise with the Swift-Hohenberg equation; values are about -1 to 1.

    ``du/dt = r u - (1 + laplacian / k^2)^2 u + g u^2 - u^3`` ("Hydrodynamic fluctuations at the
    convective instability", Phys. Rev. A 15, 1977) on a torus, with r = 0.9. ``waves`` determines
    k, and ``drift`` adds a term. The linear part is integrated implicitly.

    Args:
        n: side in pixels.
        rng: source of the initial noise.
        waves: number of stripes per side.
        spots: the factor g; 0 gives a labyrinth, 1 or more gives spots.
        drift: direction (x, y) that stripes follow; the length of the vector is the strength.
        steps: number of steps, each half a time unit.
    """
    kx, ky = frequencies(PATTERN_GRID)
    growth = 0.9 - (1 - (kx**2 + ky**2) / waves**2) ** 2
    growth = growth - ((kx * drift[0] + ky * drift[1]) / waves) ** 2
    time_step = 0.5
    u = 0.2 * (rng.random((PATTERN_GRID, PATTERN_GRID)) - 0.5)
    for _ in range(steps):
        pushed = u + time_step * (spots * u**2 - u**3)
        u = np.fft.irfft2(np.fft.rfft2(pushed) / (1 - time_step * growth), u.shape)
    return resample(u / np.abs(u).max(), n)


def scatter(rng: np.random.Generator, count: int, *, rounds: int = 2) -> Points:
    """Choose random, evenly distributed points, [count, 2].

    Each round moves the points to the centroids of their Voronoi cells (Lloyd, "Least squares
    quantization in PCM", 1982). More rounds make the distribution more even.
    """
    points = rng.random((count, 2))
    x, y = grid(96)
    for _ in range(rounds):
        owner = Cells.of(96, points).owner.ravel()
        members = np.maximum(np.bincount(owner, minlength=count), 1)
        for axis, coordinate in enumerate((x, y)):
            offset = wrap(coordinate.ravel() - points[owner, axis])
            points[:, axis] += np.bincount(owner, offset, minlength=count) / members
    return points % 1


@dataclass(frozen=True)
class Cells:
    """A Voronoi diagram on a pixel grid.

    Attributes:
        owner: index of the point whose cell contains a pixel, [n, n].
        border: distance from the border of the cell, [n, n]; 0 on the border.
        dx, dy: position relative to the cell's point, [n, n].
    """

    owner: NDArray[np.intp]
    border: Field
    dx: Field
    dy: Field

    @classmethod
    def of(
        cls,
        n: int,
        points: Points,
        *,
        weights: ArrayLike = 0.0,
        bend: tuple[Field, Field] | None = None,
        rounding: float = 0.0,
    ) -> "Cells":
        """Draw the Voronoi cells of points.

        Args:
            n: side in pixels.
            points: centers of the cells, [count, 2].
            weights: squared radii of a power diagram, [count]; larger ones give larger cells.
            bend: offsets (x, y), [n, n], added to the pixel positions first, for wavy borders.
            rounding: radius of rounded corners; 0: sharp corners. With rounding, the border
                distance is a smooth minimum, and is below 0 in the corners.
        """
        x, y = grid(n)
        if bend is not None:
            x, y = x + bend[0], y + bend[1]
        reach: NDArray[np.float64] = np.broadcast_to(weights, len(points))
        apart = wrap(points[:, None] - points[None])
        apart = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 1e-9)

        def power(i: int) -> Field:
            distance: Field = wrap(x - points[i, 0]) ** 2 + wrap(y - points[i, 1]) ** 2
            return distance - float(reach[i])

        nearest, owner = power(0), np.zeros((n, n), dtype=np.intp)
        for i in range(1, len(points)):
            candidate = power(i)
            closer = candidate < nearest
            nearest[closer], owner[closer] = candidate[closer], i
        # Distance to the border between the cells of a and b: (power(b) - power(a)) / (2 |b - a|).
        border = np.full((n, n), np.inf)
        crowd = np.zeros((n, n))
        for i in range(len(points)):
            distance = np.where(owner == i, np.inf, (power(i) - nearest) / (2 * apart[i][owner]))
            np.minimum(border, distance, out=border)
            if rounding:
                crowd += np.exp(-distance / rounding)
        if rounding:
            border = -rounding * np.log(crowd)
        return cls(owner, border, wrap(x - points[owner, 0]), wrap(y - points[owner, 1]))


def pixel(n: int, x: float, y: float) -> tuple[int, int]:
    """Return row and column of the pixel that contains a point."""
    return int(y * n) % n, int(x * n) % n


def window(n: int, x: float, y: float, radius: float) -> tuple[Index, Field, Field]:
    """Find the pixels near a point: an index into fields, and their offsets dx and dy from it."""
    columns = np.arange(int(np.floor((x - radius) * n)), int(np.ceil((x + radius) * n)))
    rows = np.arange(int(np.floor((y - radius) * n)), int(np.ceil((y + radius) * n)))
    dx, dy = np.meshgrid((columns + 0.5) / n - x, (rows + 0.5) / n - y)
    return np.ix_(rows % n, columns % n), dx, dy
