"""WebGPU: the module through wgpu, the script in Node."""

import importlib.util
import shutil
import subprocess

import pytest

from nca.exporters.settings import ExportOptions
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from tests.conftest import absent
from tests.helpers.hosts import CASES, build, check_golden, difference

pytestmark = pytest.mark.gl


@pytest.fixture(autouse=True)
def needs_wgpu(monkeypatch):
    if importlib.util.find_spec("wgpu") is None:
        absent("wgpu")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")


def test_golden_files(monkeypatch):
    check_golden("wgsl", monkeypatch)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_frames_are_the_steps_of_torch(gl, case, weights):
    options = ExportOptions(seed=77, weights=weights)
    for frames in (1, 3):
        assert difference("wgsl", CASES[case], gl, frames, options) < 1e-5


def test_a_hundred_steps(gl):
    assert difference("wgsl", CASES["dying"], gl, 25) < 1e-5


def test_half_floats_stay_near(gl):
    assert difference("wgsl", RuleSettings(8, 16), gl, 25, ExportOptions(state="rgba16f")) < 5e-3


def test_every_kind_of_rounding_is_spelled_right(gl):
    grid = Quantizer(4, 0.5)
    settings = RuleSettings(6, 8, quantization=Quantization(grid, grid, Quantizer(2, 0), grid))
    far = difference("wgsl", settings, gl, 1, ExportOptions(steps_per_frame=1))
    assert far < 1.01 * 4 / 255


def test_the_scripts_are_modules(tmp_path):
    node = shutil.which("node")
    if node is None:
        absent("node")
    files = build("wgsl", RuleSettings(6, 8, maps=("color", "normal")))
    page = files["example.html"].decode()
    scripts = files["nca.js"].decode(), page.partition('"module">')[2].partition("</script>")[0]
    for i, text in enumerate(scripts):
        path = tmp_path / f"{i}.mjs"
        path.write_text(text)
        done = subprocess.run([str(node), "--check", str(path)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "start(" in text


def test_only_materials_have_an_example():
    assert "example.html" not in build("wgsl", CASES["small"])
