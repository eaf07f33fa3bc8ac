"""The page and the element in Firefox, with default settings and with tracking protection."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nca.exporters.hosts.html import page_html
from nca.exporters.hosts.web_component import component_js
from nca.exporters.web.page import PageSettings
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.browsing import READY, read, write
from tests.helpers.firefox import Firefox
from tests.helpers.rules import bounded_rule
from tests.helpers.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHAPE = (8, 24, 32)
TOAST = "document.getElementById('toast').textContent"


def started(folder: Path, **settings: bool) -> Firefox:
    for program in ("firefox-esr", "Xvfb"):
        if shutil.which(program) is None:
            absent(program)
    return Firefox(folder, settings)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    firefox = started(tmp_path_factory.mktemp("plain"))
    yield firefox
    firefox.close()


@pytest.fixture(scope="module")
def hiding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Settings of LibreWolf, Tor Browser and Mullvad Browser: read-back is noise."""
    folder = tmp_path_factory.mktemp("hiding")
    firefox = started(folder, **{"privacy.resistFingerprinting": True})
    yield firefox
    firefox.close()


def open_still(firefox: Firefox, folder: Path) -> None:
    """Open a page of one rule, paused."""
    rule = bounded_rule(RuleSettings(channels=SHAPE[0], hidden=16))
    (folder / "page.html").write_bytes(
        page_html({"rule": RuleFile(rule)}, PageSettings(grid=(32, 24), seed=5))
    )
    firefox.goto(folder / "page.html")
    firefox.until(READY)
    firefox.evaluate("nca.player.setRunning(false), nca.player.simulation.reset()")


def check_that_it_shows_the_state(firefox: Firefox) -> None:
    """A red quarter of the state is a red quarter of the screen."""
    state = torch.full(SHAPE, -0.5)
    state[0, :12, :16] = 0.5
    write(firefox, state)
    firefox.evaluate("nca.player.changed(), nca.actions.toggleControls()")

    def shown() -> bool:
        picture = firefox.picture()
        height, width = picture.shape[:2]
        corners = [picture[height * y // 8, width * x // 8] for y, x in ((2, 2), (2, 7), (7, 2))]
        return [corner.tolist() for corner in corners] == [[255, 0, 0], [0, 0, 0], [0, 0, 0]]

    wait_for(shown, "the state on the screen")


def test_steps_are_those_of_torch(plain, tmp_path):
    open_still(plain, tmp_path)
    assert plain.evaluate("nca.player.trust") == {"states": True, "pictures": True}
    state = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1)) - 0.3
    write(plain, state[0])
    plain.evaluate("nca.player.runSteps(20)")
    rule = bounded_rule(RuleSettings(channels=SHAPE[0], hidden=16))
    assert (read(plain, SHAPE) - rule(state, 20, seed=5)[0]).abs().max() < 1e-5
    check_that_it_shows_the_state(plain)


def test_a_lost_context_comes_back_with_its_state(plain, tmp_path):
    open_still(plain, tmp_path)
    plain.evaluate("nca.player.runSteps(3)")
    before = read(plain, SHAPE)
    plain.evaluate("nca.player.release()")
    plain.evaluate("nca.player.regain()")
    plain.until("!nca.player.gl.isContextLost() && nca.player.simulation.seeded")
    assert torch.equal(read(plain, SHAPE), before)
    assert plain.evaluate(TOAST) == "Continuing where it stopped"


def test_where_read_back_is_noise_a_page_draws_and_goes_on(hiding, tmp_path):
    open_still(hiding, tmp_path)
    assert hiding.evaluate("nca.player.trust") == {"states": False, "pictures": False}
    assert "states, images and videos cannot be saved" in hiding.evaluate(TOAST)
    check_that_it_shows_the_state(hiding)
    assert len(read(hiding, SHAPE).unique()) > 2, "this Firefox does not return noise"
    hiding.evaluate("nca.player.snapshots.due = 0, nca.player.setRunning(true)")
    hiding.until("nca.player.simulation.stepNumber > 50")
    assert hiding.evaluate("nca.player.running")
    assert hiding.evaluate("[nca.player.snapshots.last, nca.player.stats.largest]") == [None, 0]
    hiding.evaluate("nca.player.release(), nca.player.regain()")
    hiding.until(f"{TOAST} === 'Restarted'")
    hiding.until("nca.player.simulation.stepNumber > 5")


def test_where_read_back_is_noise_an_element_rests_and_goes_on(hiding, tmp_path):
    rule = RuleFile(bounded_rule(RuleSettings(channels=4, hidden=8)))
    (tmp_path / "nca.js").write_bytes(component_js({"rule": rule}))
    (tmp_path / "host.html").write_text(
        "<!doctype html><title>host</title><script src='nca.js'></script>"
        "<nca-texture id='a' grid='24x24' style='height: 120px'></nca-texture>"
    )
    hiding.goto(tmp_path / "host.html")
    hiding.until("a.player?.simulation.stepNumber > 20")
    hiding.evaluate("a.rest()")
    hiding.until("a.frame.className === 'resting'")
    hiding.evaluate("a.wake()")
    hiding.until("a.frame.className === '' && a.player.simulation.stepNumber > 20")
    assert hiding.evaluate("a.shadowRoot.textContent") == ""
