"""Draw what rules with a decoder show: pictures (``decoded.glsl``) and maps (``fine.glsl``)."""

from collections.abc import Mapping

import moderngl

from nca.exporters.glsl.lit import FINE_CHANNELS
from nca.exporters.glsl.pieces import group_count
from nca.gl.buffers import StateBuffer
from nca.gl.shader import Textures, Value
from nca.viewer.simulation.canvas import Canvas, Part
from nca.viewer.simulation.rule_shaders import RuleShaders

GROUPS = tuple(range(group_count(FINE_CHANNELS)))


class DecodedPictures:
    """Draws a pass for every rule that has cells and a decoder."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._sums: list[Canvas] = []

    def draw(
        self,
        rules: list[RuleShaders],
        part: Part,
        target: Canvas,
        textures: Mapping[str, Textures],
        values: Mapping[str, Value],
    ) -> None:
        """Draw a part into a texture.

        Args:
            rules: shaders of the rules with a decoder, at least one.
            part: what to draw.
            target: texture of the part's size.
            textures, values: textures and uniforms of the colors shader.
        """
        if len(rules) > 1 and [canvas.size for canvas in self._sums] != 2 * [part.size]:
            self.release()
            self._sums = [Canvas(self._gl, part.size, "f4", smooth=False) for _ in range(2)]
        for i, rule in enumerate(rules):
            assert rule.decoded is not None
            first, last = i == 0, i == len(rules) - 1
            drawn = target if first else self._sums[i % 2]
            rule.decoded.draw(
                (target if last else self._sums[(i + 1) % 2]).target,
                {**textures, **rule.textures, "nca_drawn": drawn.texture},
                {**values, "nca_shown": part.place, "nca_first": first, "nca_last": last},
            )

    def release(self) -> None:
        """Free the OpenGL objects."""
        for canvas in self._sums:
            canvas.release()
        self._sums = []


class FineMaps:
    """Draws all maps of the rules with cells into a grid of pixels; it can be shown like cells."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._pixels: StateBuffer | None = None

    def draw(
        self,
        rules: list[RuleShaders],
        part: Part,
        textures: Mapping[str, Textures],
        values: Mapping[str, Value],
    ) -> StateBuffer:
        """Draw a part; see :meth:`DecodedPictures.draw`.

        Returns:
            The pixels, with ``FINE_CHANNELS`` channels in the layout ``FINE_LAYOUT``.
        """
        width, height = part.size
        pixels = self._pixels
        if pixels is None or (pixels.width, pixels.height) != part.size:
            self.release()
            self._pixels = pixels = StateBuffer(self._gl, (height, width), len(GROUPS))
        seen = {**values, "nca_picture": (float(width), float(height)), "nca_shown": part.place}
        self._gl.blend_func = moderngl.ONE, moderngl.ONE
        for i, rule in enumerate(rules):
            if i == 1:
                self._gl.enable(moderngl.BLEND)
            given = {**textures, **rule.textures}
            rule.fine.draw(pixels.target(GROUPS), given, {**seen, "nca_first": i == 0})
        self._gl.disable(moderngl.BLEND)
        return pixels

    def release(self) -> None:
        """Free the OpenGL objects."""
        if self._pixels is not None:
            self._pixels.release()
        self._pixels = None
