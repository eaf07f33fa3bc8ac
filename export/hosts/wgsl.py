"""Export a rule for WebGPU: a WGSL module, a manifest, a script that runs them, and a page."""

from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.pieces import state_code
from nca.exporters.glsl.text import comment, credit_lines, template
from nca.exporters.glsl.tiles import default_side
from nca.exporters.glsl.weights import Store, choose_decoder_store, choose_store
from nca.exporters.hosts.glsl import FIELDS
from nca.exporters.manifest import WEIGHT_FILE, describe, to_json, weight_bytes
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.exporters.wgsl.device import Runner
from nca.exporters.wgsl.module import FIELDS_MODULE, FORMATS, MODULE, module
from nca.exporters.wgsl.textures import describe_textures
from nca.rule import Rule
from nca.rulefile import RuleFile

PIXELS = 1024  # side of the picture of a decoder, if no grid size is given
ORDER = [
    "Make two texture arrays (three if there is nca_live), one layer per group, with the usages"
    " texture-binding and storage-binding; and a uniform buffer of 48 bytes, the struct NcaFrame.",
    "Start: dispatch nca_paint with tool 3 and radius -1 from the first array into the second.",
    "Step: dispatch nca_step from one array into another; if there is nca_live, dispatch it into"
    " the third, with the state before the step as nca_state and the result of nca_step as"
    " nca_after.",
    "Dispatch workgroups of 8 x 8: ceil(width / 8), ceil(height / 8), 1.",
    "Show: draw three vertices with nca_vertex and nca_fragment into a target of any size.",
    "Textures for a renderer: draw three vertices with nca_vertex and nca_textures. Its outputs are"
    " the entries of textures, in their order; drawn_as is the format of the views to draw into."
    " Cells per pixel: 1 / pixels_per_cell. Mipmaps: draw nca_half into each level.",
]
BINDINGS = {
    "0": "uniform NcaFrame",
    "1": "nca_state: texture_2d_array, the state before the step",
    "2": "nca_next: storage texture array, written",
    "3": "nca_weights: read-only storage buffer, if weights.store is texture (nca_step, and if the"
    " rule has a decoder, nca_fragment and nca_textures)",
    "4": "nca_after: texture_2d_array, the result of nca_step (nca_live)",
    "5": "nca_fields: texture_2d, fields of the cells (nca_step in nca_fields.wgsl)",
    "6": "nca_finer: texture_2d, the finer level of a mipmap (nca_half)",
}


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """Make ``nca.wgsl``, ``nca.js`` to run it on a canvas, ``manifest.json``, and any weights.

    ``nca_fields.wgsl`` is the same module, but also reads a texture of fields. For a material,
    ``example.html`` is a page that lights the material.
    """
    rule = file.rule
    store = _choose_store(rule, options)
    head = comment(
        [
            *credit_lines(name, file),
            "",
            "WebGPU. The tests of nca run it through wgpu and in Chromium.",
        ]
    )
    dies = rule.settings.alive_threshold is not None
    host = {
        "steps_per_frame": free_steps(options),
        "shader": MODULE,
        "shader_with_fields": FIELDS_MODULE,
        "fields": {key: FIELDS[key] for key in ("texture", "r", "g", "b", "a")},
        "entry_points": ["nca_step", *(["nca_live"] if dies else []), "nca_paint"],
        "texture_format": FORMATS[options.state],
        "grid": options.grid or default_side(rule, PIXELS),
        "pixels_per_cell": rule.settings.pixels_per_cell,
        "textures": describe_textures(rule),
        "bindings": BINDINGS,
        "order": ORDER,
    }
    files = {
        MODULE: (head + module(rule, options, store)).encode(),
        FIELDS_MODULE: (head + module(rule, options, store, fields=True)).encode(),
        "nca.js": (head + template("hosts/webgpu.js")).encode(),
        "manifest.json": to_json(describe(name, file, options, store, host)),
    }
    if rule.settings.maps:
        files["example.html"] = template("hosts/webgpu.html").encode()
    if store == "texture":
        files[WEIGHT_FILE] = weight_bytes(rule)
    return files


def _choose_store(rule: Rule, options: ExportOptions) -> Store:
    """Choose where to store all weights; if the step or the decoder has many, it is the buffer."""
    stores = [choose_store(rule, options.weights)]
    if rule.decoder is not None:
        stores.append(choose_decoder_store(rule, options.weights))
    return "texture" if "texture" in stores else "inline"


def run(
    files: Files, rule: Rule, options: ExportOptions, state: Tensor, frames: int, context: Context
) -> Tensor:
    """Run the compute shaders with wgpu, in the order of the manifest.

    Raises:
        NotMeasuredError: wgpu is not installed or finds no device.
    """
    del context
    return run_with_fields(files, rule, options, state, frames, None)


def run_with_fields(
    files: Files,
    rule: Rule,
    options: ExportOptions,
    state: Tensor,
    frames: int,
    fields: Tensor | None,
) -> Tensor:
    """Run the shaders as :func:`run` does, with a texture of fields, [H, W, 4] uint8, if given."""
    code = state_code(rule.settings, options.state)
    runner = Runner(files, state, code, fields)
    return runner.steps(frames * free_steps(options), options.seed)


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    verified="tested with wgpu and in Chromium",
)
