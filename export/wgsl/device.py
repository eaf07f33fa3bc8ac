"""Run the steps of an exported WGSL module with wgpu."""

import functools
import importlib
import json
import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nca.exporters.manifest import WEIGHT_FILE
from nca.exporters.parity.compare import NotMeasuredError
from nca.exporters.parity.emulation import DTYPES, decode_texels, encode_texels
from nca.exporters.target import Files
from nca.exporters.wgsl.module import FIELDS_MODULE, MODULE
from nca.gl.buffers import from_texels, to_texels
from nca.rng import step_base


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


class Runner:
    """The smallest program that runs the steps of a module.

    Args:
        files: the exported files.
        state: [C, H, W], the state before step 0.
        code: scale and offset of a texel.
        fields: texture of fields, [H, W, 4] uint8, or None.

    Raises:
        NotMeasuredError: wgpu is not installed or finds no device.
    """

    def __init__(
        self,
        files: Files,
        state: Tensor,
        code: tuple[float, float],
        fields: Tensor | None = None,
    ) -> None:
        self.wgpu, self.code = load_wgpu(), code
        self.device = device = _open_device(self.wgpu)
        self.shape = tuple(state.shape)
        self.manifest = manifest = json.loads(files["manifest.json"])
        self.groups = manifest["state"]["groups"]
        self.dtype = DTYPES[manifest["state"]["format"]]
        self.texel_bytes = {"f4": 16, "f2": 8, "f1": 4}[self.dtype]
        name = MODULE if fields is None else FIELDS_MODULE
        self.shader = device.create_shader_module(code=files[name].decode())
        self.pipelines = {
            entry: device.create_compute_pipeline(
                layout="auto", compute={"module": self.shader, "entry_point": entry}
            )
            for entry in manifest["entry_points"]
        }
        usage = self.wgpu.TextureUsage
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
                data=files[WEIGHT_FILE], usage=self.wgpu.BufferUsage.STORAGE
            )
        self.fields = None if fields is None else self._texture_of(fields)
        self._write(state)

    def _texture_of(self, fields: Tensor) -> Any:
        """Make the texture of fields, [H, W, 4] uint8."""
        usage = self.wgpu.TextureUsage
        size = (self.shape[2], self.shape[1], 1)
        texture = self.device.create_texture(
            size=size, format="rgba8unorm", usage=usage.TEXTURE_BINDING | usage.COPY_DST
        )
        layout = {"bytes_per_row": 4 * self.shape[2], "rows_per_image": self.shape[1]}
        self.device.queue.write_texture({"texture": texture}, fields.numpy(), layout, size)
        return texture

    @property
    def _layout(self) -> dict[str, int]:
        return {"bytes_per_row": self.texel_bytes * self.shape[2], "rows_per_image": self.shape[1]}

    def _write(self, state: Tensor) -> None:
        _, height, width = self.shape
        self.device.queue.write_texture(
            {"texture": self.textures[0]},
            encode_texels(to_texels(state, self.groups, self.code), self.dtype),
            self._layout,
            (width, height, self.groups),
        )

    def steps(self, count: int, seed: int) -> Tensor:
        """Run ``count`` steps and return the state."""
        state, after, spare = self.textures
        for step in range(count):
            words = np.array([self.shape[2], self.shape[1]], "<i4").tobytes()
            words += np.array([step_base(step, seed), seed], "<u4").tobytes() + bytes(32)
            self._dispatch("nca_step", words, {1: state, 2: after})
            if "nca_live" in self.pipelines:
                self._dispatch("nca_live", words, {1: state, 2: spare, 4: after})
                state, spare = spare, state
            else:
                state, after = after, state
        channels, height, width = self.shape
        data = self.device.queue.read_texture(
            {"texture": state}, self._layout, (width, height, self.groups)
        )
        texel = decode_texels(bytes(data), self.dtype, (self.groups, height, width, 4))
        return torch.from_numpy(from_texels(texel, self.code)[:channels])

    def _dispatch(self, entry: str, words: bytes, textures: dict[int, Any]) -> None:
        pipeline = self.pipelines[entry]
        encoder = self.device.create_command_encoder()
        compute = encoder.begin_compute_pass()
        compute.set_pipeline(pipeline)
        compute.set_bind_group(0, self.bind_group(entry, pipeline, words, textures))
        compute.dispatch_workgroups(-(-self.shape[2] // 8), -(-self.shape[1] // 8), 1)
        compute.end()
        self.device.queue.submit([encoder.finish()])

    def bind_group(self, entry: str, pipeline: Any, words: bytes, textures: dict[int, Any]) -> Any:
        """Bind what an entry point reads: NcaFrame, textures by binding, weights, and fields."""
        frame = self.device.create_buffer_with_data(data=words, usage=self.wgpu.BufferUsage.UNIFORM)
        entries = [{"binding": 0, "resource": {"buffer": frame, "offset": 0, "size": len(words)}}]
        entries += [
            {"binding": binding, "resource": texture.create_view(dimension="2d-array")}
            for binding, texture in textures.items()
        ]
        draws = entry in ("nca_fragment", "nca_textures") and "decoder" in self.manifest["rule"]
        if self.weights is not None and (entry == "nca_step" or draws):
            resource = {"buffer": self.weights, "offset": 0, "size": self.weights.size}
            entries.append({"binding": 3, "resource": resource})
        if self.fields is not None and entry == "nca_step":
            entries.append({"binding": 5, "resource": self.fields.create_view()})
        return self.device.create_bind_group(
            layout=pipeline.get_bind_group_layout(0), entries=entries
        )


def _open_device(wgpu: Any) -> Any:
    try:
        adapter = wgpu.gpu.request_adapter_sync(power_preference="high-performance")
        return adapter.request_device_sync()
    except Exception as error:  # wgpu passes on exceptions of its native library
        raise NotMeasuredError(f"no WebGPU device ({error})") from error
