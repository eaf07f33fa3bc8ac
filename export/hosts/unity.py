"""Export a rule for Unity: a shader for custom render textures, its HLSL, and a script.

A custom render texture with double buffering has one image, which each pass reads and draws
(https://docs.unity3d.com/Manual/class-CustomRenderTexture.html). So the groups of the state are
tiles of the image.
"""

from dataclasses import replace

import jinja2

import nca
from nca.exporters.glsl.hlsl import to_hlsl
from nca.exporters.glsl.ping_pong import passes_per_step, ping_pong_source, ping_pong_tiles
from nca.exporters.glsl.text import comment, credit_lines, file_name, template
from nca.exporters.glsl.tiles import brush_radius, default_side
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.rulefile import RuleFile

PIXELS, MAX_PIXELS = 512, 4096  # side of the picture
NOTE = "Tested as OpenGL shaders, not in Unity itself."
SCRIPT = "NcaTexture.cs"


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make ``NAME.shader``, ``NAME.hlsl`` and ``NcaTexture.cs``."""
    rule, stem = file.rule, file_name(name)
    credit = [*credit_lines(name, file), NOTE]
    free = replace(options, grid=None)  # the script sets the number of cells
    tiles = ping_pong_tiles(rule, free)
    side = options.grid or default_side(rule, PIXELS)
    hlsl = to_hlsl(ping_pong_source(rule, free, "uint(_Seed)"))
    values = {
        "credit": credit,
        "name": stem,
        "include": f"{stem}.hlsl",
        "columns": tiles.columns,
        "rows": tiles.rows,
        "passes": passes_per_step(rule),
        "seed": options.seed if options.seed < 2**31 else options.seed - 2**32,
        "side": side,
        "pixels": min(side * rule.settings.pixels_per_cell, MAX_PIXELS) if rule.decoder else PIXELS,
        "radius": f"{brush_radius(rule):g}",
        "steps": free_steps(options),
        "version": nca.__version__,
    }
    texts = {
        f"{stem}.shader": _render("unity.shader", values),
        f"{stem}.hlsl": f"{comment(credit)}\nint _Seed;\n{hlsl}\n{template('hosts/unity.hlsl')}",
        SCRIPT: _render("unity.cs", values),
    }
    return {path: text.encode() for path, text in texts.items()}


def _render(path: str, values: dict[str, object]) -> str:
    environment = jinja2.Environment(autoescape=False, keep_trailing_newline=True)
    return environment.from_string(template(f"hosts/{path}")).render(values)


TARGET = RuleTarget(
    build_rule=build,
    verified="its HLSL is tested in OpenGL; not in Unity itself",
    states=("rgba32f",),
    inline=True,
)
