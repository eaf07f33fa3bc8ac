"""The state of a simulation in the memory of the graphics card."""

import moderngl
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class StateBuffer:
    """A state: one texture for every group of four channels.

    Args:
        gl: the context.
        size: height and width in cells.
        groups: how many groups of four channels.
        dtype: of the textures, as moderngl writes it; copies, reading and writing are for "f4".

    Attributes:
        changes: how often it may have changed.
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
        """Framebuffer that draws into these groups; made once."""
        self.changes += 1
        if groups not in self._targets:
            self._targets[groups] = self._gl.framebuffer([self.textures[g] for g in groups])
        return self._targets[groups]

    def named(self, name: str) -> dict[str, moderngl.Texture]:
        """Textures by the names that shaders have for them: ``name0``, ``name1``, ..."""
        return {f"{name}{g}": texture for g, texture in enumerate(self.textures)}

    def copy_from(self, source: "StateBuffer") -> None:
        """Take over the first groups of a buffer of the same size; the rest become zero."""
        for g in range(len(self.textures)):
            target = self.target((g,))
            if g < len(source.textures):
                self._gl.copy_framebuffer(target, source.target((g,)))
            else:
                target.clear()

    def clear(self) -> None:
        """Make all channels zero."""
        for g in range(len(self.textures)):
            self.target((g,)).clear()

    def write(self, state: Floats) -> None:
        """Fill from [C, H, W]; channels that the buffer has beyond C become zero."""
        self.changes += 1
        padded = np.zeros((4 * len(self.textures), self.height, self.width), np.float32)
        padded[: len(state)] = state
        for g, texture in enumerate(self.textures):
            texture.write(np.ascontiguousarray(padded[4 * g : 4 * g + 4].transpose(1, 2, 0)))

    def read(self) -> Floats:
        """Give all channels, [4 * groups, H, W]."""
        shape = (self.height, self.width, 4)
        groups = [np.frombuffer(texture.read(), np.float32) for texture in self.textures]
        return np.concatenate([group.reshape(shape).transpose(2, 0, 1) for group in groups])

    def release(self) -> None:
        """Free the textures."""
        for target in self._targets.values():
            target.release()
        for texture in self.textures:
            texture.release()
