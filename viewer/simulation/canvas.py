"""Textures to draw into, the part of the state that they show, and images of framebuffers."""

import math
from dataclasses import dataclass

import moderngl
import numpy as np
from PIL import Image

from nca.viewer.simulation.camera import Camera, Size

Cells = tuple[float, float]

FINENESS = 2  # largest ratio of the pixels of a decoded picture of the whole grid to the screen's
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
        """Free the OpenGL objects."""
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

    def within(self, other: "Part") -> "Part":
        """This part, measured in pixels of another one instead of in cells."""
        scale = other.size[0] / other.cells[0], other.size[1] / other.cells[1]
        corner = tuple(
            (mine - its) * s for mine, its, s in zip(self.corner, other.corner, scale, strict=True)
        )
        cells = tuple(side * s for side, s in zip(self.cells, scale, strict=True))
        return Part((corner[0], corner[1]), (cells[0], cells[1]), self.size)

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
    """Videos need even sides; with even sides, their frames share the picture of the window."""
    return picture[0] + picture[0] % 2, picture[1] + picture[1] % 2


def decoded_part(grid: Size, camera: Camera, picture: Size, scale: int) -> Part:
    """Choose the part that a decoder draws, so that an image shows all of its detail.

    It is the whole grid, at the scale of the decoder or of the camera, whichever is larger, but
    with at most twice as many pixels as the image. If the camera needs a larger scale than that,
    it is what the camera sees, at the resolution of the image.

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


def lit_part(grid: Size, seen: Part, scale: int, margin: float) -> Part:
    """Choose the part of all maps that decoders draw, to light what is seen of them.

    See :func:`decoded_part`.

    Args:
        grid: width and height in cells.
        seen: what the camera sees.
        scale: pixels per cell that the decoders were trained for.
        margin: cells beyond the border of what is seen that its light depends on.
    """
    part = decoded_part(grid, Camera(*seen.corner, seen.density), seen.size, scale)
    if part.cells == (float(grid[0]), float(grid[1])) and part.corner == (0.0, 0.0):
        return part
    pixels = math.ceil(min(margin * seen.density, max(seen.size) / 2))
    beyond = pixels / seen.density
    return Part(
        (seen.corner[0] - beyond, seen.corner[1] - beyond),
        (seen.cells[0] + 2 * beyond, seen.cells[1] + 2 * beyond),
        (seen.size[0] + 2 * pixels, seen.size[1] + 2 * pixels),
    )


def read_image(target: moderngl.Framebuffer) -> Image.Image:
    """Image of a framebuffer; OpenGL's lowest row is the image's last."""
    return image_of(target.read(components=3, alignment=1), target.size)


def read_transparent(target: moderngl.Framebuffer) -> Image.Image:
    """Image of a framebuffer with premultiplied colors, RGBA."""
    data = np.frombuffer(target.read(components=4, alignment=1), np.uint8)
    pixels = data.reshape(*target.size[::-1], 4)[::-1] / 255
    pixels[..., :3] /= np.maximum(pixels[..., 3:], 1e-3)
    return Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))


def image_of(pixels: bytes, size: tuple[int, int]) -> Image.Image:
    """Image of bytes that were read from a framebuffer, RGB."""
    image = Image.frombytes("RGB", size, pixels)
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
