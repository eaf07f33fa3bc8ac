"""The element ``<nca-texture>`` in other pages: attributes, touch, and many elements at once."""

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page

from nca.decoder import DecoderSettings
from nca.exporters.field_link import write_fields
from nca.exporters.hosts.web_component import component_js
from nca.fields.directions import angle_of
from nca.fields.texels import Fields, neutral
from nca.images import to_tensor
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.browsing import until
from tests.helpers.rules import bounded_rule, striped_rule, with_random_decoder
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.browser

HEAD = """<!doctype html><title>host</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><script src="nca.js"></script>"""
ALL = "[...document.querySelectorAll('nca-texture')]"


@pytest.fixture
def host(tmp_path: Path, quick_thumbnails: None) -> Callable[[str], Path]:
    """Write a page around elements that have the rules ``one`` and ``two``."""
    del quick_thumbnails
    rules = {
        name: RuleFile(bounded_rule(RuleSettings(channels=4, hidden=8), seed=seed))
        for seed, name in enumerate(("one", "two"))
    }
    (tmp_path / "nca.js").write_bytes(component_js(rules))

    def write(elements: str) -> Path:
        (tmp_path / "host.html").write_text(HEAD + elements)
        return tmp_path / "host.html"

    return write


def test_it_runs_in_any_page_and_lets_go(open_page, host):
    path = host(
        "<nca-texture id='a' rule='two' grid='32x24' seed='5' style='height: 120px'></nca-texture>"
        "<nca-texture id='b' grid='16x16' paused style='height: 120px'></nca-texture>"
        "<nca-texture id='c' rule='missing'></nca-texture>"
    )
    page = open_page(path, reduced_motion="no-preference")
    until(page, "a.player?.simulation.stepNumber > 3 && b.player.simulation.seeded")
    assert page.evaluate("a.player.simulation.field.present") == [1]
    assert page.evaluate("[a.player.simulation.seed, a.player.simulation.width]") == [5, 32]
    assert page.evaluate("b.player.simulation.stepNumber") == 0
    assert "one, two" in page.evaluate("c.shadowRoot.textContent")
    page.evaluate("b.removeAttribute('paused')")
    until(page, "b.player.simulation.stepNumber > 2")
    page.evaluate("c.setAttribute('rule', 'two')")
    until(page, "c.player?.simulation.field.present[0] === 1")
    page.evaluate("c.setAttribute('rule', 'none of them')")
    assert "one, two" in page.evaluate("c.shadowRoot.textContent")
    context = page.evaluate_handle("a.player.gl")
    page.evaluate("a.remove()")
    assert page.evaluate("a => a === null", page.evaluate_handle("globalThis.a ?? null"))
    assert context.evaluate("gl => gl.isContextLost()")


def test_an_element_that_starts_hidden_fits_its_grid_when_it_is_shown(open_page, host):
    elements = "".join(
        f"<nca-texture id='{name}' {attribute} style='width: 240px; height: 120px'></nca-texture>"
        for name, attribute in (("a", "seed='5'"), ("b", "grid='20x10'"))
    )
    page = open_page(host(f"<div id='tab' style='display: none'>{elements}</div>"))
    until(page, "a.player?.simulation.ready && b.player?.simulation.ready")
    page.evaluate("tab.style.display = 'block'")
    size = "[{0}.player.simulation.width, {0}.player.simulation.height]"
    until(page, f"String({size.format('a')}) === '80,40'")  # 3 pixels per cell
    until(page, "a.player.shown && b.player.shown")
    assert page.evaluate("[a.player.simulation.seed, a.player.camera.zoom]") == [5, 3]
    assert page.evaluate(size.format("b")) == [20, 10]


def test_another_rule_and_play_replace_the_message_about_values_that_are_not_finite(
    open_page, host
):
    path = host("<nca-texture id='a' rule='one' grid='16x16' style='height: 120px'></nca-texture>")
    page = open_page(path, reduced_motion="no-preference")
    until(page, "a.player?.simulation.stepNumber > 3")
    for action in ("a.setAttribute('rule', 'two')", "(a.player.reset(), a.play())"):
        page.evaluate("a.player.simulation.write(new Float32Array(4 * 16 * 16).fill(NaN), 4)")
        page.evaluate("a.player.changed(); a.player.setRunning(true)")
        until(page, "a.shadowRoot.textContent.includes('no longer finite')")
        page.evaluate(action)
        assert page.evaluate("a.shadowRoot.textContent") == ""
        assert page.evaluate("a.shadowRoot.firstChild === a.frame")
        assert page.evaluate("a.player.simulation.read().every(Number.isFinite)")
    assert page.evaluate("a.player.simulation.field.present") == [1]
    assert page.evaluate("a.player.running")


def test_a_late_reading_of_the_state_before_a_reset_does_not_stop_the_new_one(open_page, host):
    path = host("<nca-texture id='a' rule='one' grid='16x16' style='height: 120px'></nca-texture>")
    page = open_page(path, reduced_motion="no-preference")
    until(page, "a.player?.simulation.stepNumber > 3")
    page.evaluate("""{
      const { simulation, snapshots } = a.player;
      simulation.write(new Float32Array(4 * 16 * 16).fill(NaN), 4);
      snapshots.cancel();
      Object.assign(snapshots, { last: null, due: 0, changed: true });
      snapshots.poll(simulation, performance.now());
      a.player.reset();
    }""")
    until(page, "a.player.snapshots.last?.stepNumber > 0 || !a.player.running")
    assert page.evaluate("a.player.running")
    assert page.evaluate("a.shadowRoot.textContent") == ""


@pytest.fixture
def warned(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what its console says."""
    context = browser.new_context(viewport={"width": 480, "height": 320})
    context.set_default_timeout(1000 * PATIENCE)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    yield page, said
    context.close()


OUT_OF_RANGE = [  # attribute, text, what it sets, its value then; None: as without the attribute
    ("grid", "0x0", "simulation.width", None),
    ("grid", "9999x3", "simulation.width", None),
    ("seed", "abc", "simulation.seed", 0),
    ("seed", "-1", "simulation.seed", 0),
    ("seed", "1.5", "simulation.seed", 0),
    ("seed", "", "simulation.seed", 0),
    ("speed", "1e9", "speed.stepsPerFrame", 64),
    ("speed", "-4", "speed.stepsPerFrame", 1),
    ("speed", "fast", "speed.stepsPerFrame", 1),
    ("cell", "-3", "simulation.width", None),
    ("calm", "very", "simulation.calm", None),
    ("calm", "1.5", "simulation.calm", None),
    ("update-rate", "0", "simulation.updateRate", None),
    ("update-rate", "2", "simulation.updateRate", 1),
    ("scaling", "soft", "look.scaling", "smooth"),
    ("fields", "AQEBAf4", "simulation.fields.used", False),
    ("average-steps", "0", "look.averageSteps", 1),
    ("average-steps", "40", "look.averageSteps", 16),
]


@pytest.mark.parametrize("cases", [OUT_OF_RANGE[:9], OUT_OF_RANGE[9:]], ids=["first", "last"])
def test_attributes_out_of_range_are_warned_of_and_passed_over(warned, host, cases):
    page, said = warned
    elements = ["id='plain'", "id='later'", *(f"{name}='{text}'" for name, text, *_ in cases)]
    path = host(
        "".join(f"<nca-texture paused style='height: 20px' {e}></nca-texture>" for e in elements)
    )
    page.goto(path.as_uri())
    until(page, f"{ALL}.every((e) => e.player?.simulation.seeded)")
    for number, (attribute, text, shown, used) in enumerate(cases, 2):
        expected = page.evaluate(f"plain.player.{shown}") if used is None else used
        assert page.evaluate(f"{ALL}[{number}].player.{shown}") == expected
        page.evaluate("([name, text]) => later.setAttribute(name, text)", [attribute, text])
        assert page.evaluate(f"later.player.{shown}") == expected
        watched = attribute not in ("grid", "cell")
        warning = f'<nca-texture {attribute}="{text}">'
        assert [warning in line for line in said].count(True) == 1 + watched
        page.evaluate("name => later.removeAttribute(name)", attribute)
        assert page.evaluate(f"later.player.{shown}") == page.evaluate(f"plain.player.{shown}")
    assert all("<nca-texture " in line for line in said)


def test_stripes_follow_the_fields_of_a_link(open_page, tmp_path):
    texels = neutral(32, 32)
    texels[..., 0] = 32  # 45 degrees, clockwise
    (tmp_path / "nca.js").write_bytes(component_js({"stripes": RuleFile(striped_rule())}))
    element = (
        "<nca-texture id='a' grid='64x64' seed='1' speed='8' flash-limit='off'"
        f" fields='{write_fields(Fields(texels))}' style='width: 256px; height: 256px'>"
    )
    (tmp_path / "host.html").write_text(HEAD + element)
    page = open_page(tmp_path / "host.html", reduced_motion="no-preference")

    def angle() -> float:
        shown = Image.open(io.BytesIO(page.locator("#a").screenshot())).convert("RGB")
        return math.degrees(angle_of(to_tensor(shown.resize((64, 64)))[0]))

    until(page, "a.player?.simulation.load(0).directed?.ready")
    page.evaluate("a.reset(1)")
    until(page, "a.player.simulation.stepNumber > 150")
    assert abs(angle() - 45) < 10
    page.evaluate("a.removeAttribute('fields'); a.reset(1)")
    until(page, "a.player.simulation.stepNumber > 150")
    assert abs((angle() + 90) % 180 - 90) < 10


def test_a_grown_image_has_no_background_if_the_element_says_so(open_page, tmp_path):
    settings = RuleSettings(4, 8, "zeros", alive_threshold=0.1, start="center")
    rule = RuleFile(bounded_rule(settings, update_bias=True))
    (tmp_path / "nca.js").write_bytes(component_js({"one": rule}))
    element = "<nca-texture id='a' grid='16x16' paused transparent flash-limit='off'></nca-texture>"
    (tmp_path / "host.html").write_text(HEAD + element)
    page = open_page(tmp_path / "host.html")
    until(page, "a.player?.shown")
    corner = """() => {
      const { player } = a, { gl } = player, pixel = new Uint8Array(4);
      player.draw();
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      return [...pixel];
    }"""
    assert page.evaluate(corner) == [0, 0, 0, 0]
    assert page.evaluate("a.player.look.flashLimit") is False
    page.evaluate("a.removeAttribute('transparent'); a.removeAttribute('flash-limit')")
    assert page.evaluate(corner)[3] == 255
    assert page.evaluate("a.player.look.flashLimit") is True


def test_a_decoder_draws_at_the_resolution_of_the_element(open_page, tmp_path):
    fine = DecoderSettings(4)
    rule = with_random_decoder(RuleSettings(4, 8, start="noise", noise_level=1.0, decoder=fine))
    plain = RuleFile(bounded_rule(RuleSettings(4, 8)))
    (tmp_path / "nca.js").write_bytes(component_js({"plain": plain, "fine": RuleFile(rule)}))
    elements = (
        "<nca-texture id='a' rule='fine' grid='16x12' seed='5' paused flash-limit='off'"
        " style='width: 128px; height: 96px'></nca-texture>"
        "<nca-texture id='b' rule='fine' paused style='width: 320px; height: 256px'></nca-texture>"
    )
    (tmp_path / "host.html").write_text(HEAD + elements)
    page = open_page(tmp_path / "host.html")
    until(page, "a.player?.shown && b.player?.shown")
    state = rule.initial_state(1, 12, 16, seed=5)
    # 8 pixels per cell: twice the scale of the decoder.
    expected = rule.to_image(state, scale=8)[0].detach().clamp(0, 1)
    shown = Image.open(io.BytesIO(page.locator("#a").screenshot())).convert("RGB")
    assert expected.std() > 0.05
    assert (to_tensor(shown) - expected).abs().max() < 1.5 / 255
    # Without a grid, a cell is as wide as the pixels that its decoder draws.
    assert page.evaluate("[b.player.simulation.width, b.player.simulation.height]") == [80, 64]
    page.evaluate("a.setAttribute('rule', 'plain')")
    until(page, "a.player.simulation.field.present[0] === 0 && a.player.shown")
    assert page.evaluate("a.player.gl.getError()") == 0


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


TWO_FRAMES = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
ENDED = """() => {
  for (const type of ["pointerup", "pointercancel"]) {
    addEventListener(type, () => { globalThis.ended = true; });
  }
}"""


@pytest.fixture
def swipe(open_page, host) -> Callable[..., tuple[bool, bool]]:
    """Swipe over an element of 400x300 pixels; whether the page scrolled, whether it painted."""

    def swipe_(
        to: tuple[float, float], *, hold: bool = False, attributes: str = ""
    ) -> tuple[bool, bool]:
        path = host(
            f"<body style='margin: 0'><nca-texture id='a' grid='40x30' paused {attributes}"
            " style='height: 300px'></nca-texture><p style='height: 3000px'>text"
        )
        options = {"viewport": {"width": 400, "height": 600}, "has_touch": True, "is_mobile": True}
        page = open_page(path, **options)
        until(page, "a.player?.shown")
        page.evaluate("a.player.simulation.write(new Float32Array(4 * 1200).fill(1), 4)")
        page.evaluate(ENDED)
        if not hold:  # a busy machine must not turn a swipe into a hold
            page.evaluate("const later = setTimeout; setTimeout = (f, ms) => later(f, 100 * ms)")
        painted = "a.player.simulation.read().some((value) => value !== 1)"
        session, (x, y) = page.context.new_cdp_session(page), (200, 200)
        touch(session, "touchStart", (x, y))
        if hold:
            until(page, painted)
        for i in range(1, 7):
            touch(session, "touchMove", (x + to[0] * i / 6, y + to[1] * i / 6))
            page.wait_for_timeout(16)
        touch(session, "touchEnd")
        until(page, "globalThis.ended")
        page.evaluate(TWO_FRAMES)  # after which the page knows how far it has scrolled
        return page.evaluate("scrollY") > 20, page.evaluate(painted)

    return swipe_


def test_a_vertical_swipe_scrolls_the_page(swipe):
    assert swipe((10, -150)) == (True, False)


def test_a_swipe_after_a_hold_paints(swipe):
    assert swipe((10, -150), hold=True) == (False, True)


def test_a_horizontal_swipe_and_a_tap_paint(swipe):
    assert swipe((150, 10)) == (False, True)
    assert swipe((0, 0)) == (False, True)


def test_every_swipe_paints_where_the_attribute_says_so(swipe):
    assert swipe((10, -150), attributes="touch='paint'") == (False, True)


def test_an_inert_element_only_scrolls(swipe):
    assert swipe((10, -150), attributes="inert") == (True, False)
    assert swipe((150, 10), attributes="inert") == (False, False)


def many(count: int, more: str = "") -> str:
    element = "<nca-texture grid='16x16' seed='{}' speed='16' style='{}'></nca-texture>"
    style = f"display: inline-block; width: 70px; height: 40px;{more}"
    return "".join(element.format(i, style) for i in range(count))


COUNT = """const make = HTMLCanvasElement.prototype.getContext;
globalThis.most = 0;
globalThis.contexts = [];
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  const context = make.call(this, kind, options);
  if (kind === "webgl2") contexts.push(context);
  globalThis.most = Math.max(most, contexts.filter((c) => !c.isContextLost()).length);
  return context;
};"""


def test_of_twenty_in_view_all_show_a_picture_and_twelve_live(open_page, host):
    """Chromium takes contexts away beyond sixteen, with a warning, which would fail this test."""
    page = open_page(host(many(20)), before=COUNT, reduced_motion="no-preference")
    until(page, f"{ALL}.every((e) => e.grown || e.pictured)")
    resting = f"{ALL}.filter((e) => e.frame.classList.contains('resting'))"
    until(page, f"{resting}.length === 8")
    assert page.evaluate("most") <= 12
    # What is shown of those that rest is a picture, and no sign that it is broken.
    shown = f"""{resting}.every((e) => {{
      const {{ still }} = e, live = e.shadowRoot.querySelector(".live");
      const pixels = still.getContext("2d").getImageData(0, 0, still.width, still.height).data;
      return getComputedStyle(still).visibility === "visible" && still.width === e.clientWidth
        && getComputedStyle(live).visibility === "hidden"
        && pixels.every((value, i) => i % 4 !== 3 || value === 255);
    }})"""
    assert page.evaluate(shown)
    # The first had its turn and rests; under the mouse it lives again, from where it was.
    first = page.locator("nca-texture").first
    before = first.evaluate("e => e.player.snapshots.last.stepNumber")
    assert before >= 200
    first.hover()
    until(page, f"!{ALL}[0].frame.classList.contains('resting')")
    until(page, f"{ALL}[0].player.simulation.stepNumber > {before}")
    # Another one that rests takes a new rule and seed.
    page.evaluate(f"globalThis.other = {resting}[0]")
    assert page.evaluate("other.player.gl.isContextLost()")
    page.evaluate("other.setAttribute('rule', 'two'); other.setAttribute('seed', '99')")
    until(page, "!other.player.gl.isContextLost() && other.player.simulation.seeded")
    shown = "[other.player.simulation.field.present, other.player.simulation.seed]"
    assert page.evaluate(shown) == [[1], 99]


def test_those_out_of_view_give_their_contexts_to_those_in_view(open_page, host):
    page = open_page(host(many(30, " margin: 40px;")), before=COUNT, reduced_motion="no-preference")
    seen = f"{ALL}.filter((e) => e.inView)"
    alive = f"{seen}.length && {seen}.every((e) => e.player?.shown && !e.player.gl.isContextLost())"
    until(page, alive)
    page.evaluate(f"{ALL}[29].scrollIntoView()")
    until(page, f"{ALL}[29].inView && {alive}")
    page.evaluate("scrollTo(0, 0)")
    until(page, f"{ALL}[0].inView && {alive}")
    assert page.evaluate("most") <= 12
