"""The module for three.js in Chromium, with three.js from npm: its states are those of torch."""

import math
from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Browser, Page

from nca.backends.simulate import simulate
from nca.exporters.hosts import threejs
from nca.exporters.settings import ExportOptions
from nca.fields.directions import angle_of
from nca.fields.steps import step_with_fields
from nca.fields.texels import Fields, neutral
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.fields.test_steps import mixed_texels
from tests.helpers.browsing import serving
from tests.helpers.hosts import fetch_npm_package
from tests.helpers.rules import bounded_rule, striped_rule

pytestmark = [pytest.mark.browser, pytest.mark.slow]

THREE = "three@0.187.0"
WIDTH, HEIGHT, STEPS = 24, 18, 6
IMPORTS = '{"imports": {"three": "./package/build/three.module.js"}}'
PAGE = f"""<!doctype html><link rel="icon" href="data:,"><script type="importmap">{IMPORTS}</script>
<script type="module">
import * as THREE from "three";
import {{ Automaton }} from "./FOLDER/nca.js";
const renderer = new THREE.WebGLRenderer();
const automaton = new Automaton(renderer, {{ width: {WIDTH}, height: {HEIGHT}, seed: 7 }});
const read = (target, array, i = 0) => {{
  renderer.readRenderTargetPixels(target, 0, 0, {WIDTH}, {HEIGHT}, array, undefined, i);
  return Array.from(array);
}};
const state = () => automaton.state.flatMap((target) => target.textures.map(
  (_, i) => read(target, new Float32Array({4 * WIDTH * HEIGHT}), i)));
const colors = () => read(automaton.picture, new Uint8Array({4 * WIDTH * HEIGHT}));
globalThis.shown = {{ automaton, state, colors, renderer, Automaton, THREE }};
</script>"""
FIELDS = """([bytes, width, height]) => {
  const fields = new shown.THREE.DataTexture(Uint8Array.from(bytes), width, height);
  fields.needsUpdate = true;
  return fields;
}"""
RULES = {
    "texture": bounded_rule(RuleSettings(10, 24)),
    # Two passes per step, of four groups and of one, and the life pass.
    "figure": bounded_rule(
        RuleSettings(20, 16, alive_threshold=0.1, start="center", padding="zeros")
    ),
    "stripes": striped_rule(),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with three.js and one export per rule."""
    folder = tmp_path_factory.mktemp("three")
    fetch_npm_package(THREE, folder)
    for name, rule in RULES.items():
        (folder / name).mkdir()
        files = threejs.build(name, RuleFile(rule, {}), ExportOptions(grid=64))
        for path, data in files.items():
            (folder / name / path).write_bytes(data)
        (folder / f"{name}.html").write_text(PAGE.replace("FOLDER", name))
    example = (folder / "texture" / "example.html").read_text()
    example = example.replace("./node_modules/three", "../package")
    (folder / "texture" / "example.html").write_text(example)
    with serving(folder) as server:
        yield server


def opened(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page, and the messages that it writes to the console, errors included."""
    page, messages = browser.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(address)
    return page, messages


def state_of(page: Page, rule: Rule) -> torch.Tensor:
    groups = torch.tensor(page.evaluate("shown.state()")).view(-1, HEIGHT, WIDTH, 4)
    return groups.permute(0, 3, 1, 2).flatten(0, 1)[: rule.settings.channels]


@pytest.mark.parametrize("name", ["texture", "figure"])
def test_states_and_colors_are_those_of_torch(browser: Browser, address: str, name: str) -> None:
    rule = RULES[name]
    page, messages = opened(browser, f"{address}/{name}.html")
    page.wait_for_function("globalThis.shown")
    assert messages == []
    start = rule.initial_state(1, HEIGHT, WIDTH, seed=7)
    for steps, expected in zip(
        (0, STEPS), simulate(rule, start, (0, STEPS), seed=7, backend="torch"), strict=True
    ):
        page.evaluate(f"shown.automaton.update({steps})")
        assert (state_of(page, rule) - expected[0]).abs().max() < 1e-5
    colors = torch.tensor(page.evaluate("shown.colors()")).view(HEIGHT, WIDTH, 4)[..., :3] / 255
    upright = colors.flip(0).permute(2, 0, 1)
    assert (upright - rule.to_rgb(expected)[0].clamp(0, 1)).abs().max() < 2 / 255

    page.evaluate("shown.automaton.paint({ x: 0.5, y: 0.6 }, 2)")  # in the upper half
    erased = torch.tensor(page.evaluate("shown.state()"))[0].view(HEIGHT, WIDTH, 4)
    assert (erased[7, 12] == 0).all()
    assert (erased[10, 12] != 0).any()
    page.evaluate("shown.automaton.restart()")
    assert torch.equal(state_of(page, rule), start[0])

    texels = mixed_texels()[:HEIGHT, :WIDTH].contiguous()
    page.evaluate(
        f"values => {{ shown.automaton.fields = ({FIELDS})(values); shown.automaton.update(4); }}",
        [texels.flatten().tolist(), WIDTH, HEIGHT],
    )
    for step in range(4):
        start = step_with_fields(rule, start, Fields(texels), step=step, seed=7)
    assert (state_of(page, rule) - start[0]).abs().max() < 1e-5
    page.evaluate("shown.automaton.fields = null; shown.automaton.update(1)")
    plain = rule(start, 1, seed=7, first_step=4).detach()
    assert (state_of(page, rule) - plain[0]).abs().max() < 1e-5
    page.evaluate("shown.automaton.dispose()")
    assert messages == []
    page.close()


def test_stripes_follow_the_texture_of_fields(browser: Browser, address: str) -> None:
    page, messages = opened(browser, f"{address}/stripes.html")
    page.wait_for_function("globalThis.shown")
    side = 64
    texels = neutral(side, side)
    texels[..., 0] = 32  # 45 degrees, clockwise
    pixels = page.evaluate(
        f"""(values) => {{
          const options = {{ width: {side}, seed: 1, fields: ({FIELDS})(values) }};
          const automaton = new shown.Automaton(shown.renderer, options);
          automaton.update(150);
          const pixels = new Uint8Array({4 * side**2});
          shown.renderer.readRenderTargetPixels(
            automaton.picture, 0, 0, {side}, {side}, pixels);
          return [...pixels];
        }}""",
        [texels.flatten().tolist(), side, side],
    )
    gray = torch.tensor(pixels).view(side, side, 4)[..., 0].flip(0) / 255  # upright
    assert abs(math.degrees(angle_of(gray)) - 45) < 10
    assert messages == []
    page.close()


def test_the_example_shows_the_texture_on_a_mesh(browser: Browser, address: str) -> None:
    page, messages = opened(browser, f"{address}/texture/example.html")
    page.wait_for_selector("canvas")
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(400, 300, steps=4)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert messages == []
    page.close()
