"""Fragment shaders that change a state, for desktop OpenGL and WebGL2: steps, life, strokes.

A viewport of the size of the state is filled with the triangle of :func:`vertex_shader`. Output i
of a :class:`Pass` is group ``groups[i]`` of the state.

The shaders use these textures and uniforms, and those of :mod:`nca.exporters.glsl.emitter`:

- ``nca_state``: the state before the step; ``nca_after``, only in life passes: the result of the
  step pass; ``nca_before``: the state one step ago (:mod:`nca.exporters.glsl.drawing`). Each is one
  texture array with one layer per group or, without ``layers``, one texture per group
  (``nca_state0``, ``nca_state1`` ...).
- ``nca_code`` (vec2): a texel t holds the value ``(t - code.y) * code.x``; (1, 0) for floats.
- ``nca_weights``: :func:`nca.exporters.glsl.weights.pack_weights`, if the store is ``texture``.
- with ``blend``: ``nca_field``, RGBA8 with two rule numbers and their shares in every cell (number,
  share, number, share); ``nca_rule`` (int): number of this rule, below 0 if there is only one rule;
  ``nca_sum``: sum of the results of earlier rules; ``nca_first`` (bool): whether this is the first
  rule.
- with ``fields`` and the macro ``NCA_FIELDS``: ``nca_fields`` (see :mod:`nca.fields.texels`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.fields import FIELD_SAMPLER
from nca.exporters.glsl.pieces import LITERAL_DIGITS, group_count
from nca.exporters.glsl.text import template
from nca.exporters.glsl.weights import TEXTURE_WIDTH, Store
from nca.rule import Rule

Dialect = Literal["330", "300 es"]


@dataclass(frozen=True)
class Capabilities:
    """Features of a graphics device, or of a program that draws with it.

    Attributes:
        dialect: ``#version`` of its shaders.
        draw_buffers: largest number of outputs of a pass. OpenGL 3.3 and most WebGL2 devices
            have 8; WebGL2 guarantees only 4.
        layers: whether the state is one texture array instead of one texture per group.
        blend: whether several rules may run in one state; each cell blends them by their shares.
        steering: whether the rotation and coarseness of the perception, and the length of a step,
            are uniforms.
        rate: whether the update rate is a uniform.
        fields: whether shaders with the macro ``NCA_FIELDS`` read a texture of fields (see
            :mod:`nca.fields.texels`).
    """

    dialect: Dialect = "330"
    draw_buffers: int = 4
    layers: bool = False
    blend: bool = False
    steering: bool = False
    rate: bool = False
    fields: bool = False


@dataclass(frozen=True)
class Pass:
    """One draw call: its fragment shader, and the group of each of its outputs."""

    fragment: str
    groups: tuple[int, ...]


def vertex_shader(dialect: Dialect) -> str:
    """Emit one triangle that covers the viewport, drawn as three vertices without buffers."""
    return f"""#version {dialect}
void main() {{
  vec2 nca_corner = vec2(gl_VertexID % 2, gl_VertexID / 2);
  gl_Position = vec4(4.0 * nca_corner - 1.0, 0.0, 1.0);
}}
"""


def step_passes(
    rule: Rule,
    capabilities: Capabilities,
    store: Store = "inline",
    *,
    groups: int | None = None,
    digits: int = LITERAL_DIGITS,
) -> list[Pass]:
    """Emit the shaders of one step. A rule with an alive threshold also needs :func:`life_passes`.

    Args:
        rule: the rule.
        capabilities: features of the device.
        store: where the weights are stored.
        groups: number of groups in the state, if rules share the state and it has more groups than
            this rule uses; the extra groups stay unchanged.
        digits: significant digits of inline weights; nine reproduce a float32 exactly.
    """
    own = group_count(rule.settings.channels)
    dies = rule.settings.alive_threshold is not None
    weights = WEIGHTS if store == "texture" else ""
    controls = (STEERING if capabilities.steering else "") + (RATE if capabilities.rate else "")
    controls += FIELD_SAMPLER if capabilities.fields else ""
    passes = []
    for part in parts(groups or own, capabilities.draw_buffers):
        computed = [g for g in part if g < own]
        head = head_text(capabilities) + "uniform uint nca_base;\n" + controls + weights
        head += fetch_text("nca_fetch", "nca_state", range(groups or own), capabilities.layers)
        body = ""
        if computed:
            body = step_source(
                rule,
                store,
                groups=computed,
                steering=capabilities.steering,
                rate=capabilities.rate,
                fields=capabilities.fields,
                digits=digits,
            )
        # If there is a life pass, it mixes the rules instead.
        main = _update_main(
            part, computed, "nca_step", capabilities, mixes=capabilities.blend and not dies
        )
        passes.append(Pass(head + body + main, part))
    return passes


def life_passes(rule: Rule, capabilities: Capabilities, *, groups: int | None = None) -> list[Pass]:
    """Emit the shaders of the second half of a step; there are none if cells do not die."""
    if rule.settings.alive_threshold is None:
        return []
    own = group_count(rule.settings.channels)
    passes = []
    for part in parts(groups or own, capabilities.draw_buffers):
        computed = [g for g in part if g < own]
        # Group 0 before the step decides which cells live; groups of other rules are copied.
        before = (
            range(groups or own) if capabilities.layers or len(computed) < len(part) else range(1)
        )
        head = head_text(capabilities)
        head += fetch_text("nca_fetch", "nca_state", before, capabilities.layers)
        head += fetch_text("nca_fetch_after", "nca_after", range(own), capabilities.layers)
        body = life_source(rule, groups=computed) if computed else ""
        main = _update_main(part, computed, "nca_live", capabilities, mixes=capabilities.blend)
        passes.append(Pass(head + body + main, part))
    return passes


def paint_passes(
    rule: Rule, capabilities: Capabilities, *, groups: int | None = None
) -> list[Pass]:
    """Emit shaders that draw into a state in place: the brush, and the initial state of a rule."""
    own = group_count(rule.settings.channels)
    head = head_text(capabilities) + start_source(rule) + "\n" + template("paint.glsl")
    mine = "nca_share(nca_at) >= 0.5" if capabilities.blend else "true"
    passes = []
    for part in parts(groups or own, capabilities.draw_buffers):
        paint = "".join(
            f"  nca_out{i} = nca_encode({f'nca_paint({g}, nca_at)' if g < own else 'vec4(0.0)'});\n"
            for i, g in enumerate(part)
        )
        main = (
            f"{_declared(part)}{SHARE if capabilities.blend else ''}\nvoid main() {{\n"
            "  ivec2 nca_at = ivec2(gl_FragCoord.xy);\n"
            f"  if (!(nca_painted(nca_at) && {mine})) discard;\n{paint}}}\n"
        )
        passes.append(Pass(head + main, part))
    return passes


def parts(groups: int, draw_buffers: int) -> list[tuple[int, ...]]:
    """List the groups of each pass over a state."""
    return [tuple(range(a, min(a + draw_buffers, groups))) for a in range(0, groups, draw_buffers)]


def with_macro(fragment: str, definition: str) -> str:
    """Add a macro, such as ``NCA_FIELDS``, to a shader."""
    version, rest = fragment.split("\n", 1)
    return f"{version}\n#define {definition}\n{rest}"


def version_text(capabilities: Capabilities) -> str:
    """Emit the version, and the precision of types whose default is missing or too low."""
    text = f"#version {capabilities.dialect}\n"
    if capabilities.dialect == "300 es":
        for kind in ("float", "int", "sampler2D", "sampler2DArray"):
            text += f"precision highp {kind};\n"
    return text


def head_text(capabilities: Capabilities) -> str:
    """Emit the version, and functions that convert between texels and values."""
    return version_text(capabilities) + CODING


def fetch_text(function: str, name: str, groups: Sequence[int], layers: bool) -> str:
    """Emit a function that reads one of the groups of a cell; with ``layers``, any group."""
    head = f"vec4 {function}(int nca_group, ivec2 nca_c) {{\n"
    if layers:
        fetch = f"nca_decode(texelFetch({name}, ivec3(nca_c, nca_group), 0))"
        return f"uniform sampler2DArray {name};\n{head}  return {fetch};\n}}\n"
    text = "".join(f"uniform sampler2D {name}{g};\n" for g in groups) + head
    for g in groups[:-1]:
        text += f"  if (nca_group == {g}) return nca_decode(texelFetch({name}{g}, nca_c, 0));\n"
    return text + f"  return nca_decode(texelFetch({name}{groups[-1]}, nca_c, 0));\n}}\n"


CODING = """uniform ivec2 nca_size;
uniform vec2 nca_code;
vec4 nca_decode(vec4 nca_texel) { return (nca_texel - nca_code.y) * nca_code.x; }
vec4 nca_encode(vec4 nca_value) { return nca_value / nca_code.x + nca_code.y; }
"""

WEIGHTS = f"""uniform sampler2D nca_weights;
vec4 nca_weight(int nca_i) {{
  return texelFetch(nca_weights, ivec2(nca_i % {TEXTURE_WIDTH}, nca_i / {TEXTURE_WIDTH}), 0);
}}
"""

STEERING = "uniform vec2 nca_rotation;\nuniform float nca_coarseness;\nuniform float nca_dt;\n"
RATE = "uniform uint nca_limit;\n"

SHARE = """
uniform sampler2D nca_field;
uniform int nca_rule;

float nca_share(ivec2 nca_at) {
  if (nca_rule < 0) return 1.0;
  vec4 nca_f = round(texelFetch(nca_field, nca_at, 0) * 255.0);
  return ((int(nca_f.x) == nca_rule ? nca_f.y : 0.0)
          + (int(nca_f.z) == nca_rule ? nca_f.w : 0.0)) / 255.0;
}
"""


def _declared(part: Sequence[int]) -> str:
    return "".join(f"layout(location = {i}) out vec4 nca_out{i};\n" for i in range(len(part)))


def _update_main(
    part: Sequence[int],
    computed: Sequence[int],
    function: str,
    capabilities: Capabilities,
    *,
    mixes: bool,
) -> str:
    """Call a step or life function, copy groups not in the rule, and blend with other rules."""
    names = [f"nca_n{i}" for i in range(len(part))]
    call = f"{function}(nca_at, {', '.join(names[: len(computed)])});" if computed else ""
    kept = "".join(
        f" {name} = nca_fetch({g}, nca_at);"
        for name, g in zip(names, part, strict=True)
        if g not in computed
    )
    declared = f"  vec4 {', '.join(f'{name} = vec4(0.0)' for name in names)};\n"
    write = "".join(f"  nca_out{i} = nca_encode({name});\n" for i, name in enumerate(names))
    head, work, mix = "", f"  {call}{kept}\n", ""
    if mixes:
        head = SHARE + "uniform bool nca_first;\n"
        head += fetch_text("nca_fetch_sum", "nca_sum", part, capabilities.layers)
        # In a painted state, other rules own most cells; this rule skips those.
        work = f"  float nca_s = nca_share(nca_at);\n  if (nca_s > 0.0) {{ {call}{kept} }}\n"
        mix = "".join(
            f"  {name} = nca_s * {name} + (nca_first ? vec4(0.0) : nca_fetch_sum({g}, nca_at));\n"
            for name, g in zip(names, part, strict=True)
        )
    return (
        f"{_declared(part)}{head}\nvoid main() {{\n"
        f"  ivec2 nca_at = ivec2(gl_FragCoord.xy);\n{declared}{work}{mix}{write}}}\n"
    )
