"""Lit materials in a real browser, against numpy, and with real input."""

import json

import numpy as np
import pytest
import torch
from playwright.sync_api import Page

from nca.decoder import DecoderSettings
from nca.exporters.hosts.html import page_html
from nca.exporters.link import read_link, write_link
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile, rule_bytes
from tests.helpers.browsing import drawn, read, until, write
from tests.helpers.rules import bounded_rule
from tests.page.test_hands import drag, touch
from tests.viewer.simulation.decoded import owned_shares
from tests.viewer.simulation.lit import (
    FEW,
    MANY,
    Scene,
    fine,
    lit_as_cells,
    material,
    mixed_map,
    random_state,
)

pytestmark = pytest.mark.browser

HEIGHT, WIDTH = 16, 24  # 20 pixels a cell in the window of 480 by 320
SHAPE = (12, HEIGHT, WIDTH)
STONE = material(*MANY)
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def scene_of(page: Page, rules: list[Rule], zoom: float, x: float, y: float, size, lamp) -> Scene:
    shares = torch.tensor(page.evaluate("[...nca.player.simulation.field.shares]"))
    owned = owned_shares(shares.view(HEIGHT, WIDTH, 4), len(rules))
    part = (x, y, size[0] / zoom, size[1] / zoom)
    relief = page.evaluate("nca.player.look.relief")
    return Scene(rules, owned, read(page, SHAPE), part, size, lamp, relief)


def test_lit_materials_are_those_of_numpy(still_page):
    rules = [STONE, bounded_rule(RuleSettings(6, 8, rgb_scale=0.6)), material(*FEW)]
    names = ["stone", "plain", "few"]
    page = still_page(dict(zip(names, rules, strict=True)), grid=(WIDTH, HEIGHT))
    write(page, random_state(*SHAPE))

    def compare(zoom, x, y, size, lamp=None, view="lit"):
        scene = scene_of(page, rules, zoom, x, y, size, lamp)
        shown = drawn(page, zoom, x, y, size[0], size[1], lamp).permute(1, 2, 0).double().numpy()
        assert np.abs(shown - scene.picture(view)).max() < 1e-4

    compare(4.5, 2.3, -1.7, (90, 63))
    compare(0.4, -3.0, 1.4, (40, 25), (0.3, 0.7))
    page.evaluate("nca.actions.setRelief(3)")
    compare(4.5, 2.3, -1.7, (90, 63), (0.3, 0.7))
    page.evaluate("nca.player.simulation.paintRule(1, {x0: 6, y0: 4, x1: 6, y1: 9, radius: 5})")
    page.evaluate("nca.player.simulation.paintRule(2, {x0: 16, y0: 4, x1: 16, y1: 9, radius: 4})")
    until(page, "nca.player.simulation.ready")
    write(page, random_state(*SHAPE))
    compare(4.5, 2.3, -1.7, (90, 63), (0.3, 0.7))
    for view in page.evaluate("nca.actions.views.slice(2, 7)"):
        page.evaluate("(view) => nca.actions.setView(view)", view)
        compare(4.5, 2.3, -1.7, (90, 63), None, view)


def test_decoders_draw_the_maps_of_torch(still_page):
    rules = [fine(*MANY), fine(channels=6, seed=1)]
    page = still_page(dict(zip(("stone", "plain"), rules, strict=True)), grid=(WIDTH, HEIGHT))
    state = random_state(*SHAPE)
    write(page, state)

    def compare(rule: Rule, scale: int) -> None:
        maps = rule.to_maps(state[None, : rule.settings.channels], scale=scale)
        for name, values in list(maps.items())[1:]:
            page.evaluate("(view) => nca.actions.setView(view)", name)
            shown = drawn(page, scale, 0, 0, scale * WIDTH, scale * HEIGHT)
            assert (shown - values[0].detach().clamp(0, 1)).abs().max() < 1e-5, name
        page.evaluate("nca.actions.setView('colors')")
        shown = drawn(page, scale, 0, 0, scale * WIDTH, scale * HEIGHT)
        assert (shown - maps["color"][0].detach().clamp(0, 1)).abs().max() < 1e-5
        page.evaluate("nca.actions.setView('lit')")

    compare(rules[0], 3)
    compare(rules[0], 8)
    close = (2.4, -1.2, 12.0, 8.0)
    right = lit_as_cells(rules[0], state, close, (120, 80), 10, lamp=(0.3, 0.7))
    lit = drawn(page, 10, 2.4, -1.2, 120, 80, (0.3, 0.7)).permute(1, 2, 0).double().numpy()
    assert np.abs(lit - right).max() < 1e-4
    assert page.evaluate("nca.player.display.picture(nca.player.simulation, {x: 0, y: 0, zoom: 3},"
                         f" {3 * WIDTH}, {3 * HEIGHT}).width") == 3 * WIDTH  # fmt: skip

    # A decoder without maps shares the grid: where it draws, the surface is flat and matte.
    page.evaluate("nca.player.simulation.paintRule(1, {x0: 8, y0: 8, x1: 8, y1: 8, radius: 5})")
    until(page, "nca.player.simulation.ready")
    write(page, state)
    owned = scene_of(page, rules, 1.0, 0.0, 0.0, (WIDTH, HEIGHT), None).owned
    assert 0.1 < owned[1].mean() < 0.9
    for name in ("roughness", "height"):
        page.evaluate("(view) => nca.actions.setView(view)", name)
        shown = drawn(page, 3, 0, 0, 3 * WIDTH, 3 * HEIGHT)
        assert (shown - mixed_map(rules, owned, state, name, 3)).abs().max() < 1e-5, name
    page.evaluate("nca.actions.setView('lit')")

    # The general shader draws a rule that a visitor opens, or that a link contains.
    dropped = fine(*FEW, padding="zeros", alive_threshold=0.1, seed=2,
                   decoder=DecoderSettings(4, 1, (17, 21), "sine"))  # fmt: skip
    file = {"name": "dropped.safetensors", "mimeType": "", "buffer": rule_bytes(dropped)}
    page.set_input_files("[name=file]", [file])
    until(page, "document.getElementById('toast').textContent === 'Opened dropped'")
    until(page, "nca.player.simulation.ready && nca.player.simulation.seeded")
    write(page, state)
    compare(dropped, 4)
    assert page.evaluate("nca.player.gl.getError()") == 0
    link = page.evaluate("nca.reading.writeLink(nca.player.data.rules[2], 16)")
    assert link == write_link(dropped, 16)
    assert read_link(link).settings == dropped.settings
    assert page.evaluate("(link) => nca.reading.readLink(link).settings.maps", link) == list(FEW)


@pytest.fixture
def page(still_page) -> Page:
    page = still_page({"stone": STONE}, grid=(WIDTH, HEIGHT))
    write(page, random_state(*SHAPE))
    page.evaluate("nca.player.changed(); nca.actions.setRadius(3)")
    return page


def lamp_of(page: Page) -> list[float]:
    return page.evaluate("nca.player.look.lamp")


def test_the_lamp_follows_pointer_finger_and_keyboard(page):
    def bright() -> tuple[float, float]:
        """The middle of the light, 0 to 1, of a gray plane."""
        page.evaluate(FRAME)
        pixels = page.evaluate(
            "(() => { const { player } = nca, { width, height } = player.canvas;"
            " const picture = player.display.picture(player.simulation, player.camera, width,"
            " height, player.look.lamp);"
            " return [...picture.getContext('2d').getImageData(0, 0, width, height).data]"
            ".filter((_, i) => i % 4 === 1); })()"
        )
        light = np.array(pixels, float).reshape(320, 480)
        down, across = np.nonzero(light > light.max() - 3)
        return across.mean() / 480, down.mean() / 320

    flat = torch.zeros(SHAPE)
    flat[5] = 0.5  # the normal points to the eye
    flat[7:9] = 0.5  # rough, open
    flat[9] = -0.5
    write(page, flat)
    page.evaluate("nca.player.changed()")
    first = lamp_of(page)
    assert bright() == pytest.approx(first, abs=0.1)
    page.mouse.move(360, 240)
    assert lamp_of(page) == [0.75, 0.75]
    assert bright() == pytest.approx([0.75, 0.75], abs=0.1)
    page.evaluate("nca.player.camera.pan(50, 0); nca.player.touch()")
    assert lamp_of(page) == [0.75, 0.75], "it stays on the screen"
    page.evaluate("nca.player.fit()")
    for key in ("ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert lamp_of(page) == pytest.approx([0.75 - 30 / 480, 0.75 - 30 / 320])
    fingers = page.context.new_cdp_session(page)
    touch(fingers, "touchStart", (48, 64))
    assert lamp_of(page) == pytest.approx([0.1, 0.2])
    touch(fingers, "touchMove", (96, 64))
    touch(fingers, "touchEnd")
    assert lamp_of(page) == pytest.approx([0.2, 0.2]), "it stays where the finger was"


def test_views_of_a_material_and_the_address(page):
    expected = ["lit", "colors", *MANY[1:], *(f"channel {i}" for i in range(1, 13))]
    assert page.evaluate("nca.actions.view") == "lit"
    seen = []
    for _ in range(7):
        seen.append(page.evaluate("nca.actions.view"))
        page.keyboard.press("v")
    assert seen == expected[:7]
    for _ in range(6):
        page.keyboard.press("Shift+V")
    until(page, "location.hash.includes('v=colors')")
    page.keyboard.press("Shift+V")
    until(page, "!location.hash.includes('v=')")
    page.evaluate("nca.actions.settings()")
    row = page.locator(".row:has([name=relief])")
    assert row.is_visible()
    page.locator("[name=relief]").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("nca.player.look.relief") == 4
    assert row.locator("output").text_content() == "4 cells"
    page.select_option("[name=view]", "height")
    assert page.evaluate("nca.actions.view") == "height"
    assert not row.is_visible()
    # Another rule on the grid has no maps.
    page.evaluate(
        "(link) => nca.actions.openLink('#m=plain&r=' + link)",
        write_link(bounded_rule(RuleSettings()), 8),
    )
    until(page, "nca.player.simulation.ready && nca.actions.view === 'colors'")
    page.evaluate("nca.actions.setView('height')")
    assert page.evaluate("nca.actions.view") == "height"
    page.evaluate("nca.actions.setView('nothing'); nca.player.look.view = 'auto'")
    assert page.evaluate("nca.actions.view") == "colors"


def test_a_stroke_changes_all_maps_and_a_link_has_them(page):
    before = read(page, SHAPE)
    drag(page, (100, 100), (140, 100))
    erased = read(page, SHAPE)
    assert not erased[:, 5, 5:7].any()
    assert (erased != before).any(0).sum() < HEIGHT * WIDTH / 3
    page.keyboard.press("Control+z")
    assert torch.equal(read(page, SHAPE), before)
    link = page.evaluate("nca.reading.writeLink(nca.player.data.rules[0], 8)")
    assert link == write_link(STONE, 8)
    assert read_link(link).settings.maps == MANY
    read_back = page.evaluate("(link) => nca.reading.readLink(link).settings.maps", link)
    assert tuple(read_back) == MANY


def test_a_page_with_a_large_material_is_small():
    rule = Rule(RuleSettings(12, 96, maps=MANY))
    torch.nn.init.normal_(rule.w2)
    page = page_html({"large": RuleFile(rule)})
    assert len(page) < 300_000
    assert json.dumps(list(MANY)).replace(" ", "").encode() in page
