"""The limit on flashes, on the page; tests/viewer/simulation/test_flashes.py has the same cases."""

import pytest

from nca.rule_settings import RuleSettings
from tests.helpers.rules import bounded_rule
from tests.viewer.simulation.flashes import FRAMES, RATE, SIZE, flashing, most_turns

pytestmark = pytest.mark.browser

# Draws frames with these values of all cells; the color of a pixel of each.
RUN = """([values, size, rate]) => {
  const { player } = nca, { simulation, display, gl } = player, pixel = new Uint8Array(4);
  const camera = { x: 0, y: 0, zoom: size / simulation.width };
  return values.map((value, i) => {
    simulation.write(new Float32Array(4 * simulation.width * simulation.height).fill(value), 4);
    display.current = false;
    display.average(simulation);
    const now = 1e6 + i * 1000 / rate;
    display.show(simulation, { camera, width: size, height: size, ratio: 1, now });
    display.draw(simulation, camera, { width: size, height: size });
    gl.readPixels(size / 2, size / 2, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    return pixel[1] / 255;
  });
}"""


@pytest.fixture
def page(still_page):
    page = still_page({"a": bounded_rule(RuleSettings(4, 8))}, grid=(16, 16))
    # The page's own frames would be measured, too.
    page.evaluate("cancelAnimationFrame(nca.player.frame); nca.player.asleep = true")
    return page


def test_no_second_has_more_than_three_flashes(page):
    for every, steps in ((1, 1), (4, 1), (8, 1), (4, 4)):
        page.evaluate("steps => { nca.player.look.averageSteps = steps; }", steps)
        values = [flashing(number, every) for number in range(FRAMES)]
        colors = page.evaluate(RUN, [values + [0.5] * 2 * RATE, SIZE, RATE])
        assert most_turns(colors[:FRAMES]) <= 6
        assert colors[-1] == 1, "the state is shown as soon as it stays the same"


def test_slow_flashes_are_not_limited_and_others_only_if_wanted(page):
    values = [flashing(number, 20) for number in range(FRAMES)]
    assert page.evaluate(RUN, [values, SIZE, RATE]) == [value + 0.5 for value in values]
    page.click("#dock [data-action=settings]")
    page.click("[name=flashLimit]")
    assert page.evaluate("nca.player.look.flashLimit") is False
    values = [flashing(number, 4) for number in range(RATE)]
    assert page.evaluate(RUN, [values, SIZE, RATE]) == [value + 0.5 for value in values]
