"""Run the compute shaders of an exported folder in OpenGL."""

import re
from collections.abc import Sequence

import moderngl
import numpy as np
import torch
from torch import Tensor

from nca.exporters.glsl.pieces import group_count, state_code
from nca.exporters.manifest import WEIGHT_FILE
from nca.exporters.parity.compare import NotMeasuredError
from nca.exporters.parity.emulation import DTYPES, decode_texels, encode_texels
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files
from nca.gl.buffers import from_texels, to_texels
from nca.rule import Rule

SIDE = 8  # cells or pixels across a work group
CONSTANTS, WEIGHTS = 7, 5  # bindings


class ComputeMachine:
    """Runs ``nca_step.glsl``, ``nca_live.glsl`` and ``nca_draw.glsl``, as the Godot script does.

    Args:
        context: OpenGL context.
        files: files of the folder.
        rule: the rule.
        options: options of the export.
        state: the initial state, [C, H, W].

    Raises:
        NotMeasuredError: the context has no compute shaders.
    """

    def __init__(
        self,
        context: moderngl.Context,
        files: Files,
        rule: Rule,
        options: ExportOptions,
        state: Tensor,
    ) -> None:
        if context.version_code < 430:
            raise NotMeasuredError("compute shaders need OpenGL 4.3")
        self._context, self._files, self._seed = context, files, options.seed
        self._shape, self._groups = tuple(state.shape), group_count(len(state))
        self._code = state_code(rule.settings, options.state)
        self._dtype = DTYPES[options.state]
        self._shaders: dict[str, moderngl.ComputeShader] = {}
        size = (state.shape[2], state.shape[1], self._groups)
        self._state, self._after, self._scratch = (
            context.texture_array(size, 4, dtype=self._dtype) for _ in range(3)
        )
        texels = to_texels(state, self._groups, self._code)
        self._state.write(encode_texels(texels, self._dtype).tobytes())
        if WEIGHT_FILE in files:
            context.buffer(files[WEIGHT_FILE]).bind_to_storage_buffer(WEIGHTS)

    def step(self, number: int) -> None:
        """Run one step; its number decides which cells fire."""
        dies = "nca_live.glsl" in self._files
        size = self._shape[:0:-1]
        self._run(
            "nca_step.glsl", [self._state, self._scratch if dies else self._after], size, number
        )
        if dies:
            images = [self._state, self._after, self._scratch]
            self._run("nca_live.glsl", images, size, number)
        self._state, self._after = self._after, self._state

    def draw(self, names: Sequence[str], size: tuple[int, int]) -> dict[str, Tensor]:
        """Draw the textures with these names in a given size; return them, [4, h, w] each."""
        high, wide = size
        textures = [self._context.texture((wide, high), 4, dtype="f4") for _ in names]
        self._run("nca_draw.glsl", [self._state, *textures], (wide, high))
        pixels = (decode_texels(texture.read(), "f4", (high, wide, 4)) for texture in textures)
        return {
            name: torch.from_numpy(values.copy()).permute(2, 0, 1)
            for name, values in zip(names, pixels, strict=True)
        }

    def read(self) -> Tensor:
        """Return the state, [C, H, W]."""
        channels, height, width = self._shape
        texels = decode_texels(self._state.read(), self._dtype, (self._groups, height, width, 4))
        return torch.from_numpy(from_texels(texels, self._code)[:channels])

    def _run(
        self,
        name: str,
        images: Sequence[moderngl.Texture | moderngl.TextureArray],
        size: Sequence[int],
        number: int = 0,
    ) -> None:
        """Run a shader for all cells or pixels, with ``images`` bound in order."""
        text = opengl_text(self._files[name])
        if name not in self._shaders:
            self._shaders[name] = self._context.compute_shader(text)
        words = np.array([*self._shape[:0:-1], number, self._seed], "<u4").tobytes() + bytes(16)
        self._context.buffer(words).bind_to_uniform_block(CONSTANTS)
        for binding, image in enumerate(images):
            write = re.search(rf"binding = {binding},[^\n]* writeonly", text) is not None
            image.bind_to_image(binding, read=not write, write=write)
        self._shaders[name].run(-(-size[0] // SIDE), -(-size[1] // SIDE), 1)
        self._context.memory_barrier()


def opengl_text(data: bytes) -> str:
    """Convert a compute shader to OpenGL: put constants into a buffer, remove descriptor sets.

    It draws into floats, because the rounding to half floats would hide differences.
    """
    text = data.decode().removeprefix("#[compute]\n")
    text = text.replace("layout(push_constant, std430)", f"layout(std140, binding = {CONSTANTS})")
    text = re.sub(r"rgba16f(\) [a-z ]* image2D )", r"rgba32f\1", text)
    return re.sub(r"layout\(set = 0, ", "layout(", text)
