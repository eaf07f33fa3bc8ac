"""How maps are aligned, and how far each is from its target."""

from dataclasses import replace

import pytest
import torch

from nca.backends.simulate import simulate
from nca.decoder import DecoderSettings
from nca.evaluation.material import alignment, compare_maps, correlation, grown_maps
from nca.evaluation.measures import GROWN
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.picture_makers import domes
from tests.helpers.rules import with_random_decoder


def test_correlations() -> None:
    a = torch.randn(2, 40, 40)
    assert correlation(a, 3 * a + 1) == pytest.approx(1)
    assert correlation(a, -a) == pytest.approx(-1)
    assert abs(correlation(a, torch.randn(2, 40, 40))) < 0.1
    assert correlation(a, torch.ones(2, 40, 40)) == 0


@pytest.mark.parametrize("wraps", [True, False])
def test_aligned_maps_correlate_and_shifted_ones_do_not(wraps: bool) -> None:
    maps = domes()
    found = alignment(maps, wraps=wraps)
    assert found["height, normal"] > 0.95
    assert found["color, height"] == pytest.approx(1)  # the color depends only on the height
    normal = maps["normal"]
    for wrong in (
        torch.stack([1 - normal[0], normal[1], normal[2]]),
        torch.stack([normal[0], 1 - normal[1], normal[2]]),  # the DirectX convention
        normal.roll(4, 2),
    ):
        assert alignment(maps | {"normal": wrong}, wraps=wraps)["height, normal"] < 0.6
    moved = maps | {"height": maps["height"].roll((3, 5), (1, 2))}
    assert alignment(moved, wraps=wraps)["color, height"] < 0.5


def test_pairs_need_both_maps() -> None:
    maps = domes()
    assert list(alignment({k: maps[k] for k in ("color", "height")}, wraps=True)) == [
        "color, height"
    ]
    assert alignment({k: maps[k] for k in ("color", "normal")}, wraps=True) == {}


def test_a_perfect_rule_has_no_distance_and_full_alignment() -> None:
    maps = domes()
    figures = compare_maps(maps, maps, wraps=False)
    assert figures["patch"] == dict.fromkeys(maps, 0)
    assert [pair["ratio"] for pair in figures["alignment"].values()] == pytest.approx([1, 1])
    flat = maps | {"height": torch.full((1, 64, 64), 0.5)}
    figures = compare_maps(flat, maps, wraps=False)
    assert figures["patch"]["height"] > 5
    assert figures["patch"]["color"] == 0
    assert figures["alignment"]["height, normal"]["ratio"] == 0
    some = compare_maps({"color": maps["color"]}, maps, wraps=False)
    assert list(some["patch"]) == ["color"]
    assert some["alignment"] == {}


def test_maps_are_grown_and_shown_in_their_range() -> None:
    rule = Rule(RuleSettings(maps=("color", "normal"), start="noise", noise_level=10))
    maps = grown_maps(rule, 16, seed=3)  # without training, nothing changes
    start = rule.to_maps(rule.initial_state(1, 16, 16, seed=3))
    assert torch.equal(maps["normal"], start["normal"][0])
    assert torch.equal(maps["color"], start["color"][0].clamp(0, 1))


def test_a_decoder_draws_the_maps_that_are_compared() -> None:
    settings = RuleSettings(maps=("color", "height"), start="noise", noise_level=1)
    rule = with_random_decoder(replace(settings, decoder=DecoderSettings(3)))
    maps = grown_maps(rule, 16, seed=3)
    (state,) = simulate(rule, rule.initial_state(1, 16, 16, seed=3), [GROWN], seed=3)
    assert maps["height"].shape == (1, 48, 48)
    assert torch.equal(maps["height"], rule.to_maps(state)["height"][0].clamp(0, 1))
