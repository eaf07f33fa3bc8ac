"""Derived rules."""

import pytest
import torch

from nca.rescaling import calmed, rescaled
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.rules import bounded_rule


@pytest.mark.parametrize("rate", [0.25, 1.0])
def test_a_calm_step_is_part_of_a_step_of_all_cells(rate: float) -> None:
    rule = bounded_rule(RuleSettings(4, 8, update_rate=rate))
    state = torch.rand(1, 4, 6, 7)
    calm = calmed(rule)
    expected = state + rate * rule.update(state)
    assert torch.allclose(calm(state, 1), expected, atol=1e-6)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_rescaled_rule_sees_a_stretched_picture_as_before() -> None:
    """On a smooth state, twice as large cells see what the rule saw before, at dt = 1 / 4."""
    rule = Rule(RuleSettings(4, 8, update_rate=1.0), generator=generator())
    with torch.no_grad():
        rule.w2.normal_(0, 0.1, generator=generator())
    along = torch.arange(64) * (2 * torch.pi / 64)
    smooth = 0.4 * torch.sin(along + torch.arange(4)[:, None])
    large = (smooth[:, None, :] + smooth[:, :, None]).mul(0.5)[None]
    small = large[..., ::2, ::2]
    change = rule.update(small)
    again = rescaled(rule, 2.0, 0.25).update(large)[..., ::2, ::2]
    assert (again - 0.25 * change).abs().max() < 0.02 * change.abs().max()
