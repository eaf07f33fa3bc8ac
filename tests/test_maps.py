"""The maps of a material in the channels of a cell."""

import torch

from nca.maps import MAPS, map_channels, map_width
from nca.rule import Rule
from nca.rule_settings import RuleSettings


def test_maps_lie_in_consecutive_channels() -> None:
    assert map_channels(("color", "height", "normal")) == {
        "color": slice(0, 3),
        "height": slice(3, 4),
        "normal": slice(4, 7),
    }
    assert map_width(tuple(MAPS)) == 10
    assert map_width(()) == 3


def test_a_rule_without_maps_has_a_color() -> None:
    state = torch.rand(2, 8, 5, 6)
    rule = Rule(RuleSettings())
    assert list(rule.to_maps(state)) == ["color"]
    assert torch.equal(rule.to_maps(state)["color"], rule.to_rgb(state))


def test_normals_have_length_one_and_keep_their_direction() -> None:
    rule = Rule(RuleSettings(maps=("color", "normal", "roughness"), rgb_scale=2, rgb_offset=0.25))
    state = torch.rand(2, 8, 5, 6)
    maps = rule.to_maps(state)
    assert torch.equal(maps["roughness"], state[:, 6:7] * 2 + 0.25)
    direction = (state[:, 3:6] * 2 + 0.25) * 2 - 1
    normal = maps["normal"] * 2 - 1
    assert torch.allclose(normal.norm(dim=1), torch.ones(2, 5, 6))
    assert torch.allclose(normal * direction.norm(dim=1, keepdim=True), direction, atol=1e-6)
