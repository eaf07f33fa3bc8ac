"""Draw the pictures of rules with a decoder: see ``shaders/decoded.glsl``."""

from collections.abc import Mapping

import moderngl

from nca.gl.shader import Textures, Value
from nca.viewer.simulation.canvas import Canvas, Part
from nca.viewer.simulation.rule_shaders import RuleShaders


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
