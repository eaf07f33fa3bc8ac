"""Run exported shaders as their target programs would, in an OpenGL context without a window.

The channels of a state are stored in groups of four, one RGBA texel per group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import moderngl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca.exporters.glsl.pieces import Matrix, group_count
from nca.exporters.glsl.tiles import Tiles
from nca.exporters.settings import StateFormat
from nca.gl.buffers import StateBuffer, from_texels, to_texels
from nca.gl.shader import Shader, Textures, Value
from nca.rng import step_base

DTYPES: dict[StateFormat, str] = {"rgba32f": "f4", "rgba16f": "f2", "rgba8": "f1"}


@dataclass(frozen=True)
class Draw:
    """A pass: a fragment shader, the name of its target texture, and its inputs.

    Attributes:
        fragment: text of the fragment shader.
        target: name of the texture that it draws into.
        textures: names of the textures that it reads, by sampler.
        uniforms: uniforms of the pass, in addition to the uniforms of the frame.
    """

    fragment: str
    target: str
    textures: Mapping[str, str]
    uniforms: Mapping[str, Value] = field(default_factory=dict)


class TileMachine:
    """Runs passes whose states are tiles of one texture, as Shadertoy, glslViewer and ISF do.

    Passes run in order. Each draws into a named texture, and later passes read the result.
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
        self._shader = cache(partial(Shader, context))

    def _texture(self, size: tuple[int, int]) -> moderngl.Texture:
        empty = bytes(size[0] * size[1] * 4 * (4 if self.dtype == "f4" else 1))
        texture = self.context.texture(size, 4, empty, dtype=self.dtype)
        texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return texture

    def frame(self, draws: Sequence[Draw], uniforms: Mapping[str, Value]) -> None:
        """Draw all passes once."""
        for draw in draws:
            textures = {sampler: self.front[name] for sampler, name in draw.textures.items()}
            framebuffer = self.context.framebuffer([self.back[draw.target]])
            self._shader(draw.fragment).draw(framebuffer, textures, {**uniforms, **draw.uniforms})
            framebuffer.release()
            swap = self.front[draw.target], self.back[draw.target]
            self.back[draw.target], self.front[draw.target] = swap

    def write(self, name: str, state: Tensor, code: tuple[float, float] = (1.0, 0.0)) -> None:
        """Write a state, [C, H, W], into a texture, one tile per group, and mark it as valid."""
        texture = self.front[name]
        picture = np.zeros((texture.height, texture.width, 4), np.float32)
        groups = group_count(len(state))
        for tile, texels in zip(
            self._tiles(picture, state.shape), to_texels(state, groups, code), strict=True
        ):
            tile[:] = texels
        mark = (state.shape[2], state.shape[1], groups, 1) if code == (1, 0) else (1, 0, 0, 1)
        picture[0, self.tiles.columns * state.shape[2]] = mark
        texture.write(encode_texels(picture, self.dtype).tobytes())

    def read(
        self, name: str, shape: Sequence[int], code: tuple[float, float] = (1.0, 0.0)
    ) -> Tensor:
        """Read a state, [C, H, W], from the tiles of a texture."""
        texture = self.front[name]
        picture = decode_texels(texture.read(), self.dtype, (texture.height, texture.width, 4))
        state = from_texels(self._tiles(picture, shape), code)
        return torch.from_numpy(state[: shape[0]])

    def _tiles(self, picture: npt.NDArray[Any], shape: Sequence[int]) -> list[npt.NDArray[Any]]:
        channels, height, width = shape
        corners = [divmod(group, self.tiles.columns) for group in range(group_count(channels))]
        return [
            picture[row * height : (row + 1) * height, column * width : (column + 1) * width]
            for row, column in corners
        ]


class LayerMachine:
    """Runs passes that draw into several textures at once, one per group of four channels.

    There are three sets of textures: ``state``, ``after`` and ``spare``.
    """

    def __init__(
        self, context: moderngl.Context, groups: int, shape: Sequence[int], state: StateFormat
    ) -> None:
        self.context, self.groups = context, groups
        self.dtype = DTYPES[state]
        size = (shape[1], shape[2])
        self.sets = {
            name: StateBuffer(context, size, groups, self.dtype)
            for name in ("state", "after", "spare")
        }
        self._shader = cache(partial(Shader, context))
        self._weights: dict[str, moderngl.Texture] = {}

    def add_weights(self, sampler: str, packed: Matrix) -> None:
        """Make a texture of weights, or of another table of floats, [rows, columns, 4]."""
        size = (packed.shape[1], packed.shape[0])
        self._weights[sampler] = self.context.texture(size, 4, packed.tobytes(), dtype="f4")

    def swap(self, first: str, second: str) -> None:
        """Swap two sets of textures."""
        self.sets[first], self.sets[second] = self.sets[second], self.sets[first]

    def draw(
        self,
        fragment: str,
        target: str,
        groups: Sequence[int],
        textures: Mapping[str, Textures],
        uniforms: Mapping[str, Value],
    ) -> None:
        """Run a shader that draws into the given groups of a set of textures."""
        framebuffer = self.sets[target].target(tuple(groups))
        self._shader(fragment).draw(framebuffer, {**self._weights, **textures}, uniforms)

    def run(
        self,
        passes: Mapping[str, Sequence[tuple[str, Sequence[int]]]],
        state: Tensor,
        steps: int,
        *,
        seed: int,
        code: tuple[float, float],
    ) -> Tensor:
        """Run steps of a rule from step 0 and return the state.

        Args:
            passes: fragment shader and groups of every pass of :mod:`nca.exporters.glsl.fragments`,
                by the kinds ``step`` and ``live``; the second may be empty.
            state: the state at step 0, [C, H, W].
            steps: number of steps.
            seed: random seed of the masks.
            code: scale and offset of a texel (see :func:`nca.exporters.glsl.pieces.state_code`).
        """
        self.write("state", state, code)
        for step in range(steps):
            uniforms: dict[str, Value] = {
                "nca_size": tuple(state.shape[:0:-1]),
                "nca_code": code,
                "nca_base": step_base(step, seed),
            }
            textures = self.named(nca_state="state", nca_after="after")
            for kind, target in (("step", "after"), ("live", "spare")):
                for text, groups in passes[kind]:
                    self.draw(text, target, groups, textures, uniforms)
            self.swap("state", "spare" if passes["live"] else "after")
        return self.read("state", state.shape, code)

    def named(self, **samplers: str) -> dict[str, moderngl.Texture]:
        """Map samplers ``name0``, ``name1`` ... to the textures of a set; ``name=set``."""
        every = (self.sets[which].named(name) for name, which in samplers.items())
        return {name: texture for textures in every for name, texture in textures.items()}

    def in_a_row(self, inputs: Sequence[str]) -> list[moderngl.Texture]:
        """List the textures of the given sets, for an array of samplers."""
        return [texture for name in inputs for texture in self.sets[name].textures]

    def layers(self, which: str) -> moderngl.TextureArray:
        """Copy the groups of a set to the layers of a new texture array."""
        textures = self.sets[which].textures
        data = b"".join(texture.read() for texture in textures)
        array = self.context.texture_array(
            (*textures[0].size, len(textures)), 4, data, dtype=self.dtype
        )
        array.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return array

    def write(self, name: str, state: Tensor, code: tuple[float, float]) -> None:
        """Write a state, [C, H, W], into a set of textures."""
        texels = to_texels(state, self.groups, code)
        for texture, texel in zip(self.sets[name].textures, texels, strict=True):
            texture.write(encode_texels(texel, self.dtype).tobytes())

    def read(self, name: str, shape: Sequence[int], code: tuple[float, float]) -> Tensor:
        """Read a state, [C, H, W], from a set of textures."""
        data = b"".join(texture.read() for texture in self.sets[name].textures)
        state = from_texels(decode_texels(data, self.dtype, (self.groups, *shape[1:], 4)), code)
        return torch.from_numpy(state[: shape[0]])


def encode_texels(texel: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Convert numbers to the format of a texture: float32, half floats, or one of 256 levels."""
    if dtype == "f1":
        return (texel.clip(0, 1) * 255).round().astype(np.uint8)
    return texel.astype(np.float32 if dtype == "f4" else np.float16)


def decode_texels(data: bytes, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Convert stored numbers to those that a shader reads; inverse of :func:`encode_texels`."""
    kind = np.dtype({"f4": "f4", "f2": "f2", "f1": "u1"}[dtype])
    texel = np.frombuffer(data, kind).reshape(shape).astype(np.float32)
    return texel / 255 if dtype == "f1" else texel
