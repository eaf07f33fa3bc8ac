"""The 66 published rules, imported, exported into one page, and run by a real browser."""

import pytest
import torch

from nca.exporters.importers import read_published
from tests.helpers.browsing import read, until, write
from tests.helpers.rules import unrounded

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHAPE = (12, 24, 24)
LEVEL = 4 / 255  # between two values of a state that is kept in bytes


# Rounding takes the same path in the shader for every rule: each sixth is enough.
@pytest.mark.parametrize(
    ("rounded", "every"), [(False, 1), (True, 6)], ids=["unrounded", "as published"]
)
def test_published_rules_step_in_the_page_as_in_torch(still_page, published, rounded, every):
    rules = {name: file.rule for name, file in read_published(published).items()}
    assert len(rules) == 66
    rules = dict(list(rules.items())[::every])
    if not rounded:
        rules = {name: unrounded(rule) for name, rule in rules.items()}
    page = still_page(rules, seed=9, grid=SHAPE[1:], weights="texture")
    start = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1)) - 0.5
    for number, (name, rule) in enumerate(rules.items()):
        page.evaluate("number => nca.player.simulation.paintRule(number)", number)
        until(page, "nca.player.simulation.ready")
        page.evaluate("nca.player.simulation.stepNumber = 0")
        write(page, start[0])
        expected = start
        for done, stop in ((0, 1), (1, 10)):
            page.evaluate("count => nca.player.runSteps(count)", stop - done)
            expected = rule(expected, stop - done, seed=9, first_step=done)
            difference = (read(page, SHAPE) - expected[0]).abs()
            if not rounded:
                # Without their rounding some grow to values of several units.
                relative = float(difference.max() / max(1.0, float(expected.abs().max())))
                assert relative < 1e-5, (name, stop)
            elif stop == 1:
                # A sum between two levels goes to either.
                others = float((difference > 1e-5).float().mean())
                assert others < 0.01, name
                assert difference.max() < 1.01 * LEVEL, name
            else:  # From there on the difference spreads.
                assert difference.mean() < LEVEL, name
