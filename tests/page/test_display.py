"""The display of the page in a real browser, against torch."""

import base64
import json

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page

from nca.commands.render import averages
from nca.images.enlarging import enlarged
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.browsing import until, write
from tests.helpers.rules import FIGURE_SETTINGS, bounded_rule, figure

pytestmark = pytest.mark.browser

HEIGHT, WIDTH = 20, 28
RULE = bounded_rule(RuleSettings(8, 16, rgb_scale=0.5, rgb_offset=0.4))

# The page's names are private; of a camera only these numbers are needed.
PICTURE = """(zoom) => {
  const { player } = nca, { simulation } = player;
  const width = zoom * simulation.width, height = zoom * simulation.height;
  const canvas = player.display.picture(simulation, { x: 0, y: 0, zoom }, width, height);
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  return btoa(Array.from(pixels, (value) => String.fromCharCode(value)).join(""));
}"""


def picture(page: Page, scale: int = 1) -> torch.Tensor:
    data = base64.b64decode(page.evaluate(PICTURE, scale))
    pixels = np.frombuffer(data, np.uint8).reshape(scale * HEIGHT, scale * WIDTH, 4)[..., :3]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255


def colors(rule: Rule, start: torch.Tensor, count: int) -> list[torch.Tensor]:
    shown, state = [], start[None]
    for step in range(count):
        state = rule(state, 1, seed=3, first_step=step)
        shown.append(rule.to_rgb(state)[0].clamp(0, 1))
    return shown


@pytest.fixture
def start() -> torch.Tensor:
    return torch.rand(8, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8


@pytest.mark.parametrize(("state", "allowed"), [("rgba32f", 1.5), ("rgba16f", 3), ("rgba8", 8)])
def test_the_average_is_that_of_python(still_page, start, state, allowed):
    page = still_page({"a": RULE}, "#a=8", seed=3, grid=(WIDTH, HEIGHT), state=state)
    page.evaluate("nca.player.look.scaling = 'squares'")
    write(page, start)
    page.evaluate("nca.player.replaced(); nca.player.runSteps(12)")
    *_, expected = averages(shown := colors(RULE, start, 12), 8)
    assert (picture(page) - expected).abs().max() <= allowed / 255
    assert (shown[-1] - expected).abs().max() > 10 / 255
    page.evaluate("nca.actions.toggleAverage()")
    assert (picture(page) - shown[-1]).abs().max() <= allowed / 255


def test_a_stroke_in_a_pause_is_seen_at_once_and_a_reset_begins_again(still_page, start):
    page = still_page({"a": RULE}, "#a=8", seed=3, grid=(WIDTH, HEIGHT))
    page.evaluate("nca.player.look.scaling = 'squares'")
    write(page, start)
    page.evaluate("nca.player.runSteps(3); nca.player.simulation.paint('erase')")
    page.evaluate("nca.player.changed()")
    assert (picture(page) - 0.4).abs().max() < 0.01
    write(page, start)
    page.evaluate("nca.player.runSteps(10); nca.actions.reset(3); nca.player.runSteps(1)")
    (expected,) = colors(RULE, RULE.initial_state(1, HEIGHT, WIDTH, seed=3)[0], 1)
    assert (picture(page) - expected).abs().max() <= 1.01 / 255


def test_larger_cells_are_those_of_python(still_page, start):
    page = still_page({"a": RULE}, "#z=sharp", seed=3, grid=(WIDTH, HEIGHT))
    write(page, start)
    page.evaluate("nca.player.replaced()")
    assert page.evaluate("nca.player.look.scaling") == "sharp"
    page.click("#dock [data-action=settings]")
    for scaling in ("sharp", "squares", "smooth"):
        page.select_option("[name=scaling]", scaling)
        expected = enlarged(RULE.to_rgb(start[None])[0].clamp(0, 1), 3, scaling, wraps=True)
        assert (picture(page, 3) - expected).abs().max() <= 2.5 / 255
        until(page, f"location.hash.includes('z={scaling}') === {json.dumps(scaling != 'smooth')}")


def test_a_grown_image_has_no_background_if_asked_for(still_page, tmp_path):
    page = still_page({"a": bounded_rule(FIGURE_SETTINGS)}, "#t=on", grid=(WIDTH, HEIGHT))
    state, expected = figure(HEIGHT, WIDTH)
    write(page, state)
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    waiting.value.save_as(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert np.abs(np.asarray(picture) / 255 - expected).max() <= 5 / 255
    page.keyboard.press("e")
    until(page, "!location.hash.includes('t=on')")
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    waiting.value.save_as(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        assert np.asarray(picture)[..., 3].min() == 255
