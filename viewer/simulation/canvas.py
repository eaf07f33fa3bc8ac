"""Textures to draw into, and the part of the state that they show."""

import math
from dataclasses import dataclass

import moderngl

from nca.viewer.simulation.camera import Camera, Size

Cells = tuple[float, float]

FINENESS = 2  # most pixels of a decoded picture of the whole grid, per pixel of the screen
LARGEST_SIDE = 8192  # pixels of such a picture


class Canvas:
    """A texture to draw into."""

    def __init__(
        self, gl: moderngl.Context, size: tuple[int, int], dtype: str, *, smooth: bool = True
    ) -> None:
        self.texture = gl.texture(size, 4, dtype=dtype)
        if smooth:
            self.texture.build_mipmaps()  # allocates the levels
            self.texture.filter = moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR
        else:
            self.texture.filter = moderngl.NEAREST, moderngl.NEAREST
        self.target = gl.framebuffer([self.texture])
        self.target.clear()
        self.size, self.dtype = size, dtype

    def release(self) -> None:
        """Free the objects of the driver."""
        self.target.release()
        self.texture.release()


@dataclass(frozen=True)
class Part:
    """The part of a view that a texture shows.

    Attributes:
        corner, cells: position and size in cells.
        size: width and height of the texture in pixels.
    """

    corner: Cells
    cells: Cells
    size: Size

    @property
    def density(self) -> float:
        """Pixels per cell."""
        return self.size[0] / self.cells[0]

    @property
    def place(self) -> tuple[float, float, float, float]:
        """Position and size in cells."""
        return (*self.corner, *self.cells)


def seen_part(camera: Camera, picture: Size) -> Part:
    """What a camera sees, with the pixels of the image."""
    picture = _even(picture)
    cells = picture[0] / camera.zoom, picture[1] / camera.zoom
    return Part((camera.x, camera.y), cells, picture)


def _even(picture: Size) -> Size:
    """Recordings have even sides; their frames share the picture of the window."""
    return picture[0] + picture[0] % 2, picture[1] + picture[1] % 2


def decoded_part(grid: Size, camera: Camera, picture: Size, scale: int) -> Part:
    """The part that a decoder draws, so that an image of a size shows all of its detail.

    It is the whole grid, at least at the scale of the decoder, unless that would be many more
    pixels than the image has. Then it is what the camera sees, with the pixels of the image.

    Args:
        grid: width and height in cells.
        camera: the camera.
        picture: width and height of the image in pixels.
        scale: pixels per cell that the decoder was trained for.
    """
    picture = _even(picture)
    most = math.sqrt(FINENESS * picture[0] * picture[1] / (grid[0] * grid[1]))
    density = min(max(camera.zoom, scale), most, LARGEST_SIDE / max(grid))
    if density < camera.zoom:
        return seen_part(camera, picture)
    width, height = (max(1, round(side * density)) for side in grid)
    return Part((0.0, 0.0), (float(grid[0]), float(grid[1])), (width, height))
