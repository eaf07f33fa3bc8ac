"""The visible part of the plane of cells."""

from dataclasses import dataclass, replace

from nca.viewer.controls import LIMITS

MIN_ZOOM, MAX_ZOOM = LIMITS["zoom"]  # pixels per cell

Size = tuple[int, int]


@dataclass
class Camera:
    """A view straight down on the cells.

    Attributes:
        x, y: cell at the top left corner of the image.
        zoom: pixels per cell.
        fitted: whether the grid fills the image, and stays fitted when either changes size.
    """

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    fitted: bool = True

    def fit(self, grid: Size, picture: Size, *, wraps: bool) -> None:
        """Fill the image if the grid wraps, or show the whole grid; sizes are width, height."""
        scales = (picture[0] / grid[0], picture[1] / grid[1])
        self.zoom = max(scales) if wraps else min(scales)
        self._center(grid, picture)
        self.fitted = True

    def show_tiles(self, grid: Size, picture: Size, times: int) -> None:
        """Show the grid this many times in each direction."""
        self.zoom = min(picture[0] / grid[0], picture[1] / grid[1]) / times
        self._center(grid, picture)
        self.fitted = False

    def _center(self, grid: Size, picture: Size) -> None:
        self.x = (grid[0] - picture[0] / self.zoom) / 2
        self.y = (grid[1] - picture[1] / self.zoom) / 2

    def cell_at(self, x: float, y: float) -> tuple[float, float]:
        """Position on the grid under a pixel, in cells."""
        return self.x + x / self.zoom, self.y + y / self.zoom

    def zoom_at(self, x: float, y: float, factor: float) -> None:
        """Zoom, keeping the position under a pixel."""
        cell_x, cell_y = self.cell_at(x, y)
        self.zoom = min(max(self.zoom * factor, MIN_ZOOM), MAX_ZOOM)
        self.x, self.y = cell_x - x / self.zoom, cell_y - y / self.zoom
        self.fitted = False

    def pan(self, dx: float, dy: float) -> None:
        """Move the view by pixels, with the pointer."""
        self.x -= dx / self.zoom
        self.y -= dy / self.zoom
        self.fitted = False

    def resize(self, grid: Size, before: Size, after: Size, *, wraps: bool) -> None:
        """Keep the center of the image, or fit again."""
        if self.fitted:
            self.fit(grid, after, wraps=wraps)
        else:
            self.x += (before[0] - after[0]) / 2 / self.zoom
            self.y += (before[1] - after[1]) / 2 / self.zoom

    def scaled(self, before: Size, after: Size) -> "Camera":
        """Show all of an image in an image of another size, with the same center."""
        scale = min(after[0] / before[0], after[1] / before[1])
        camera = replace(self, zoom=self.zoom * scale)
        camera.x += (before[0] / self.zoom - after[0] / camera.zoom) / 2
        camera.y += (before[1] / self.zoom - after[1] / camera.zoom) / 2
        return camera
