"""Plain GLSL: its manifest is enough to run it."""

import json

import numpy as np
import pytest
import torch

from nca.exporters.glsl.weights import pack_weights
from nca.exporters.manifest import WEIGHT_FILE
from nca.exporters.settings import ExportOptions
from nca.rule import Rule
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.hosts import (
    CASES,
    TARGETS,
    build,
    check_golden,
    compile_glsl,
    difference,
    link_in_browser,
)
from tests.helpers.rules import bounded_rule


def test_golden_files(monkeypatch):
    check_golden("glsl", monkeypatch)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_everything_compiles(case, weights):
    files = build("glsl", CASES[case], ExportOptions(weights=weights))
    shaders = {name: data for name, data in files.items() if name.endswith((".frag", ".vert"))}
    assert len(shaders) >= 8
    for name, data in shaders.items():
        compile_glsl(data.decode(), name[-4:])


@pytest.mark.browser
def test_webgl_takes_all_of_300_es(browser):
    for case in CASES.values():
        files = build("glsl", case, ExportOptions(weights="texture"))
        texts = [files[n].decode() for n in files if n.startswith("300es/") and n[-4:] == "frag"]
        assert len(texts) >= 4
        link_in_browser(browser, texts)


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_frames_are_the_steps_of_torch(gl, case, weights):
    options = ExportOptions(seed=77, weights=weights)
    assert difference("glsl", CASES[case], gl, 2, options) < 1e-5


@pytest.mark.gl
def test_a_hundred_steps_and_many_channels(gl):
    options = ExportOptions(steps_per_frame=50)
    assert difference("glsl", RuleSettings(40, 16), gl, 2, options) < 1e-5


@pytest.mark.gl
def test_half_floats_stay_near(gl):
    options = ExportOptions(state="rgba16f", steps_per_frame=50)
    assert difference("glsl", RuleSettings(8, 16), gl, 2, options) < 5e-3


@pytest.mark.gl
@pytest.mark.parametrize("target", ["glsl", "touchdesigner", "godot", "wgsl"])
def test_an_eight_bit_state_is_the_rounded_state_of_torch(gl, target):
    rule = bounded_rule(RuleSettings(6, 8, quantization=Quantization(state=EIGHT_BIT_STATE)))
    options = ExportOptions(state="rgba8", steps_per_frame=1)
    host = TARGETS[target]
    files = host.build({"rule": RuleFile(rule)}, options)
    noise = torch.rand(1, 6, 24, 24, generator=torch.Generator().manual_seed(0))
    state = EIGHT_BIT_STATE(noise)
    assert host.run is not None
    got = host.run(files, rule, options, state[0], 1, gl)
    far = (got - rule(state, 1)[0]).abs()
    assert far.max() < 1.01 * 4 / 255
    assert (far < 1e-5).float().mean() > 0.99


@pytest.mark.gl
@pytest.mark.parametrize(("digits", "most"), [(9, 1e-6), (7, 1e-5), (5, 1e-3)])
def test_fewer_digits_differ_a_little(gl, digits, most):
    settings = RuleSettings(8, 16)
    far = difference("glsl", settings, gl, 1, ExportOptions(digits=digits, weights="inline"))
    assert far < most
    if digits == 5:
        assert far > 1e-6


def test_the_manifest_is_complete():
    rule = Rule(RuleSettings(40, 16, "zeros", alive_threshold=0.1))
    file = RuleFile(rule, {"author": "Ann", "license": "CC0-1.0"})
    files = TARGETS["glsl"].build({'na"me\n': file}, ExportOptions(weights="texture"))
    manifest = json.loads(files["manifest.json"])
    assert manifest["name"] == 'na"me\n'
    assert manifest["author"] == "Ann"
    assert RuleSettings.from_dict(manifest["rule"]) == rule.settings
    assert manifest["state"]["groups"] == 10
    assert manifest["state"]["tiles"] is False
    for dialect in ("330", "300 es"):
        shaders = manifest["shaders"][dialect]
        for kind in ("step", "live", "brush"):
            groups = [g for one in shaders[kind] for g in one["groups"]]
            assert groups == list(range(10))
            assert all(one["file"] in files for one in shaders[kind])
    packed = pack_weights(rule)
    weights = manifest["weights"]
    assert (weights["height"], weights["width"]) == packed.shape[:2]
    assert np.array_equal(np.frombuffer(files[WEIGHT_FILE], "<f4"), packed.ravel())
