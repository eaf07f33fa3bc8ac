"""A fragment shader that is drawn over the whole of a target."""

import re
from collections.abc import Mapping

import moderngl

from nca.errors import GraphicsError
from nca.export.glsl.fragments import vertex_shader

Value = bool | int | float | tuple[int | float, ...]


class Shader:
    """A compiled fragment shader; textures and uniforms are given by their names.

    Raises:
        GraphicsError: the driver does not compile it, or it reads more textures than a shader may.
    """

    def __init__(self, gl: moderngl.Context, fragment: str) -> None:
        try:
            self._program = gl.program(vertex_shader=vertex_shader("330"), fragment_shader=fragment)
        except moderngl.Error as error:
            text = " ".join(str(error).split())
            raise GraphicsError(f"the graphics driver refuses a shader: {text[:300]}") from error
        self._triangle = gl.vertex_array(self._program, [])
        self._uniforms = {
            name: member
            for name in self._program
            if isinstance(member := self._program[name], moderngl.Uniform)
        }
        samplers = re.findall(r"uniform sampler2D (\w+);", fragment)
        used = [name for name in samplers if name in self._uniforms]
        self._units = {name: unit for unit, name in enumerate(used)}
        self.set(self._units)
        if len(self._units) > gl.info["GL_MAX_TEXTURE_IMAGE_UNITS"]:
            limit = gl.info["GL_MAX_TEXTURE_IMAGE_UNITS"]
            raise GraphicsError(
                f"the rule needs {len(self._units)} textures at once, this driver allows {limit}"
            )

    def set(self, values: Mapping[str, Value]) -> None:
        """Set uniforms; they keep their values until set again.

        Names that the shader does not use are passed over: compilers drop them at will.
        """
        for name, value in values.items():
            if name in self._uniforms:
                self._uniforms[name].value = value

    def draw(
        self,
        target: moderngl.Framebuffer,
        textures: Mapping[str, moderngl.Texture],
        values: Mapping[str, Value] | None = None,
    ) -> None:
        """Run the shader for every pixel of a target."""
        if values:
            self.set(values)
        for name, unit in self._units.items():
            textures[name].use(unit)
        target.use()
        self._triangle.render(vertices=3)

    def release(self) -> None:
        """Free what the driver holds."""
        self._triangle.release()
        self._program.release()
