"""Export a rule as an ISF file (Interactive Shader Format 2), a generator for VJ programs.

Each step is one pass; passes draw alternately into two persistent buffers. A last pass shows the
state. The groups of the state are tiles of one buffer, because an ISF pass has only one target.
"""

import json

from moderngl import Context
from torch import Tensor

from nca.errors import InputError
from nca.exporters.glsl.pieces import state_code
from nca.exporters.glsl.text import credit_lines, file_name, one_line
from nca.exporters.glsl.tiles import Tiles, arrange, default_side, tile_source
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.rule import Rule
from nca.rulefile import RuleFile

# Buffers: the state is drawn into the first two in turn; the third has the step before cells die.
STATE, OTHER, STEPPED = "nca_state", "nca_other", "nca_stepped"
# Buffers have a fixed size, independent of the screen.
ROOM = (2048, 2048)
PIXELS = 1024  # side of a grid that a decoder draws, by default
NEEDS_INTEGERS = """
#if __VERSION__ < 130
#error "This automaton needs a host with GLSL 1.30 or GLSL ES 3.00: it counts in integers."
#endif
"""


def frame_steps(rule: Rule, options: ExportOptions) -> int:
    """Return the steps per frame, four by default; one or an even number is possible.

    Raises:
        InputError: the number is odd and above one, so it does not fit two alternating buffers.
    """
    steps = options.steps_per_frame or 4
    if steps > 1 and steps % 2:
        raise InputError(f"`steps_per_frame` {steps}: isf can run 1 or an even number of steps")
    return steps


def buffer_tiles(rule: Rule, options: ExportOptions) -> Tiles:
    """Lay out the tiles in a buffer."""
    side = default_side(rule, PIXELS) if rule.decoder else None
    return arrange(rule, options.grid or side, ROOM)


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make one ``.fs`` file."""
    steps = frame_steps(file.rule, options)
    tiles = buffer_tiles(file.rule, options)
    header = json.dumps(_header(name, file, options, tiles, steps), indent=2)
    # These characters occur only in strings of the JSON, where an escaped slash means the same.
    header = header.replace("*/", "*\\/")
    shader = NEEDS_INTEGERS + tile_source(file.rule, tiles, options, steps)
    text = f"/*{header}*/\n{shader}{_main(file.rule, tiles, steps)}"
    return {f"{file_name(name)}.fs": text.encode()}


def _targets(rule: Rule, steps: int) -> list[str]:
    """List the buffers that the passes draw into, except for the last pass."""
    dies = rule.settings.alive_threshold is not None
    targets = []
    for step in range(steps):
        if dies:
            targets.append(STEPPED)
        targets.append(OTHER if steps > 1 and step % 2 == 0 else STATE)
    return targets


def _header(
    name: str, file: RuleFile, options: ExportOptions, tiles: Tiles, steps: int
) -> dict[str, object]:
    width, height = tiles.texture_size
    passes: list[dict[str, object]] = [
        {
            "TARGET": target,
            "PERSISTENT": True,
            "FLOAT": options.state == "rgba32f",
            "WIDTH": str(width),
            "HEIGHT": str(height),
        }
        for target in _targets(file.rule, steps)
    ]
    untested = "Tested in OpenGL, pass by pass, but not in a VJ program."
    return {
        "ISFVSN": "2",
        "DESCRIPTION": " ".join([*credit_lines(name, file), untested]),
        "CREDIT": one_line(file.text("author")) or "nca-studio",
        "CATEGORIES": ["Generator"],
        "INPUTS": [
            {"NAME": "nca_restart", "LABEL": "Restart", "TYPE": "event"},
            _slider("nca_brush_x", "Eraser, across", 0.5, 1.0),
            _slider("nca_brush_y", "Eraser, up", 0.5, 1.0),
            _slider("nca_brush_size", "Eraser, size", 0.0, 0.5),
            {"NAME": "nca_plants", "LABEL": "Eraser plants", "TYPE": "bool", "DEFAULT": False},
        ],
        "PASSES": [*passes, {}],
    }


def _slider(name: str, label: str, default: float, most: float) -> dict[str, object]:
    sizes = {"DEFAULT": default, "MIN": 0.0, "MAX": most}
    return {"NAME": name, "LABEL": label, "TYPE": "float", **sizes}


def _main(rule: Rule, tiles: Tiles, steps: int) -> str:
    dies = rule.settings.alive_threshold is not None
    passes = len(_targets(rule, steps))
    size = f"vec2({float(tiles.texture_size[0])}, {float(tiles.texture_size[1])})"
    turn = ""
    if steps > 1:
        which = "(PASSINDEX / 2) % 2" if dies else "PASSINDEX % 2"
        turn = f"  if ({which} == 1) return IMG_PIXEL({OTHER}, vec2(nca_texel) + 0.5);\n"
    text = (
        f"\nvec4 nca_before(ivec2 nca_texel) {{\n{turn}"
        f"  return IMG_PIXEL({STATE}, vec2(nca_texel) + 0.5);\n}}\n"
    )
    compute = "vec4 nca_value = nca_tile_step(nca_texel);"
    if dies:
        text += (
            f"\nvec4 nca_after(ivec2 nca_texel) {{\n"
            f"  return IMG_PIXEL({STEPPED}, vec2(nca_texel) + 0.5);\n}}\n"
        )
        compute = (
            "vec4 nca_value;\n"
            "  if (PASSINDEX % 2 == 1) nca_value = nca_tile_life(nca_texel);\n"
            "  else nca_value = nca_tile_step(nca_texel);"
        )
    return (
        text
        + f"""
void main() {{
  ivec2 nca_texel = ivec2(gl_FragCoord.xy);
  nca_begin({size}, FRAMEINDEX, PASSINDEX / {2 if dies else 1});
  if (PASSINDEX == {passes}) {{
    gl_FragColor = vec4(nca_view(gl_FragCoord.xy, RENDERSIZE), 1.0);
    return;
  }}
  {compute}
  if (PASSINDEX == {passes - 1}) {{
    vec2 nca_center = vec2(nca_brush_x, 1.0 - nca_brush_y) * vec2(nca_size);
    vec3 nca_brush = vec3(nca_center, nca_brush_size * float(nca_side));
    bool nca_again = nca_restart || !nca_is_marked();
    nca_value = nca_finish(nca_texel, nca_value, nca_again, nca_brush, nca_plants);
  }}
  gl_FragColor = nca_value;
}}
"""
    )


HEAD = """#version 330
uniform int PASSINDEX;
uniform int FRAMEINDEX;
uniform vec2 RENDERSIZE;
uniform bool nca_restart;
uniform bool nca_plants;
uniform float nca_brush_x;
uniform float nca_brush_y;
uniform float nca_brush_size;
uniform sampler2D nca_state;
uniform sampler2D nca_other;
uniform sampler2D nca_stepped;
#define IMG_PIXEL(nca_i, nca_p) texture(nca_i, (nca_p) / vec2(textureSize(nca_i, 0)))
#define gl_FragColor nca_out
out vec4 nca_out;
"""


def shader_text(data: bytes) -> str:
    """Return the GLSL of an ISF file, preceded by the text that a program adds."""
    return HEAD + data.decode().partition("*/")[2]


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Draw the passes of the file in order."""
    (data,) = files.values()
    passes = json.loads(data.decode().partition("*/")[0][2:])["PASSES"][:-1]
    tiles = buffer_tiles(rule, options)
    code = state_code(rule.settings, options.state)
    sizes = {one["TARGET"]: (int(one["WIDTH"]), int(one["HEIGHT"])) for one in passes}
    dtype = "f4" if passes[0]["FLOAT"] else "f1"
    machine = TileMachine(context, tiles, sizes, dtype=dtype)
    machine.write(STATE, state, code)
    names = {name: name for name in sizes}
    draws = [
        Draw(shader_text(data), one["TARGET"], names, {"PASSINDEX": number})
        for number, one in enumerate(passes)
    ]
    for frame in range(1, frames + 1):
        machine.frame(draws, {"FRAMEINDEX": frame})
    return machine.read(STATE, state.shape, code)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    frame_steps=frame_steps,
    verified="tested in OpenGL, pass by pass; not in a VJ program",
    suffix=".fs",
    grid=lambda rule, options: (buffer_tiles(rule, options).side,) * 2,
    states=("rgba32f", "rgba8"),
    inline=True,
)
