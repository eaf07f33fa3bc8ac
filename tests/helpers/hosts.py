"""Code shared by the tests of hosts: rules with formula weights, golden files, differences."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import moderngl
import pytest
import torch
from playwright.sync_api import Browser

import nca
from nca.exporters.glsl.fragments import vertex_shader
from nca.exporters.registry import find_target, target_names
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, RuleTarget
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.rules import bounded_rule

TARGETS = {
    name: target for name in target_names() if isinstance(target := find_target(name), RuleTarget)
}
GOLDEN = Path(__file__).parents[1] / "golden"

# One or several groups, full or partly filled; every padding; cells that can or cannot die.
CASES = {
    "small": RuleSettings(4, 8, "circular"),
    "dying": RuleSettings(9, 13, "circular", 0.25, alive_threshold=0.1),
    "zeros": RuleSettings(12, 32, "zeros", 1.0),
    "dying-zeros": RuleSettings(12, 16, "zeros", alive_threshold=0.1, hidden_clip=0.4),
    # Past the border, values are zero, which counts as alive here.
    "border": RuleSettings(6, 8, "zeros", alive_threshold=-0.1),
    "reflect": RuleSettings(16, 24, "reflect"),
    "replicate": RuleSettings(22, 16, "replicate"),
    "dilated": RuleSettings(6, 12, "reflect", dilations=(1, 1, 1, 1, 2, 3, 3)),
}


def golden_rule() -> RuleFile:
    """A rule with weights from a formula, the same on every machine."""
    rule = Rule(RuleSettings(5, 3, alive_threshold=0.1, start="center"), update_bias=True)
    with torch.no_grad():
        for parameter in rule.parameters():
            numbers = torch.arange(parameter.numel()) * 37 % 101 - 50
            parameter.copy_((numbers / 128).reshape(parameter.shape))
    return RuleFile(rule, {"author": "A. Nonymous", "license": "CC0-1.0"})


def check_golden(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare a target's files with the golden files. NCA_WRITE_GOLDEN=1 replaces the latter."""
    monkeypatch.setattr(nca, "__version__", "0")
    files = find_target(target).build({"golden": golden_rule()}, ExportOptions())
    folder = GOLDEN / target
    if os.environ.get("NCA_WRITE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    kept = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert sorted(files) == sorted(kept)
    for name, data in files.items():
        assert data.decode() == kept[name].decode(), name


def difference(
    target: str,
    settings: RuleSettings,
    gl: moderngl.Context,
    frames: int,
    options: ExportOptions | None = None,
) -> float:
    """Largest difference from torch after some frames, on a state that is not square."""
    host = TARGETS[target]
    options = options or ExportOptions(seed=77)
    rule = bounded_rule(settings, update_bias=settings.alive_threshold is not None)
    height, width = host.grid(rule, options) if host.grid else (20, 28)
    generator = torch.Generator().manual_seed(5)
    state = torch.rand(1, settings.channels, height, width, generator=generator) - 0.3
    if settings.alive_threshold is not None:
        state[:, :, 3:15, 2:16] = 0
    steps = frames * host.frame_steps(rule, options)
    expected = rule(state, steps, seed=options.seed)
    assert float(expected.std()) > 0.01, "a dead state compares nothing"
    files = host.build({"rule": RuleFile(rule)}, options)
    assert host.run is not None
    got = host.run(files, rule, options, state[0], frames, gl)
    return float((got - expected[0]).abs().max())


def compile_glsl(text: str, stage: str, *flags: str) -> None:
    """Compile with the Khronos Group's reference compiler."""
    path = shutil.which("glslangValidator")
    if path is None:
        absent("glslangValidator")
    command = [str(path), "--stdin", "-S", stage, *flags]
    with tempfile.TemporaryDirectory() as folder:  # the compiler writes to its current folder
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, cwd=folder
        )
    assert done.returncode == 0, done.stdout


LINK = """([vertex, fragment]) => {
  const gl = document.createElement("canvas").getContext("webgl2");
  const program = gl.createProgram();
  const logs = [];
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    logs.push(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? "" : logs.join() + "not linked";
}"""


def fetch_npm_package(name: str, folder: Path) -> None:
    """Download a package from npm and unpack it to ``folder/package``."""
    npm = shutil.which("npm")
    if npm is None:
        absent("npm")
    subprocess.run([npm, "pack", "--silent", name], cwd=folder, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")


def link_in_browser(browser: Browser, fragments: Iterable[str]) -> None:
    """Compile and link 300 es shaders as WebGL2 does."""
    page = browser.new_page()
    for fragment in fragments:
        assert page.evaluate(LINK, [vertex_shader("300 es"), fragment]) == ""
    page.close()


def build(target: str, settings: RuleSettings, options: ExportOptions | None = None) -> Files:
    """The exported files of a bounded rule."""
    file = RuleFile(bounded_rule(settings), {"author": "A. Nonymous"})
    return TARGETS[target].build({"a rule": file}, options or ExportOptions())
