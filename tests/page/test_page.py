"""The page in a real browser: the same numbers as torch, and reactions to input."""

import pytest
import torch

from nca.exporters.hosts.html import page_html
from nca.rescaling import rescaled
from nca.rule import CALM_AFTER
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.browsing import READY, read, until, write
from tests.helpers.rules import bounded_rule, published_rules

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        (RuleSettings(channels=4, hidden=8, update_rate=1.0), "inline"),
        (RuleSettings(channels=8, hidden=32, padding="zeros", alive_threshold=0.1), "texture"),
        (RuleSettings(channels=12, hidden=96), "inline"),
        (RuleSettings(channels=16, hidden=64, padding="reflect", update_rate=0.25), "texture"),
        (RuleSettings(channels=24, hidden=128, padding="replicate"), "texture"),
        (RuleSettings(channels=22, hidden=30, alive_threshold=0.1), "inline"),
    ],
    ids=lambda value: (
        f"{value.channels}x{value.hidden}" if isinstance(value, RuleSettings) else value
    ),
)
def test_a_hundred_steps_are_those_of_torch(still_page, settings, weights):
    rule = bounded_rule(settings, update_bias=settings.alive_threshold is not None)
    page = still_page({"rule": rule}, seed=4711, grid=(28, 20), weights=weights)
    state = torch.rand(1, settings.channels, 20, 28, generator=torch.Generator().manual_seed(1))
    write(page, state[0] - 0.3)
    expected, done = state - 0.3, 0
    for count in (1, 10, 100):
        expected = rule(expected, count - done, seed=4711, first_step=done)
        page.evaluate("n => nca.player.runSteps(n)", count - done)
        difference = (read(page, (settings.channels, 20, 28)) - expected[0]).abs().max()
        assert float(difference) < 1e-5
        done = count
    assert float(expected.std()) > 0.01


@pytest.mark.parametrize(
    ("own", "address", "rates"),
    [(True, "", (0.25, 1)), (False, "#c=on&u=0.3", (0.3, 1)), (True, "#c=0.5&u=0.5", (0.5, 0.75))],
)
def test_a_calm_run_is_that_of_torch_until_something_is_painted(still_page, own, address, rates):
    """With more cells that fire, in shorter steps."""
    rule = bounded_rule(RuleSettings(channels=8, hidden=16, update_rate=0.25, calm=own))
    page = still_page({"rule": rule}, address, seed=4711, grid=(28, 20))
    shape = (8, 20, 28)
    state = torch.rand(1, *shape, generator=torch.Generator().manual_seed(1)) - 0.3
    write(page, state[0])
    assert page.evaluate("nca.player.data.calmAfter") == CALM_AFTER
    page.evaluate("nca.player.data.calmAfter = 5")
    usual = rule.with_settings(update_rate=rates[0])
    calm = rescaled(rule.with_settings(update_rate=rates[1]), 1.0, rates[0] / rates[1])
    for current, first, count in ((usual, 0, 5), (calm, 5, 1), (calm, 6, 9)):
        state = current(state, count, seed=4711, first_step=first)
        page.evaluate("n => nca.player.runSteps(n)", count)
        assert float((read(page, shape) - state[0]).abs().max()) < 1e-5
    page.evaluate("nca.player.simulation.paint('noise')")
    before = read(page, shape)
    page.evaluate("nca.player.runSteps(1)")
    fired = (read(page, shape) != before).any(0).float().mean()
    assert float(fired) == pytest.approx(rates[0], abs=0.1)


@pytest.mark.parametrize(("state", "allowed"), [("rgba16f", 5e-3), ("rgba8", 0.1)])
def test_coarser_states_stay_near(still_page, state, allowed):
    rule = bounded_rule(RuleSettings(channels=8, hidden=32))
    page = still_page({"rule": rule}, grid=(24, 24), state=state)
    assert page.evaluate("nca.player.format") == state
    start = torch.rand(1, 8, 24, 24, generator=torch.Generator().manual_seed(1)) - 0.3
    write(page, start[0])
    page.evaluate("nca.player.runSteps(100)")
    difference = (read(page, (8, 24, 24)) - rule(start, 100)[0]).abs().max()
    assert 1e-6 < float(difference) < allowed


def test_a_published_rule_grows(still_page, published):
    rules = published_rules(published)
    page = still_page({"bubbles": rules["bubbly_0101"]}, grid=(32, 32))
    page.evaluate("nca.player.runSteps(150)")
    state = read(page, (12, 32, 32))
    grown = rules["bubbly_0101"](torch.zeros(1, 12, 32, 32), 150)[0]
    # Single roundings differ, so the pictures may; their colors are those of the same texture.
    assert float(grown[:3].std()) > 0.1
    assert (state[:3].mean((1, 2)) - grown[:3].mean((1, 2))).abs().max() < 0.1
    assert (state[:3].std((1, 2)) - grown[:3].std((1, 2))).abs().max() < 0.1


def test_it_opens_from_a_file_and_runs(open_page, tmp_path):
    rule = bounded_rule(RuleSettings(channels=4, hidden=8))
    (tmp_path / "page.html").write_bytes(page_html({"rule": RuleFile(rule)}))
    page = open_page(tmp_path / "page.html")
    until(page, "globalThis.nca && nca.player.simulation.stepNumber > 5")
    assert page.title() == "rule"
    assert page.evaluate("nca.player.canvas.width") == 480


def test_the_address_follows_the_settings_of_a_running_page(still_page):
    page = still_page({"rule": bounded_rule(RuleSettings(channels=4, hidden=8))}, grid=(16, 16))
    page.evaluate("nca.player.setRunning(true); nca.actions.setSpeed(2)")
    # A frame at least every 20 ms, however slow the device is.
    page.evaluate("globalThis.frames = setInterval(() => nca.player.runSteps(1), 20)")
    until(page, "location.hash.includes('k=2')")
    page.evaluate("nca.actions.setSpeed(1)")
    until(page, "!location.hash.includes('k=2')")
    page.evaluate("location.hash = '#k=4&s=7'")
    until(page, "nca.player.speed.stepsPerFrame === 4 && nca.player.simulation.seed === 7")


def test_the_address_overrides_the_speed_and_the_grid_of_the_export(still_page):
    rule = bounded_rule(RuleSettings(channels=4, hidden=8))
    page = still_page({"rule": rule}, steps_per_frame=4, grid=(40, 32))
    page.evaluate("nca.actions.setSpeed(1)")
    until(page, "location.hash.includes('k=1')")
    page.evaluate("nca.actions.setGrid(null)")
    until(page, "location.hash.includes('g=window')")
    page.reload()
    until(page, READY)
    assert page.evaluate("nca.player.speed.stepsPerFrame") == 1
    assert page.evaluate("nca.player.options.grid") is None
    assert page.evaluate("nca.player.simulation.width") == 160, "480 pixels, three per cell"
    page.evaluate("nca.actions.setSpeed(4); nca.actions.setGrid(40, 32)")
    until(page, "/g=40x32/.test(location.hash) && !/k=/.test(location.hash)")


def test_the_resolution_follows_the_density_of_the_screen(still_page):
    page = still_page({"rule": bounded_rule(RuleSettings(channels=4, hidden=8))}, grid=(24, 16))
    # In Chromium, a denser screen zooms the layout; emulating one leaves the layout alone.
    page.evaluate("nca.player.canvas.style = 'width: 240px; height: 160px'")
    until(page, "nca.player.canvas.width === 240 && nca.player.canvas.height === 160")
    page.evaluate("nca.player.canvas.style.zoom = 2")
    until(page, "nca.player.canvas.width === 480 && nca.player.canvas.height === 320")
