"""Decoders in the hosts that draw with fragment shaders: pictures and steps as in torch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import moderngl
import numpy as np
import pytest
import torch
from torch import Tensor

from nca.decoder import DecoderSettings
from nca.exporters.glsl.pieces import number
from nca.exporters.glsl.ping_pong import ping_pong_tiles
from nca.exporters.glsl.tiles import Tiles, arrange, chain
from nca.exporters.hosts import comfyui, glslviewer, isf, shadertoy, touchdesigner
from nca.exporters.parity.emulation import Draw, LayerMachine, TileMachine
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files
from nca.gl.shader import Shader, Value
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.export.hosts.test_shadertoy import ES_HEAD
from tests.export.hosts.test_unity import Texture
from tests.helpers.hosts import TARGETS, compile_glsl, difference
from tests.helpers.rules import with_random_decoder

pytestmark = pytest.mark.gl

Size = tuple[int, int]
SIDE = 12  # cells
OPTIONS = ExportOptions(grid=SIDE, seed=77)
CASES = {
    "texture": RuleSettings(12, 8, decoder=DecoderSettings(order=2, hidden=(16,))),
    "dying": RuleSettings(
        6, 8, "zeros", alive_threshold=0.1, decoder=DecoderSettings(4, hidden=(17, 21))
    ),
    "reflect": RuleSettings(
        5, 8, "reflect", rgb_scale=0.5, decoder=DecoderSettings(5, 1, activation="sine")
    ),
    "figure": RuleSettings(
        8, 8, start="center", alive_threshold=0.1, decoder=DecoderSettings(hidden=(16,))
    ),
    "material": RuleSettings(
        9, 8, maps=("color", "normal", "height"), decoder=DecoderSettings(4, hidden=(16,))
    ),
}


def fine_rule(settings: RuleSettings) -> Rule:
    """A rule whose decoder draws colors that are mostly within [0, 1]."""
    rule = with_random_decoder(settings)
    assert rule.decoder is not None
    with torch.no_grad():
        for kind in "wb":
            rule.decoder.get_parameter(f"{kind}{rule.decoder.layers}").mul_(0.3)
    return rule


def upright(picture: moderngl.Texture) -> Tensor:
    """The colors of a texture of floats from the top row down, [3, h, w]."""
    texels = np.frombuffer(picture.read(), "f4").reshape(picture.height, picture.width, 4)
    return torch.from_numpy(texels[::-1, :, :3].copy()).permute(2, 0, 1)


def drawn(
    gl: moderngl.Context,
    text: str,
    state: Tensor,
    tiles: Tiles,
    screen: Size,
    samplers: Sequence[str],
    uniforms: Mapping[str, Value],
    buffer: Size | None = None,
) -> Tensor:
    """The picture of a shader, which reads the state from the first of its samplers."""
    sizes = {**dict.fromkeys(samplers, buffer or screen), "picture": screen}
    machine = TileMachine(gl, tiles, sizes)
    machine.write(samplers[0], state)
    machine.frame([Draw(text, "picture", {name: name for name in samplers})], uniforms)
    return upright(machine.front["picture"])


def of_shadertoy(
    gl: moderngl.Context, files: Files, rule: Rule, state: Tensor, screen: Size
) -> Tensor:
    common, image = (files[f"{tab}.glsl"].decode() for tab in ("common", "image"))
    text = shadertoy.HEAD + common + image + shadertoy.TAIL
    uniforms: dict[str, Value] = {"iResolution": (*screen, 1.0), "iFrame": 9}
    return drawn(gl, text, state, arrange(rule, SIDE), screen, ["iChannel0"], uniforms)


def of_glslviewer(
    gl: moderngl.Context, files: Files, rule: Rule, state: Tensor, screen: Size
) -> Tensor:
    (data,) = files.values()
    text, last = glslviewer.buffer_text(data, None), len(chain(rule, 4)) - 1
    uniforms: dict[str, Value] = {"u_resolution": screen, "u_frame": 9}
    samplers = [f"u_doubleBuffer{last}"]
    return drawn(gl, text, state, arrange(rule, SIDE), screen, samplers, uniforms)


def of_isf(gl: moderngl.Context, files: Files, rule: Rule, state: Tensor, screen: Size) -> Tensor:
    (data,) = files.values()
    tiles = isf.buffer_tiles(rule, OPTIONS)
    last = 4 if rule.settings.alive_threshold is None else 8
    uniforms: dict[str, Value] = {"RENDERSIZE": screen, "FRAMEINDEX": 9, "PASSINDEX": last}
    samplers = [isf.STATE, isf.OTHER, isf.STEPPED]
    text = isf.shader_text(data)
    return drawn(gl, text, state, tiles, screen, samplers, uniforms, tiles.texture_size)


def of_comfyui(
    gl: moderngl.Context, files: Files, rule: Rule, state: Tensor, screen: Size
) -> Tensor:
    (text,) = (comfyui.desktop_text(files[name]) for name in files if name.endswith(".frag"))
    dies = rule.settings.alive_threshold is not None
    last = comfyui.STEPS * (2 if dies else 1) + 1
    uniforms: dict[str, Value] = {"u_resolution": screen, "u_pass": last}
    tiles = ping_pong_tiles(rule, OPTIONS)
    return drawn(gl, text, state, tiles, screen, [comfyui.IMAGE], uniforms)


def of_touchdesigner(
    gl: moderngl.Context, files: Files, rule: Rule, state: Tensor, screen: Size
) -> Tensor:
    groups = -(-rule.settings.channels // 4)
    machine = LayerMachine(gl, groups, state.shape, "rgba32f")
    machine.write("state", state, (1.0, 0.0))
    text = touchdesigner.shader_text(files["view.frag"], groups)
    compile_glsl(text, "frag")
    place = "uniform vec2 pixels;\n#define vUV vec3(gl_FragCoord.xy / pixels, 0.0)"
    picture = gl.texture(screen, 4, dtype="f4")
    Shader(gl, text.replace("in vec3 vUV;", place)).draw(
        gl.framebuffer([picture]),
        {"sTD2DInputs": machine.in_a_row(["state"])},
        {"pixels": screen},
    )
    return upright(picture)


DRAW: dict[str, Callable[[moderngl.Context, Files, Rule, Tensor, Size], Tensor]] = {
    "shadertoy": of_shadertoy,
    "isf": of_isf,
    "touchdesigner": of_touchdesigner,
    "glslviewer": of_glslviewer,
    "comfyui": of_comfyui,
}


def check(picture: Tensor, rule: Rule, state: Tensor) -> None:
    """Compare a picture with torch; at most a third of it may be black or white."""
    expected = rule.to_image(state[None])[0].detach()
    inside = expected.clamp(0, 1)
    assert (inside == expected).float().mean() > 2 / 3
    spread = float(inside.max() - inside.min())
    assert spread > 0.3
    assert float((picture - inside).abs().max()) < 1e-5 * spread


def some_state(rule: Rule, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(rule.settings.channels, height, width, generator=generator) - 0.3


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", DRAW)
def test_the_picture_is_the_one_of_torch(gl: moderngl.Context, target: str, case: str) -> None:
    rule = fine_rule(CASES[case])
    files = TARGETS[target].build({"rule": RuleFile(rule)}, OPTIONS)
    # Buffers of ISF have a fixed size; a figure fills the shorter side of the screen.
    height = SIDE if target == "isf" or case == "figure" else 8
    state = some_state(rule, height, SIDE)
    scale = rule.settings.pixels_per_cell
    check(DRAW[target](gl, files, rule, state, (scale * SIDE, scale * height)), rule, state)


def test_a_picture_that_wraps_is_repeated(gl: moderngl.Context) -> None:
    rule = fine_rule(CASES["texture"])
    files = TARGETS["isf"].build({"rule": RuleFile(rule)}, OPTIONS)
    state = some_state(rule, SIDE, SIDE)
    side = rule.settings.pixels_per_cell * SIDE
    for half in of_isf(gl, files, rule, state, (2 * side, side)).split(side, dim=2):
        check(half, rule, state)


@pytest.mark.parametrize("case", CASES)
def test_unity_draws_the_picture_of_torch(gl: moderngl.Context, tmp_path: Path, case: str) -> None:
    rule = fine_rule(CASES[case])
    state = some_state(rule, 8, SIDE)
    scale = rule.settings.pixels_per_cell
    texture = Texture(gl, tmp_path, rule, (8, SIDE), pixels=(scale * SIDE, scale * 8))
    texture.machine.write("state", state)
    check(texture.picture(), rule, state)


@pytest.mark.parametrize("case", ["texture", "figure"])
@pytest.mark.parametrize("target", ["shadertoy", "glslviewer", "comfyui"])
def test_cells_that_fill_the_screen_step_as_in_torch(
    gl: moderngl.Context, target: str, case: str
) -> None:
    assert difference(target, CASES[case], gl, 1) < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_the_shaders_compile_as_webgl2_compiles_them(case: str) -> None:
    toy, comfy = (
        TARGETS[target].build({"rule": RuleFile(fine_rule(CASES[case]))}, OPTIONS)
        for target in ("shadertoy", "comfyui")
    )
    common, image = (toy[f"{tab}.glsl"].decode() for tab in ("common", "image"))
    compile_glsl(ES_HEAD + common + image + shadertoy.TAIL, "frag")
    compile_glsl(comfy["rule.frag"].decode(), "frag")


@pytest.mark.parametrize(
    "target",
    ["glsl", "glslviewer", "godot", "isf", "shadertoy", "threejs", "touchdesigner", "wgsl"],
)
def test_weights_have_as_many_digits_as_asked_for(target: str) -> None:
    rule = fine_rule(CASES["texture"])
    options = ExportOptions(grid=SIDE, digits=5, weights="inline")
    files = TARGETS[target].build({"fine": RuleFile(rule)}, options)
    text = "".join(data.decode() for name, data in files.items() if not name.endswith(".bin"))
    assert rule.decoder is not None
    for weight in rule.decoder.w1.detach().flatten().tolist():
        short, exact = number(weight, 5), number(weight)
        assert short in text
        assert exact == short or exact not in text
