"""Export a rule for glslViewer: one fragment shader with several double buffers.

Like Shadertoy, glslViewer draws the double buffers in order, and swaps each one right after drawing
it. So the same chain of passes works (see :mod:`nca.exporters.glsl.tiles`).
"""

from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.text import comment, credit_lines, file_name
from nca.exporters.glsl.tiles import (
    TilePass,
    arrange,
    brush_radius,
    chain,
    screen_for,
    small_grid,
    tile_source,
)
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.rule import Rule
from nca.rulefile import RuleFile


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make one ``.frag`` file."""
    rule = file.rule
    steps = free_steps(options)
    passes = chain(rule, steps)
    head = [
        *credit_lines(name, file),
        "",
        f"Run it with: glslViewer {file_name(name)}.frag",
        "Move the mouse to erase.",
        f"{steps} step{'s' if steps > 1 else ''} per frame. Tested in OpenGL, with the buffers in"
        " glslViewer's order, but not in glslViewer itself.",
    ]
    samplers = "".join(f"uniform sampler2D u_doubleBuffer{n};\n" for n in range(len(passes)))
    text = (
        f"#version 330\n{comment(head)}\nuniform vec2 u_resolution;\nuniform vec2 u_mouse;\n"
        f"uniform int u_frame;\n{samplers}\nout vec4 nca_out;\n"
        + tile_source(rule, arrange(rule, options.grid), options, steps, fills_screen=True)
        + _readers(rule, passes)
        + _main(passes, brush_radius(rule))
    )
    return {f"{file_name(name)}.frag": text.encode()}


def _branches(cases: list[str], otherwise: str) -> str:
    """Join one text per double buffer, which the macro that glslViewer defines for it selects."""
    text = ""
    for number, case in enumerate(cases):
        text += f"#{'el' if number else ''}if defined(DOUBLE_BUFFER_{number})\n{case}\n"
    return f"{text}#else\n{otherwise}\n#endif\n"


def _readers(rule: Rule, passes: list[TilePass]) -> str:
    def read(function: str, number: int | None) -> str:
        texel = f"texelFetch(u_doubleBuffer{number}, nca_texel, 0)"
        value = "vec4(0.0)" if number is None else texel
        return f"vec4 {function}(ivec2 nca_texel) {{ return {value}; }}"

    cases = [read("nca_before", one.reads) for one in passes]
    text = "\n" + _branches(cases, read("nca_before", len(passes) - 1))
    if rule.settings.alive_threshold is not None:
        text += "\n" + _branches(
            [read("nca_after", p.after) for p in passes], read("nca_after", None)
        )
    return text


def _main(passes: list[TilePass], radius: float) -> str:
    cases = []
    for one in passes:
        kind = "step" if one.after is None else "life"
        case = (
            f"  nca_begin(u_resolution, u_frame, {one.step});\n"
            f"  nca_out = nca_tile_{kind}(nca_texel);"
        )
        if one.last:
            case += f"""
  vec3 nca_brush = vec3(nca_place(u_mouse, u_resolution), {radius});
  // glslViewer reports no mouse buttons, so the mouse paints whenever it moves.
  vec4 nca_was = nca_before(nca_pointer_place());
  if (nca_was.w < 0.5 || distance(nca_brush.xy, nca_was.xy) < 0.5) nca_brush.z = 0.0;
  nca_out = nca_finish(nca_texel, nca_out, !nca_is_marked(), nca_brush, false);"""
        cases.append(case)
    view = (
        "  nca_begin(u_resolution, u_frame, 0);\n"
        "  nca_out = vec4(nca_view(gl_FragCoord.xy, u_resolution), 1.0);"
    )
    body = _branches(cases, view)
    return f"\nvoid main() {{\n  ivec2 nca_texel = ivec2(gl_FragCoord.xy);\n{body}}}\n"


def buffer_text(data: bytes, number: int | None) -> str:
    """Return the text that glslViewer compiles for a double buffer; None: for the screen."""
    version, _, rest = data.decode().partition("\n")
    return f"{version}\n" + ("" if number is None else f"#define DOUBLE_BUFFER_{number}\n") + rest


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Draw the double buffers in glslViewer's order, on the smallest screen for the state."""
    (data,) = files.values()
    passes = chain(rule, free_steps(options))
    tiles = arrange(rule, options.grid)
    height, width = state.shape[1:]
    screen = screen_for(rule, tiles, height, width)
    names = [f"u_doubleBuffer{number}" for number in range(len(passes))]
    machine = TileMachine(context, tiles, dict.fromkeys(names, screen))
    machine.write(names[-1], state)
    textures = {name: name for name in names}
    draws = [Draw(buffer_text(data, number), name, textures) for number, name in enumerate(names)]
    for frame in range(1, frames + 1):
        machine.frame(draws, {"u_resolution": screen, "u_frame": frame, "u_mouse": (0, 0)})
    return machine.read(names[-1], state.shape)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    verified="tested in OpenGL, with buffers in glslViewer's order; not in glslViewer itself",
    suffix=".frag",
    grid=small_grid,
    states=("rgba32f",),
    inline=True,
)
