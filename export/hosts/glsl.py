"""Export a rule as plain GLSL (330 for desktop, 300 es for WebGL 2), with a manifest."""

import json
from typing import Any

import numpy as np
from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.decoder import decoder_source
from nca.exporters.glsl.drawing import colors_fragment, screen_fragment
from nca.exporters.glsl.fragments import (
    Capabilities,
    Dialect,
    Pass,
    life_passes,
    paint_passes,
    step_passes,
    vertex_shader,
)
from nca.exporters.glsl.pieces import state_code
from nca.exporters.glsl.text import comment, credit_lines
from nca.exporters.glsl.weights import TEXTURE_WIDTH, Store, choose_store
from nca.exporters.manifest import WEIGHT_FILE, describe, to_json, weight_bytes
from nca.exporters.parity.emulation import LayerMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.rule import Rule
from nca.rulefile import RuleFile

FOLDERS: dict[Dialect, str] = {"330": "330", "300 es": "300es"}
VERTEX = "fullscreen.vert"

UNIFORMS = {
    "nca_size": ["ivec2", "cells across and down; also the viewport size of step, live and brush"],
    "nca_code": ["vec2", "scale and offset for decoding a texel (see state.value)"],
    "nca_base": ["uint", "step: hash(step number + hash(seed)) (see fires.base)"],
    "nca_state0, 1 ...": ["sampler2D", "textures of the state before the step, one per group"],
    "nca_after0, 1 ...": ["sampler2D", "live: textures that the step shaders drew"],
    "nca_weights": ["sampler2D", "step, if weights.store is 'texture': weights.file as rgba32f"],
    "nca_fields": [
        "sampler2D",
        "step, if NCA_FIELDS is defined: the texture described by fields",
    ],
    "nca_tool": ["int", "brush: 0 erase, 1 plant, 2 noise, 3 the initial state"],
    "nca_stroke": ["vec4", "brush: x, y of the start, x, y of the end, in cells; y grows downward"],
    "nca_radius": ["float", "brush: radius in cells; a negative radius paints everywhere"],
    "nca_number": ["uint", "brush: random seed of the noise"],
    "nca_wraps": ["bool", "brush and screen: whether the state wraps (see state.tiles)"],
    "nca_picture": ["vec2", "colors: size of the texture that the shader draws into"],
    "nca_colors_of_cells": ["sampler2D", "screen: the texture that the colors shader drew"],
    "nca_cells": ["vec2", "screen: size of the state"],
    "nca_camera": ["vec3", "screen: cell at the upper left corner, cells per pixel"],
    "nca_height": ["float", "screen: height of the image in pixels"],
    "nca_smooth": ["int", "screen: 0 square cells, 1 blended cells, 2 blended with sharper edges"],
    "nca_borders": ["float", "screen: strength of lines between tiles, 0 to 1"],
    "nca_transparent": ["bool", "screen: whether the area outside the state is transparent"],
    "nca_ring": ["vec4", "screen: circle of the brush (x, y, radius in cells; strength, 0 to 1)"],
}
ORDER = [
    "Make three sets of textures (state, after, spare), each with one texture per group. Read them"
    " with nearest sampling, without mipmaps.",
    "Start: run the brush shaders on state, with nca_tool 3, nca_radius -1, nca_number = seed.",
    "Step: run every step shader, which draws into the textures of its groups in after.",
    "If there are live shaders, run them to draw into spare, and swap state with spare. Otherwise,"
    " swap state with after.",
    "Show: run the colors shader to draw into an 8-bit texture as large as the state (linear"
    " sampling, mipmaps), then run the screen shader. Every draw call has three vertices and no"
    " buffers.",
]
FIELDS = {
    "macro": "NCA_FIELDS; define it below the #version line of the step shaders, so that they read"
    " nca_fields",
    "texture": "rgba8, one texel per cell, nearest sampling; neutral values are 0, 128, 128, 128",
    "r": "direction: the texture is turned by 2 pi r / 256, clockwise",
    "g": "size: let n = g - 128 and f = 1 + 3 |n| / 127; the pattern is f times as large if n >= 0,"
    " otherwise 1 / f times as large",
    "b": "pace: the change in each step is multiplied by b / 128",
    "a": "share: the probability that the cell fires is multiplied by a / 128, up to 1",
}
DECODED = (
    "This rule has a decoder: the colors shader can draw into a texture of any size, which is"
    " passed as nca_picture. A good size is rule.decoder.scale pixels per cell."
)


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make the shaders in both GLSL versions, the manifest and, if needed, a weight file."""
    rule = file.rule
    store = choose_store(rule, options.weights)
    head = comment(credit_lines(name, file))
    files: dict[str, bytes] = {}
    shaders: dict[str, Any] = {}
    for dialect, folder in FOLDERS.items():
        texts, entry = _dialect(rule, dialect, store, options, folder)
        shaders[dialect] = entry
        # The comment goes below #version, which must be the first line.
        files |= {path: _headed(text, head).encode() for path, text in texts.items()}
    host = {
        "steps_per_frame": _steps(options),
        "shaders": shaders,
        "order": ORDER,
        "fields": FIELDS,
        **({"decoder": DECODED} if rule.decoder else {}),
        "uniforms": {key: {"type": kind, "is": what} for key, (kind, what) in UNIFORMS.items()},
    }
    files["manifest.json"] = to_json(describe(name, file, options, store, host))
    if store == "texture":
        files[WEIGHT_FILE] = weight_bytes(rule)
    return files


def _steps(options: ExportOptions) -> int:
    """Return the steps per frame that the manifest suggests; a program may choose other numbers."""
    return options.steps_per_frame or 8


def _headed(text: str, head: str) -> str:
    version, _, rest = text.partition("\n")
    return f"{version}\n{head}{rest}"


def _dialect(
    rule: Rule, dialect: Dialect, store: Store, options: ExportOptions, folder: str
) -> tuple[dict[str, str], dict[str, Any]]:
    host = Capabilities(dialect, fields=True)
    kinds: dict[str, list[Pass]] = {
        "step": step_passes(rule, host, store, digits=options.digits),
        "live": life_passes(rule, host),
        "brush": paint_passes(rule, host),
    }
    texts = {f"{folder}/{VERTEX}": vertex_shader(dialect)}
    entry: dict[str, Any] = {"vertex": f"{folder}/{VERTEX}"}
    for kind, passes in kinds.items():
        entry[kind] = []
        for number, one in enumerate(passes):
            path = f"{folder}/{kind}{number if len(passes) > 1 else ''}.frag"
            texts[path] = one.fragment
            entry[kind].append({"file": path, "groups": list(one.groups)})
    views = {
        "colors": colors_fragment(
            host,
            rule.settings.channels,
            rule.settings,
            decoder=decoder_source(rule, digits=options.digits) if rule.decoder else "",
        ),
        "screen": screen_fragment(host),
    }
    for kind, text in views.items():
        texts[f"{folder}/{kind}.frag"] = text
        entry[kind] = [{"file": f"{folder}/{kind}.frag", "groups": []}]
    return texts, entry


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the shaders of version 330 in the order that the manifest describes."""
    manifest = json.loads(files["manifest.json"])
    shaders = manifest["shaders"]["330"]
    machine = LayerMachine(context, manifest["state"]["groups"], state.shape, options.state)
    if manifest["weights"]["store"] == "texture":
        packed = np.frombuffer(files[WEIGHT_FILE], "<f4").reshape(-1, TEXTURE_WIDTH, 4)
        machine.add_weights("nca_weights", packed)
    passes = {
        kind: [(files[one["file"]].decode(), one["groups"]) for one in shaders[kind]]
        for kind in ("step", "live")
    }
    code = state_code(rule.settings, options.state)
    return machine.run(passes, state, frames * _steps(options), seed=options.seed, code=code)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    frame_steps=lambda rule, options: _steps(options),
    verified="tested in OpenGL",
)
