"""Export a rule for Godot 4: compute shaders, and a node script that runs them."""

import jinja2
import torch
from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.decoder import (
    decoder_source,
    details_source,
    drawn_value,
    drawn_values,
    draws_maps,
)
from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.general_decoder import general_details
from nca.exporters.glsl.pieces import coding, group_count, number
from nca.exporters.glsl.text import comment, credit_lines, template, without_repeats
from nca.exporters.glsl.tiles import default_side
from nca.exporters.glsl.weights import Store, choose_decoder_store, choose_store
from nca.exporters.manifest import WEIGHT_FILE, weight_bytes
from nca.exporters.parity.compute import ComputeMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.maps import MAPS, PACKED, map_channels
from nca.rule import Rule
from nca.rulefile import RuleFile

DATA_FORMATS = {
    "rgba32f": "R32G32B32A32_SFLOAT",
    "rgba16f": "R16G16B16A16_SFLOAT",
    "rgba8": "R8G8B8A8_UNORM",
}
NOTE = "Tested as OpenGL compute shaders, not in Godot itself."
PIXELS = 512  # side in pixels of the image that a decoder draws, if no grid size is given
WEIGHTS = """layout(set = 0, binding = 5, std430) restrict readonly buffer NcaWeights {
  vec4 texel[];
} nca_weights;
vec4 nca_weight(int nca_i) { return nca_weights.texel[nca_i]; }
"""
FIELDS = """// #define NCA_FIELDS  // read fields, see nca_texture.gd
#ifdef NCA_FIELDS
layout(set = 0, binding = 4, rgba8) restrict readonly uniform image2D nca_fields;
vec4 nca_field_texel(ivec2 nca_at) { return imageLoad(nca_fields, nca_at); }
#endif
"""
VALUES = """
float nca_value(int nca_channel, ivec2 nca_at) {{
  return nca_fetch(nca_channel / 4, nca_at)[nca_channel % 4] * {scale} + {offset};
}}

vec3 nca_values(int nca_channel, ivec2 nca_at) {{
  return vec3(nca_value(nca_channel, nca_at), nca_value(nca_channel + 1, nca_at),
              nca_value(nca_channel + 2, nca_at));
}}
"""
UNIT = """
// Scale a normal to length 1. Argument and result are encoded as values in [0, 1].
vec3 nca_unit(vec3 nca_normal) {
  vec3 nca_n = 2.0 * nca_normal - 1.0;
  return 0.5 * nca_n / max(length(nca_n), 1e-12) + 0.5;
}
"""
PLACE = "(vec2(nca_at) + 0.5) * (vec2(nca_size) / vec2(nca_pixels))"
GROUP = "layout(local_size_x = 8, local_size_y = 8, local_size_z = 1) in;\n"
# Godot makes no mipmaps of textures that shaders write. Without mipmaps, distant materials flicker.
MIPMAP = f"""
{GROUP}layout(set = 0, binding = 0, rgba16f) restrict readonly uniform image2D nca_fine;
layout(set = 0, binding = 1, rgba16f) restrict writeonly uniform image2D nca_coarse;

void main() {{
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  if (any(greaterThanEqual(nca_at, imageSize(nca_coarse)))) return;
  ivec2 nca_low = 2 * nca_at, nca_high = min(nca_low + 1, imageSize(nca_fine) - 1);
  vec4 nca_sum = imageLoad(nca_fine, nca_low) + imageLoad(nca_fine, nca_high)
               + imageLoad(nca_fine, ivec2(nca_low.x, nca_high.y))
               + imageLoad(nca_fine, ivec2(nca_high.x, nca_low.y));
  imageStore(nca_coarse, nca_at, 0.25 * nca_sum);
}}
"""
CONSTANTS = """layout(push_constant, std430) uniform NcaConstants {
  ivec2 size;   // cells across and down
  uint step;    // number of the step
  uint seed;    // random seed of cell updates and initial noise
  vec4 brush;   // x, y, radius in cells (negative: everywhere), tool (0 erase, 1 plant, 3 restart)
} nca_constants;
"""


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make the shaders ``nca_*.glsl``, the script ``nca_texture.gd`` and, if needed, weights."""
    rule = file.rule
    settings = rule.settings
    store = choose_store(rule, options.weights)
    drawing_store = choose_decoder_store(rule, options.weights) if rule.decoder else "inline"
    dies = settings.alive_threshold is not None
    credit = [*credit_lines(name, file), NOTE]
    groups = range(group_count(settings.channels))
    call = ", ".join(f"nca_n{g}" for g in groups)
    step = (WEIGHTS if store == "texture" else "") + FIELDS
    step += step_source(rule, store, fields=True, digits=options.digits)
    texts = {"nca_step.glsl": _compute(rule, options, credit, step, _update("nca_step", call))}
    if dies:
        texts["nca_live.glsl"] = _compute(
            rule, options, credit, life_source(rule), _update("nca_live", call), after=True
        )
    texts["nca_paint.glsl"] = _paint(rule, options, credit)
    texts["nca_draw.glsl"] = _draw(rule, options, credit, drawing_store)
    if settings.maps:
        texts["nca_mipmap.glsl"] = f"#[compute]\n#version 450\n\n{comment(credit)}{MIPMAP}"
    stores = {"nca_step": store, "nca_draw": drawing_store}
    weighted = [shader for shader, where in stores.items() if where == "texture"]
    scale = settings.pixels_per_cell
    environment = jinja2.Environment(autoescape=False, trim_blocks=True, keep_trailing_newline=True)
    script = environment.from_string(template("hosts/godot_texture.gd")).render(
        groups=len(groups),
        dies=dies,
        data_format=DATA_FORMATS[options.state],
        weight_file=WEIGHT_FILE if weighted else "",
        weighted=weighted,
        side=options.grid or default_side(rule, PIXELS),
        steps=free_steps(options),
        seed=options.seed,
        scale=scale if rule.decoder else 0,
        wraps=settings.wraps,
        maps=settings.maps,
        textures=list(_texels(rule)),
    )
    texts["nca_texture.gd"] = "".join(f"# {line}\n" for line in credit) + script
    files = {name: text.encode() for name, text in texts.items()}
    if weighted:
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
{GROUP}{CONSTANTS}
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
    # `main` calls nca_hash. start_source contains it; body does not if all cells fire.
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


def _draw(rule: Rule, options: ExportOptions, credit: list[str], store: Store) -> str:
    """Emit the shader that draws the textures of :func:`_texels`, with a decoder at any size."""
    texels = _texels(rule)
    # Godot converts some 8-bit textures from sRGB to linear colors, but never half-float textures.
    images = "".join(
        f"layout(set = 0, binding = {binding}, rgba16f) restrict writeonly uniform image2D"
        f" nca_{name}_texture;\n"
        for binding, name in enumerate(texels, 1)
    )
    stores = "".join(
        f"  imageStore(nca_{name}_texture, nca_at, clamp({texel}, 0.0, 1.0));\n"
        for name, texel in texels.items()
    )
    values = ""
    if rule.decoder is None:
        scale, offset = map(number, (rule.settings.rgb_scale, rule.settings.rgb_offset))
        source = VALUES.format(scale=scale, offset=offset) + UNIT
    else:
        maps = draws_maps(rule)
        if store == "texture":
            source = general_details(rule, WEIGHTS)
        else:
            source = details_source(rule, maps=maps, digits=options.digits)
        if maps:
            source, values = source + UNIT, drawn_values(rule, PLACE)
        else:
            source = decoder_source(rule, source)
    return f"""{_head(rule, options, credit)}{_image(options, 0, "readonly", "nca_state")}{
        _fetch("nca_fetch", "nca_state")
    }{images}{source}
void main() {{
  ivec2 nca_at = ivec2(gl_GlobalInvocationID.xy);
  ivec2 nca_pixels = imageSize(nca_color_texture);
  nca_size = nca_constants.size;
  if (any(greaterThanEqual(nca_at, nca_pixels))) return;
{values}{stores}}}
"""


def _texels(rule: Rule) -> dict[str, str]:
    """List the textures to draw, each with a GLSL expression for its texels."""
    if rule.decoder is not None and not draws_maps(rule):
        return {"color": f"vec4(nca_color({PLACE}), 1.0)"}
    values = {name: _value(rule, at) for name, at in map_channels(rule.settings.maps).items()}
    texels = {"color": f"vec4({values['color']}, 1.0)"}
    if "normal" in values:
        texels["normal"] = f"vec4(nca_unit({values['normal']}), 1.0)"
    if values.keys() & PACKED.keys():
        packed = (values.get(name, number(missing)) for name, missing in PACKED.items())
        texels["orm"] = f"vec4({', '.join(packed)}, 1.0)"
    if "height" in values:
        texels["height"] = f"vec4(vec3({values['height']}), 1.0)"
    return texels


def _value(rule: Rule, channels: slice) -> str:
    """Return a GLSL expression for the value of a map in its channels, one or three."""
    if draws_maps(rule):
        parts = [drawn_value(c) for c in range(channels.start, channels.stop)]
        return parts[0] if len(parts) == 1 else f"vec3({', '.join(parts)})"
    function = "nca_value" if channels.stop - channels.start == 1 else "nca_values"
    return f"{function}({channels.start}, nca_at)"


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the compute shaders in OpenGL, in the same order as the node's script."""
    machine = ComputeMachine(context, files, rule, options, state)
    for step in range(frames * free_steps(options)):
        machine.step(step)
    return machine.read()


def draw(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, context: Context
) -> Tensor:
    """Draw the textures in OpenGL, and return all maps in the rule's order, [N, h, w]."""
    height, width = state.shape[1:]
    scale = rule.settings.pixels_per_cell
    machine = ComputeMachine(context, files, rule, options, state)
    drawn = machine.draw(list(_texels(rule)), (scale * height, scale * width))
    packed = dict(zip(PACKED, drawn.get("orm", ()), strict=False))
    return torch.cat(
        [
            packed[name][None] if name in packed else drawn[name][: MAPS[name].width]
            for name in map_channels(rule.settings.maps)
        ]
    )


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    draw=draw,
    verified="tested as OpenGL compute shaders; not in Godot itself",
)
