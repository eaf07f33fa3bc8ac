"""glslViewer: its double buffers in order."""

import re

import numpy as np
import pytest
import torch

from nca.errors import InputError
from nca.exporters.glsl.tiles import arrange
from nca.exporters.hosts import glslviewer
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.hosts import CASES, build, check_golden, compile_glsl, difference
from tests.helpers.rules import bounded_rule


def test_golden_files(monkeypatch):
    check_golden("glslviewer", monkeypatch)


@pytest.mark.parametrize("case", CASES)
def test_every_buffer_and_the_picture_compile(case):
    (data,) = build("glslviewer", CASES[case]).values()
    buffers = {int(n) for n in re.findall(r"defined\(DOUBLE_BUFFER_(\d+)\)", data.decode())}
    assert buffers == set(range(len(buffers)))
    for number in [*sorted(buffers), None]:
        compile_glsl(glslviewer.buffer_text(data, number), "frag")


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [None, 1, 3])
def test_frames_are_the_steps_of_torch(gl, case, steps):
    options = ExportOptions(seed=77, steps_per_frame=steps)
    assert difference("glslviewer", CASES[case], gl, 3, options) < 1e-5


@pytest.mark.gl
def test_a_hundred_steps(gl):
    assert difference("glslviewer", CASES["dying"], gl, 25) < 1e-5


@pytest.mark.gl
def test_it_starts_by_itself_and_a_moving_mouse_erases(gl):
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=0.5))
    options = ExportOptions(steps_per_frame=1)
    (data,) = glslviewer.build("rule", RuleFile(rule), options).values()
    name = "u_doubleBuffer0"
    machine = TileMachine(gl, arrange(rule, None), {name: (61, 60)})
    draws = [Draw(glslviewer.buffer_text(data, 0), name, {name: name})]

    def frame(number, mouse):
        sizes = {"u_resolution": (61.0, 60.0), "u_frame": number, "u_mouse": mouse}
        machine.frame(draws, sizes)
        return machine.read(name, (4, 60, 60))

    assert torch.equal(frame(0, (30.0, 30.0)), rule.initial_state(1, 60, 60)[0])
    assert frame(1, (30.0, 30.0))[:, 29, 29].all(), "a resting mouse touches nothing"
    assert not np.asarray(frame(2, (40.0, 30.0)))[:, 29, 30:40].any()


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InputError, match="rgba32f"):
        build("glslviewer", CASES["small"], ExportOptions(state="rgba8"))
