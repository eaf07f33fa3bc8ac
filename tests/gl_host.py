"""A small OpenGL host for the emitted shaders, written only to compare them with torch."""

import moderngl
import numpy as np
import torch
from torch import Tensor

from nca.export.glsl.fragments import (
    Capabilities,
    Pass,
    life_passes,
    paint_passes,
    step_passes,
    vertex_shader,
)
from nca.export.glsl.pieces import group_count
from nca.export.glsl.weights import Store, pack_weights
from nca.rng import step_base
from nca.rule import Rule

WEIGHT_UNIT = 30


class Simulation:
    """Run a rule on a context. States are [C, H, W]."""

    def __init__(
        self,
        gl: moderngl.Context,
        rule: Rule,
        size: tuple[int, int],
        capabilities: Capabilities,
        store: Store,
    ) -> None:
        self.gl, self.rule, self.capabilities = gl, rule, capabilities
        self.height, self.width = size
        self.groups = group_count(rule.settings.channels)
        self.store = store
        self.steps = [self._program(p) for p in step_passes(rule, capabilities, store)]
        self.lives = [self._program(p) for p in life_passes(rule, capabilities)]
        self.paints = [self._program(p) for p in paint_passes(rule, capabilities)]
        self.state, self.after, self.spare = (self._textures() for _ in range(3))
        if store == "texture":
            packed = pack_weights(rule)
            shape = (packed.shape[1], packed.shape[0])
            self.weights = gl.texture(shape, 4, packed.tobytes(), dtype="f4")

    def _textures(self) -> list[moderngl.Texture]:
        size = (self.width, self.height)
        return [self.gl.texture(size, 4, dtype="f4") for _ in range(self.groups)]

    def _program(self, one: Pass) -> tuple[moderngl.Program, tuple[int, ...]]:
        vertex = vertex_shader(self.capabilities.dialect)
        return self.gl.program(vertex_shader=vertex, fragment_shader=one.fragment), one.groups

    def _draw(
        self,
        programs: list[tuple[moderngl.Program, tuple[int, ...]]],
        target: list[moderngl.Texture],
        **values: object,
    ) -> None:
        inputs = {"nca_state": self.state, "nca_after": self.after}
        for program, groups in programs:
            unit = 0
            for name, textures in inputs.items():
                for g, texture in enumerate(textures):
                    if f"{name}{g}" in program:
                        texture.use(unit)
                        program[f"{name}{g}"] = unit
                        unit += 1
            if "nca_weights" in program:
                self.weights.use(WEIGHT_UNIT)
                program["nca_weights"] = WEIGHT_UNIT
            settings = {"nca_size": (self.width, self.height), "nca_code": (1.0, 0.0), **values}
            for name, value in settings.items():
                if name in program:
                    program[name] = value
            framebuffer = self.gl.framebuffer([target[g] for g in groups])
            framebuffer.use()
            self.gl.vertex_array(program, []).render(vertices=3)
            framebuffer.release()

    def run(self, steps: int, *, seed: int, first_step: int = 0, **uniforms: object) -> None:
        for step in range(first_step, first_step + steps):
            values = {"nca_base": step_base(step, seed), **uniforms}
            self._draw(self.steps, self.after, **values)
            if self.lives:
                self._draw(self.lives, self.spare)
                self.state, self.spare = self.spare, self.state
            else:
                self.state, self.after = self.after, self.state

    def paint(self, **uniforms: object) -> None:
        values = {"nca_stroke": (0, 0, 0, 0), "nca_radius": -1.0, "nca_number": 0, **uniforms}
        self._draw(self.paints, self.state, **values)

    def write(self, state: Tensor) -> None:
        padded = np.zeros((4 * self.groups, self.height, self.width), np.float32)
        padded[: len(state)] = state.numpy()
        for g, texture in enumerate(self.state):
            texture.write(padded[4 * g : 4 * g + 4].transpose(1, 2, 0).tobytes())

    def read(self, *, fill: bool = False) -> Tensor:
        shape = (self.height, self.width, 4)
        groups = [
            np.frombuffer(t.read(), np.float32).reshape(shape).transpose(2, 0, 1)
            for t in self.state
        ]
        state = torch.from_numpy(np.concatenate(groups).copy())
        return state if fill else state[: self.rule.settings.channels]
