"""The state of a simulation, in graphics memory."""

import moderngl
import numpy as np
import numpy.typing as npt
from einops import rearrange

Floats = npt.NDArray[np.float32]
# Scale and offset of texels: value = (texel - offset) * scale; see pieces.state_code.
Code = tuple[float, float]


def to_texels(state: npt.ArrayLike, groups: int, code: Code = (1.0, 0.0)) -> Floats:
    """Convert a state [C, H, W] to texels [groups, H, W, 4]; channels beyond C are zero."""
    values = np.asarray(state, np.float32)
    filled = np.pad(values, ((0, 4 * groups - len(values)), (0, 0), (0, 0)))
    texels: Floats = rearrange(filled, "(g four) h w -> g h w four", four=4) / code[0] + code[1]
    return np.ascontiguousarray(texels, np.float32)


def from_texels(texels: npt.ArrayLike, code: Code = (1.0, 0.0)) -> Floats:
    """The inverse of :func:`to_texels`: all channels, [4 * groups, H, W]."""
    values = (np.asarray(texels, np.float32) - code[1]) * code[0]
    state: Floats = rearrange(values, "g h w four -> (g four) h w")
    return np.ascontiguousarray(state, np.float32)


class StateBuffer:
    """A state as one texture per group of four channels.

    Args:
        gl: OpenGL context.
        size: height and width in cells.
        groups: number of groups of four channels.
        dtype: type of the textures in moderngl's notation; only "f4" buffers can be copied, read
            and written.

    Attributes:
        changes: number of calls so far that may have changed the state.
    """

    def __init__(
        self, gl: moderngl.Context, size: tuple[int, int], groups: int, dtype: str = "f4"
    ) -> None:
        self._gl, self.changes = gl, 0
        self.height, self.width = size
        self.textures = [
            gl.texture((self.width, self.height), 4, dtype=dtype) for _ in range(groups)
        ]
        for texture in self.textures:
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self._targets: dict[tuple[int, ...], moderngl.Framebuffer] = {}

    def target(self, groups: tuple[int, ...]) -> moderngl.Framebuffer:
        """Return the framebuffer for drawing into these groups; it is created on first use."""
        self.changes += 1
        if groups not in self._targets:
            self._targets[groups] = self._gl.framebuffer([self.textures[g] for g in groups])
        return self._targets[groups]

    def named(self, name: str) -> dict[str, moderngl.Texture]:
        """Textures by their names in shaders, ``name0``, ``name1``, ..."""
        return {f"{name}{g}": texture for g, texture in enumerate(self.textures)}

    def copy_from(self, source: "StateBuffer") -> None:
        """Copy the groups of a buffer of the same height and width; clear groups that it lacks."""
        for g in range(len(self.textures)):
            target = self.target((g,))
            if g < len(source.textures):
                self._gl.copy_framebuffer(target, source.target((g,)))
            else:
                target.clear()

    def clear(self) -> None:
        """Set all channels to zero."""
        for g in range(len(self.textures)):
            self.target((g,)).clear()

    def write(self, state: Floats) -> None:
        """Write a state, [C, H, W]; channels beyond C become zero."""
        self.changes += 1
        for texture, texels in zip(
            self.textures, to_texels(state, len(self.textures)), strict=True
        ):
            texture.write(texels)

    def read(self) -> Floats:
        """Read all channels, [4 * groups, H, W]."""
        texels = b"".join(texture.read() for texture in self.textures)
        return from_texels(
            np.frombuffer(texels, np.float32).reshape(-1, self.height, self.width, 4)
        )

    def release(self) -> None:
        """Free the textures."""
        for target in self._targets.values():
            target.release()
        for texture in self.textures:
            texture.release()
