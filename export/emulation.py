"""Run exported shaders as their hosts would, on an OpenGL context without a window."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import moderngl
import numpy as np
import torch
from torch import Tensor

from nca.errors import GraphicsError
from nca.export.fragments import vertex_shader
from nca.export.glsl import Matrix
from nca.export.tiles import Tiles

UniformValue = float | bool | tuple[float, ...]


def open_context() -> moderngl.Context:
    """An OpenGL context without a window.

    Raises:
        GraphicsError: there is none.

    """
    try:
        if sys.platform.startswith("linux"):
            return moderngl.create_context(standalone=True, require=330, backend="egl")
        return moderngl.create_context(standalone=True, require=330)
    except Exception as error:  # moderngl raises plain Exception
        raise GraphicsError(f"no OpenGL 3.3 without a window ({error})") from error


@dataclass(frozen=True)
class Draw:
    """One pass: a fragment shader, the texture it draws into, and those its samplers read."""

    fragment: str
    target: str
    textures: Mapping[str, str]
    uniforms: Mapping[str, UniformValue] = field(default_factory=dict)


class TileMachine:
    """Passes drawn in order into named textures; a texture shows its new picture right after.

    That is the order of Shadertoy's and glslViewer's buffers, and of an ISF file's passes. States
    are [C, H, W].
    """

    def __init__(
        self,
        context: moderngl.Context,
        tiles: Tiles,
        sizes: Mapping[str, tuple[int, int]],
        *,
        dtype: str = "f4",
    ) -> None:
        self.context, self.tiles, self.dtype = context, tiles, dtype
        self.front = {name: self._texture(size) for name, size in sizes.items()}
        self.back = {name: self._texture(size) for name, size in sizes.items()}
        self._programs: dict[str, moderngl.Program] = {}

    def _texture(self, size: tuple[int, int]) -> moderngl.Texture:
        empty = bytes(size[0] * size[1] * 4 * (4 if self.dtype == "f4" else 1))
        texture = self.context.texture(size, 4, empty, dtype=self.dtype)
        texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return texture

    def frame(self, draws: Sequence[Draw], uniforms: Mapping[str, UniformValue]) -> None:
        """Draw all passes once."""
        for draw in draws:
            program = self._program(draw.fragment)
            for unit, (sampler, name) in enumerate(draw.textures.items()):
                if sampler in program:
                    self.front[name].use(unit)
                    program[sampler] = unit
            for name, value in {**uniforms, **draw.uniforms}.items():
                if name in program:
                    program[name] = value
            framebuffer = self.context.framebuffer([self.back[draw.target]])
            framebuffer.use()
            self.context.vertex_array(program, []).render(vertices=3)
            framebuffer.release()
            swap = self.front[draw.target], self.back[draw.target]
            self.back[draw.target], self.front[draw.target] = swap

    def _program(self, fragment: str) -> moderngl.Program:
        if fragment not in self._programs:
            self._programs[fragment] = self.context.program(
                vertex_shader=vertex_shader("330"), fragment_shader=fragment
            )
        return self._programs[fragment]

    def write(self, name: str, state: Tensor, code: tuple[float, float] = (1.0, 0.0)) -> None:
        """Put a state into the tiles of a texture, with the mark that says it is one."""
        texture = self.front[name]
        picture = np.zeros((texture.height, texture.width, 4), np.float32)
        groups = -(-len(state) // 4)
        filled = np.zeros((4 * groups, *state.shape[1:]), np.float32)
        filled[: len(state)] = state.numpy()
        for group, tile in enumerate(self._tiles(picture, state.shape, groups)):
            tile[:] = filled[4 * group : 4 * group + 4].transpose(1, 2, 0) / code[0] + code[1]
        mark = (state.shape[2], state.shape[1], groups, 1) if code == (1, 0) else (1, 0, 0, 1)
        picture[0, self.tiles.columns * state.shape[2]] = mark
        eight_bit = (picture.clip(0, 1) * 255).round().astype(np.uint8)
        texture.write((picture if self.dtype == "f4" else eight_bit).tobytes())

    def read(
        self, name: str, shape: Sequence[int], code: tuple[float, float] = (1.0, 0.0)
    ) -> Tensor:
        """Take a state [C, H, W] out of the tiles of a texture."""
        texture = self.front[name]
        raw = np.frombuffer(texture.read(), np.float32 if self.dtype == "f4" else np.uint8)
        picture = raw.reshape(texture.height, texture.width, 4).astype(np.float32)
        if self.dtype == "f1":
            picture = (picture / 255 - code[1]) * code[0]
        tiles = self._tiles(picture, shape, -(-shape[0] // 4))
        state = np.concatenate([tile.transpose(2, 0, 1) for tile in tiles])
        return torch.from_numpy(state[: shape[0]].copy())

    def _tiles(self, picture: Matrix, shape: Sequence[int], groups: int) -> list[Matrix]:
        height, width = shape[1:]
        corners = [divmod(group, self.tiles.columns) for group in range(groups)]
        return [
            picture[row * height : (row + 1) * height, column * width : (column + 1) * width]
            for row, column in corners
        ]
