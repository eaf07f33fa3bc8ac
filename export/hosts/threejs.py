"""Export a rule for three.js: an ES module with a class, and a page that shows it on a mesh."""

import json

from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.drawing import colors_fragment
from nca.exporters.glsl.fragments import (
    Capabilities,
    Pass,
    life_passes,
    paint_passes,
    step_passes,
    vertex_shader,
)
from nca.exporters.glsl.pieces import group_count, state_code
from nca.exporters.glsl.text import comment, credit_lines, template
from nca.exporters.parity.emulation import LayerMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.rule import Rule
from nca.rulefile import RuleFile

HOST = Capabilities("300 es", fields=True)
GRID = 256
VERSION = "#version 300 es\n"  # three.js writes this line itself
MODULE, DATA = "nca.js", "const NCA = "
# Materials expect upright pictures with linear colors; the texture stores them as sRGB.
COLORS = """
void main() {
  vec2 nca_at = vec2(gl_FragCoord.x, nca_picture.y - gl_FragCoord.y);
  vec3 nca_c = clamp(nca_shown(nca_at), 0.0, 1.0);
  vec3 nca_linear = mix(pow((nca_c + 0.055) / 1.055, vec3(2.4)), nca_c / 12.92,
                        vec3(lessThanEqual(nca_c, vec3(0.04045))));
  nca_out0 = vec4(nca_linear, 1.0);
}
"""


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """The module and the page."""
    rule = file.rule
    colors, _, _ = colors_fragment(HOST, rule.settings.channels, rule.settings).rpartition("\nvoid")
    data = {
        "grid": options.grid or GRID,
        "seed": options.seed,
        "steps": _steps(options),
        "groups": group_count(rule.settings.channels),
        "format": options.state,
        "code": state_code(rule.settings, options.state),
        "wraps": rule.settings.padding == "circular",
        "vertex": _without_version(vertex_shader("300 es")),
        "step": _passes(step_passes(rule, HOST, digits=options.digits)),
        "live": _passes(life_passes(rule, HOST)),
        "brush": _passes(paint_passes(rule, HOST)),
        "colors": _without_version(colors + COLORS),
    }
    module = comment(credit_lines(name, file)) + f"{DATA}{json.dumps(data)};\n"
    return {
        MODULE: (module + template("hosts/threejs.js")).encode(),
        "example.html": template("hosts/threejs.html").encode(),
    }


def _steps(options: ExportOptions) -> int:
    return options.steps_per_frame or 4


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
    return machine.run(passes, state, frames * _steps(options), seed=options.seed, code=code)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    frame_steps=lambda rule, options: _steps(options),
    verified="tested in Chromium with three.js 0.187",
    inline=True,
)
