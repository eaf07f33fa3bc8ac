"""ComfyUI: the passes of its node GLSL Shader in order, and the last one with two outputs."""

import json
import re

import moderngl
import numpy as np
import pytest
from torch.nn.functional import interpolate

from nca.errors import InputError
from nca.exporters.hosts import comfyui
from nca.exporters.settings import ExportOptions
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.hosts import CASES, build, check_golden, compile_glsl, difference
from tests.helpers.rules import bounded_rule


class Node:
    """Draws as the node does: all passes but the last alternate between two one-image targets."""

    def __init__(self, gl: moderngl.Context, rule: Rule, steps: int) -> None:
        self.gl, self.rule = gl, rule
        passes = steps * (1 if rule.settings.alive_threshold is None else 2) + 2
        text = comfyui.shader("rule", RuleFile(rule), ExportOptions())
        text, changed = re.subn(r"passes( =)? \d+", rf"passes\1 {passes}", text)
        assert changed == 2
        self.passes = passes
        vertex = "#version 330 core\nvoid main() { gl_Position = vec4(vec2[](vec2(-1, -1), "
        vertex += "vec2(3, -1), vec2(-1, 3))[gl_VertexID], 0, 1); }"
        self.program = gl.program(vertex, comfyui.desktop_text(text.encode()))
        self.quad = gl.vertex_array(self.program, [])

    def draw(self, image: np.ndarray, size: tuple[int, int], seed: int) -> list[np.ndarray]:
        """Pictures of both outputs, [rows, columns, 4], from the lowest row up."""
        source = self.gl.texture(image.shape[1::-1], 4, image.tobytes(), dtype="f4")
        turns = [self.gl.framebuffer([self.gl.texture(size, 4, dtype="f4")]) for _ in range(2)]
        last = self.gl.framebuffer([self.gl.texture(size, 4, dtype="f4") for _ in range(2)])
        for name, value in {"u_resolution": size, "u_int0": seed, "u_image0": 0}.items():
            if name in self.program:
                self.program[name] = value
        for number in range(self.passes):
            target = last if number == self.passes - 1 else turns[number % 2]
            source.use(0)
            target.use()
            target.clear()
            self.program["u_pass"] = number
            self.quad.render(moderngl.TRIANGLES, vertices=3)
            source = target.color_attachments[0]
        shape = (size[1], size[0], 4)
        return [np.frombuffer(t.read(), "f4").reshape(shape) for t in last.color_attachments]


def test_golden_files(monkeypatch):
    check_golden("comfyui", monkeypatch)


@pytest.mark.parametrize("case", CASES)
def test_the_shader_compiles_in_both_dialects(case):
    files = build("comfyui", CASES[case])
    compile_glsl(files["a-rule.frag"].decode(), "frag")
    compile_glsl(comfyui.desktop_text(files["a-rule.frag"]), "frag")


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [1, 10])
def test_passes_are_the_steps_of_torch(gl, case, steps):
    assert difference("comfyui", CASES[case], gl, steps) < 1e-5


@pytest.mark.gl
def test_a_hundred_steps(gl):
    assert difference("comfyui", CASES["dying"], gl, 100) < 1e-5


@pytest.mark.gl
@pytest.mark.parametrize("dies", [False, True])
def test_a_run_draws_the_picture_and_a_second_one_continues_its_state(gl, dies):
    growing = {"start": "center", "alive_threshold": 0.1} if dies else {"start": "noise"}
    rule = bounded_rule(RuleSettings(4, 8, "zeros", noise_level=0.5, **growing), update_bias=True)
    node = Node(gl, rule, 5)
    # Two tiles if cells die, one above the other.
    size = (25, 60) if dies else (25, 30)
    picture, state = node.draw(np.ones((7, 9, 4), "f4"), size, seed=3)
    expected = rule(rule.initial_state(1, 30, 24, seed=3), 5, seed=3)
    assert np.abs(state[:30, :24].transpose(2, 0, 1) - expected[0].numpy()).max() < 1e-5
    image = interpolate(rule.to_image(expected).clamp(0, 1), size[::-1], mode="bilinear")
    assert np.abs(picture[::-1, :, :3].transpose(2, 0, 1) - image[0].numpy()).max() < 1e-5
    assert (picture[..., 3] == 1).all()

    _, later = node.draw(state, size, seed=3)
    expected = rule(rule.initial_state(1, 30, 24, seed=3), 10, seed=3)
    assert np.abs(later[:30, :24].transpose(2, 0, 1) - expected[0].numpy()).max() < 1e-5


def test_the_workflow_contains_the_shader_and_the_seed():
    files = build("comfyui", CASES["small"], ExportOptions(seed=12))
    draw = json.loads(files["workflow.json"])["2"]
    assert draw["class_type"] == "GLSLShader"
    assert draw["inputs"]["fragment_shader"] == files["a-rule.frag"].decode()
    assert draw["inputs"]["ints.u_int0"] == 12


def test_passes_count_the_steps_twice_if_cells_die():
    for case, each in {"small": 1, "dying": 2}.items():
        text = build("comfyui", CASES[case])["a-rule.frag"].decode()
        count = each * comfyui.STEPS + 2
        assert f"#pragma passes {count}\nconst int nca_passes = {count};" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps_per_frame": 4}, "`steps_per_frame` 4: comfyui runs all 600 steps at once"),
        ({"seed": 2**31}, "`seed` 2147483648: comfyui needs a number below 2147483648"),
        ({"state": "rgba8"}, "rgba32f"),
    ],
)
def test_what_it_cannot_do_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        build("comfyui", CASES["small"], ExportOptions(**options))
