"""A small OpenGL host that runs the emitted shaders, to compare them with torch."""

import moderngl
import torch
from torch import Tensor

from nca.exporters.glsl.fragments import Capabilities, Pass, life_passes, paint_passes, step_passes
from nca.exporters.glsl.pieces import group_count
from nca.exporters.glsl.weights import Store, pack_weights
from nca.gl.buffers import StateBuffer
from nca.gl.shader import Shader, Value
from nca.rng import step_base
from nca.rule import Rule


class Simulation:
    """Runs a rule in an OpenGL context. States are [C, H, W]."""

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
        self.steps = self._shaders(step_passes(rule, capabilities, store))
        self.lives = self._shaders(life_passes(rule, capabilities))
        self.paints = self._shaders(paint_passes(rule, capabilities))
        self.state, self.after, self.spare = (StateBuffer(gl, size, self.groups) for _ in range(3))
        self.weights: dict[str, moderngl.Texture] = {}
        if store == "texture":
            packed = pack_weights(rule)
            shape = (packed.shape[1], packed.shape[0])
            self.weights["nca_weights"] = gl.texture(shape, 4, packed.tobytes(), dtype="f4")

    def _shaders(self, passes: list[Pass]) -> list[tuple[Shader, tuple[int, ...]]]:
        return [(Shader(self.gl, one.fragment), one.groups) for one in passes]

    def _draw(
        self, shaders: list[tuple[Shader, tuple[int, ...]]], target: StateBuffer, **values: Value
    ) -> None:
        textures = {
            **self.weights,
            **self.state.named("nca_state"),
            **self.after.named("nca_after"),
        }
        for shader, groups in shaders:
            settings = {"nca_size": (self.width, self.height), "nca_code": (1.0, 0.0), **values}
            shader.draw(target.target(groups), textures, settings)

    def run(self, steps: int, *, seed: int, first_step: int = 0, **uniforms: Value) -> None:
        for step in range(first_step, first_step + steps):
            values = {"nca_base": step_base(step, seed), **uniforms}
            self._draw(self.steps, self.after, **values)
            if self.lives:
                self._draw(self.lives, self.spare)
                self.state, self.spare = self.spare, self.state
            else:
                self.state, self.after = self.after, self.state

    def paint(self, **uniforms: Value) -> None:
        values = {"nca_stroke": (0, 0, 0, 0), "nca_radius": -1.0, "nca_number": 0, **uniforms}
        self._draw(self.paints, self.state, **values)

    def write(self, state: Tensor) -> None:
        self.state.write(state.numpy())

    def read(self, *, fill: bool = False) -> Tensor:
        state = torch.from_numpy(self.state.read().copy())
        return state if fill else state[: self.rule.settings.channels]
