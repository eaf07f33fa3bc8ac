"""Export a rule for ComfyUI: a fragment shader for its GLSL Shader node, and a workflow.

The node draws one shader several times (``#pragma passes``). Each pass reads the result of the
previous one as ``u_image0``, and only the last pass may have several outputs
(https://docs.comfy.org/built-in-nodes/GLSLShader). So the groups of the state are tiles of one
image, each pass is a step, and the last one draws the picture.
"""

import json
import re

from moderngl import Context
from torch import Tensor

from nca.errors import InputError
from nca.exporters.glsl.ping_pong import (
    passes_per_step,
    ping_pong_grid,
    ping_pong_source,
    ping_pong_tiles,
)
from nca.exporters.glsl.text import comment, credit_lines, file_name
from nca.exporters.glsl.tiles import screen_for
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.rule import Rule
from nca.rulefile import RuleFile

SIDE = 512  # side of the workflow's picture, in pixels
STEPS = 600  # number of steps in one run of the node
IMAGE = "u_image0"

MAIN = """
vec4 nca_read(ivec2 nca_texel) { return texelFetch(u_image0, nca_texel, 0); }

void main() {
  ivec2 nca_texel = ivec2(gl_FragCoord.xy);
  nca_prepare(u_resolution);
  fragColor1 = nca_read(nca_texel);  // kept only after the last pass
  if (u_pass == 0) {
    // Continue from a state of this size; any other image starts a new one.
    bool nca_continues = textureSize(u_image0, 0) == ivec2(u_resolution) && nca_is_marked();
    fragColor0 = nca_continues ? nca_read(nca_texel) : nca_initial(nca_texel);
  } else if (u_pass == nca_passes - 1) {
    vec2 nca_point = gl_FragCoord.xy / u_resolution;
    fragColor0 = vec4(nca_smooth(vec2(nca_point.x, 1.0 - nca_point.y) * vec2(nca_size)), 1.0);
  } else {
    fragColor0 = nca_advance(nca_texel);
  }
}
"""


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make ``NAME.frag``, to paste into the node, and ``workflow.json``, to drop on ComfyUI.

    Raises:
        InputError: steps per frame are given, or the seed is too large for the node.
    """
    if options.steps_per_frame is not None:
        raise InputError(
            f"`steps_per_frame` {options.steps_per_frame}: comfyui runs all {STEPS} steps at once;"
            " change the number of passes in the shader"
        )
    if options.seed >= 2**31:
        raise InputError(f"`seed` {options.seed}: comfyui needs a number below {2**31}")
    text = shader(name, file, options)
    flow = workflow(file_name(name), text, options.seed)
    return {
        f"{file_name(name)}.frag": text.encode(),
        "workflow.json": json.dumps(flow, indent=2).encode(),
    }


def shader(name: str, file: RuleFile, options: ExportOptions) -> str:
    """Make the fragment shader, in GLSL ES 3.00."""
    rule = file.rule
    each = passes_per_step(rule)
    passes = STEPS * each + 2
    head = [
        *credit_lines(name, file),
        "",
        "For ComfyUI's GLSL Shader node. IMAGE0 is the picture, and u_int0 is the random seed.",
        "IMAGE1 is the state. Connect it to image0 of a node of the same size to continue there.",
        "Any other image in image0 is ignored.",
        "The first pass prepares the state, and the last one draws the picture. Between them, each"
        f" step takes {'two passes' if each == 2 else 'one pass'}.",
    ]
    return (
        f"#version 300 es\n{comment(head)}\n#pragma passes {passes}\n"
        f"const int nca_passes = {passes};  // the same number\n"
        "precision highp float;\nprecision highp int;\nprecision highp sampler2D;\n"
        f"uniform sampler2D {IMAGE};\nuniform vec2 u_resolution;\nuniform int u_pass;\n"
        "uniform int u_int0;\nlayout(location = 0) out vec4 fragColor0;\n"
        "layout(location = 1) out vec4 fragColor1;\n"
        + ping_pong_source(rule, options, "uint(u_int0)", fills_screen=True)
        + MAIN
    )


def workflow(name: str, text: str, seed: int) -> dict[str, object]:
    """Make a workflow in ComfyUI's API format, which draws a picture and saves it."""
    empty = {"width": SIDE, "height": SIDE, "batch_size": 1, "color": 0}
    draw = {
        "fragment_shader": text,
        "size_mode": "from_input",
        "images.image0": ["1", 0],
        "ints.u_int0": seed,
    }
    save = {"images": ["2", 0], "filename_prefix": name}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "GLSLShader", "inputs": draw},
        "3": {"class_type": "SaveImage", "inputs": save},
    }


def desktop_text(data: bytes) -> str:
    """Convert a shader to GLSL 330 without precision qualifiers, as the node does."""
    text = re.sub(r"precision \w+ \w+;\n", "", data.decode())
    return text.replace("#version 300 es", "#version 330 core", 1)


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Draw the first passes in the node's order, from an image that contains the state."""
    (text,) = (desktop_text(data) for path, data in files.items() if path.endswith(".frag"))
    tiles = ping_pong_tiles(rule, options)
    height, width = state.shape[1:]
    size = screen_for(rule, tiles, height, width)
    machine = TileMachine(context, tiles, {IMAGE: size})
    machine.write(IMAGE, state)
    passes = frames * passes_per_step(rule) + 1
    draws = [Draw(text, IMAGE, {IMAGE: IMAGE}, {"u_pass": number}) for number in range(passes)]
    machine.frame(draws, {"u_resolution": size, "u_int0": options.seed})
    return machine.read(IMAGE, state.shape)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    frame_steps=lambda rule, options: 1,
    grid=ping_pong_grid,
    verified="tested in OpenGL, pass by pass; not in ComfyUI itself",
    states=("rgba32f",),
    inline=True,
)
