"""The shape of all passes."""

import pytest

from nca.exporters.glsl.fragments import Capabilities, life_passes, step_passes
from nca.rule import Rule
from nca.rule_settings import RuleSettings


@pytest.mark.parametrize(("draw_buffers", "parts"), [(4, [4, 2]), (8, [6]), (1, [1] * 6)])
def test_passes_have_no_more_outputs_than_a_host(draw_buffers, parts):
    rule = Rule(RuleSettings(channels=24, alive_threshold=0.1))
    for passes in (
        step_passes(rule, Capabilities(draw_buffers=draw_buffers)),
        life_passes(rule, Capabilities(draw_buffers=draw_buffers)),
    ):
        assert [len(p.groups) for p in passes] == parts
        assert [g for p in passes for g in p.groups] == list(range(6))
