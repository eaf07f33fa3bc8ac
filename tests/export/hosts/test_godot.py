"""Godot: its compute shaders by a Vulkan compiler and in OpenGL, its script by a parser."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nca.exporters.settings import ExportOptions
from tests.conftest import absent
from tests.helpers.hosts import CASES, build, check_golden, compile_glsl, difference


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


@pytest.mark.parametrize("weights", ["inline", "texture"])
@pytest.mark.parametrize("case", ["small", "dying"])
def test_the_script_is_gdscript(tmp_path, case, weights):
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    gdparse = shutil.which("gdparse", path=places)
    if gdparse is None:
        absent("gdparse (PyPI: gdtoolkit)")
    files = build("godot", CASES[case], ExportOptions(weights=weights))
    path = tmp_path / "nca_texture.gd"
    path.write_bytes(files["nca_texture.gd"])
    done = subprocess.run([gdparse, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("weights.f32" in path.read_text()) == (weights == "texture")
