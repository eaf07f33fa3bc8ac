"""Export a rule for shadertoy.com: Common, Buffers A to D and Image, and the site's own JSON.

Each buffer runs a whole step (see :mod:`nca.exporters.glsl.tiles`): A continues from D of the
previous frame, B from A, C from B, D from C. So each frame runs four steps.
"""

import json
from collections.abc import Sequence

from moderngl import Context
from torch import Tensor

from nca.errors import InputError
from nca.exporters.glsl.text import comment, credit_lines, one_line
from nca.exporters.glsl.tiles import (
    TilePass,
    Tiles,
    arrange,
    brush_radius,
    chain,
    screen_for,
    small_grid,
    tile_source,
)
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.rule import Rule
from nca.rulefile import RuleFile

LETTERS = "ABCD"
KEYBOARD_CHANNEL = 2


def frame_steps(rule: Rule, options: ExportOptions) -> int:
    """Return the steps per frame: four, or two if cells die, because a step then takes two passes.

    Raises:
        InputError: the four buffers cannot run so many steps.
    """
    most = 4 if rule.settings.alive_threshold is None else 2
    steps = options.steps_per_frame or most
    if steps > most:
        raise InputError(f"`steps_per_frame` {steps}: the four buffers can run at most {most}")
    return steps


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make the text of every tab, and the JSON that exporters and importers for the site use."""
    rule = file.rule
    steps = frame_steps(rule, options)
    passes = chain(rule, steps)
    tiles = arrange(rule, options.grid)
    tabs = {"Common": _common(name, file, tiles, options, steps)}
    for number, one in enumerate(passes):
        tabs[f"Buffer {LETTERS[number]}"] = _buffer(rule, number, one)
    tabs["Image"] = _image(rule, len(passes) - 1)
    texts = {f"{tab.lower().replace(' ', '_')}.glsl": text for tab, text in tabs.items()}
    site = json.dumps(_site_json(name, file, tabs, passes), indent=2)
    return {n: t.encode() for n, t in {**texts, "shadertoy.json": site}.items()}


def _common(name: str, file: RuleFile, tiles: Tiles, options: ExportOptions, steps: int) -> str:
    count = len(chain(file.rule, steps))
    tabs = ", ".join(f"Buffer {letter}" for letter in LETTERS[:count])
    head = [
        *credit_lines(name, file),
        "",
        f"On shadertoy.com: make a new shader, add the tabs Common, {tabs} (the + left of Image),",
        "paste each file into the tab with the same name, and set the channels listed at its top.",
        "Drag to erase. Shift and drag to plant. R restarts.",
        "",
        f"{steps} step{'s' if steps > 1 else ''} per frame. Tested in OpenGL, with the passes in"
        " the site's order, but not on the site itself.",
    ]
    return comment(head) + tile_source(file.rule, tiles, options, steps, fills_screen=True)


def _buffer(rule: Rule, number: int, one: TilePass) -> str:
    head = [f"Buffer {LETTERS[number]}"]
    head.append(f"iChannel0: Buffer {LETTERS[one.reads]}")
    if one.after is not None:
        head.append(f"iChannel1: Buffer {LETTERS[one.after]}")
    if one.last:
        head.append(f"iChannel{KEYBOARD_CHANNEL}: Keyboard")
    kind = "step" if one.after is None else "life"
    finish = f"""
  bool nca_restart = !nca_is_marked() || nca_key(82);
  float nca_radius = iMouse.z > 0.0 ? {brush_radius(rule)} : 0.0;
  vec3 nca_brush = vec3(nca_place(iMouse.xy, iResolution.xy), nca_radius);
  nca_result = nca_finish(ivec2(nca_pixel), nca_result, nca_restart, nca_brush, nca_key(16));"""
    key = f"""
bool nca_key(int nca_code) {{
  return texelFetch(iChannel{KEYBOARD_CHANNEL}, ivec2(nca_code, 0), 0).x > 0.5;
}}
"""
    return f"""{comment(head)}
{_readers(rule, one.after is not None)}{key if one.last else ""}
void mainImage(out vec4 nca_result, in vec2 nca_pixel) {{
  nca_begin(iResolution.xy, iFrame, {one.step});
  nca_result = nca_tile_{kind}(ivec2(nca_pixel));{finish if one.last else ""}
}}
"""


def _image(rule: Rule, last: int) -> str:
    return f"""{comment(["Image", f"iChannel0: Buffer {LETTERS[last]}"])}
{_readers(rule, False)}
void mainImage(out vec4 nca_result, in vec2 nca_pixel) {{
  nca_begin(iResolution.xy, iFrame, 0);
  nca_result = vec4(nca_view(nca_pixel, iResolution.xy), 1.0);
}}
"""


def _readers(rule: Rule, has_after: bool) -> str:
    text = "vec4 nca_before(ivec2 nca_texel) { return texelFetch(iChannel0, nca_texel, 0); }\n"
    if rule.settings.alive_threshold is not None:
        value = "texelFetch(iChannel1, nca_texel, 0)" if has_after else "vec4(0.0)"
        text += f"vec4 nca_after(ivec2 nca_texel) {{ return {value}; }}\n"
    return text


def _site_json(
    name: str, file: RuleFile, tabs: dict[str, str], passes: Sequence[TilePass]
) -> dict[str, object]:
    def buffer_input(channel: int, number: int) -> dict[str, object]:
        return _input(channel, 257 + number, f"/media/previz/buffer{number:02}.png", "buffer")

    inputs: dict[str, list[dict[str, object]]] = {"Common": []}
    for number, one in enumerate(passes):
        inputs[f"Buffer {LETTERS[number]}"] = channels = [buffer_input(0, one.reads)]
        if one.after is not None:
            channels.append(buffer_input(1, one.after))
        if one.last:
            channels.append(_input(KEYBOARD_CHANNEL, 33, "/presets/tex00.jpg", "keyboard"))
    inputs["Image"] = [buffer_input(0, len(passes) - 1)]
    renderpasses = []
    for tab, code in tabs.items():
        kind = tab.split()[0].lower()
        outputs = [{"id": 37, "channel": 0}] if kind == "image" else []
        if kind == "buffer":
            outputs = [{"id": 257 + LETTERS.index(tab[-1]), "channel": 0}]
        renderpasses.append(
            {"inputs": inputs[tab], "outputs": outputs, "code": code, "name": tab, "type": kind}
        )
    info = {
        "id": "",
        "date": "0",
        "viewed": 0,
        "name": one_line(name) or "Neural cellular automaton",
        "username": one_line(file.text("author")) or "nca-studio",
        "description": " ".join(credit_lines(name, file)),
        "likes": 0,
        "published": 0,
        "flags": 48,
        "tags": ["neural", "cellular", "automata", "texture"],
        "hasliked": 0,
    }
    return {"Shader": {"ver": "0.1", "info": info, "renderpass": renderpasses}}


def _input(channel: int, number: int, source: str, kind: str) -> dict[str, object]:
    sampler = {
        "filter": "nearest",
        "wrap": "clamp",
        "vflip": "true",
        "srgb": "false",
        "internal": "byte",
    }
    return {"id": number, "src": source, "ctype": kind, "channel": channel, "sampler": sampler}


HEAD = """#version 330
uniform vec3 iResolution;
uniform vec4 iMouse;
uniform int iFrame;
uniform sampler2D iChannel0;
uniform sampler2D iChannel1;
uniform sampler2D iChannel2;
out vec4 nca_out;
"""
TAIL = "\nvoid main() { mainImage(nca_out, gl_FragCoord.xy); }\n"


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the tabs in the site's order on the smallest screen for the state."""
    passes = chain(rule, frame_steps(rule, options))
    tiles = arrange(rule, options.grid)
    height, width = state.shape[1:]
    screen = screen_for(rule, tiles, height, width)
    sizes = {**dict.fromkeys(LETTERS[: len(passes)], screen), "keyboard": (256, 3)}
    machine = TileMachine(context, tiles, sizes)
    machine.write(LETTERS[len(passes) - 1], state)
    common = files["common.glsl"].decode()
    draws = []
    for letter, one in zip(LETTERS, passes, strict=False):
        code = files[f"buffer_{letter.lower()}.glsl"].decode()
        textures = {"iChannel0": LETTERS[one.reads], "iChannel2": "keyboard"}
        if one.after is not None:
            textures["iChannel1"] = LETTERS[one.after]
        draws.append(Draw(HEAD + common + code + TAIL, letter, textures))
    for frame in range(1, frames + 1):
        machine.frame(draws, {"iResolution": (*screen, 1.0), "iFrame": frame, "iMouse": (0,) * 4})
    return machine.read(LETTERS[len(passes) - 1], state.shape)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    frame_steps=frame_steps,
    verified="tested in OpenGL, with passes in the site's order; not on the site itself",
    grid=small_grid,
    longest=65_000,
    states=("rgba32f",),
    inline=True,
)
