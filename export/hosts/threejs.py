"""Export a rule for three.js: an ES module with a class, and a page that shows it on a mesh.

One pass draws the textures that a ``MeshStandardMaterial`` reads: the color of the rule, or all
maps of a material.
"""

import json
from collections.abc import Sequence

from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.decoder import (
    decoder_source,
    details_source,
    drawn_value,
    drawn_values,
    draws_maps,
)
from nca.exporters.glsl.drawing import colors_fragment
from nca.exporters.glsl.fragments import (
    Capabilities,
    Pass,
    life_passes,
    paint_passes,
    step_passes,
    vertex_shader,
)
from nca.exporters.glsl.pieces import group_count, number, state_code
from nca.exporters.glsl.text import comment, credit_lines, template
from nca.exporters.glsl.tiles import default_side
from nca.exporters.parity.emulation import LayerMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.maps import PACKED, MapName, map_channels
from nca.rule import Rule
from nca.rulefile import RuleFile

HOST = Capabilities("300 es", fields=True)
PIXELS = 1024  # side of the picture that a decoder draws by default
VERSION = "#version 300 es\n"  # three.js writes this line itself
MODULE, DATA = "nca.js", "const NCA = "
# Names of the packed maps in three.js.
NAMES: dict[MapName, str] = {
    "occlusion": "aoMap",
    "roughness": "roughnessMap",
    "metalness": "metalnessMap",
}
COLOR = "vec4(nca_linear(nca_shown(nca_pixel)), 1.0)"
# Materials expect upright pictures with linear colors; the texture of colors stores them as sRGB.
MAIN = """
vec3 nca_linear(vec3 nca_c) {
  nca_c = clamp(nca_c, 0.0, 1.0);
  return mix(pow((nca_c + 0.055) / 1.055, vec3(2.4)), nca_c / 12.92,
             vec3(lessThanEqual(nca_c, vec3(0.04045))));
}

// Cells without a normal are flat.
vec3 nca_unit(vec3 nca_n) {
  return length(nca_n) > 0.00001 ? 0.5 * normalize(nca_n) + 0.5 : vec3(0.5, 0.5, 1.0);
}

void main() {
  vec2 nca_pixel = vec2(gl_FragCoord.x, nca_picture.y - gl_FragCoord.y);
  ivec2 nca_cell = ivec2(nca_pixel / nca_picture * vec2(nca_size));
"""


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make the module and the page."""
    rule = file.rule
    textures = _textures(rule)
    data = {
        "grid": options.grid or default_side(rule, PIXELS),
        "scale": rule.settings.pixels_per_cell,
        "seed": options.seed,
        "steps": free_steps(options),
        "groups": group_count(rule.settings.channels),
        "format": options.state,
        "code": state_code(rule.settings, options.state),
        "wraps": rule.settings.padding == "circular",
        "vertex": _without_version(vertex_shader("300 es")),
        "step": _passes(step_passes(rule, HOST, digits=options.digits)),
        "live": _passes(life_passes(rule, HOST)),
        "brush": _passes(paint_passes(rule, HOST)),
        "draw": _without_version(_drawing(rule, [value for _, value in textures], options.digits)),
        "textures": [names for names, _ in textures],
    }
    module = comment(credit_lines(name, file)) + f"{DATA}{json.dumps(data)};\n"
    return {
        MODULE: (module + template("hosts/threejs.js")).encode(),
        "example.html": template("hosts/threejs.html").encode(),
    }


def _textures(rule: Rule) -> list[tuple[list[str], str]]:
    """List the textures of a material: the names of the maps in each, and their values in GLSL."""
    scale, offset = number(rule.settings.rgb_scale), number(rule.settings.rgb_offset)
    fine = draws_maps(rule)

    def value(c: int) -> str:
        if fine:
            return drawn_value(c)
        return f"(nca_fetch({c // 4}, nca_cell)[{c % 4}] * {scale} + {offset})"

    values = {
        name: [value(c) for c in range(at.start, at.stop)]
        for name, at in map_channels(rule.settings.maps).items()
    }
    textures = [(["map"], "vec4(nca_linear(nca_drawn[0].rgb), 1.0)" if fine else COLOR)]
    if "normal" in values:
        vector = f"vec3({', '.join(values['normal'])})"
        textures.append((["normalMap"], f"vec4(nca_unit(2.0 * {vector} - 1.0), 1.0)"))
    names = [NAMES[name] for name in PACKED if name in values]
    if names:
        parts = (values.get(name, [number(missing)])[0] for name, missing in PACKED.items())
        textures.append((names, f"vec4({', '.join(parts)}, 1.0)"))
    if "height" in values:
        textures.append((["displacementMap"], f"vec4(vec3({values['height'][0]}), 1.0)"))
    return textures


def _drawing(rule: Rule, values: Sequence[str], digits: int) -> str:
    """Emit the shader that draws all textures, one per output."""
    settings, decoder, main = rule.settings, "", MAIN
    if draws_maps(rule):
        decoder = decoder_source(rule, details_source(rule, digits=digits))
        main += drawn_values(rule, "nca_pixel / nca_picture * vec2(nca_size)")
    elif rule.decoder:
        decoder = decoder_source(rule, digits=digits)
    text = colors_fragment(HOST, settings.channels, settings, decoder=decoder)
    text = text[: text.rindex("\nvoid")]
    text += "".join(f"layout(location = {i}) out vec4 nca_out{i};\n" for i in range(1, len(values)))
    lines = (f"  nca_out{i} = clamp({value}, 0.0, 1.0);\n" for i, value in enumerate(values))
    return f"{text}{main}{''.join(lines)}}}\n"


def _without_version(text: str) -> str:
    return text.removeprefix(VERSION)


def _passes(passes: list[Pass]) -> list[dict[str, object]]:
    return [{"fragment": _without_version(p.fragment), "groups": p.groups} for p in passes]


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the shaders in the order of the module, as GLSL version 330."""
    line = next(one for one in files[MODULE].decode().splitlines() if one.startswith(DATA))
    data = json.loads(line.removeprefix(DATA).rstrip(";"))
    passes = {
        kind: [("#version 330\n" + one["fragment"], one["groups"]) for one in data[kind]]
        for kind in ("step", "live")
    }
    machine = LayerMachine(context, data["groups"], state.shape, options.state)
    code = state_code(rule.settings, options.state)
    return machine.run(passes, state, frames * free_steps(options), seed=options.seed, code=code)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    verified="tested in Chromium with three.js 0.187",
    inline=True,
)
