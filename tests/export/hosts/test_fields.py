"""Fields in the hosts that have channels: steps as in torch."""

from collections.abc import Sequence
from importlib.util import find_spec

import moderngl
import numpy as np
import pytest
import torch

from nca.exporters.glsl.fragments import with_macro
from nca.exporters.hosts import glsl, godot, touchdesigner, wgsl
from nca.exporters.parity.emulation import LayerMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files
from nca.fields.steps import step_with_fields
from nca.fields.texels import Fields
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.fields.test_steps import mixed_texels, started
from tests.helpers.hosts import TARGETS, compile_glsl

SETTINGS = RuleSettings(6, 8, "zeros", alive_threshold=0.1)
OPTIONS = ExportOptions(seed=77)

pytestmark = pytest.mark.gl


def built(target: str) -> tuple[dict[str, bytes], Rule, torch.Tensor, torch.Tensor]:
    """Files with fields turned on, the rule, the state, and what torch makes of it in 4 steps."""
    rule, state = started(SETTINGS)
    files = dict(TARGETS[target].build({"rule": RuleFile(rule)}, OPTIONS))
    for name, data in files.items():
        files[name] = data.replace(b"// #define NCA_FIELDS", b"#define NCA_FIELDS")
        if name.endswith("step.frag") and target == "glsl":
            files[name] = with_macro(data.decode(), "NCA_FIELDS").encode()
    expected = state
    for step in range(4):
        expected = step_with_fields(rule, expected, Fields(mixed_texels()), step=step, seed=77)
    return files, rule, state[0], expected[0]


def check(got: torch.Tensor, expected: torch.Tensor) -> None:
    assert (got - expected).abs().max() < 1e-5
    assert expected.std() > 0.01


class WithFields(LayerMachine):
    """Runs shaders that also read the texture of fields."""

    def __init__(self, *values: object) -> None:
        super().__init__(*values)
        self.add_weights("nca_fields", mixed_texels().numpy().astype(np.float32) / 255)

    def in_a_row(self, inputs: Sequence[str]) -> list[moderngl.Texture]:
        return [*super().in_a_row(inputs), self._weights["nca_fields"]]


def test_glsl(gl, monkeypatch):
    files, rule, state, expected = built("glsl")
    for path in ("330/step.frag", "300es/step.frag"):
        compile_glsl(files[path].decode(), "frag")
    monkeypatch.setattr(glsl, "LayerMachine", WithFields)
    once = ExportOptions(seed=77, steps_per_frame=1)
    check(glsl.run(files, rule, once, state, 4, gl), expected)


def test_godot(gl):
    files, rule, state, expected = built("godot")
    compile_glsl(files["nca_step.glsl"].decode().removeprefix("#[compute]\n"), "comp", "-V")
    texels = mixed_texels()
    texture = gl.texture((texels.shape[1], texels.shape[0]), 4, texels.numpy().tobytes())
    texture.bind_to_image(4, read=True, write=False)
    check(godot.run(files, rule, OPTIONS, state, 1, gl), expected)


def test_touchdesigner(gl, monkeypatch):
    files, rule, state, expected = built("touchdesigner")
    text = touchdesigner.shader_text
    monkeypatch.setattr(touchdesigner, "shader_text", lambda data, inputs: text(data, inputs + 1))
    monkeypatch.setattr(touchdesigner, "LayerMachine", WithFields)
    check(touchdesigner.run(files, rule, OPTIONS, state, 4, gl), expected)
    assert "one more input" in files["network.txt"].decode()


def test_wgsl(monkeypatch):
    if find_spec("wgpu") is None:
        absent("wgpu")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    for settings in (SETTINGS, RuleSettings(4, 8, update_rate=1.0, hidden_clip=0.4)):
        rule, state = started(settings)
        for weights in ("inline", "texture"):
            options = ExportOptions(seed=77, weights=weights)
            files: Files = wgsl.TARGET.build({"rule": RuleFile(rule)}, options)
            expected = state
            for step in range(4):
                fields = Fields(mixed_texels())
                expected = step_with_fields(rule, expected, fields, step=step, seed=77)
            got = wgsl.run_with_fields(files, rule, options, state[0], 1, mixed_texels())
            check(got, expected[0])
