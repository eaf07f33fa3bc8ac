"""A rule, compiled for a state of so many groups of channels."""

from collections.abc import Sequence

import moderngl
import torch

from nca.exporters.glsl.fragments import Capabilities, Pass, life_passes, paint_passes, step_passes
from nca.exporters.glsl.weights import Store, StoreChoice, choose_store, pack_weights
from nca.gl.shader import Shader
from nca.rule import Rule

Passes = list[tuple[Shader, tuple[int, ...]]]


class RuleShaders:
    """One rule, compiled.

    Attributes:
        step, life, paint: shaders and the groups that each draws into; ``life`` may be empty.
        textures: what they read beside the state.
    """

    def __init__(
        self, gl: moderngl.Context, rule: Rule, host: Capabilities, groups: int, choice: StoreChoice
    ) -> None:
        self.rule = rule
        self.store: Store = choose_store(rule, choice)
        self.step = self._compiled(gl, step_passes(rule, host, self.store, groups=groups))
        self.life = self._compiled(gl, life_passes(rule, host, groups=groups))
        self.paint = self._compiled(gl, paint_passes(rule, host, groups=groups))
        self.textures: dict[str, moderngl.Texture] = {}
        if self.store == "texture":
            packed = pack_weights(rule)
            size = (packed.shape[1], packed.shape[0])
            self.textures["nca_weights"] = gl.texture(size, 4, packed.tobytes(), dtype="f4")

    def takes(self, rule: Rule) -> bool:
        """Whether only the numbers in the weight texture tell a rule from this one."""
        mine = self.rule
        return (
            self.store == "texture"
            and rule.settings == mine.settings
            and torch.equal(rule.filters, mine.filters)
        )

    def take(self, rule: Rule) -> None:
        """Put another rule's weights in the place of this one's, without compiling."""
        self.rule = rule
        self.textures["nca_weights"].write(pack_weights(rule).tobytes())

    def shaders(self) -> list[Shader]:
        """All of them."""
        return [shader for shader, _ in [*self.step, *self.life, *self.paint]]

    def release(self) -> None:
        """Free what the driver holds."""
        for shader in self.shaders():
            shader.release()
        for texture in self.textures.values():
            texture.release()

    @staticmethod
    def _compiled(gl: moderngl.Context, passes: Sequence[Pass]) -> Passes:
        return [(Shader(gl, one.fragment), one.groups) for one in passes]
