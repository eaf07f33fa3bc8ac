"""Shadertoy: the chain of buffers, by our emulation of the site's order and by another program."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.exporters.glsl.tiles import arrange, chain
from nca.exporters.hosts import shadertoy
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.wgsl.device import load_wgpu
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.hosts import (
    CASES,
    build,
    check_golden,
    compile_glsl,
    difference,
    golden_rule,
    link_in_browser,
)
from tests.helpers.rules import bounded_rule, with_random_decoder

ES_HEAD = shadertoy.HEAD.replace(
    "#version 330\n",
    "#version 300 es\nprecision highp float;\nprecision highp int;\nprecision highp sampler2D;\n",
)


def test_golden_files(monkeypatch):
    check_golden("shadertoy", monkeypatch)


@pytest.mark.parametrize("case", CASES)
def test_every_tab_compiles_as_the_site_compiles_it(case):
    files = build("shadertoy", CASES[case])
    common = files["common.glsl"].decode()
    for name, data in files.items():
        if name not in ("common.glsl", "shadertoy.json"):
            compile_glsl(ES_HEAD + common + data.decode() + shadertoy.TAIL, "frag")


@pytest.mark.browser
def test_a_browser_takes_every_tab(browser):
    for case in CASES.values():
        files = build("shadertoy", case)
        common = files["common.glsl"].decode()
        tabs = [n for n in files if n.startswith(("buffer", "image"))]
        texts = [ES_HEAD + common + files[n].decode() + shadertoy.TAIL for n in tabs]
        link_in_browser(browser, texts)


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [None, 1])
def test_frames_are_the_steps_of_torch(gl, case, steps):
    options = ExportOptions(seed=77, steps_per_frame=steps)
    for frames in (1, 5):
        assert difference("shadertoy", CASES[case], gl, frames, options) < 1e-5


@pytest.mark.gl
def test_a_hundred_steps(gl):
    assert difference("shadertoy", CASES["small"], gl, 25) < 1e-5


class Site:
    """The tabs of a rule in the site's order, with a mouse and a keyboard."""

    def __init__(self, gl, rule, screen):
        options = ExportOptions()
        files = shadertoy.build("rule", RuleFile(rule), options)
        passes = chain(rule, shadertoy.frame_steps(rule, options))
        letters = shadertoy.LETTERS[: len(passes)]
        self.last, self.screen, self.number = letters[-1], screen, 0
        sizes = {**dict.fromkeys(letters, screen), "keyboard": (256, 3)}
        self.machine = TileMachine(gl, arrange(rule, None), sizes)
        common = files["common.glsl"].decode()
        self.draws = []
        for letter, one in zip(letters, passes, strict=True):
            code = files[f"buffer_{letter.lower()}.glsl"].decode()
            textures = {"iChannel0": letters[one.reads], "iChannel2": "keyboard"}
            if one.after is not None:
                textures["iChannel1"] = letters[one.after]
            text = shadertoy.HEAD + common + code + shadertoy.TAIL
            self.draws.append(Draw(text, letter, textures))

    def press(self, *keys):
        row = np.zeros((3, 256, 4), np.float32)
        row[0, list(keys)] = 1
        self.machine.front["keyboard"].write(row.tobytes())

    def frame(self, mouse=(0.0, 0.0, 0.0, 0.0)):
        uniforms = {"iResolution": (*self.screen, 1.0), "iFrame": self.number, "iMouse": mouse}
        self.machine.frame(self.draws, uniforms)
        self.number += 1

    def state(self, channels, height, width):
        return self.machine.read(self.last, (channels, height, width))


@pytest.mark.gl
@pytest.mark.parametrize("start", ["noise", "center"])
def test_it_starts_from_the_seed_of_the_rule(gl, start):
    settings = RuleSettings(4, 8, start=start, noise_level=0.4)
    rule = bounded_rule(settings)
    site = Site(gl, rule, (41, 40))
    site.frame()
    assert torch.equal(site.state(4, 40, 40), rule.initial_state(1, 40, 40)[0])
    site.frame()
    expected = rule(rule.initial_state(1, 40, 40), 4)[0]
    assert (site.state(4, 40, 40) - expected).abs().max() < 1e-6


@pytest.mark.gl
@pytest.mark.parametrize(("start", "size"), [("noise", (23, 40)), ("center", (72, 128))])
def test_the_cells_of_a_decoder_fill_the_screen(gl, start, size):
    decoder = DecoderSettings(8, hidden=(16,))
    settings = RuleSettings(4, 8, start=start, noise_level=0.4, decoder=decoder)
    rule = with_random_decoder(settings)
    site = Site(gl, rule, (320, 180))  # 40 x 22.5 cells; a figure needs 72
    site.frame()
    assert torch.equal(site.state(4, *size), rule.initial_state(1, *size)[0])


@pytest.mark.gl
def test_a_key_restarts_and_so_does_another_screen(gl):
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=0.4))
    site = Site(gl, rule, (41, 40))
    for _ in range(3):
        site.frame()
    site.press(82)
    site.frame()
    assert torch.equal(site.state(4, 40, 40), rule.initial_state(1, 40, 40)[0])
    site.press()
    site.frame()
    assert not torch.equal(site.state(4, 40, 40), rule.initial_state(1, 40, 40)[0])
    site.screen = (31, 30)  # the texture keeps its old picture, as on the site
    site.frame()
    assert torch.equal(site.state(4, 30, 30), rule.initial_state(1, 30, 30)[0])


@pytest.mark.gl
@pytest.mark.parametrize(("keys", "value"), [((), 0.0), ((16,), 1.0)])
def test_the_mouse_erases_and_plants_without_gaps(gl, keys, value):
    rule = bounded_rule(RuleSettings(4, 8))
    site = Site(gl, rule, (101, 100))
    site.frame()
    state = torch.full((4, 100, 100), 0.5)
    site.machine.write(site.last, state)
    site.press(*keys)
    site.frame((20.0, 70.0, 20.0, 70.0))  # from the lower left: row 29 of the state
    site.frame((80.0, 70.0, 80.0, -70.0))
    got = site.state(4, 100, 100)[3]
    assert (got[29, 20:80] == value).all()
    assert (got[60] != value).all()


def test_channels_and_json_agree_with_the_chain():
    data = json.loads(build("shadertoy", CASES["dying"])["shadertoy.json"])
    passes = {one["name"]: one for one in data["Shader"]["renderpass"]}
    assert list(passes) == ["Common", "Buffer A", "Buffer B", "Buffer C", "Buffer D", "Image"]

    def sources(name):
        return {one["channel"]: one["src"][-6:-4] for one in passes[name]["inputs"]}

    assert sources("Buffer A") == {0: "03"}
    assert sources("Buffer B") == {0: "03", 1: "00"}
    assert sources("Buffer C") == {0: "01"}
    assert sources("Buffer D") == {0: "01", 1: "02", 2: "00"}  # 2: the keyboard
    assert sources("Image") == {0: "03"}


def test_what_the_site_cannot_do_is_refused():
    for options, word in [
        (ExportOptions(steps_per_frame=5), "at most 4"),
        (ExportOptions(state="rgba8"), "rgba32f"),
        (ExportOptions(weights="texture"), "inline"),
    ]:
        with pytest.raises(InputError, match=word):
            build("shadertoy", CASES["small"], options)
    with pytest.raises(InputError, match="at most 2"):
        shadertoy.build("x", golden_rule(), ExportOptions(steps_per_frame=3))


@pytest.mark.gl
def test_the_json_runs_in_another_program(monkeypatch):
    """wgpu-shadertoy translates the tabs itself and runs them in its own order."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", "/tmp"))
    try:
        from wgpu_shadertoy import Shadertoy  # noqa: PLC0415
    except ImportError as error:
        absent(f"wgpu-shadertoy ({error})")
    load_wgpu()
    for name in ("small", "dying"):
        settings = replace(CASES[name], start="noise", noise_level=1.0)
        rule = bounded_rule(settings, update_bias=True)
        files = shadertoy.build("rule", RuleFile(rule), ExportOptions())
        tiles = arrange(rule, None)
        size = (tiles.columns * 24 + 1, tiles.rows * 16)
        data = json.loads(files["shadertoy.json"])
        toy = Shadertoy.from_json(data, resolution=size, offscreen=True)
        for frame in range(6):
            picture = toy.snapshot(frame=frame)
        assert np.asarray(picture)[..., :3].std() > 1
        steps = 5 * shadertoy.frame_steps(rule, ExportOptions())
        expected = rule(rule.initial_state(1, 16, 24), steps)[0]
        texture = toy.buffers["d"].texture_front
        layout = {"bytes_per_row": 16 * size[0], "rows_per_image": size[1]}
        data = toy._device.queue.read_texture({"texture": texture}, layout, (*size, 1))
        machine_picture = np.frombuffer(bytes(data), np.float32).reshape(size[1], size[0], 4)
        groups = [
            machine_picture[r * 16 : (r + 1) * 16, c * 24 : (c + 1) * 24].transpose(2, 0, 1)
            for r, c in (divmod(g, tiles.columns) for g in range(-(-settings.channels // 4)))
        ]
        got = torch.from_numpy(np.concatenate(groups)[: settings.channels].copy())
        assert float(expected.abs().max()) > 0.01
        assert (got - expected).abs().max() < 1e-5
