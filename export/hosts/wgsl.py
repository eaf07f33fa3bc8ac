"""Export a rule for WebGPU: a WGSL module with compute and view entry points, manifest and script.

The computations are translated from the output of the GLSL emitter.
"""

import functools
import importlib
import json
import logging
import re
from typing import Any

import numpy as np
import torch
from moderngl import Context
from torch import Tensor

from nca.exporters.glsl.emitter import step_source
from nca.exporters.glsl.fields import CHANCE
from nca.exporters.glsl.pieces import group_count, number, on_grid, only_used_channels, state_code
from nca.exporters.glsl.text import comment, credit_lines, template
from nca.exporters.glsl.weights import Store, choose_store
from nca.exporters.hosts.glsl import FIELDS
from nca.exporters.manifest import WEIGHT_FILE, describe, to_json, weight_bytes
from nca.exporters.parity.compare import NotMeasuredError
from nca.exporters.parity.emulation import DTYPES, loaded, stored
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget, free_steps
from nca.gl.buffers import from_texels, to_texels
from nca.rng import fire_threshold, step_base
from nca.rule import Rule
from nca.rule_settings import Padding
from nca.rulefile import RuleFile

FIELDS_MODULE = "nca_fields.wgsl"
FORMATS = {"rgba32f": "rgba32float", "rgba16f": "rgba16float", "rgba8": "rgba8unorm"}
PADDINGS: dict[Padding, str] = {
    "circular": "(c + nca_frame.size) % nca_frame.size",
    "reflect": "nca_frame.size - 1 - abs(nca_frame.size - 1 - abs(c))",
    "replicate": "clamp(c, vec2i(0), nca_frame.size - 1)",
    "zeros": "c",
}
SPELLING = (
    (r"\bvec4\(", "vec4f("),
    (r"\bmat4\(", "mat4x4f("),
    (r"\bivec2\(", "vec2i("),
    (r"^(\s*)ivec2 (\w+) = (.*), (\w+) = (.*);$", r"\1let \2 = \3; let \4 = \5;"),
    (r"^(\s*)(?:vec4|int) (\w+) = ", r"\1var \2 = "),
    (r"^(\s*)vec4 (\w+);", r"\1var \2: vec4f;"),
    (r"^(\s*)float nca_mask = (.*) \? 1\.0 : 0\.0;", r"\1let nca_mask = select(0.0, 1.0, \2);"),
    (r"for \(int ", "for (var "),
    # Scalars are not broadcast to vectors in these functions.
    (r"max\(nca_h, 0\.0\)", "max(nca_h, vec4f(0.0))"),
    (r"min\((max\(.*?\)\)), ([^)]+)\)", r"min(\1, vec4f(\2))"),
    (r"^(\s*)(nca_next\d+ = )", r"\1let \2"),
)
ORDER = [
    "Make two texture arrays (three if there is nca_live), one layer per group, with the usages"
    " texture-binding and storage-binding; and a uniform buffer of 48 bytes, the struct NcaFrame.",
    "Start: dispatch nca_paint with tool 3 and radius -1 from the first array into the second.",
    "Step: dispatch nca_step from one array into another; if there is nca_live, dispatch it into"
    " the third, with the state before the step as nca_state and the result of nca_step as"
    " nca_after.",
    "Dispatch workgroups of 8 x 8: ceil(width / 8), ceil(height / 8), 1.",
    "Show: draw three vertices with nca_vertex and nca_fragment.",
]
BINDINGS = {
    "0": "uniform NcaFrame",
    "1": "nca_state: texture_2d_array, the state before the step",
    "2": "nca_next: storage texture array, written",
    "3": "nca_weights: read-only storage buffer, if weights.store is texture (nca_step)",
    "4": "nca_after: texture_2d_array, the result of nca_step (nca_live)",
    "5": "nca_fields: texture_2d, fields of the cells (nca_step in nca_fields.wgsl)",
}


def build(name: str, file: RuleFile, options: ExportOptions) -> Files:
    """``nca.wgsl``, ``nca.js`` to run it on a canvas, ``manifest.json``, and weights if needed.

    ``nca_fields.wgsl`` is the same module, but also reads a texture of fields.
    """
    rule = file.rule
    store = choose_store(rule, options.weights)
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
        "shader": "nca.wgsl",
        "shader_with_fields": FIELDS_MODULE,
        "fields": {key: FIELDS[key] for key in ("texture", "r", "g", "b", "a")},
        "entry_points": ["nca_step", *(["nca_live"] if dies else []), "nca_paint"],
        "texture_format": FORMATS[options.state],
        "grid": options.grid or 256,
        "bindings": BINDINGS,
        "order": ORDER,
    }
    files = {
        "nca.wgsl": (head + module(rule, options, store)).encode(),
        FIELDS_MODULE: (head + module(rule, options, store, fields=True)).encode(),
        "nca.js": (head + template("hosts/webgpu.js")).encode(),
        "manifest.json": to_json(describe(name, file, options, store, host)),
    }
    if store == "texture":
        files[WEIGHT_FILE] = weight_bytes(rule)
    return files


def module(rule: Rule, options: ExportOptions, store: Store, *, fields: bool = False) -> str:
    """Make the WGSL text; with ``fields``, the shader also reads a texture of fields."""
    settings = rule.settings
    groups = group_count(settings.channels)
    scale, offset = map(number, state_code(rule.settings, options.state))
    constants = {
        "GROUPS": str(groups),
        "CHANNELS": str(settings.channels),
        "TEXTURE_FORMAT": FORMATS[options.state],
        "SCALE": scale,
        "OFFSET": offset,
        "PAD": PADDINGS[settings.padding],
        "INSIDE": "all(c >= vec2i(0)) && all(c < nca_frame.size)"
        if settings.padding == "zeros"
        else "true",
        "FIRES": f"bits <= {CHANCE}" if fields else _fires(settings.update_rate),
        "WRAPS": "true" if settings.wraps else "false",
        "START": {
            "zeros": "vec4f(0.0)",
            "noise": f"nca_noise(group, at) * {number(settings.noise_level)}",
            "center": "select(vec4f(0.0), nca_plant(group), all(at == nca_frame.size / 2))",
        }[settings.start],
        "RGB_SCALE": number(settings.rgb_scale),
        "RGB_OFFSET": number(settings.rgb_offset),
        "STEP": _step_body(rule, options, store, fields),
        "STORE": _stores([f"nca_next{g}" for g in range(groups)]),
    }
    text = template("automaton.wgsl")
    if fields:
        text += template("fields/fields.wgsl")
    if store == "texture":
        text += template("weights.wgsl")
    if settings.alive_threshold is not None:
        text += template("life.wgsl")
        constants["ALIVE"] = number(settings.alive_threshold)
        constants["LIVE"] = _life_body(rule)
    for key, value in constants.items():
        text = text.replace(f"@@{key}@@", value)
    return text


def _fires(update_rate: float) -> str:
    threshold = fire_threshold(update_rate)
    return "true" if threshold > 0xFFFFFFFF else f"bits < {threshold}u"


def _step_body(rule: Rule, options: ExportOptions, store: Store, fields: bool) -> str:
    """Body of ``nca_step`` from the GLSL emitter, translated to WGSL."""
    source = step_source(rule, store, fields=fields, digits=options.digits)
    body = source.partition("void nca_step(")[2].partition("{\n")[2].rpartition("}")[0]
    body = re.sub(r"^\s*#.*\n", "", body, flags=re.MULTILINE)  # what #ifdef encloses always stays
    for pattern, spelling in SPELLING:
        body = re.sub(pattern, spelling, body, flags=re.MULTILINE)
    return body.rstrip("\n")


def _life_body(rule: Rule) -> str:
    settings = rule.settings
    lines = []
    for g in range(group_count(settings.channels)):
        value = on_grid(f"nca_fetch_after({g}, at) * life", settings.quantization.state)
        value = only_used_channels(value, settings, g).replace("vec4(", "vec4f(")
        lines.append(f"  let nca_next{g} = {value};")
    return "\n".join(lines)


def _stores(values: list[str]) -> str:
    return "\n".join(
        f"  textureStore(nca_next, at, {g}, nca_encode({value}));" for g, value in enumerate(values)
    )


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
    """Like :func:`run`, with a texture of fields, [H, W, 4] uint8, if it is not None."""
    wgpu = load_wgpu()
    try:
        adapter = wgpu.gpu.request_adapter_sync(power_preference="high-performance")
        device = adapter.request_device_sync()
    except Exception as error:  # wgpu passes on exceptions of its native library
        raise NotMeasuredError(f"no WebGPU device ({error})") from error
    code = state_code(rule.settings, options.state)
    runner = _Device(device, wgpu, files, state, code, fields)
    return runner.steps(frames * free_steps(options), options.seed)


@functools.cache
def load_wgpu() -> Any:
    """Import ``wgpu`` without log messages and without OpenGL.

    Its search for OpenGL devices would change the current OpenGL context.

    Raises:
        NotMeasuredError: wgpu is not installed.
    """
    try:
        wgpu = importlib.import_module("wgpu")
        extras = importlib.import_module("wgpu.backends.wgpu_native.extras")
    except ImportError as error:
        raise NotMeasuredError("wgpu is not installed") from error
    # Its native library logs every extension that a software renderer does not have.
    logging.getLogger("wgpu").setLevel(logging.ERROR)
    extras.set_instance_extras(backends=["Primary"])  # Vulkan, Metal, Direct3D 12
    return wgpu


class _Device:
    """The smallest program that runs the module's steps."""

    def __init__(
        self,
        device: Any,
        wgpu: Any,
        files: Files,
        state: Tensor,
        code: tuple[float, float],
        fields: Tensor | None = None,
    ) -> None:
        self.device, self.wgpu, self.code = device, wgpu, code
        self.shape = tuple(state.shape)
        manifest = json.loads(files["manifest.json"])
        self.groups = manifest["state"]["groups"]
        self.dtype = DTYPES[manifest["state"]["format"]]
        self.texel_bytes = {"f4": 16, "f2": 8, "f1": 4}[self.dtype]
        self.entries = manifest["entry_points"]
        name = "nca.wgsl" if fields is None else FIELDS_MODULE
        shader = device.create_shader_module(code=files[name].decode())
        self.pipelines = {
            entry: device.create_compute_pipeline(
                layout="auto", compute={"module": shader, "entry_point": entry}
            )
            for entry in self.entries
        }
        usage = wgpu.TextureUsage
        self.textures = [
            device.create_texture(
                size=(self.shape[2], self.shape[1], self.groups),
                format=manifest["texture_format"],
                usage=usage.TEXTURE_BINDING
                | usage.STORAGE_BINDING
                | usage.COPY_DST
                | usage.COPY_SRC,
            )
            for _ in range(3)
        ]
        self.weights = None
        if WEIGHT_FILE in files:
            self.weights = device.create_buffer_with_data(
                data=files[WEIGHT_FILE], usage=wgpu.BufferUsage.STORAGE
            )
        self.fields = None if fields is None else self._texture_of(fields)
        self._write(state)

    def _texture_of(self, fields: Tensor) -> Any:
        """The texture of fields, [H, W, 4] uint8."""
        usage = self.wgpu.TextureUsage
        size = (self.shape[2], self.shape[1], 1)
        texture = self.device.create_texture(
            size=size, format="rgba8unorm", usage=usage.TEXTURE_BINDING | usage.COPY_DST
        )
        layout = {"bytes_per_row": 4 * self.shape[2], "rows_per_image": self.shape[1]}
        self.device.queue.write_texture({"texture": texture}, fields.numpy(), layout, size)
        return texture

    def _layout(self) -> dict[str, int]:
        return {"bytes_per_row": self.texel_bytes * self.shape[2], "rows_per_image": self.shape[1]}

    def _write(self, state: Tensor) -> None:
        _, height, width = self.shape
        self.device.queue.write_texture(
            {"texture": self.textures[0]},
            stored(to_texels(state, self.groups, self.code), self.dtype),
            self._layout(),
            (width, height, self.groups),
        )

    def steps(self, count: int, seed: int) -> Tensor:
        """Run ``count`` steps and return the state."""
        state, after, spare = self.textures
        for step in range(count):
            words = np.array([self.shape[2], self.shape[1]], "<i4").tobytes()
            words += np.array([step_base(step, seed), seed], "<u4").tobytes() + bytes(32)
            self._dispatch("nca_step", words, {1: state, 2: after})
            if "nca_live" in self.entries:
                self._dispatch("nca_live", words, {1: state, 2: spare, 4: after})
                state, spare = spare, state
            else:
                state, after = after, state
        channels, height, width = self.shape
        data = self.device.queue.read_texture(
            {"texture": state}, self._layout(), (width, height, self.groups)
        )
        texel = loaded(bytes(data), self.dtype, (self.groups, height, width, 4))
        return torch.from_numpy(from_texels(texel, self.code)[:channels])

    def _dispatch(self, entry: str, words: bytes, textures: dict[int, Any]) -> None:
        frame = self.device.create_buffer_with_data(data=words, usage=self.wgpu.BufferUsage.UNIFORM)
        entries = [{"binding": 0, "resource": {"buffer": frame, "offset": 0, "size": len(words)}}]
        entries += [
            {"binding": binding, "resource": texture.create_view(dimension="2d-array")}
            for binding, texture in textures.items()
        ]
        if entry == "nca_step" and self.weights is not None:
            resource = {"buffer": self.weights, "offset": 0, "size": self.weights.size}
            entries.append({"binding": 3, "resource": resource})
        if entry == "nca_step" and self.fields is not None:
            entries.append({"binding": 5, "resource": self.fields.create_view()})
        pipeline = self.pipelines[entry]
        group = self.device.create_bind_group(
            layout=pipeline.get_bind_group_layout(0), entries=entries
        )
        encoder = self.device.create_command_encoder()
        compute = encoder.begin_compute_pass()
        compute.set_pipeline(pipeline)
        compute.set_bind_group(0, group)
        compute.dispatch_workgroups(-(-self.shape[2] // 8), -(-self.shape[1] // 8), 1)
        compute.end()
        self.device.queue.submit([encoder.finish()])


TARGET = RuleTarget(
    build_rule=build,
    run=run,
    verified="tested with wgpu and in Chromium",
)
