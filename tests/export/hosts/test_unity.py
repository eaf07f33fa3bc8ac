"""Unity: its HLSL in OpenGL, by way of SPIR-V, and its script by a C# compiler."""

import re
import shutil
import subprocess
from pathlib import Path

import moderngl
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.exporters.glsl.ping_pong import passes_per_step, ping_pong_tiles
from nca.exporters.hosts import unity
from nca.exporters.parity.emulation import Draw, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.hosts import CASES, build, check_golden
from tests.helpers.rules import bounded_rule

SAMPLER = "SPIRV_Cross_Combined"
STANDINS = Path(__file__).parent / "unity"  # for parts of Unity that the files need


def command(name: str) -> str:
    """Path of a program."""
    path = shutil.which(name)
    if path is None:
        absent(name)
    return str(path)


def fragment(files: Files, number: int, folder: Path) -> str:
    """GLSL of a pass of the shader, translated from its HLSL by way of SPIR-V."""
    for path, data in files.items():
        (folder / path).write_bytes(data)
    (text,) = (data.decode() for path, data in files.items() if path.endswith(".shader"))
    program = re.findall(r"CGPROGRAM(.*?)ENDCG", text, re.DOTALL)[number]
    entry = re.search(r"#pragma fragment (\w+)", program)
    assert entry is not None
    source, binary = folder / f"{number}.hlsl", folder / f"{number}.spv"
    # The reference compiler accepts includes only with this extension.
    source.write_text(f"#extension GL_GOOGLE_include_directive : require\n{program}")
    compiled = subprocess.run(
        [command("glslangValidator"), "-D", "-V", "-S", "frag", "-e", entry[1],
         f"-I{folder}", f"-I{STANDINS}", "--auto-map-bindings", "--auto-map-locations",
         "-o", str(binary), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stdout
    glsl = subprocess.run(
        [command("spirv-cross"), "--version", "330", "--no-es", "--glsl-emit-ubo-as-plain-uniforms",
         str(binary)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    # The place of a pixel is its interpolated coordinate in Unity, and gl_FragCoord here.
    (place,) = re.findall(r"in vec3 (\w+);", glsl)
    (values,) = re.findall(r"uniform _Global (\w+);", glsl)
    glsl = glsl.replace(f"in vec3 {place};", "uniform vec2 pixels;")
    glsl = glsl.replace(place, "(gl_FragCoord.xyz / vec3(pixels, 1.0))")
    return glsl.replace(values, "values")


class Texture:
    """A custom render texture that contains the state, and its picture."""

    def __init__(
        self,
        gl: moderngl.Context,
        folder: Path,
        rule: Rule,
        size: tuple[int, int],
        seed: int = 0,
        pixels: tuple[int, int] = (60, 40),
    ) -> None:
        self.rule, self.seed, self.pixels = rule, seed, pixels
        self.shape = (rule.settings.channels, *size)
        self.tiles = ping_pong_tiles(rule, ExportOptions())
        self.size = (self.tiles.columns * size[1] + 1, self.tiles.rows * size[0])
        files = unity.build("rule", RuleFile(rule), ExportOptions())
        self.texts = [fragment(files, number, folder) for number in range(2)]
        self.machine = TileMachine(gl, self.tiles, {"state": self.size, "picture": pixels})

    def update(
        self, steps: int, brush: tuple[float, ...] = (0, 0, 0, 0), *, restart: bool = False
    ) -> Tensor:
        """Run steps, and return the state."""
        uniforms = {
            "pixels": self.size,
            "values.CustomRenderTextureInfo": (*self.size, 0, 0),
            "values._Seed": self.seed,
            "values._Brush": brush,
            "values._Restart": float(restart),
        }
        draw = Draw(self.texts[0], "state", {f"{SAMPLER}_SelfTexture2DNearest": "state"})
        passes = 1 if restart else steps * passes_per_step(self.rule)
        self.machine.frame([draw] * passes, uniforms)
        return self.machine.read("state", self.shape)

    def picture(self) -> Tensor:
        """The colors, [3, h, w], from the top row down."""
        width, height = self.size
        uniforms = {"pixels": self.pixels, "values._State_TexelSize": (0, 0, width, height)}
        draw = Draw(self.texts[1], "picture", {f"{SAMPLER}_StateNearest": "state"})
        self.machine.frame([draw], uniforms)
        texels = np.frombuffer(self.machine.front["picture"].read(), "f4")
        texels = texels.reshape(*self.pixels[::-1], 4)
        return torch.from_numpy(texels[::-1, :, :3].copy()).permute(2, 0, 1)


def test_golden_files(monkeypatch):
    check_golden("unity", monkeypatch)


@pytest.mark.gl
@pytest.mark.parametrize("case", CASES)
def test_passes_are_the_steps_of_torch(gl, tmp_path, case):
    settings = CASES[case]
    rule = bounded_rule(settings, update_bias=settings.alive_threshold is not None)
    state = torch.rand(1, settings.channels, 20, 28, generator=torch.Generator().manual_seed(5))
    state -= 0.3
    if settings.alive_threshold is not None:
        state[:, :, 3:15, 2:16] = 0
    texture = Texture(gl, tmp_path, rule, (20, 28), seed=77)
    texture.machine.write("state", state[0])
    for steps in (1, 10) if case != "dying" else (1, 10, 100):
        expected = rule(state, steps, seed=77)
        texture.machine.write("state", state[0])
        assert float((texture.update(steps) - expected[0]).abs().max()) < 1e-5


@pytest.mark.gl
def test_it_starts_restarts_and_draws_its_picture(gl, tmp_path):
    rule = bounded_rule(RuleSettings(4, 8, "zeros", start="noise", noise_level=0.5))
    texture = Texture(gl, tmp_path, rule, (20, 28), seed=3)
    start = rule.initial_state(1, 20, 28, seed=3)
    assert torch.equal(texture.update(1), start[0]), "an empty texture starts by itself"
    state = rule(start, 5, seed=3)
    assert float((texture.update(5) - state[0]).abs().max()) < 1e-5
    image = interpolate(rule.to_image(state).clamp(0, 1), (40, 60), mode="bilinear")
    assert float((texture.picture() - image[0]).abs().max()) < 1e-5
    assert torch.equal(texture.update(1, restart=True), start[0])


@pytest.mark.gl
def test_the_brush_erases_along_its_path(gl, tmp_path):
    rule = bounded_rule(RuleSettings(4, 8, "zeros", start="noise", noise_level=0.5))
    texture = Texture(gl, tmp_path, rule, (20, 28))
    assert texture.update(1)[:, 9:11, 5:20].all()
    texture.update(1, (5, 10, 2, 0))
    state = texture.update(1, (20, 10, 2, 0))
    assert not state[:, 9:11, 5:20].any()
    assert state[:, :7].all()


def test_the_script_compiles(tmp_path):
    files = build("unity", CASES["dying"])
    (tmp_path / unity.SCRIPT).write_bytes(files[unity.SCRIPT])
    done = subprocess.run(
        [command("mcs"), "-target:library", "-warnaserror", f"-out:{tmp_path}/script.dll",
         str(tmp_path / unity.SCRIPT), str(STANDINS / "UnityEngine.cs")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shader_knows_its_tiles_and_passes():
    text = build("unity", CASES["dying"])["a-rule.shader"].decode()
    assert re.findall(r'_(Columns|Rows|Passes) .* = (\d+)', text) == [
        ("Columns", "2"), ("Rows", "2"), ("Passes", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("decoder", "grid", "values"),
    [
        (None, None, ("256", "512", "10")),
        (DecoderSettings(8), None, ("64", "512", "2.5")),
        (DecoderSettings(4), 96, ("96", "384", "5")),
        (DecoderSettings(16), 512, ("512", "4096", "2")),
    ],
)
def test_the_script_has_as_many_pixels_as_the_decoder_draws(decoder, grid, values):
    files = build("unity", RuleSettings(4, 8, decoder=decoder), ExportOptions(grid=grid))
    fields = r"int cells = (\d+);.*int pixels = (\d+);.*float radius = ([\d.]+)f;"
    found = re.search(fields, files[unity.SCRIPT].decode(), re.DOTALL)
    assert found is not None
    assert found.groups() == values


def test_only_float_states_are_supported():
    with pytest.raises(InputError, match="rgba32f"):
        build("unity", CASES["small"], ExportOptions(state="rgba8"))
