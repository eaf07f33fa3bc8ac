"""Draw an image into the colors of a state."""

from collections.abc import Mapping

import moderngl
from PIL import Image

from nca.exporters.glsl.text import template
from nca.gl.shader import Shader, Textures, Value

Place = tuple[float, float, float, float]  # left, top, width and height in cells


class Stamp:
    """Moves colors toward those of images."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._shader = Shader(gl, "#version 330\n" + template("stamp.glsl"))

    def draw(
        self,
        picture: Image.Image,
        place: Place,
        target: moderngl.Framebuffer,
        textures: Mapping[str, Textures],
        values: Mapping[str, Value],
        *,
        dies: bool,
    ) -> None:
        """Draw an image, RGB or RGBA, into the first group of a state.

        With ``dies``, channel 3 moves toward 1 (alive); otherwise it stays unchanged.
        """
        size = (max(round(place[2]), 1), max(round(place[3]), 1))
        rgba = picture.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
        texture = self._gl.texture(size, 4, rgba.tobytes())
        texture.repeat_x = texture.repeat_y = False
        life = (
            (moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA) if dies else (moderngl.ZERO, moderngl.ONE)
        )
        self._gl.enable(moderngl.BLEND)
        # Four factors are allowed; moderngl's annotation only has two.
        self._gl.blend_func = (moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA, *life)  # type: ignore[assignment]
        all_values = {"nca_place": place, **values}
        self._shader.draw(target, {"nca_picture": texture, **textures}, all_values)
        self._gl.disable(moderngl.BLEND)
        texture.release()

    def release(self) -> None:
        """Free the objects of the driver."""
        self._shader.release()
