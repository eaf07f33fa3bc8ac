"""Export a rule as plain GLSL with a manifest: version 330 for desktop, 300 es for WebGL 2."""

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
    "nca_size": ["ivec2", "cells across and down; also the viewport of step, live and brush"],
    "nca_code": ["vec2", "scale and offset of a texel, see state.value"],
    "nca_base": ["uint", "step: hash(step + hash(seed)), see fires"],
    "nca_state0, 1 ...": ["sampler2D", "textures of the state before the step, one per group"],
    "nca_after0, 1 ...": ["sampler2D", "live: textures that the step shaders drew"],
    "nca_weights": ["sampler2D", "step, if weights.store is texture: weights.file, rgba32f"],
    "nca_fields": ["sampler2D", "step, if NCA_FIELDS is defined: a texture, see fields"],
    "nca_tool": ["int", "brush: 0 erase, 1 plant, 2 noise, 3 the initial state"],
    "nca_stroke": ["vec4", "brush: from x, y to x, y in cells, y down"],
    "nca_radius": ["float", "brush: in cells; below 0: everywhere"],
    "nca_number": ["uint", "brush: random seed of the noise"],
    "nca_wraps": ["bool", "brush and screen: the state wraps, see state.tiles"],
    "nca_picture": ["vec2", "colors: size of the texture drawn into"],
    "nca_colors_of_cells": ["sampler2D", "screen: the texture that the colors shader drew"],
    "nca_cells": ["vec2", "screen: size of the state"],
    "nca_camera": ["vec3", "screen: cell at the upper left corner, cells per pixel"],
    "nca_height": ["float", "screen: height of the image in pixels"],
    "nca_smooth": ["int", "screen: 0 squares, 1 blend between cells, 2 blend and stay sharp"],
    "nca_borders": ["float", "screen: strength of lines between tiles"],
    "nca_transparent": ["bool", "screen: draw nothing beyond a state that does not wrap"],
    "nca_ring": ["vec4", "screen: circle at x, y with a radius, in cells, and its strength"],
}
ORDER = [
    "Make three sets of textures (state, after, spare), each with one texture per group. Read them"
    " with nearest sampling, without mipmaps.",
    "Start: draw the brush shaders into state with nca_tool 3, nca_radius -1, nca_number = seed.",
    "Step: draw every step shader into the textures of its groups in after.",
    "If there are live shaders, draw them into spare and swap state with spare; otherwise, swap"
    " state with after.",
    "Show: draw the colors shader into an 8-bit texture as large as the state (linear sampling,"
    " mipmaps), then draw the screen shader. Every draw call has three vertices and no buffers.",
]
FIELDS = {
    "macro": "NCA_FIELDS: define it below #version of the step shaders to read nca_fields",
    "texture": "rgba8, one texel per cell, nearest sampling; neutral: 0, 128, 128, 128",
    "r": "direction: the texture is turned by 2 pi r / 256, clockwise",
    "g": "size: with n = g - 128, the pattern is 1 + 3 n / 127 times as large if n is 0 or more,"
    " otherwise 1 - 3 n / 127 times as small",
    "b": "pace: a step is b / 128 times as long",
    "a": "fraction of cells that fire: a / 128 times as many, up to all of them",
}
DECODED = (
    "This rule has a decoder: the colors shader may draw into a texture of any size, nca_picture,"
    " such as the given number of pixels per cell."
)


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make the shaders of both GLSL versions, the manifest, and a file of weights if needed."""
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
    """Steps per frame that the manifest suggests; a program may choose another number."""
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
