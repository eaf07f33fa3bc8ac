"""Export a rule for TouchDesigner: pixel shaders for GLSL TOPs, and instructions for the network.

TouchDesigner itself adds ``#version`` and the declarations of its inputs.
"""

from collections.abc import Sequence

from moderngl import Context
from torch import Tensor

from nca.errors import InputError
from nca.exporters.glsl.decoder import decoder_source
from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.pieces import coding, group_count, number, state_code
from nca.exporters.glsl.text import comment, credit_lines, without_repeats
from nca.exporters.glsl.tiles import default_side
from nca.exporters.hosts.glsl import FIELDS
from nca.exporters.parity.emulation import LayerMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.gl.shader import Value
from nca.rule import Rule
from nca.rulefile import RuleFile

MAX_BUFFERS = 8
PIXELS = 512  # side of a picture that a decoder draws, by default
PIXEL_FORMATS = {
    "rgba32f": "32-bit float (RGBA)",
    "rgba16f": "16-bit float (RGBA)",
    "rgba8": "8-bit fixed (RGBA)",
}
NOTE = "Tested in OpenGL with TouchDesigner's declarations, but not in TouchDesigner itself."


_FIELDS = """
// #define NCA_FIELDS  // read fields from one more input, see network.txt
#ifdef NCA_FIELDS
vec4 nca_field_texel(ivec2 nca_at) {{ return texelFetch(sTD2DInputs[{input}], nca_at, 0); }}
#endif
"""


def frame_steps(rule: Rule, options: ExportOptions) -> int:
    """Return 1 step per frame, because a Feedback TOP runs once per frame.

    Raises:
        InputError: more steps are requested.
    """
    del rule
    if options.steps_per_frame not in (None, 1):
        raise InputError(
            f"`steps_per_frame` {options.steps_per_frame}: a feedback loop of TouchDesigner"
            " runs 1 step per frame"
        )
    return 1


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make ``step*.frag``, ``live*.frag`` if cells die, ``view.frag`` and ``network.txt``."""
    frame_steps(file.rule, options)
    rule = file.rule
    head = comment([*credit_lines(name, file), "", "For a GLSL TOP.", NOTE]) + "\n"
    groups = group_count(rule.settings.channels)
    parts = [
        range(first, min(first + MAX_BUFFERS, groups)) for first in range(0, groups, MAX_BUFFERS)
    ]
    files: dict[str, str] = {}
    for index, part in enumerate(parts):
        suffix = str(index) if len(parts) > 1 else ""
        files[f"step{suffix}.frag"] = head + _step(rule, options, part)
        if rule.settings.alive_threshold is not None:
            files[f"live{suffix}.frag"] = head + _live(rule, options, part, groups)
    files["view.frag"] = head + (_decoded if rule.decoder else _view)(rule, options)
    files["network.txt"] = _recipe(name, file, options, list(map(len, parts)))
    return {name: text.encode() for name, text in files.items()}


def _shared(rule: Rule, options: ExportOptions, groups: int) -> str:
    return f"""const uint nca_seed_number = {options.seed}u;  // for cell updates and initial noise
ivec2 nca_size;
uint nca_base;

{coding(rule.settings, options.state)}{_fetch("nca_fetch", 0, groups)}"""


def _fetch(function: str, first: int, groups: int) -> str:
    """Emit code that reads group g from input ``first + g``.

    Samplers in an array need constant indices.
    """
    text = f"vec4 {function}(int nca_group, ivec2 nca_at) {{\n"
    for g in range(groups):
        texel = f"nca_decode(texelFetch(sTD2DInputs[{first + g}], nca_at, 0))"
        condition = f"if (nca_group == {g}) " if g < groups - 1 else ""
        text += f"  {condition}return {texel};\n"
    return text + "}\n"


def _main(rule: Rule, part: Sequence[int], function: str, *, paints: bool) -> str:
    """Emit a main function that updates the state, and restarts or paints on request."""
    declared = "".join(f"layout(location = {i}) out vec4 nca_out{i};\n" for i in range(len(part)))
    values = ", ".join(f"nca_n{i}" for i in range(len(part)))
    writes = ""
    for i, g in enumerate(part):
        value = f"nca_painted({g}, nca_at, nca_n{i})" if paints else f"nca_n{i}"
        writes += f"  nca_out{i} = TDOutputSwizzle(nca_encode({value}));\n"
    return f"""{_brush(rule) if paints else ""}
{declared}
void main() {{
  ivec2 nca_at = ivec2(gl_FragCoord.xy);
  nca_size = textureSize(sTD2DInputs[0], 0);
  nca_base = nca_hash(uint(nca_step_number) + nca_hash(nca_seed_number));
  vec4 {values};
  {function}(nca_at, {values});
{writes}}}
"""


def _brush(rule: Rule) -> str:
    wrap = ""
    if rule.settings.wraps:
        wrap = "  nca_away -= vec2(nca_size) * floor(nca_away / vec2(nca_size) + 0.5);\n"
    return f"""
uniform float nca_reset;  // 1: restart
uniform vec4 nca_brush;   // x, y in cells from the lower left, radius in cells, 1: plant, 0: erase

vec4 nca_painted(int nca_group, ivec2 nca_at, vec4 nca_value) {{
  if (nca_reset > 0.5) return nca_start(nca_group, nca_at, nca_seed_number);
  vec2 nca_away = vec2(nca_at) + 0.5 - nca_brush.xy;
{wrap}  if (length(nca_away) >= nca_brush.z) return nca_value;
  return nca_brush.w > 0.5 ? nca_plant(nca_group) : vec4(0.0);
}}
"""


def _step(rule: Rule, options: ExportOptions, part: Sequence[int]) -> str:
    # The start functions include the hash. If cells die, the live shader paints instead.
    text = (
        "uniform float nca_step_number;  // counts the steps: 0, 1, 2 ...\n"
        + _shared(rule, options, group_count(rule.settings.channels))
        + start_source(rule)
        + _FIELDS.format(input=group_count(rule.settings.channels))
        + step_source(rule, groups=part, fields=True, digits=options.digits)
    )
    paints = rule.settings.alive_threshold is None
    return without_repeats(text) + _main(rule, part, "nca_step", paints=paints)


def _live(rule: Rule, options: ExportOptions, part: Sequence[int], groups: int) -> str:
    text = (
        "const float nca_step_number = 0.0;\n"
        + _shared(rule, options, groups)
        + _fetch("nca_fetch_after", groups, groups)
        + start_source(rule)
        + life_source(rule, groups=part)
    )
    return without_repeats(text) + _main(rule, part, "nca_live", paints=True)


def _view(rule: Rule, options: ExportOptions) -> str:
    scale, offset = map(number, state_code(rule.settings, options.state))
    settings = rule.settings
    color_scale, color_offset = number(settings.rgb_scale), number(settings.rgb_offset)
    return f"""layout(location = 0) out vec4 nca_out0;

void main() {{
  // Row 0 of the state is the top of the image.
  vec4 nca_texel = texture(sTD2DInputs[0], vec2(vUV.x, 1.0 - vUV.y));
  vec3 nca_value = (nca_texel.rgb - {offset}) * {scale};
  vec3 nca_color = clamp(nca_value * {color_scale} + {color_offset}, 0.0, 1.0);
  nca_out0 = TDOutputSwizzle(vec4(nca_color, 1.0));
}}
"""


def _decoded(rule: Rule, options: ExportOptions) -> str:
    text = _shared(rule, options, group_count(rule.settings.channels))
    text += decoder_source(rule, digits=options.digits)
    return f"""{text}
layout(location = 0) out vec4 nca_out0;

void main() {{
  nca_size = textureSize(sTD2DInputs[0], 0);
  // Row 0 of the state is the top of the image.
  vec3 nca_drawn = nca_color(vec2(vUV.x, 1.0 - vUV.y) * vec2(nca_size));
  nca_out0 = TDOutputSwizzle(vec4(clamp(nca_drawn, 0.0, 1.0), 1.0));
}}
"""


def _recipe(name: str, file: RuleFile, options: ExportOptions, buffers: list[int]) -> str:
    groups, side = sum(buffers), options.grid or default_side(file.rule, PIXELS)
    dies = file.rule.settings.alive_threshold is not None
    last = "live" if dies else "step"
    several = len(buffers) > 1
    lines = [
        *credit_lines(name, file),
        NOTE,
        "",
        f"1. Make a Constant TOP 'zero': {side} x {side}, {PIXEL_FORMATS[options.state]},"
        " all values 0.",
        f"2. Make {groups} Feedback TOPs 'state0' to 'state{groups - 1}' with 'zero' as input.",
    ]
    number = 3
    for index, count in enumerate(buffers):
        shader = f"step{index if several else ''}"
        lines.append(
            f"{number}. Make a GLSL Multi TOP '{shader}' with the pixel shader {shader}.frag. Its"
            f" inputs are all state TOPs in order. Set # of Color Buffers to {count}, the format of"
            " 'zero', and nearest sampling. Vectors: nca_step_number = absTime.frame"
            + ("" if dies else ", nca_reset = 0, nca_brush = 0 0 0 0")
            + "."
        )
        number += 1
    if dies:
        for index, count in enumerate(buffers):
            shader = f"live{index if several else ''}"
            lines.append(
                f"{number}. Make a GLSL Multi TOP '{shader}' with the pixel shader {shader}.frag."
                f" Its inputs are all state TOPs in order, then the {groups} color buffers of step"
                f" (through Render Select TOPs). Set # of Color Buffers to {count}, and the format"
                " of 'zero'. Vectors: nca_reset = 0, nca_brush = 0 0 0 0."
            )
            number += 1
    lines += [
        f"{number}. Make a Render Select TOP for every color buffer of '{last}'. Set the Target"
        " TOPs of state0, state1 ... to these TOPs, in order.",
        f"{number + 1}. {_view_recipe(file.rule, side)}",
        f"{number + 2}. Set nca_reset to 1 for one frame to start. The extend mode of the inputs"
        " does not matter, because the shaders handle the borders themselves.",
        "",
        "Fields (optional): remove the '//' before '#define NCA_FIELDS' in the step shaders, and",
        f"give them one more input after the others, a TOP of {side} x {side}, 8-bit fixed (RGBA),",
        "nearest sampling, one texel per cell. First flip an upright picture vertically.",
        *(f"{key.upper()} is the {FIELDS[key]}." for key in "rgba"),
        "Neutral values are 0, 128, 128, 128.",
    ]
    return "\n".join(lines) + "\n"


def _view_recipe(rule: Rule, side: int) -> str:
    if rule.decoder is None:
        return (
            "Make a GLSL TOP 'view' with the pixel shader view.frag. Its input is the Render Select"
            " of color buffer 0. Set an 8-bit format, and the resolution of the image."
        )
    pixels = side * rule.settings.pixels_per_cell
    return (
        "Make a GLSL Multi TOP 'view' with the pixel shader view.frag. Its inputs are the Render"
        f" Selects of all color buffers, in order. Set an 8-bit format, and {pixels} x {pixels} or"
        " any other resolution. At a higher resolution, the decoder draws finer detail."
    )


def shader_text(data: bytes, inputs: int) -> str:
    """Put the text that TouchDesigner adds in front of a shader."""
    return (
        f"#version 450\nuniform sampler2D sTD2DInputs[{inputs}];\nin vec3 vUV;\n"
        "vec4 TDOutputSwizzle(vec4 c) { return c; }\n" + data.decode()
    )


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the feedback loop of the instructions."""
    groups = group_count(rule.settings.channels)
    code = state_code(rule.settings, options.state)
    machine = LayerMachine(context, groups, state.shape, options.state)
    machine.write("state", state, code)
    dies = rule.settings.alive_threshold is not None
    kinds = [("step", "after", ["state"])]
    if dies:
        kinds.append(("live", "spare", ["state", "after"]))
    for step in range(frames):
        for kind, target, inputs in kinds:
            shaders = sorted(name for name in files if name.startswith(kind))
            for index, shader in enumerate(shaders):
                part = range(index * MAX_BUFFERS, min((index + 1) * MAX_BUFFERS, groups))
                text = shader_text(files[shader], groups * len(inputs))
                uniforms: dict[str, Value] = {
                    "nca_step_number": float(step),
                    "nca_brush": (0.0,) * 4,
                }
                textures = {"sTD2DInputs": machine.in_a_row(inputs)}
                machine.draw(text, target, part, textures, uniforms)
        machine.swap("state", kinds[-1][1])
    return machine.read("state", state.shape, code)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    frame_steps=frame_steps,
    verified="tested in OpenGL with TouchDesigner's declarations; not in TouchDesigner itself",
    inline=True,
)
