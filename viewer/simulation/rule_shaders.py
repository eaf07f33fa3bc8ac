"""The shaders of a rule, compiled for a number of channel groups."""

from collections.abc import Mapping, Sequence

import moderngl
import torch

from nca.exporters.glsl.decoder import details_source
from nca.exporters.glsl.drawing import decoded_fragment
from nca.exporters.glsl.fragments import (
    Capabilities,
    Pass,
    life_passes,
    paint_passes,
    step_passes,
    with_macro,
)
from nca.exporters.glsl.general_decoder import general_details
from nca.exporters.glsl.lit import fine_fragment
from nca.exporters.glsl.weights import (
    Store,
    StoreChoice,
    choose_decoder_store,
    choose_store,
    pack_weights,
)
from nca.gl.shader import Shader, Value
from nca.rule import Rule

Passes = list[tuple[Shader, tuple[int, ...]]]


class RuleShaders:
    """The compiled shaders of one rule.

    Attributes:
        step, life, paint: shaders and the groups that each draws into; ``life`` may be empty.
        textures: textures that they read in addition to the state, by sampler.
    """

    def __init__(
        self,
        gl: moderngl.Context,
        rule: Rule,
        capabilities: Capabilities,
        groups: int,
        choice: StoreChoice,
    ) -> None:
        self.rule = rule
        self.store: Store = choose_store(rule, choice)
        self._gl, self._written = gl, step_passes(rule, capabilities, self.store, groups=groups)
        self.step = self._compiled(gl, self._written)
        self._field_step: Passes = []
        self._fixed: dict[str, Value] = {}
        self.life = self._compiled(gl, life_passes(rule, capabilities, groups=groups))
        self.paint = self._compiled(gl, paint_passes(rule, capabilities, groups=groups))
        self._host, self._groups = capabilities, groups
        self._details = ""  # the functions of the decoder; empty without one
        self._decoded: dict[bool, Shader] = {}
        self._fine: Shader | None = None
        stores = {self.store}
        if rule.decoder is not None:
            stores.add(store := choose_decoder_store(rule, choice))
            self._details = details_source(rule) if store == "inline" else general_details(rule)
            self._decoded[False] = Shader(gl, self._picture())
        self._compiles = "inline" in stores
        self.textures: dict[str, moderngl.Texture] = {}
        if "texture" in stores:
            packed = pack_weights(rule)
            size = (packed.shape[1], packed.shape[0])
            self.textures["nca_weights"] = gl.texture(size, 4, packed.tobytes(), dtype="f4")

    def can_take_weights(self, rule: Rule) -> bool:
        """Whether a rule differs from this one only in the numbers of the weight texture."""
        mine = self.rule
        return (
            not self._compiles
            and rule.settings == mine.settings
            and torch.equal(rule.filters, mine.filters)
        )

    def take_weights(self, rule: Rule) -> None:
        """Replace this rule's weights by the weights of another, without compiling."""
        self.rule = rule
        self.textures["nca_weights"].write(pack_weights(rule).tobytes())

    def step_of(self, *, fields: bool) -> Passes:
        """The shaders of a step; those with fields are compiled when they are first used."""
        if not fields:
            return self.step
        if not self._field_step:
            texts = [
                Pass(with_macro(one.fragment, "NCA_FIELDS"), one.groups) for one in self._written
            ]
            self._field_step = self._compiled(self._gl, texts)
            self.set(self._fixed)
        return self._field_step

    @property
    def decoded(self) -> Shader | None:
        """The shader of the picture; None without a decoder.

        If rules share the grid, it is another one, which is compiled when it is first used.
        """
        shared = self._fixed.get("nca_rule", -1) != -1
        if shared and self._details and shared not in self._decoded:
            text = with_macro(self._picture(), "NCA_SHARED")
            self._decoded[shared] = self._with_fixed(Shader(self._gl, text))
        return self._decoded.get(shared)

    def _picture(self) -> str:
        return decoded_fragment(self._host, 4 * self._groups, self._details)

    @property
    def fine(self) -> Shader:
        """The shader of all maps of a rule with a decoder; it is compiled when it is first used."""
        if self._fine is None:
            maps = self.rule.settings.maps
            text = fine_fragment(self._host, 4 * self._groups, self._details, maps)
            self._fine = self._with_fixed(Shader(self._gl, text))
        return self._fine

    def _with_fixed(self, shader: Shader) -> Shader:
        shader.set(self._fixed)
        return shader

    def set(self, values: Mapping[str, Value]) -> None:
        """Set uniforms of all shaders."""
        self._fixed.update(values)
        for shader in self.shaders():
            shader.set(values)

    def shaders(self) -> list[Shader]:
        """All compiled shaders."""
        every = [*self.step, *self._field_step, *self.life, *self.paint]
        drawn = [*self._decoded.values(), *([] if self._fine is None else [self._fine])]
        return [*(shader for shader, _ in every), *drawn]

    def release(self) -> None:
        """Free the OpenGL objects."""
        for shader in self.shaders():
            shader.release()
        for texture in self.textures.values():
            texture.release()

    @staticmethod
    def _compiled(gl: moderngl.Context, passes: Sequence[Pass]) -> Passes:
        return [(Shader(gl, one.fragment), one.groups) for one in passes]
