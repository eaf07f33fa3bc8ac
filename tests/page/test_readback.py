"""Browsers that hinder fingerprinting by returning noise for what a page draws.

Nothing may act on the noise, and the page reports it once.
"""

import pytest
import torch

from nca.exporters.hosts.web_component import component_js
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.browsing import read, until, write
from tests.helpers.rules import bounded_rule

pytestmark = pytest.mark.browser

# Both ways of read-back, changed after the real one; {changed} does it to an array of bytes.
READ_BACK = """
  globalThis.real = false;
  const P = WebGL2RenderingContext.prototype, { readPixels, getBufferSubData } = P;
  const change = (view) => {
    if (globalThis.real) return;
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    %s
  };
  P.readPixels = function (...a) {
    readPixels.apply(this, a);
    if (ArrayBuffer.isView(a[6])) change(a[6]);
  };
  P.getBufferSubData = function (...a) {
    getBufferSubData.apply(this, a);
    change(a[2]);
  };"""
# Firefox with resistFingerprinting returns random bytes.
ALL_NOISE = (
    READ_BACK
    % """for (let i = 0; i < bytes.length; i += 65536) {
      crypto.getRandomValues(bytes.subarray(i, i + 65536));
    }"""
)
# Brave changes the last bit of some bytes.
LAST_BITS = READ_BACK % "for (let i = 1; i < bytes.length; i += 29) bytes[i] ^= 1;"
TOAST = "document.getElementById('toast').textContent"


def some_rule():
    return bounded_rule(RuleSettings(channels=4, hidden=8))


@pytest.mark.parametrize(
    ("before", "pictures"), [(ALL_NOISE, False), (LAST_BITS, True)], ids=["all", "last bits"]
)
def test_what_needs_read_back_is_off_where_it_lies(still_page, before, pictures):
    page = still_page({"rule": some_rule()}, grid=(24, 24), browser={"before": before})
    without = "the state" if pictures else "states, images and videos"
    assert f"so {without} cannot be saved" in page.evaluate(TOAST)
    page.evaluate("nca.player.setRunning(true)")
    until(page, "nca.player.simulation.stepNumber > 5")
    page.evaluate("nca.player.snapshots.due = 0")
    until(page, "nca.player.simulation.stepNumber > 20")
    assert page.evaluate("nca.player.running")
    assert page.evaluate("[nca.player.snapshots.last, nca.player.stats.largest]") == [None, 0]
    page.keyboard.press("Control+s")
    assert "the state cannot be saved" in page.evaluate(TOAST)
    if pictures:
        with page.expect_download():
            page.keyboard.press("s")
    else:
        page.keyboard.press("s")
        assert "no image can be saved" in page.evaluate(TOAST)
        page.keyboard.press("p")
        assert "no video can be recorded" in page.evaluate(TOAST)


def test_a_lost_context_starts_again_from_its_seed(still_page):
    rules = {"one": some_rule(), "two": some_rule()}
    page = still_page(rules, grid=(24, 24), browser={"before": ALL_NOISE})
    page.evaluate("nca.actions.brush.rule = 1; nca.actions.fillRule(); nca.actions.reset(77)")
    page.evaluate("nca.player.runSteps(7)")
    page.evaluate("globalThis.loss = nca.player.gl.getExtension('WEBGL_lose_context')")
    page.evaluate("loss.loseContext()")
    until(page, "nca.player.gl.isContextLost()")
    page.wait_for_timeout(100)
    page.evaluate("loss.restoreContext()")
    until(page, "!nca.player.gl.isContextLost() && nca.player.simulation.seeded")
    assert page.evaluate(TOAST) == "Restarted"
    shown = "({ field, seed, stepNumber }) => [field.present, seed, stepNumber]"
    assert page.evaluate(f"({shown})(nca.player.simulation)") == [[1], 77, 0]
    page.evaluate("globalThis.real = true")
    assert (read(page, (4, 24, 24)).abs() < 100).all(), "nothing of the noise"


def test_files_are_opened_all_the_same(still_page):
    page = still_page({"rule": some_rule()}, grid=(24, 24), browser={"before": ALL_NOISE})
    state = torch.rand(4, 24, 24, generator=torch.Generator().manual_seed(1))
    write(page, state)
    page.evaluate("globalThis.real = true")
    assert torch.equal(read(page, (4, 24, 24)), state)


def test_an_element_goes_on(open_page, tmp_path):
    (tmp_path / "nca.js").write_bytes(component_js({"rule": RuleFile(some_rule())}))
    (tmp_path / "host.html").write_text(
        "<!doctype html><title>host</title><script src='nca.js'></script>"
        "<nca-texture id='a' grid='24x24' style='height: 120px'></nca-texture>"
    )
    page = open_page(tmp_path / "host.html", before=ALL_NOISE, reduced_motion="no-preference")
    until(page, "a.player?.simulation.stepNumber > 5")
    page.evaluate("a.player.snapshots.due = 0")
    until(page, "a.player.simulation.stepNumber > 20")
    assert page.evaluate("a.player.running")
    assert page.evaluate("a.shadowRoot.querySelectorAll('canvas.live').length") == 1
    assert page.evaluate("a.shadowRoot.textContent") == ""


def test_honest_read_back_is_believed(still_page):
    for state in ("rgba32f", "rgba16f", "rgba8"):
        page = still_page({"rule": some_rule()}, grid=(24, 24), state=state)
        assert page.evaluate("nca.player.trust") == {"states": True, "pictures": True}
        assert page.evaluate(TOAST) == ""
