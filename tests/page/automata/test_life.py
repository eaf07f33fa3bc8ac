"""The page beyond a single quiet rule: several rules, errors, privacy, embedding."""

import json
import re

import numpy as np
import pytest
import torch

from nca.errors import InputError
from nca.exporters.command import export
from nca.exporters.hosts.html import page_html
from nca.exporters.settings import ExportOptions
from nca.exporters.web.page import PageSettings, script_json
from nca.rng import fire_mask
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.browsing import READY, read, until, write
from tests.helpers.rules import bounded_rule

HOSTILE = "</script><script>alert(1)</script>\n\"'\\ \u2028 <!-- &amp; \u00fc\u4e2d"


def small(name: str = "rule", **settings: object) -> dict[str, Rule]:
    return {name: bounded_rule(RuleSettings(**({"channels": 4, "hidden": 8} | settings)))}


@pytest.mark.browser
def test_painted_rules_share_their_cells_as_in_torch(still_page):
    """With soft borders, a step is the mean of the rules' steps, weighted by their shares."""
    rules = {
        "first": bounded_rule(RuleSettings(channels=8, hidden=16), seed=1),
        "more channels": bounded_rule(RuleSettings(channels=12, hidden=24, update_rate=0.25)),
        "mortal": bounded_rule(
            RuleSettings(channels=8, hidden=16, alive_threshold=0.1), seed=2, update_bias=True
        ),
    }
    height, width, seed = 40, 60, 9
    page = still_page(rules, grid=(width, height), seed=seed)
    page.locator("#rules button").nth(1).click()
    page.evaluate("nca.actions.setRadius(7)")
    page.mouse.move(100, 150)
    page.mouse.down()
    page.mouse.move(300, 150, steps=3)
    page.mouse.up()
    page.evaluate("nca.player.simulation.paintRule(2, {x0: 40, y0: 30, x1: 45, y1: 30, radius: 8})")
    until(page, "nca.player.simulation.ready")
    field = page.evaluate("[...nca.player.simulation.field.shares]")
    shares = np.zeros((len(rules), height, width), np.float32)
    for cell, (a, first, b, second) in enumerate(np.reshape(field, (-1, 4))):
        shares[a].flat[cell] += first / 255
        shares[b].flat[cell] += second / 255
    assert np.abs(shares.sum(0) - 1).max() < 1e-6
    for share in shares:
        assert (share == 1).any()
        assert ((share > 0.2) & (share < 0.8)).any(), "no soft border"
    state = torch.rand(1, 12, height, width, generator=torch.Generator().manual_seed(3)) - 0.3
    write(page, state[0])
    for step in range(5):
        parts = []
        for rule, share in zip(rules.values(), torch.from_numpy(shares), strict=True):
            own, rate = rule.settings.channels, rule.settings.update_rate
            after = state.clone()
            mask = fire_mask(height, width, torch.tensor(step), torch.tensor(seed), rate)[None]
            after[:, :own] = rule.step(state[:, :own], mask)
            parts.append(share * after)
        state = torch.stack(parts).sum(0)
    page.evaluate("nca.player.runSteps(5)")
    assert (read(page, (12, height, width)) - state[0]).abs().max() < 1e-5


@pytest.mark.browser
def test_a_painted_rule_restarts_where_cells_were_anothers(still_page):
    page = still_page(small("one", channels=8) | small("two", channels=8), grid=(32, 24))
    ones = torch.ones(8, 24, 32)
    dot = "nca.player.simulation.paintRule(1, {x0: %s, y0: 12, x1: %s, y1: 12, radius: 4})"
    write(page, ones)
    page.evaluate(dot % (10, 10))
    state = read(page, (8, 24, 32))
    assert not state[:, 12, 7:13].any()
    assert (state[:, :, 15:] == 1).all()
    # Its own cells go on growing when they are painted again, those at the border too.
    write(page, ones)
    page.evaluate(dot % (10, 10))
    assert (read(page, (8, 24, 32)) == 1).all()
    page.evaluate(dot % (10, 18))
    state = read(page, (8, 24, 32))
    assert (state[:, 12, 8:12] == 1).all()
    assert not state[:, 12, 15:20].any()
    page.evaluate("nca.actions.brush.rule = 1; nca.actions.fillRule()")
    state = read(page, (8, 24, 32))
    assert not state[:, 2, :].any()
    assert (state[:, 12, 8:12] == 1).all()
    page.keyboard.press("Control+z")
    assert (read(page, (8, 24, 32))[:, 2, :] == 1).all()


@pytest.mark.browser
def test_choosing_a_rule_twice_grows_it_everywhere_and_undo_takes_that_back(still_page):
    page = still_page(small("one") | small("two") | small("three"), grid=(32, 32))
    page.locator("#rules button").nth(2).click()
    assert page.evaluate("nca.player.simulation.field.present") == [0]
    page.locator("#rules button").nth(2).click()
    assert page.evaluate("nca.player.simulation.field.present") == [2]
    assert page.inner_text("#name") == "three"
    page.keyboard.press("Control+z")
    assert page.evaluate("nca.player.simulation.field.present") == [0]


@pytest.mark.browser
def test_a_lost_context_comes_back_with_its_state(still_page):
    page = still_page(small("one", channels=8) | small("two", channels=8), grid=(32, 24))
    page.evaluate("nca.player.simulation.paintRule(1, {x0: 5, y0: 5, x1: 9, y1: 9, radius: 4})")
    until(page, "nca.player.simulation.ready")
    page.evaluate("nca.player.runSteps(7)")
    before = read(page, (8, 24, 32))
    until(page, "nca.player.snapshots.last?.stepNumber === 7")
    page.evaluate("globalThis.loss = nca.player.gl.getExtension('WEBGL_lose_context')")
    page.evaluate("loss.loseContext()")
    until(page, "nca.player.gl.isContextLost()")
    page.wait_for_timeout(100)
    page.evaluate("loss.restoreContext()")
    until(page, "!nca.player.gl.isContextLost() && nca.player.simulation.ready")
    assert torch.equal(read(page, (8, 24, 32)), before)
    assert page.evaluate("nca.player.simulation.field.present") == [0, 1]
    page.evaluate("nca.player.runSteps(1)")
    assert page.evaluate("nca.player.simulation.stepNumber") == 8
    assert not torch.equal(read(page, (8, 24, 32)), before)


@pytest.mark.browser
def test_what_moves_little_starts_still(still_page, open_page, tmp_path):
    (tmp_path / "page.html").write_bytes(page_html({"rule": RuleFile(small()["rule"])}))
    page = open_page(tmp_path / "page.html", "#g=40x30", reduced_motion="reduce")
    until(page, "globalThis.nca?.player.simulation.stepNumber === 200")
    page.wait_for_timeout(200)
    assert page.evaluate("nca.player.simulation.stepNumber") == 200
    assert page.get_attribute("#dock [data-action=toggle]", "aria-label") == "Continue"


@pytest.mark.browser
def test_a_hidden_page_sleeps_with_its_state_kept(still_page):
    page = still_page(small(), grid=(24, 24))
    page.evaluate("nca.player.runSteps(3)")
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { get: () => true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    assert page.evaluate("nca.player.snapshots.last.stepNumber") == 3


@pytest.mark.browser
@pytest.mark.parametrize(
    ("missing", "format_"),
    [
        ("EXT_color_buffer_float", "rgba16f"),
        ("EXT_color_buffer_float EXT_color_buffer_half_float", "rgba8"),
    ],
)
def test_coarser_states_where_floats_cannot_be_drawn(still_page, missing, format_):
    without = f"""
      const get = WebGL2RenderingContext.prototype.getExtension;
      WebGL2RenderingContext.prototype.getExtension = function (name) {{
        return "{missing}".split(" ").includes(name) ? null : get.call(this, name);
      }};"""
    page = still_page(small(), grid=(24, 24), browser={"before": without})
    page.evaluate("nca.player.runSteps(20)")
    assert page.evaluate("nca.player.format") == format_
    page.evaluate("nca.panel.showStats()")
    assert {"rgba16f": "16-bit float", "rgba8": "8-bit"}[format_] in page.inner_text("#hud")


@pytest.mark.browser
def test_no_webgl_is_reported(browser, tmp_path):
    (tmp_path / "page.html").write_bytes(page_html({"rule": RuleFile(small()["rule"])}))
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto((tmp_path / "page.html").as_uri())
    assert "WebGL 2" in page.inner_text("#trouble")
    assert page.is_hidden("#controls")
    context.close()


@pytest.mark.browser
def test_weights_from_a_texture_where_literals_do_not_compile(open_page, tmp_path):
    rules = {"rule": RuleFile(bounded_rule(RuleSettings(channels=12, hidden=48)))}
    path = tmp_path / "page.html"
    path.write_bytes(page_html(rules))
    text = path.read_text()
    broken = re.sub(r'("inline":\{"4":\[\{"fragment":"#version 300 es)', r"\1\\nbroken", text)
    assert broken != text
    path.write_text(broken)
    page = open_page(path, "#g=24x24")
    until(page, READY)
    page.evaluate("nca.player.runSteps(2)")
    assert page.evaluate("nca.player.simulation.load(0).store") == "texture"


@pytest.mark.browser
def test_a_state_out_of_bounds_is_stopped(still_page):
    page = still_page(small(), grid=(24, 24))
    state = torch.zeros(4, 24, 24)
    state[1, 3, 4] = float("nan")
    write(page, state)
    page.evaluate("nca.player.changed()")
    until(page, "!nca.player.stats.finite")  # also when the numbers are seen before it runs
    page.evaluate("nca.player.setRunning(true); nca.player.changed()")
    until(page, "!nca.player.running")
    assert "finite" in page.inner_text("#toast")
    page.keyboard.press("r")
    assert torch.isfinite(read(page, (4, 24, 24))).all()


@pytest.mark.browser
def test_a_hostile_name_stays_text(open_page, tmp_path):
    info = {"author": HOSTILE, "license": HOSTILE, "thumbnail": HOSTILE}
    files = {name: RuleFile(rule, info) for name, rule in (small(HOSTILE) | small("b")).items()}
    (tmp_path / "page.html").write_bytes(page_html(files, PageSettings(title=HOSTILE)))
    page = open_page(
        tmp_path / "page.html",
        before="globalThis.alert = () => console.error('alert')",
    )
    until(page, READY)
    one_line = " ".join(HOSTILE.split())
    assert page.title() == one_line
    assert page.inner_text("#name") == one_line
    assert page.locator("#rules button").first.get_attribute("aria-label") == one_line


@pytest.mark.browser
def test_the_policy_forbids_what_the_page_does_not_need(browser, tmp_path):
    (tmp_path / "page.html").write_bytes(page_html({"rule": RuleFile(small()["rule"])}))
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    add = """() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.intruder = true";
      document.body.append(script);
      return fetch("https://example.com/").then(() => "reached", () => "refused");
    }"""
    assert page.evaluate(add) == "refused"
    assert page.evaluate("globalThis.intruder") is None
    context.close()


@pytest.mark.browser
def test_the_address_holds_what_is_shown(still_page):
    page = still_page(small("one") | small("two"), "#m=two&s=77&v=channel 2&k=4&g=40x24&f=rgba16f")
    assert page.evaluate("nca.player.simulation.field.present") == [1]
    assert page.evaluate("[nca.player.simulation.width, nca.player.simulation.height]") == [
        40,
        24,
    ]
    assert page.evaluate("[nca.player.simulation.seed, nca.player.speed.stepsPerFrame]") == [77, 4]
    assert page.evaluate("[nca.actions.view, nca.player.format]") == ["channel 2", "rgba16f"]
    page.keyboard.press("v")
    page.evaluate("nca.actions.reset(5)")
    until(page, "location.hash.includes('s=5') && location.hash.includes('channel+3')")


@pytest.mark.browser
def test_an_address_can_hide_the_controls_until_they_are_asked_for(still_page):
    page = still_page(small(), "#controls=0")
    page.mouse.move(200, 100)
    page.keyboard.press("k")  # a message would cover the texture
    shown = """["header", "#hud", "#dock", "#toast"].filter((name) => {
      const { visibility, opacity } = getComputedStyle(document.querySelector(name));
      return visibility !== "hidden" && opacity !== "0";
    })"""
    assert page.evaluate(shown) == []
    until(page, "/&c=on&controls=0$/.test(location.hash)")
    page.keyboard.press("u")
    until(page, f"{shown}.includes('#dock') && !location.hash.includes('controls')")


@pytest.mark.browser
def test_nonsense_in_the_address_is_passed_over(still_page):
    page = still_page(
        small(), "#m=none&s=-1&v=channel 99&k=3&g=0x99999&f=jpeg&constructor=1", seed=3
    )
    shown = "[nca.player.simulation.seed, nca.player.speed.stepsPerFrame, nca.actions.view]"
    assert page.evaluate(shown) == [3, 1, "colors"]


@pytest.mark.browser
@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__"])
def test_names_that_every_object_has_are_no_format(still_page, name):
    page = still_page(small(), f"#f={name}&v={name}&m={name}&g=2x2", grid=(24, 20))
    shown = "[nca.player.format, nca.actions.view, nca.player.simulation.width]"
    assert page.evaluate(shown) == ["rgba32f", "colors", 24]


@pytest.mark.browser
def test_a_link_makes_no_more_cells_than_the_menu(still_page):
    page = still_page(small(), "#g=4096x1024")
    assert page.evaluate("[nca.player.simulation.width, nca.player.simulation.height]") == [
        2048,
        512,
    ]


def test_json_cannot_end_its_script():
    text = script_json({"name": HOSTILE})
    assert not set("<>&") & set(text)
    assert "\u2028" not in text
    assert json.loads(text) == {"name": HOSTILE}


def test_bad_input_is_refused_and_nothing_is_written(tmp_path):
    rule = small()["rule"]
    good = {"rule": RuleFile(rule)}
    with pytest.raises(InputError, match="at least one rule"):
        page_html({})
    with pytest.raises(InputError, match="255 rules, not 256"):
        page_html({str(number): good["rule"] for number in range(256)})
    with pytest.raises(InputError, match="is a folder"):
        export(good, "html", tmp_path, ExportOptions())
    with pytest.raises(InputError, match="no folder"):
        export(good, "html", tmp_path / "missing" / "page.html", ExportOptions())
    with pytest.raises(InputError, match="`steps_per_frame` 3: must be a power of two"):
        PageSettings(steps_per_frame=3)
    with pytest.raises(InputError, match="`grid` 1: must be 3 to 4096"):
        PageSettings(grid=(1, 9))
    with pytest.raises(InputError, match="`seed` -1: must be 0 to 4294967295"):
        PageSettings(seed=-1)
    with torch.no_grad():
        rule.w1[0, 0] = float("nan")
    with pytest.raises(InputError, match="rule: w1 holds a number that is not finite"):
        export(good, "html", tmp_path / "page.html", ExportOptions())
    assert list(tmp_path.iterdir()) == []
