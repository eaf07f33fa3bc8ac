"""Godot: its compute shaders by a Vulkan compiler and in OpenGL, its script by a parser."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from nca.decoder import DecoderSettings
from nca.exporters.hosts.godot import TARGET, draw
from nca.exporters.parity.compare import picture
from nca.exporters.parity.compute import ComputeMachine, opengl_text
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files
from nca.maps import MapName
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.hosts import CASES, build, check_golden, compile_glsl, difference
from tests.helpers.rules import bounded_rule, with_random_decoder

EVERY_MAP: tuple[MapName, ...] = (
    "color",
    "normal",
    "height",
    "roughness",
    "occlusion",
    "metalness",
)
# What a rule shows: its color, the maps of a material, the picture of a decoder.
SHOWN = {
    "plain": RuleSettings(4, 8, rgb_scale=0.5),
    "material": RuleSettings(12, 8, rgb_scale=0.5, maps=EVERY_MAP),
    "rough": RuleSettings(6, 8, rgb_offset=0.3, maps=("color", "height", "roughness")),
    "metal": RuleSettings(8, 8, maps=("color", "metalness", "normal")),
    "decoder": RuleSettings(6, 8, "zeros", alive_threshold=0.1, decoder=DecoderSettings(4, 2)),
    "sines": RuleSettings(
        12, 8, "reflect", decoder=DecoderSettings(3, 0, (17, 21), activation="sine")
    ),
    "fine material": RuleSettings(
        12, 8, rgb_scale=0.5, maps=EVERY_MAP, decoder=DecoderSettings(4, hidden=(16,))
    ),
    "fine height": RuleSettings(
        9, 8, "zeros", alive_threshold=0.1, maps=("color", "normal", "height"),
        decoder=DecoderSettings(3, 1, (17, 21), activation="sine"),
    ),
}  # fmt: skip


def shown(case: str, options: ExportOptions) -> tuple[Files, Rule]:
    """The exported files of a rule of :data:`SHOWN`, and the rule."""
    settings = SHOWN[case]
    rule = with_random_decoder(settings) if settings.decoder else bounded_rule(settings)
    return TARGET.build({"a rule": RuleFile(rule)}, options), rule


def test_golden_files(monkeypatch):
    check_golden("godot", monkeypatch)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", ["inline", "texture"])
@pytest.mark.parametrize("state", ["rgba32f", "rgba16f", "rgba8"])
def test_shaders_compile_for_vulkan(case, weights, state):
    files = build("godot", CASES[case], ExportOptions(weights=weights, state=state))
    shaders = {name: data.decode() for name, data in files.items() if name.endswith(".glsl")}
    assert "nca_step.glsl" in shaders
    for text in shaders.values():
        compile_glsl(text.removeprefix("#[compute]\n"), "comp", "-V")


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_frames_are_the_steps_of_torch(gl, case, weights):
    options = ExportOptions(seed=77, weights=weights)
    assert difference("godot", CASES[case], gl, 3, options) < 1e-5


@pytest.mark.gl
def test_a_hundred_steps(gl):
    assert difference("godot", CASES["dying"], gl, 25) < 1e-5


@pytest.mark.gl
@pytest.mark.parametrize("case", SHOWN)
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_textures_are_the_picture_or_the_maps_of_torch(gl, case, weights):
    options = ExportOptions(weights=weights)
    files, rule = shown(case, options)
    compile_glsl(files["nca_draw.glsl"].decode().removeprefix("#[compute]\n"), "comp", "-V")
    generator = torch.Generator().manual_seed(1)
    state = torch.rand(rule.settings.channels, 6, 9, generator=generator) - 0.5
    expected = picture(rule, state)
    assert expected.std() > 0.1
    spread = float(expected.max() - expected.min())
    drawn = draw(files, rule, options, state, gl)
    assert drawn.shape == expected.shape
    assert (drawn - expected).abs().max() < 1e-5 * spread


@pytest.mark.gl
@pytest.mark.parametrize("case", ["material", "rough"])
def test_red_green_and_blue_are_occlusion_roughness_and_metalness(gl, case):
    files, rule = shown(case, ExportOptions())
    state = torch.rand(rule.settings.channels, 4, 5, generator=torch.Generator().manual_seed(1))
    machine = ComputeMachine(gl, files, rule, ExportOptions(), state)
    names = re.findall(r"image2D nca_(\w+)_texture", files["nca_draw.glsl"].decode())
    packed = machine.draw(names, (4, 5))["orm"]
    maps = {name: values[0] for name, values in rule.to_maps(state[None]).items()}
    missing = {"occlusion": 1.0, "roughness": 1.0, "metalness": 0.0}
    for drawn, (name, value) in zip(packed, missing.items(), strict=False):
        expected = maps[name][0].clamp(0, 1) if name in maps else torch.full((4, 5), value)
        assert (drawn - expected).abs().max() < 1e-6, name


@pytest.mark.gl
@pytest.mark.parametrize("size", [(6, 10), (5, 3), (1, 4)])
def test_mipmaps_are_means(gl, size):
    text = shown("material", ExportOptions())[0]["nca_mipmap.glsl"]
    compile_glsl(text.decode().removeprefix("#[compute]\n"), "comp", "-V")
    values = torch.rand(*size, 4, generator=torch.Generator().manual_seed(1))
    fine = gl.texture(size[::-1], 4, values.numpy().tobytes(), dtype="f4")
    half = [max(side // 2, 1) for side in size]
    coarse = gl.texture(half[::-1], 4, dtype="f4")
    fine.bind_to_image(0, read=True, write=False)
    coarse.bind_to_image(1, read=False, write=True)
    gl.compute_shader(opengl_text(text)).run(1, 1, 1)
    gl.memory_barrier()
    drawn = torch.frombuffer(bytearray(coarse.read()), dtype=torch.float32).view(*half, 4)
    kernel = [min(side, 2) for side in size]
    expected = F.avg_pool2d(values.permute(2, 0, 1), kernel).permute(1, 2, 0)
    assert (drawn - expected).abs().max() < 1e-6


@pytest.mark.gl
@pytest.mark.parametrize("case", ["material", "decoder", "fine material"])
def test_the_measured_difference_includes_what_is_drawn(gl, case):
    files, rule = shown(case, ExportOptions())
    rules = {"a rule": RuleFile(rule)}
    good = TARGET.measure(rules, files, ExportOptions(), gl)["a rule"].largest
    assert good is not None
    assert good < 1e-5
    text = files["nca_draw.glsl"].decode()
    spoiled = text.replace("clamp(vec4(", "clamp(0.9 * vec4(")
    assert spoiled != text
    bad = TARGET.measure(rules, {**files, "nca_draw.glsl": spoiled.encode()}, ExportOptions(), gl)[
        "a rule"
    ].largest
    assert bad is not None
    assert bad > 1e-3


def script_of(path: Path, files: Files) -> str:
    """The exported script, if it is GDScript."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    gdparse = shutil.which("gdparse", path=places)
    if gdparse is None:
        absent("gdparse (PyPI: gdtoolkit)")
    path.write_bytes(files["nca_texture.gd"])
    done = subprocess.run([gdparse, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path.read_text()


@pytest.mark.parametrize("weights", ["inline", "texture"])
@pytest.mark.parametrize("case", ["small", "dying"])
def test_the_script_is_gdscript(tmp_path, case, weights):
    files = build("godot", CASES[case], ExportOptions(weights=weights))
    text = script_of(tmp_path / "nca_texture.gd", files)
    assert text.count("extends TextureRect\n") == 1
    assert ("weights.f32" in text) == (weights == "texture")
    # Godot refuses a set of uniforms that lacks one of the shader.
    for name in ("nca_step", "nca_draw"):
        reads = "nca_weights" in files[f"{name}.glsl"].decode()
        assert reads == (weights == "texture" and f'const WEIGHTED := ["{name}"' in text)


@pytest.mark.parametrize("case", ["material", "rough", "metal"])
def test_the_script_fills_a_standard_material(tmp_path, case):
    files, rule = shown(case, ExportOptions())
    text = script_of(tmp_path / "nca_texture.gd", files)
    assert text.count("extends MeshInstance3D\n") == 1
    features = {
        "normal": "normal_enabled = true",
        "height": "heightmap_enabled = true",
        "roughness": "roughness_texture_channel = BaseMaterial3D.TEXTURE_CHANNEL_GREEN",
        "occlusion": "ao_texture_channel = BaseMaterial3D.TEXTURE_CHANNEL_RED",
        "metalness": "metallic_texture_channel = BaseMaterial3D.TEXTURE_CHANNEL_BLUE",
    }
    for name, line in features.items():
        assert (f"\tmaterial.{line}\n" in text) == (name in rule.settings.maps), name
    # The script binds its textures in the order in which the shader declares them.
    declared = re.findall(r"image2D nca_(\w+)_texture", files["nca_draw.glsl"].decode())
    assert re.findall(r'"(\w+)": Texture2DRD.new', text) == declared


def test_a_decoder_draws_a_picture_of_512_pixels(tmp_path):
    files, _ = shown("decoder", ExportOptions(weights="texture"))
    text = script_of(tmp_path / "nca_texture.gd", files)
    assert "var grid := Vector2i(128, 128)" in text
    assert "var pixels_per_cell := 4\n" in text
    assert 'const WEIGHTED := ["nca_step", "nca_draw"]\n' in text
