"""The shaders that draw a state, on desktop OpenGL."""

import moderngl
import numpy as np
import pytest
import torch

from nca.exporters.glsl.drawing import VIEWS, colors_fragment, screen_fragment
from nca.exporters.glsl.fragments import Capabilities
from nca.gl.buffers import StateBuffer
from nca.gl.shader import Shader, Value
from nca.rule import Rule
from nca.rule_settings import RuleSettings

HEIGHT, WIDTH, CHANNELS = 6, 10, 7
SETTINGS = RuleSettings(channels=CHANNELS, rgb_scale=0.5, rgb_offset=0.25)


def colored(
    gl: moderngl.Context, view: str, state: torch.Tensor, *, larger: int = 1, **values: Value
) -> np.ndarray:
    """Colors of the cells of a state, [larger * H, larger * W, 3] of 0 to 255."""
    size = (larger * WIDTH, larger * HEIGHT)
    buffers = [StateBuffer(gl, (HEIGHT, WIDTH), 2) for _ in range(2)]
    buffers[0].write(state.numpy())
    buffers[1].clear()
    settings: dict[str, Value] = {
        "nca_size": (WIDTH, HEIGHT),
        "nca_code": (1.0, 0.0),
        "nca_picture": size,
        "nca_channels": CHANNELS,
        **values,
    }
    target = gl.framebuffer([gl.texture(size, 4)])
    textures = {**buffers[0].named("nca_state"), **buffers[1].named("nca_before")}
    Shader(gl, colors_fragment(Capabilities(), CHANNELS, SETTINGS, view)).draw(
        target, textures, settings
    )
    pixels = np.frombuffer(target.read(components=3, alignment=1), np.uint8)
    return pixels.reshape(*size[::-1], 3).astype(int)


@pytest.fixture
def state() -> torch.Tensor:
    return torch.rand(CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.gl
def test_colors_are_those_of_the_rule(gl, state):
    expected = Rule(SETTINGS).to_rgb(state[None])[0].clamp(0, 1) * 255
    pixels = colored(gl, "colors", state)
    assert np.abs(pixels - expected.permute(1, 2, 0).numpy()).max() <= 0.51


@pytest.mark.gl
def test_one_channel_and_the_last_change(gl, state):
    one = colored(gl, "channel", state, nca_channel=6, nca_color_map=0)
    assert np.abs(one[..., 0] - (state[6] * 0.5 + 0.5).numpy() * 255).max() <= 0.51
    change = colored(gl, "change", state, nca_color_map=0)
    expected = (4 * state[:3].abs().amax(0)).clamp(max=1).numpy() * 255
    assert np.abs(change[..., 0] - expected).max() <= 0.51


@pytest.mark.gl
def test_all_channels_side_by_side(gl):
    state = (torch.arange(CHANNELS) / 8 - 0.5)[:, None, None].expand(CHANNELS, HEIGHT, WIDTH)
    pixels = colored(gl, "channels", state, larger=9, nca_color_map=0)
    middles = pixels[9::18, 15::30, 0].ravel()  # of three by three tiles
    expected = (state[:, 0, 0] * 0.5 + 0.5).numpy() * 255
    assert np.abs(middles[:CHANNELS] - expected).max() <= 0.51
    assert set(middles[CHANNELS:]) == {18}


@pytest.mark.gl
@pytest.mark.parametrize("palette", [1, 2])
def test_color_maps_distinguish_low_from_high(gl, palette):
    low, high = (
        colored(gl, "channel", torch.full((CHANNELS, HEIGHT, WIDTH), v), nca_color_map=palette)
        for v in (-1.0, 1.0)
    )
    assert np.abs(low - high).max() > 100


@pytest.mark.gl
def test_the_camera_shows_row_0_on_top_and_goes_round(gl):
    colors = np.zeros((4, 6, 4), np.uint8)
    colors[0, 0] = 255, 0, 0, 255
    texture = gl.texture((6, 4), 4, colors.tobytes())
    values = {
        "nca_cells": (6.0, 4.0),
        "nca_camera": (-1.0, -1.0, 0.1),
        "nca_height": 60.0,
        "nca_smooth": 0,
        "nca_wraps": True,
        "nca_borders": 0.0,
        "nca_ring": (0.0, 0.0, 0.0, 0.0),
    }
    target = gl.framebuffer([gl.texture((80, 60), 4)])
    shader = Shader(gl, screen_fragment(Capabilities()))
    shader.draw(target, {"nca_colors_of_cells": texture}, values)
    picture = np.frombuffer(target.read(components=3), np.uint8).reshape(60, 80, 3)[::-1]
    rows, columns = np.nonzero(picture[..., 0] > 128)
    assert {*rows // 10, *columns // 10} == {1, 5, 7}
    assert set(zip(rows // 10, columns // 10, strict=True)) == {(1, 1), (5, 1), (1, 7), (5, 7)}


def test_every_view_has_a_shader():
    assert len({colors_fragment(Capabilities(), 8, SETTINGS, view) for view in VIEWS}) == 4
