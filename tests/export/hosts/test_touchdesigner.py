"""TouchDesigner: its pixel shaders with its names put before them."""

import pytest

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.exporters.hosts import touchdesigner
from nca.exporters.settings import ExportOptions
from nca.rule_settings import RuleSettings
from tests.helpers.hosts import CASES, build, check_golden, compile_glsl, difference


def test_golden_files(monkeypatch):
    check_golden("touchdesigner", monkeypatch)


@pytest.mark.parametrize("case", CASES)
def test_everything_compiles(case):
    for name, data in build("touchdesigner", CASES[case]).items():
        if name.endswith(".frag"):
            compile_glsl(touchdesigner.shader_text(data, 16), "frag")
            assert "#version" not in data.decode()


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
def test_frames_are_the_steps_of_torch(gl, case):
    for frames in (1, 10):
        assert difference("touchdesigner", CASES[case], gl, frames) < 1e-5


@pytest.mark.gl
def test_more_groups_than_color_buffers(gl):
    settings = RuleSettings(36, 8)
    assert {"step0.frag", "step1.frag"} < set(build("touchdesigner", settings))
    assert difference("touchdesigner", settings, gl, 3) < 1e-5


def test_the_recipe_names_every_shader():
    files = build("touchdesigner", CASES["dying"], ExportOptions(grid=99))
    recipe = files["network.txt"].decode()
    assert all(name in recipe for name in files if name != "network.txt")
    assert "99 x 99" in recipe


def test_the_recipe_gives_a_decoder_all_channels_and_a_larger_picture():
    settings = RuleSettings(12, 8, decoder=DecoderSettings(8))
    recipe = build("touchdesigner", settings)["network.txt"].decode()
    assert "'zero': 64 x 64" in recipe
    assert "the Render Selects of all color buffers, in order" in recipe
    assert "512 x 512 or any other resolution" in recipe


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InputError, match="1 step"):
        build("touchdesigner", CASES["small"], ExportOptions(steps_per_frame=4))
    with pytest.raises(InputError, match="inline"):
        build("touchdesigner", CASES["small"], ExportOptions(weights="texture"))
