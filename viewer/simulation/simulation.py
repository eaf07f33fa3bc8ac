"""A simulation in an OpenGL context, independent of windows."""

from collections.abc import Mapping, Sequence

import moderngl
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.exporters.glsl.fragments import Capabilities
from nca.exporters.glsl.lit import map_layout
from nca.exporters.glsl.pieces import group_count
from nca.exporters.glsl.weights import StoreChoice
from nca.fields.texels import FieldName
from nca.gl.buffers import StateBuffer
from nca.gl.context import target_limit
from nca.gl.shader import Value
from nca.rng import UINT32_MAX, step_base
from nca.rule import Rule
from nca.viewer.controls import TOOL_NUMBERS
from nca.viewer.simulation.field import Bytes, Field
from nca.viewer.simulation.fields import FieldLayer
from nca.viewer.simulation.rule_shaders import RuleShaders
from nca.viewer.simulation.stamp import Place, Stamp
from nca.viewer.simulation.steering import Steering
from nca.viewer.simulation.stroke import EVERYWHERE, Stroke

FLOAT_STATE: dict[str, Value] = {"nca_code": (1.0, 0.0)}


class Simulation:
    """Runs one or several rules on one grid, in float textures.

    The same cells fire as in :meth:`nca.rule.Rule.forward` with the same seed. If there are several
    rules, each cell belongs to one of them, or to two in shares (``field``).

    Args:
        gl: context with OpenGL 3.3, see :mod:`nca.gl.context`.
        rules: rules, at least one.
        size: height and width in cells.
        seed: random seed for cell updates and noise.
        store: where the weights are stored.
        targets: largest number of textures that a pass draws into; default: the driver's limit.

    Attributes:
        state, previous: state after and before the last step.
        step_number: number of steps since the last reset.
        steering: rotation, size, pace and fraction of firing cells of all rules.
        quiet: number of steps since the last change from outside.
        fields: direction, size, pace and fraction of firing cells, which vary over the grid.
        field: the owner of each cell; call :meth:`show_field` after a change.

    Raises:
        GraphicsError: the driver cannot run these rules.
    """

    def __init__(
        self,
        gl: moderngl.Context,
        rules: Sequence[Rule],
        size: tuple[int, int],
        *,
        seed: int = 0,
        store: StoreChoice = "auto",
        targets: int | None = None,
    ) -> None:
        self.gl, self.seed, self.step_number = gl, seed, 0
        self.steering = Steering()
        self.quiet = 0
        self._store = store
        self._targets = min(targets or 8, target_limit(gl))
        self._compiled: list[RuleShaders] = []
        self._buffers: list[StateBuffer] = []
        self._field_changes = 0
        self.state: StateBuffer
        self._stamp = Stamp(gl)
        self.height, self.width = size
        self._build(rules)
        self.field = Field(*size, wraps=self.wraps)
        self.fields = FieldLayer(gl, *size, wraps=self.wraps)
        self.show_field()
        self.reset()

    @property
    def rules(self) -> list[Rule]:
        """The rules, by their numbers."""
        return [shaders.rule for shaders in self._compiled]

    @property
    def channels(self) -> int:
        """Number of channels of the state: the largest of all rules."""
        return max(rule.settings.channels for rule in self.rules)

    @property
    def present(self) -> list[Rule]:
        """The rules with cells."""
        return [shaders.rule for shaders in self._present]

    @property
    def color_map_of_all(self) -> tuple[float, float, float] | None:
        """Colors of the rule that owns all cells, if there is one: see :func:`_color_map`."""
        if len(self._present) > 1:
            return None
        return _color_map(self._present[0].rule)

    @property
    def decoded(self) -> list[RuleShaders]:
        """Shaders of the rules with cells and a decoder."""
        return [shaders for shaders in self._present if shaders.rule.decoder is not None]

    @property
    def scale(self) -> int:
        """Pixels per cell that the decoders of the rules with cells were trained for, or 1."""
        return max(shaders.rule.settings.pixels_per_cell for shaders in self._present)

    @property
    def shown_calm(self) -> float:
        """How calmly the first rule that owns cells runs, 0 to 1."""
        return self.steering.calm_of(self._present[0].rule)

    @property
    def shown_rate(self) -> float:
        """The probability that a cell of the first rule that owns cells fires."""
        return self.steering.rate_of(self._present[0].rule)

    @property
    def seen(self) -> tuple[object, ...]:
        """Values that an image depends on; they are equal if nothing has changed."""
        state, before = self.state, self.previous
        return state, state.changes, before, before.changes, self.colors, self._field_changes

    @property
    def wraps(self) -> bool:
        """Whether the grid wraps for every rule."""
        return all(rule.settings.wraps for rule in self.rules)

    def _build(self, rules: Sequence[Rule]) -> None:
        """Compile the rules; keep the channels of an existing state that fit."""
        groups = max(group_count(rule.settings.channels) for rule in rules)
        blend = len(rules) > 1
        host = Capabilities(
            "330", self._targets, blend=blend, steering=True, rate=True, fields=True
        )
        compiled = [RuleShaders(self.gl, rule, host, groups, self._store) for rule in rules]
        any_dies = any(rule.settings.alive_threshold is not None for rule in rules)
        size = (self.height, self.width)
        buffers = [StateBuffer(self.gl, size, groups) for _ in range(2 + any_dies + blend)]
        if self._buffers:
            buffers[0].copy_from(self.state)
            self._release()
        else:
            self.field_texture = self.gl.texture((self.width, self.height), 4)
        self.state, self.previous = buffers[:2]
        self.previous.clear()
        self._buffers, self._compiled = buffers, compiled
        colors = [(*_color_map(rule), map_layout(rule.settings.maps)) for rule in rules]
        data = np.asarray(colors, np.float32).tobytes()
        self.colors = self.gl.texture((len(rules), 1), 4, data, dtype="f4")
        fixed = {**FLOAT_STATE, "nca_size": (self.width, self.height), "nca_wraps": self.wraps}
        for shaders in compiled:
            shaders.set(fixed)

    def set_rule(self, number: int, rule: Rule) -> None:
        """Replace a rule and keep the state; the number after the last one adds a rule.

        Raises:
            GraphicsError: the driver cannot run the rule; nothing has changed.
        """
        self.quiet = 0
        if number < len(self._compiled) and self._compiled[number].can_take_weights(rule):
            self._compiled[number].take_weights(rule)
            self._field_changes += 1  # a decoder now draws a different picture
            return
        rules = self.rules
        rules[number : number + 1] = [rule]
        self._build(rules)
        self._set_present()

    def step(self, count: int = 1) -> None:
        """Run steps."""
        for _ in range(count):
            self._set_steering()
            self._step_once(step_base(self.step_number, self.seed))
            self.step_number += 1
            self.quiet += 1

    def _set_steering(self) -> None:
        for shaders in self._compiled:
            values = self.steering.uniforms(shaders.rule, self.quiet)
            for shader, _ in shaders.step_of(fields=self.fields.used):
                shader.set(values)

    def _step_once(self, base: int) -> None:
        """Let every rule add its share to the next state."""
        mixed: StateBuffer | None = None
        for shaders in self._present:
            free = [b for b in self._buffers if b is not self.state and b is not mixed]
            after = free[0]
            textures = {
                **shaders.textures,
                **self.state.named("nca_state"),
                **after.named("nca_after"),
                "nca_field": self.field_texture,
                "nca_fields": self.fields.texture,
                **(mixed or self.state).named("nca_sum"),
            }
            values: dict[str, Value] = {"nca_base": base, "nca_first": mixed is None}
            for shader, groups in shaders.step_of(fields=self.fields.used):
                shader.draw(after.target(groups), textures, values)
            if shaders.life:
                for shader, groups in shaders.life:
                    shader.draw(free[1].target(groups), textures, values)
            mixed = free[1] if shaders.life else after
        assert mixed is not None
        self.previous, self.state = self.state, mixed

    def paint(self, tool: str, stroke: Stroke = EVERYWHERE) -> None:
        """Erase, plant, fill with noise or restart under a brush, by the rule of each cell."""
        self.quiet = 0
        values: dict[str, Value] = {
            "nca_tool": TOOL_NUMBERS[tool],
            "nca_stroke": (*stroke.start, *stroke.end),
            "nca_radius": stroke.radius,
            # Noise painted twice in one place should differ; a reset should be reproducible.
            "nca_number": (self.seed + (self.step_number + 1) * (stroke.radius >= 0)) & UINT32_MAX,
        }
        for shaders in self._present:
            self._draw_paint(shaders, values)

    def _draw_paint(self, shaders: RuleShaders, values: Mapping[str, Value]) -> None:
        for shader, groups in shaders.paint:
            shader.draw(self.state.target(groups), {"nca_field": self.field_texture}, values)

    def paint_rule(self, number: int, stroke: Stroke = EVERYWHERE) -> None:
        """Give the cells under a brush to a rule; new cells get its initial state.

        New cells start from the initial state because many rules do not recover from the hidden
        channels of another rule. A rule that grows from a cell in the middle of the grid continues
        from the existing state, because its initial state is empty elsewhere.
        """
        before = self.field.owner.copy()
        self.field.paint(number, stroke)
        taker = self._compiled[number]
        if taker.rule.settings.start != "center":
            taken = np.zeros_like(self.field.shares)
            taken[..., 0], taken[..., 1] = number, 255 * (before != self.field.owner)
            self.field_texture.write(taken.tobytes())
            start: dict[str, Value] = {"nca_tool": TOOL_NUMBERS["start"], "nca_radius": -1.0}
            self._draw_paint(taker, {**start, "nca_number": self.seed, "nca_rule": number})
        self.show_field()

    def paint_field(self, field: FieldName, byte: int | None, stroke: Stroke) -> None:
        """Set a field under a brush; None sets it to neutral."""
        self.quiet = 0
        self.fields.paint(field, byte, stroke)

    def write_fields(self, texels: Bytes) -> None:
        """Replace all fields, [H, W, 4]."""
        self.quiet = 0
        self.fields.write(texels)

    def reset(self, tool: str = "start") -> None:
        """Go to step 0 and the rule's initial state, one planted cell in the middle, or noise."""
        self.step_number = 0
        if tool == "plant":
            self.paint("erase")
            middle = (self.width // 2 + 0.5, self.height // 2 + 0.5)
            self.paint("plant", Stroke(middle, middle, 0.5))
        else:
            self.paint(tool)
        self.previous.copy_from(self.state)

    def stamp(self, picture: Image.Image, place: Place, strength: float = 1.0) -> None:
        """Move the colors toward an image where it is not transparent.

        Args:
            picture: image, RGB or RGBA.
            place: left, top, width and height in cells; may extend beyond the border if the grid
                wraps.
            strength: fraction of the way, 0 to 1.
        """
        self.quiet = 0
        self._stamp.draw(
            picture,
            place,
            self.state.target((0,)),
            {"nca_field": self.field_texture, "nca_colors": self.colors},
            {
                "nca_size": (self.width, self.height),
                "nca_strength": strength,
                "nca_wraps": self.wraps,
            },
            dies=any(rule.settings.alive_threshold is not None for rule in self.rules),
        )

    def read(self) -> Tensor:
        """The state, [C, H, W] on the CPU."""
        return torch.from_numpy(self.state.read()[: self.channels].copy())

    def write(self, state: Tensor) -> None:
        """Replace the state by another, [C, H, W].

        Raises:
            InputError: the shape is wrong.
        """
        shape = (self.channels, self.height, self.width)
        if tuple(state.shape) != shape:
            raise InputError(f"the state must be {list(shape)}, not {list(state.shape)}")
        self.quiet = 0
        self.state.write(state.numpy())
        self.previous.copy_from(self.state)

    def show_field(self) -> None:
        """Use the current field from the next step on."""
        self.quiet = 0
        self.field_texture.write(self.field.shares.tobytes())
        self._field_changes += 1
        self._set_present()

    def _set_present(self) -> None:
        """Skip rules without cells; a single rule that owns all cells needs no shares."""
        numbers = self.field.present
        self._present = [self._compiled[number] for number in numbers]
        for number, shaders in zip(numbers, self._present, strict=True):
            shaders.set({"nca_rule": number if len(numbers) > 1 else -1})

    def release(self) -> None:
        """Free the OpenGL objects."""
        self._release()
        self._stamp.release()
        self.field_texture.release()
        self.fields.release()

    def _release(self) -> None:
        """Free the objects of these rules."""
        for buffer in self._buffers:
            buffer.release()
        for shaders in self._compiled:
            shaders.release()
        self.colors.release()


def _color_map(rule: Rule) -> tuple[float, float, float]:
    """Scale and offset of the colors, and 1 if channel 3 is alpha."""
    settings = rule.settings
    return settings.rgb_scale, settings.rgb_offset, float(settings.alive_threshold is not None)
