"""Export a rule for Godot 4: compute shaders, a shader that shows the state, and a node script."""

import re

import jinja2
import numpy as np
import torch
from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.pieces import coding, group_count, number, state_code
from nca.exporters.glsl.text import comment, credit_lines, template, without_repeats
from nca.exporters.glsl.weights import choose_store
from nca.exporters.manifest import WEIGHT_FILE, weight_bytes
from nca.exporters.parity.compare import NotMeasuredError
from nca.exporters.parity.emulation import DTYPES, loaded, stored
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.gl.buffers import from_texels, to_texels
from nca.rule import Rule
from nca.rulefile import RuleFile

DATA_FORMATS = {
    "rgba32f": "R32G32B32A32_SFLOAT",
    "rgba16f": "R16G16B16A16_SFLOAT",
    "rgba8": "R8G8B8A8_UNORM",
}
UNTESTED = "Tested as OpenGL compute shaders, not in Godot itself."
FIELDS = """// #define NCA_FIELDS  // read fields, see nca_texture.gd
#ifdef NCA_FIELDS
layout(set = 0, binding = 4, rgba8) restrict readonly uniform image2D nca_fields;
vec4 nca_field_texel(ivec2 nca_at) { return imageLoad(nca_fields, nca_at); }
#endif
"""
CONSTANTS = """layout(push_constant, std430) uniform NcaConstants {
  ivec2 size;   // cells across and down
  uint step;    // number of the step
  uint seed;    // decides which cells fire
  vec4 brush;   // x, y, radius in cells (below 0: everywhere), tool: 0 erase, 1 plant, 3 restart
} nca_constants;
"""


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """``nca_*.glsl``, ``nca_view.gdshader``, ``nca_texture.gd`` and the weights if necessary."""
    rule = file.rule
    settings = rule.settings
    store = choose_store(rule, options.weights)
    dies = settings.alive_threshold is not None
    credit = [*credit_lines(name, file), UNTESTED]
    groups = range(group_count(settings.channels))
    weights = ""
    if store == "texture":
        weights = (
            "layout(set = 0, binding = 3, std430) restrict readonly buffer NcaWeights {\n"
            "  vec4 texel[];\n} nca_weights;\n"
            "vec4 nca_weight(int nca_i) { return nca_weights.texel[nca_i]; }\n"
        )
    call = ", ".join(f"nca_n{g}" for g in groups)
    step = weights + FIELDS + step_source(rule, store, fields=True, digits=options.digits)
    texts = {"nca_step.glsl": _compute(rule, options, credit, step, _update("nca_step", call))}
    if dies:
        texts["nca_live.glsl"] = _compute(
            rule, options, credit, life_source(rule), _update("nca_live", call), after=True
        )
    texts["nca_paint.glsl"] = _paint(rule, options, credit)
    texts["nca_view.gdshader"] = _view(rule, options, credit)
    environment = jinja2.Environment(autoescape=False, trim_blocks=True, keep_trailing_newline=True)
    script = environment.from_string(template("hosts/godot_texture.gd")).render(
        groups=len(groups),
        dies=dies,
        data_format=DATA_FORMATS[options.state],
        weight_file=WEIGHT_FILE if store == "texture" else "",
        side=options.grid or 256,
        steps=free_steps(options),
        seed=options.seed,
    )
    texts["nca_texture.gd"] = "".join(f"# {line}\n" for line in credit) + script
    files = {name: text.encode() for name, text in texts.items()}
    if store == "texture":
        files[WEIGHT_FILE] = weight_bytes(rule)
    return files


def _image(options: ExportOptions, binding: int, access: str, name: str) -> str:
    return (
        f"layout(set = 0, binding = {binding}, {options.state}) restrict {access}"
        f" uniform image2DArray {name};\n"
    )


def _head(rule: Rule, options: ExportOptions, credit: list[str]) -> str:
    return f"""#[compute]
#version 450

{comment(credit)}
layout(local_size_x = 8, local_size_y = 8, local_size_z = 1) in;
{CONSTANTS}
ivec2 nca_size;
uint nca_base;
{coding(rule.settings, options.state)}"""


def _fetch(function: str, image: str) -> str:
    return (
        f"vec4 {function}(int nca_group, ivec2 nca_at) {{\n"
        f"  return nca_decode(imageLoad({image}, ivec3(nca_at, nca_group)));\n}}\n"
    )


def _compute(
    rule: Rule,
    options: ExportOptions,
    credit: list[str],
    body: str,
    update: str,
    *,
    after: bool = False,
) -> str:
    images = _image(options, 0, "readonly", "nca_state") + _fetch("nca_fetch", "nca_state")
    images += _image(options, 1, "writeonly", "nca_next")
    if after:
        images += _image(options, 2, "readonly", "nca_after")
        images += _fetch("nca_fetch_after", "nca_after")
    writes = "".join(
        f"  imageStore(nca_next, ivec3(nca_at, {g}), nca_encode(nca_n{g}));\n"
        for g in range(group_count(rule.settings.channels))
    )
    # `main` calls nca_hash; if all cells fire, only start_source contains it.
    source = without_repeats(start_source(rule) + body)
    return f"""{_head(rule, options, credit)}{images}{source}
void main() {{
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  nca_size = nca_constants.size;
  if (any(greaterThanEqual(nca_at, nca_size))) return;
  nca_base = nca_hash(nca_constants.step + nca_hash(nca_constants.seed));
{update}{writes}}}
"""


def _update(function: str, call: str) -> str:
    return f"  vec4 {call};\n  {function}(nca_at, {call});\n"


def _paint(rule: Rule, options: ExportOptions, credit: list[str]) -> str:
    wrap = ""
    if rule.settings.wraps:
        wrap = "  nca_away -= vec2(nca_size) * round(nca_away / vec2(nca_size));\n"
    return f"""{_head(rule, options, credit)}{_image(options, 0, "writeonly", "nca_state")}
{start_source(rule)}
void main() {{
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  nca_size = nca_constants.size;
  if (any(greaterThanEqual(nca_at, nca_size))) return;
  vec4 nca_brush = nca_constants.brush;
  vec2 nca_away = vec2(nca_at) + 0.5 - nca_brush.xy;
{wrap}  if (nca_brush.z >= 0.0 && length(nca_away) >= nca_brush.z) return;
  for (int nca_g = 0; nca_g < {group_count(rule.settings.channels)}; nca_g++) {{
    vec4 nca_value = vec4(0.0);
    if (nca_brush.w == 1.0) nca_value = nca_plant(nca_g);
    if (nca_brush.w == 3.0) nca_value = nca_start(nca_g, nca_at, nca_constants.seed);
    imageStore(nca_state, ivec3(nca_at, nca_g), nca_encode(nca_value));
  }}
}}
"""


def _view(rule: Rule, options: ExportOptions, credit: list[str]) -> str:
    scale, offset = map(number, state_code(rule.settings, options.state))
    settings = rule.settings
    color_scale, color_offset = number(settings.rgb_scale), number(settings.rgb_offset)
    return f"""{comment(credit)}
shader_type canvas_item;

uniform sampler2DArray nca_state : filter_linear, repeat_enable;

void fragment() {{
  vec3 nca_value = (texture(nca_state, vec3(UV, 0.0)).rgb - {offset}) * {scale};
  COLOR = vec4(clamp(nca_value * {color_scale} + {color_offset}, 0.0, 1.0), 1.0);
}}
"""


def opengl_text(data: bytes) -> str:
    """Convert a compute shader to OpenGL: uniform buffer for push constants, no descriptor sets."""
    text = data.decode().removeprefix("#[compute]\n")
    text = text.replace("layout(push_constant, std430)", "layout(std140, binding = 7)")
    return re.sub(r"layout\(set = 0, ", "layout(", text)


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the compute shaders in OpenGL, in the order of the node's script."""
    if context.version_code < 430:
        raise NotMeasuredError("compute shaders need OpenGL 4.3")
    channels, height, width = state.shape
    groups = group_count(channels)
    code = state_code(rule.settings, options.state)
    dtype = DTYPES[options.state]
    textures = [context.texture_array((width, height, groups), 4, dtype=dtype) for _ in range(3)]
    textures[0].write(stored(to_texels(state, groups, code), dtype).tobytes())
    shaders = {
        name: context.compute_shader(opengl_text(data))
        for name, data in files.items()
        if name in ("nca_step.glsl", "nca_live.glsl")
    }
    if WEIGHT_FILE in files:
        context.buffer(files[WEIGHT_FILE]).bind_to_storage_buffer(3)
    current = 0
    for step in range(frames * free_steps(options)):
        words = np.array([width, height, step, options.seed], "<u4").tobytes() + bytes(16)
        context.buffer(words).bind_to_uniform_block(7)
        before, after, scratch = textures[current], textures[1 - current], textures[2]
        dies = "nca_live.glsl" in shaders
        calls = {"nca_step.glsl": [before, scratch if dies else after]}
        if dies:
            calls["nca_live.glsl"] = [before, after, scratch]
        for name, images in calls.items():
            for binding, image in enumerate(images):
                image.bind_to_image(binding, read=binding != 1, write=binding == 1)
            shaders[name].run(-(-width // 8), -(-height // 8), 1)
            context.memory_barrier()
        current = 1 - current
    result = loaded(textures[current].read(), dtype, (groups, height, width, 4))
    return torch.from_numpy(from_texels(result, code)[:channels])


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    verified="tested as OpenGL compute shaders; not in Godot itself",
)
