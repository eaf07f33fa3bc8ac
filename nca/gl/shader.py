"""A fragment shader that draws every pixel of a target."""

from collections.abc import Mapping, Sequence

import moderngl

from nca.errors import GraphicsError
from nca.exporters.glsl.fragments import Dialect, vertex_shader

Value = bool | int | float | tuple[int | float, ...]
Textures = moderngl.Texture | moderngl.TextureArray | Sequence[moderngl.Texture]

_SAMPLERS = (0x8B5E, 0x8DC1)  # GL_SAMPLER_2D, GL_SAMPLER_2D_ARRAY


class Shader:
    """A compiled fragment shader; textures and uniforms are set by name.

    Raises:
        GraphicsError: the driver cannot compile the shader, or the shader reads more textures than
            the driver allows.
    """

    def __init__(self, gl: moderngl.Context, fragment: str) -> None:
        dialect: Dialect = "300 es" if fragment.startswith("#version 300 es") else "330"
        try:
            self._program = gl.program(
                vertex_shader=vertex_shader(dialect), fragment_shader=fragment
            )
        except moderngl.Error as error:
            text = " ".join(str(error).split())
            raise GraphicsError(f"the graphics driver rejects a shader: {text[:300]}") from error
        self._triangle = gl.vertex_array(self._program, [])
        self._uniforms = {
            name: member
            for name in self._program
            if isinstance(member := self._program[name], moderngl.Uniform)
        }
        self._units: dict[str, range] = {}
        self._values: dict[str, Value] = {}
        count = 0
        for name, uniform in self._uniforms.items():
            if uniform.gl_type in _SAMPLERS:  # type: ignore[attr-defined]
                units = range(count, count + uniform.array_length)
                self._units[name], count = units, units.stop
                uniform.value = units.start if len(units) == 1 else list(units)
        limit = gl.info["GL_MAX_TEXTURE_IMAGE_UNITS"]
        if count > limit:
            raise GraphicsError(
                f"the rule needs {count} textures at once; this driver allows {limit}"
            )

    def set(self, values: Mapping[str, Value]) -> None:
        """Set uniforms; they keep their values until they are set again.

        Names that the shader does not use are ignored, because compilers may drop unused uniforms.
        """
        for name, value in values.items():
            if name in self._uniforms and self._values.get(name) != value:
                self._uniforms[name].value = self._values[name] = value

    def draw(
        self,
        target: moderngl.Framebuffer,
        textures: Mapping[str, Textures],
        values: Mapping[str, Value] | None = None,
    ) -> None:
        """Run the shader for every pixel of a target.

        ``textures`` holds a texture for each sampler, or a sequence of textures for an array of
        samplers, by name.
        """
        if values:
            self.set(values)
        for name, units in self._units.items():
            given = textures[name]
            several = given if isinstance(given, Sequence) else (given,)
            for unit, texture in zip(units, several, strict=False):
                texture.use(unit)
        target.use()
        self._triangle.render(vertices=3)

    def release(self) -> None:
        """Free the objects in the driver."""
        self._triangle.release()
        self._program.release()
