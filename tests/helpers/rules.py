"""Rules for tests: bounded rules of any size, and published rules."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from nca.rule import ALPHA, Rule, filter_tensor
from nca.rule_settings import Quantization, Quantizer, RuleSettings

# Rules with decoders that differ in all settings: channels, other settings, decoder, scale.
DECODERS: list[tuple[int, dict[str, Any], dict[str, Any], int]] = [
    (4, {"padding": "circular"}, {"order": 2, "hidden": (32,)}, 8),
    (6, {"padding": "zeros", "alive_threshold": 0.1}, {"order": 1, "hidden": (17, 21)}, 4),
    (5, {"padding": "reflect", "rgb_scale": 0.5}, {"activation": "sine", "order": 3}, 3),
    (12, {"padding": "replicate"}, {"activation": "sine", "hidden": (64, 64)}, 16),
]


def bounded_rule(settings: RuleSettings, *, seed: int = 0, update_bias: bool = False) -> Rule:
    """Make a rule whose states stay around 0.5: channels decay, and are weakly coupled.

    As far as there is room, the first hidden units are pairs relu(x_c) and relu(-x_c), from which
    the second layer subtracts 40% of x_c. In a rule that is not bounded, growing rounding errors
    would hide the differences that a test looks for.
    """
    generator = torch.Generator().manual_seed(seed)
    rule = Rule(settings, update_bias=update_bias, generator=generator)
    channels, hidden, filters = settings.channels, settings.hidden, len(rule.filters)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    with torch.no_grad():
        rule.w1.copy_(noise(hidden, channels * filters) * 0.03 / channels**0.5)
        rule.b1.copy_(noise(hidden) * 0.3)
        rule.w2.copy_(noise(channels, hidden) * 0.3 / hidden**0.5)
        if rule.b2 is not None:
            rule.b2.copy_(noise(channels) * 0.05)
            if settings.alive_threshold is not None:
                # Alpha settles at 1.5 times the threshold, so that most cells stay alive.
                rule.b2[ALPHA] = 0.6 * settings.alive_threshold
                rule.w2[ALPHA] = 0
                rule.b1[2 * ALPHA : 2 * ALPHA + 2] = 0
        for c in range(min(channels, hidden // 2)):
            for unit, sign in ((2 * c, 1.0), (2 * c + 1, -1.0)):
                rule.w1[unit, c * filters] += sign
                rule.w2[c, unit] -= 0.4 * sign
    return rule


def with_random_decoder(settings: RuleSettings, *, seed: int = 0) -> Rule:
    """Make a bounded rule with a decoder whose layers are random; its colors range over about 1."""
    rule = bounded_rule(settings, seed=seed)
    assert rule.decoder is not None
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in rule.decoder.parameters():
            spread = weight.shape[-1] ** -0.5
            weight.copy_(spread * torch.randn(weight.shape, generator=generator))
    return rule


def published_rules(path: Path, *, rounded: bool = True) -> dict[str, Rule]:
    """The rules of Niklasson et al., "Self-Organising Textures", Distill 2021, by name."""
    data = json.loads(path.read_text())
    layers = [_atlas(layer) for layer in data["layers"]]
    eight_bit = Quantizer(range=4, zero=127 / 255)
    quantization = Quantization(eight_bit, eight_bit, Quantizer(range=2, zero=0), eight_bit)
    settings = RuleSettings(
        channels=12,
        hidden=96,
        rgb_scale=0.5,
        hidden_clip=2.0,
        quantization=quantization if rounded else Quantization(),
    )
    filters = filter_tensor() / torch.tensor([1.0, 8.0, 8.0, 8.0])[:, None, None]
    rules = {}
    for i, name in enumerate(data["model_names"]):
        first, second = layers[0][i], layers[1][i]
        rule = Rule(settings, filters, update_bias=True)
        by_filter = first[:-1].reshape(4, 12, 96)
        with torch.no_grad():
            rule.w1.copy_(torch.from_numpy(by_filter.transpose(2, 1, 0).reshape(96, 48).copy()))
            rule.b1.copy_(torch.from_numpy(first[-1]))
            rule.w2.copy_(torch.from_numpy(second[:-1].T.copy()))
            assert rule.b2 is not None
            rule.b2.copy_(torch.from_numpy(second[-1]))
        rules[name] = rule
    return rules


def _atlas(layer: dict) -> list[np.ndarray]:
    picture = Image.open(io.BytesIO(base64.b64decode(layer["data"].partition(",")[2])))
    bytes_ = np.asarray(picture.convert("RGBA"), dtype=np.float32)
    rows, columns = layer["shape"][0], layer["shape"][1] // 4
    across, down = layer["layout"]
    tiles = []
    for i in range(across * down):
        x, y = i % across * columns, i // across * rows
        tile = bytes_[y : y + rows, x : x + columns].reshape(rows, 4 * columns)
        tiles.append((tile - 127) / 255 * np.float32(layer["scale"]))
    return tiles


def unrounded(rule: Rule) -> Rule:
    """The same rule without quantization, sharing its weights."""
    rule.settings = replace(rule.settings, quantization=Quantization())
    return rule


FIGURE_SETTINGS = RuleSettings(
    6, 12, "zeros", alive_threshold=0.1, start="center", rgb_scale=0.5, rgb_offset=0.3
)


def figure(height: int, width: int) -> tuple[torch.Tensor, npt.NDArray[np.float32]]:
    """Make a state of a grown image, and its color (without background) and alpha, [H, W, 4]."""
    generator = torch.Generator().manual_seed(1)
    straight = torch.rand(4, height, width, generator=generator) * 0.7 + 0.3
    straight[:, : height // 3] = 0
    state = torch.zeros(6, height, width)
    state[:3] = straight[3:] * (straight[:3] - 0.3) / 0.5
    state[3] = straight[3]
    return state, straight.permute(1, 2, 0).numpy()


def striped_rule() -> Rule:
    """A rule without training that grows stripes in the direction of x.

    Channel 0 diffuses only along x and is drawn to -0.75 or 0.75; channel 3 holds its derivative.
    """
    rule = Rule(RuleSettings(4, 6, start="noise", noise_level=1.0, rgb_offset=0.5))
    u, p, of_x, laplace = 0, 3, 1, 3  # channels and filters
    with torch.no_grad():
        for weight in (rule.w1, rule.b1, rule.w2):
            weight.zero_()
        rule.w1[0, 4 * p + of_x], rule.w1[0, 4 * u + laplace] = 0.5 / 8, 0.01
        rule.w1[0, 4 * u] = 0.1
        rule.w1[1] = -rule.w1[0]
        rule.w1[2, 4 * u + of_x], rule.w1[2, 4 * p] = 1 / 8, -1.0
        rule.w1[3] = -rule.w1[2]
        rule.w1[4, 4 * u], rule.w1[5, 4 * u] = 1.0, -1.0
        rule.b1[4:] = -0.5
        rule.w2[:3, 0], rule.w2[:3, 1] = 1.0, -1.0
        rule.w2[p, 2], rule.w2[p, 3] = 1.0, -1.0
        rule.w2[:3, 4], rule.w2[:3, 5] = -0.3, 0.3
    return rule
