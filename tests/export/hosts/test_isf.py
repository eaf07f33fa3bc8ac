"""ISF: its JSON, and its passes in order."""

import json
import re

import numpy as np
import pytest
import torch

from nca.errors import InputError
from nca.exporters.glsl.tiles import arrange
from nca.exporters.hosts import isf
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.hosts import CASES, build, check_golden, compile_glsl, difference
from tests.helpers.rules import bounded_rule

INPUT_TYPES = {"event", "bool", "long", "float", "point2D", "color", "image", "audio", "audioFFT"}
SMALL = ExportOptions(grid=24, seed=77)


def parts(files):
    """JSON and GLSL of the one file, split as a host does: at the end of the first comment."""
    (text,) = (data.decode() for data in files.values())
    head, _, shader = text.removeprefix("/*").partition("*/")
    return json.loads(head), shader


def test_golden_files(monkeypatch):
    check_golden("isf", monkeypatch)


@pytest.mark.parametrize("case", CASES)
def test_the_header_is_what_the_format_asks_for(case):
    header, shader = parts(build("isf", CASES[case], SMALL))
    assert header["ISFVSN"] == "2"
    assert header["CREDIT"] == "A. Nonymous"
    for one in header["INPUTS"]:
        assert one["TYPE"] in INPUT_TYPES
        assert re.fullmatch(r"nca_\w+", one["NAME"])
        # Hosts declare the inputs; a shader that does so too does not compile.
        assert not re.search(rf"uniform\s+\w+\s+{one['NAME']}", shader)
        assert one["NAME"] in shader
    assert header["PASSES"][-1] == {}
    for one in header["PASSES"][:-1]:
        assert one["PERSISTENT"] is True
        assert one["FLOAT"] is True
        assert one["TARGET"] in shader


@pytest.mark.parametrize("case", CASES)
def test_the_shader_compiles(case):
    compile_glsl(isf.shader_text(*build("isf", CASES[case], SMALL).values()), "frag")


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [None, 1, 2])
def test_frames_are_the_steps_of_torch(gl, case, steps):
    options = ExportOptions(grid=24, seed=77, steps_per_frame=steps)
    assert difference("isf", CASES[case], gl, 5, options) < 1e-5


@pytest.mark.gl
def test_a_hundred_steps(gl):
    assert difference("isf", CASES["small"], gl, 25, SMALL) < 1e-5


@pytest.mark.gl
def test_an_eight_bit_state_is_the_rounded_state_of_torch(gl):
    rule = bounded_rule(RuleSettings(4, 8, quantization=Quantization(state=EIGHT_BIT_STATE)))
    options = ExportOptions(grid=24, state="rgba8", steps_per_frame=1)
    files = isf.build("rule", RuleFile(rule), options)
    header, _ = parts(files)
    assert [one["FLOAT"] for one in header["PASSES"][:-1]] == [False]
    state = EIGHT_BIT_STATE(torch.rand(1, 4, 24, 24, generator=torch.Generator().manual_seed(0)))
    got = isf.run(files, rule, options, state[0], 1, gl)
    far = (got - rule(state, 1)[0]).abs()
    assert far.max() < 1.01 * 4 / 255
    assert (far < 1e-5).float().mean() > 0.99


@pytest.mark.gl
def test_first_frame_restart_and_eraser(gl):
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=0.5))
    (data,) = isf.build("rule", RuleFile(rule), SMALL).values()
    size = arrange(rule, 24, isf.ROOM).texture_size
    machine = TileMachine(gl, arrange(rule, 24, isf.ROOM), {isf.STATE: size, isf.OTHER: size})
    names = {isf.STATE: isf.STATE, isf.OTHER: isf.OTHER}
    targets = [isf.OTHER, isf.STATE] * 2
    draws = [
        Draw(isf.shader_text(data), target, names, {"PASSINDEX": number})
        for number, target in enumerate(targets)
    ]
    # A host may begin to count frames where it likes.
    machine.frame(draws, {"FRAMEINDEX": 3})
    seed = rule.initial_state(1, 24, 24, seed=77)[0]
    assert torch.equal(machine.read(isf.STATE, (4, 24, 24)), seed)
    brush = {"nca_brush_x": 0.25, "nca_brush_y": 0.75, "nca_brush_size": 0.1}
    machine.frame(draws, {"FRAMEINDEX": 4, **brush})
    state = machine.read(isf.STATE, (4, 24, 24))
    assert not state[:, 5:7, 5:7].any()  # up is low in rows
    assert state[:, 17:19].all()
    machine.frame(draws, {"FRAMEINDEX": 5, "nca_brush_size": 0.0, "nca_restart": True})
    assert torch.equal(machine.read(isf.STATE, (4, 24, 24)), seed)


@pytest.mark.gl
def test_the_last_pass_shows_the_colors_upright(gl):
    rule = bounded_rule(RuleSettings(4, 8, "zeros"))
    (data,) = isf.build("rule", RuleFile(rule), SMALL).values()
    size = arrange(rule, 24, isf.ROOM).texture_size
    sizes = {isf.STATE: size, isf.OTHER: size, "picture": (48, 48)}
    machine = TileMachine(gl, arrange(rule, 24, isf.ROOM), sizes)
    state = torch.full((4, 24, 24), -0.5)
    state[0, :12] = 0.5  # the upper half is red
    machine.write(isf.STATE, state)
    textures = {name: name for name in (isf.STATE, isf.OTHER)}
    draw = Draw(isf.shader_text(data), "picture", textures, {"PASSINDEX": 4})
    machine.frame([draw], {"RENDERSIZE": (48.0, 48.0)})
    picture = np.frombuffer(machine.front["picture"].read(), np.float32).reshape(48, 48, 4)
    assert picture[40, 20].tolist() == [1, 0, 0, 1]  # texture rows count from below
    assert picture[8, 20].tolist() == [0, 0, 0, 1]


def test_what_two_buffers_cannot_do_is_refused():
    with pytest.raises(InputError, match="even number"):
        build("isf", CASES["small"], ExportOptions(steps_per_frame=3))
    with pytest.raises(InputError, match="rgba32f or rgba8"):
        build("isf", CASES["small"], ExportOptions(state="rgba16f"))
