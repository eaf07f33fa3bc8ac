"""Pictures of rules with a decoder in a real browser, against torch."""

import pytest
import torch
from playwright.sync_api import Page
from torch import Tensor

from nca.decoder import DecoderSettings, pixel_places
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import rule_bytes
from tests.helpers.browsing import drawn, until, write
from tests.helpers.rules import bounded_rule, with_random_decoder
from tests.viewer.simulation.decoded import mixed_picture, owned_shares

pytestmark = pytest.mark.browser

HEIGHT, WIDTH = 10, 16
FINE = with_random_decoder(RuleSettings(6, 8, decoder=DecoderSettings(4)))
OTHER = DecoderSettings(3, 1, (17, 21), "sine")
DROPPED = with_random_decoder(
    RuleSettings(5, 8, "zeros", alive_threshold=0.1, decoder=OTHER), seed=1
)


def whole(page: Page, scale: int) -> Tensor:
    return drawn(page, scale, 0, 0, scale * WIDTH, scale * HEIGHT)


def expected(rule: Rule, state: Tensor, scale: int) -> Tensor:
    picture = rule.to_image(state[None, : rule.settings.channels], scale=scale)[0]
    return picture.detach().clamp(0, 1)


def state_of(channels: int) -> Tensor:
    return torch.rand(channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) - 0.5


def test_pictures_are_those_of_torch(still_page):
    plain = bounded_rule(RuleSettings(6, 8, rgb_scale=0.6))
    page = still_page({"fine": FINE, "plain": plain}, grid=(WIDTH, HEIGHT))
    state = state_of(6)
    write(page, state)
    for scale in (4, 9):
        picture = whole(page, scale)
        assert (picture - expected(FINE, state, scale)).abs().max() < 1e-5
    # What a camera sees of a grid that wraps, closer than the whole grid is drawn.
    rows, columns = pixel_places(-1, 2.5, 100) % HEIGHT, pixel_places(3.3, 4, 160) % WIDTH
    close = FINE.colors_at(state[None], rows, columns)[0].detach().clamp(0, 1)
    assert (drawn(page, 40, 3.3, -1, 160, 100) - close).abs().max() < 2e-5
    saved = page.evaluate(
        "[...nca.player.display.picture(nca.player.simulation, {x: 0, y: 0, zoom: 4}, 64, 40)"
        ".getContext('2d').getImageData(0, 0, 64, 40).data.slice(0, 256)]"
    )
    first = torch.tensor(saved).view(64, 4)[:, :3].T / 255
    assert (first - expected(FINE, state, 4)[:, 0]).abs().max() <= 0.51 / 255

    # Borders between rules blend colors.
    page.evaluate("nca.player.simulation.paintRule(1, {x0: 6, y0: 4, x1: 6, y1: 5, radius: 3})")
    until(page, "nca.player.simulation.ready")
    write(page, state)
    shares = page.evaluate("[...nca.player.simulation.field.shares]")
    owned = owned_shares(torch.tensor(shares).view(HEIGHT, WIDTH, 4), 2)
    assert 0.1 < owned[1].mean() < 0.9
    assert (whole(page, 5) - mixed_picture([FINE, plain], owned, state, 5)).abs().max() < 1e-5

    # The general shader draws a rule that a visitor opens; its weights come from the texture.
    file = {"name": "dropped.safetensors", "mimeType": "", "buffer": rule_bytes(DROPPED)}
    page.set_input_files("[name=file]", [file])
    until(page, "document.getElementById('toast').textContent === 'Opened dropped'")
    until(page, "nca.player.simulation.ready && nca.player.simulation.seeded")
    write(page, state)
    for scale in (3, 8):
        assert (whole(page, scale) - expected(DROPPED, state, scale)).abs().max() < 1e-5
    assert page.evaluate("nca.player.gl.getError()") == 0


def test_a_picture_is_as_wide_as_the_panel_says(still_page):
    page = still_page({"fine": FINE}, grid=(WIDTH, HEIGHT))
    page.click("#dock [data-action=settings]")
    assert page.input_value("[name=picture]") == str(4 * 4 * WIDTH), "four times its natural width"
    page.fill("[name=picture]", "128")
    with page.expect_download() as waiting:
        page.click("[data-save]")
    assert waiting.value.suggested_filename == "fine-128x80.png"
