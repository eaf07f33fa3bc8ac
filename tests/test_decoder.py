import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from nca.decoder import DecoderSettings
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.rules import with_random_decoder
from tests.test_rule import NUMPY_PADDING


def settings(padding: str = "circular", **decoder: object) -> RuleSettings:
    return RuleSettings(5, 4, padding, rgb_scale=0.7, decoder=DecoderSettings(**decoder))


def decoded(rule: Rule, state: np.ndarray, y: float, x: float) -> np.ndarray:
    """The color at a place, straight from the formula, in float64. State [C, H, W]."""
    padding = NUMPY_PADDING[rule.settings.padding]
    padded = np.pad(state, ((0, 0), (1, 1), (1, 1)), mode=padding)
    top, left = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
    b, a = y + 0.5 - top, x + 0.5 - left
    corner = padded[:, top : top + 2, left : left + 2]
    channels = corner[:, 0] * (1 - b) + corner[:, 1] * b
    channels = channels[:, 0] * (1 - a) + channels[:, 1] * a
    decoder, inputs = rule.settings.decoder, list(channels)
    for k in range(1, decoder.order + 1):
        u, v = 2 * np.pi * k * (x % 1), 2 * np.pi * k * (y % 1)
        inputs += [np.sin(u), np.cos(u), np.sin(v), np.cos(v)]
    weights = {name: w.detach().double().numpy() for name, w in rule.decoder.named_parameters()}
    activate = np.sin if decoder.activation == "sine" else lambda h: np.maximum(h, 0)
    hidden = weights["w1"] @ inputs + weights["b1"]
    for i in range(2, len(decoder.hidden) + 2):
        hidden = weights[f"w{i}"] @ activate(hidden) + weights[f"b{i}"]
    drawn = channels[: len(hidden)] * rule.settings.rgb_scale + rule.settings.rgb_offset
    return drawn + hidden


@pytest.mark.parametrize("padding", list(NUMPY_PADDING))
@pytest.mark.parametrize(
    ("order", "hidden", "activation"),
    [(0, (16,), "relu"), (1, (16,), "relu"), (3, (16, 17), "sine")],
)
def test_a_picture_equals_the_formula(
    padding: str, order: int, hidden: tuple[int, ...], activation: str
) -> None:
    rule = with_random_decoder(
        settings(padding, scale=3, order=order, hidden=hidden, activation=activation)
    )
    state = torch.randn(2, 5, 6, 4, generator=torch.Generator().manual_seed(1))
    picture = rule.to_image(state).detach()
    assert picture.shape == (2, 3, 18, 12)
    for i, row, column in itertools.product(range(2), range(18), range(12)):
        expected = decoded(rule, state[i].double().numpy(), (row + 0.5) / 3, (column + 0.5) / 3)
        assert np.abs(picture[i, :, row, column].numpy() - expected).max() < 1e-5


def test_maps_of_a_material_equal_the_formula() -> None:
    maps = ("color", "height", "normal")
    rule = with_random_decoder(replace(settings(scale=3), channels=8, maps=maps))
    assert rule.decoder.w2.shape == (7, 32)
    state = torch.randn(1, 8, 6, 4, generator=torch.Generator().manual_seed(1))
    drawn = {name: one.detach() for name, one in rule.to_maps(state).items()}
    assert {name: one.shape[1:] for name, one in drawn.items()} == {
        "color": (3, 18, 12), "height": (1, 18, 12), "normal": (3, 18, 12),
    }  # fmt: skip
    assert torch.equal(drawn["color"], rule.to_image(state))
    for row, column in itertools.product(range(18), range(12)):
        values = decoded(rule, state[0].double().numpy(), (row + 0.5) / 3, (column + 0.5) / 3)
        normal = values[4:] * 2 - 1
        values[4:] = normal / np.linalg.norm(normal) / 2 + 0.5
        here = torch.cat([one[0, :, row, column] for one in drawn.values()]).numpy()
        assert np.abs(here - values).max() < 1e-5
    part = rule.to_maps(state, scale=6, window=(1, 2, 3, 1.5))
    assert part["height"].shape == (1, 1, 18, 9)
    whole = rule.to_maps(state, scale=6)["height"]
    torch.testing.assert_close(part["height"], whole[..., 6:24, 12:21], atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", list(NUMPY_PADDING))
def test_a_window_is_that_part_of_the_picture_at_any_scale(padding: str) -> None:
    rule = with_random_decoder(settings(padding, scale=4))
    state = torch.randn(1, 5, 8, 6)
    whole = rule.to_image(state, scale=2.5)
    assert whole.shape == (1, 3, 20, 15)
    part = rule.to_image(state, scale=2.5, window=(4, 2, 2, 4))
    torch.testing.assert_close(part, whole[..., 10:15, 5:15], atol=1e-5, rtol=0)
    fine = rule.to_image(state, scale=7.5)  # its every third pixel has the same center
    torch.testing.assert_close(fine[..., 1::3, 1::3], whole, atol=1e-5, rtol=0)


def test_a_picture_that_wraps_has_no_seam() -> None:
    rule = with_random_decoder(settings(scale=4))
    state = torch.randn(1, 5, 6, 7)
    moved = rule.to_image(state.roll((2, 3), (2, 3)))
    expected = rule.to_image(state).roll((8, 12), (2, 3))
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)
    beyond = rule.to_image(state, window=(-6, 7, 12, 7))
    twice = rule.to_image(state).repeat(1, 1, 2, 1)
    torch.testing.assert_close(beyond, twice, atol=1e-5, rtol=0)


def test_a_picture_is_continuous_across_borders_of_cells() -> None:
    rule = with_random_decoder(settings(scale=4))
    state = torch.randn(1, 5, 6, 6)
    places = torch.linspace(0, 6, 6001, dtype=torch.float64)
    steps = rule.colors_at(state, places, torch.tensor([2.3])).diff(dim=2).abs()
    assert steps.max() < 20 * steps.mean()


def test_a_large_picture_is_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = with_random_decoder(settings(scale=4))
    state = torch.randn(1, 5, 6, 7)
    whole = rule.to_image(state)
    monkeypatch.setattr("nca.rule.TILE", 10)
    torch.testing.assert_close(rule.to_image(state), whole, atol=1e-5, rtol=0)


def test_without_a_decoder_a_picture_is_the_colors_of_the_cells() -> None:
    rule = Rule(RuleSettings(rgb_scale=0.3))
    state = torch.randn(2, 8, 5, 6)
    assert torch.equal(rule.to_image(state), rule.to_rgb(state))
    assert torch.equal(rule.to_image(state, window=(1, 2, 3, 4)), rule.to_rgb(state)[..., 1:4, 2:6])
    assert rule.to_image(state, scale=2).shape == (2, 3, 10, 12)


def test_a_new_decoder_shows_the_interpolated_colors() -> None:
    plain = RuleSettings(5, 4)
    rule = Rule(replace(plain, decoder=DecoderSettings(3)))
    state = torch.randn(1, 5, 4, 4)
    expected = Rule(plain).to_image(state, scale=3)
    torch.testing.assert_close(rule.to_image(state), expected, atol=1e-6, rtol=0)


def test_a_decoder_does_not_change_the_other_weights() -> None:
    both = [
        Rule(RuleSettings(decoder=decoder), generator=torch.Generator().manual_seed(0))
        for decoder in (None, DecoderSettings())
    ]
    for name in ("w1", "b1", "w2"):
        assert torch.equal(getattr(both[0], name), getattr(both[1], name))
    assert both[0].weight_count() == both[1].weight_count()
    assert [rule.decoder_weight_count() for rule in both] == [0, 32 * (8 + 1) + 3 * 33]


def test_a_copy_has_the_same_decoder() -> None:
    rule = with_random_decoder(settings())
    state = torch.randn(1, 5, 4, 4)
    assert torch.equal(rule.with_settings(update_rate=1.0).to_image(state), rule.to_image(state))


def test_gradients_reach_the_state_and_every_weight() -> None:
    rule = with_random_decoder(settings(hidden=(16, 16)))
    state = torch.randn(1, 5, 4, 4, requires_grad=True)
    rule.to_image(state).square().sum().backward()
    assert state.grad.abs().min() > 0
    assert all(weight.grad.abs().sum() > 0 for weight in rule.decoder.parameters())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scale": 1}, "decoder scale must be 2 to 16, not 1"),
        ({"scale": 2.5}, "decoder scale must be 2 to 16, not 2.5"),
        ({"order": 9}, "decoder order must be 0 to 8, not 9"),
        ({"hidden": ()}, r"decoder hidden must be 1 or 2 numbers from 16 to 64, not \(\)"),
        ({"hidden": (8,)}, "decoder hidden must be"),
        ({"hidden": 32}, "decoder hidden must be"),
        ({"hidden": (32, 32, 32)}, "decoder hidden must be"),
        ({"activation": "tanh"}, "decoder activation must be one of .* not 'tanh'"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DecoderSettings(**wrong)
