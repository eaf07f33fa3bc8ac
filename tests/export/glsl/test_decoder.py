"""Decoded pictures in GLSL, compared with torch."""

from typing import Any

import moderngl
import numpy as np
import pytest
import torch

from nca.decoder import DecoderSettings
from nca.exporters.glsl.decoder import decoder_source
from nca.exporters.glsl.drawing import colors_fragment
from nca.exporters.glsl.fragments import Capabilities
from nca.gl.buffers import StateBuffer
from nca.gl.shader import Shader
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.rules import DECODERS, with_random_decoder

HEIGHT, WIDTH = 6, 9


def decoded(gl: moderngl.Context, rule: Rule, state: torch.Tensor, scale: int) -> torch.Tensor:
    """The picture of a state, [C, H, W], as floats: [3, h, w]."""
    channels = rule.settings.channels
    buffer = StateBuffer(gl, (HEIGHT, WIDTH), -(-channels // 4))
    buffer.write(state.numpy())
    text = colors_fragment(Capabilities(), channels, rule.settings, decoder=decoder_source(rule))
    size = (WIDTH * scale, HEIGHT * scale)
    target = gl.framebuffer([gl.texture(size, 4, dtype="f4")])
    values: dict[str, Any] = {"nca_size": (WIDTH, HEIGHT), "nca_code": (1, 0), "nca_picture": size}
    Shader(gl, text).draw(target, buffer.named("nca_state"), values)
    pixels = np.frombuffer(target.read(components=3, alignment=1, dtype="f4"), np.float32)
    return torch.from_numpy(pixels.copy()).view(*size[::-1], 3).permute(2, 0, 1)


@pytest.mark.gl
@pytest.mark.parametrize(
    ("channels", "settings", "decoder", "scale"),
    [
        *DECODERS,
        (9, {"maps": ("color", "normal", "height"), "alive_threshold": 0.1}, {}, 3),
    ],
)
def test_a_shader_draws_the_picture_of_a_decoder(
    gl: moderngl.Context,
    channels: int,
    settings: dict[str, Any],
    decoder: dict[str, Any],
    scale: int,
) -> None:
    rule = with_random_decoder(
        RuleSettings(channels, 4, **settings, decoder=DecoderSettings(**decoder))
    )
    state = torch.rand(channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) - 0.5
    expected = rule.to_image(state[None], scale=scale)[0].detach()
    spread = float(expected.max() - expected.min())
    assert (decoded(gl, rule, state, scale) - expected).abs().max() < 1e-5 * spread
