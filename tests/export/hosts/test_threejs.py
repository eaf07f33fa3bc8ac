"""The module for three.js in Chromium, with three.js from npm: it computes what torch computes."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import Tensor

from nca.backends.simulate import simulate
from nca.decoder import DecoderSettings
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
from tests.helpers.rules import bounded_rule, striped_rule, with_random_decoder
from tests.helpers.waiting import PATIENCE
from tests.viewer.simulation.lit import FEW, MANY, encoded, fine, material

pytestmark = [pytest.mark.browser, pytest.mark.slow]

THREE = "three@0.187.0"
WIDTH, HEIGHT, STEPS = 24, 18, 6
ZOOM = 5  # odd, so that the center of a cell is that of a pixel
IMPORTS = '{"imports": {"three": "./package/build/three.module.js"}}'
PAGE = f"""<!doctype html><link rel="icon" href="data:,"><script type="importmap">{IMPORTS}</script>
<script type="module">
import * as THREE from "three";
import {{ Automaton }} from "./FOLDER/nca.js";
const renderer = new THREE.WebGLRenderer();
renderer.capabilities.getMaxAnisotropy = () => 1; // Mesa's filter blurs even enlarged textures
const automaton = new Automaton(renderer, {{ width: {WIDTH}, height: {HEIGHT}, seed: 7 }});
const read = (target, Kind, i = 0) => {{
  const {{ width, height }} = target, array = new Kind(4 * width * height);
  renderer.readRenderTargetPixels(target, 0, 0, width, height, array, undefined, i);
  return Array.from(array);
}};
const state = () => automaton.state.flatMap((target) => target.textures.map(
  (_, i) => read(target, Float32Array, i)));
const colors = () => read(automaton.picture, Uint8Array);
// Draw the textures as floats, which are not rounded.
const exact = (one = automaton) => {{
  const {{ picture, textures, step }} = one, {{ width, height }} = picture;
  one.picture = new THREE.WebGLRenderTarget(
    width, height, {{ count: textures.length, type: THREE.FloatType }});
  one.update({STEPS} - step);
  const values = textures.map((_, i) => read(one.picture, Float32Array, i));
  one.picture = picture;
  one.update(0);
  return values;
}};
// A plane whose normals are lit from a direction, {ZOOM} pixels per cell.
const lit = (x, y) => {{
  const scene = new THREE.Scene(), camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 2);
  const {{ normalMap }} = automaton.maps, light = new THREE.DirectionalLight(0xffffff, 2);
  camera.position.z = 1;
  light.position.set(x, y, 1);
  scene.add(light, new THREE.Mesh(
    new THREE.PlaneGeometry(2, 2), new THREE.MeshStandardMaterial({{ normalMap }})));
  const target = new THREE.WebGLRenderTarget({ZOOM * WIDTH}, {ZOOM * HEIGHT});
  renderer.setRenderTarget(target);
  renderer.render(scene, camera);
  renderer.setRenderTarget(null);
  return read(target, Uint8Array);
}};
globalThis.shown = {{ automaton, state, colors, exact, lit, renderer, Automaton, THREE }};
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
    "material": material(*MANY, start="noise", noise_level=1.0),
    "few": material(*FEW, start="noise", noise_level=1.0, rgb_scale=0.7),
    "fine": with_random_decoder(
        RuleSettings(6, 8, start="noise", noise_level=1.0, decoder=DecoderSettings(4))
    ),
    "fine figure": with_random_decoder(
        RuleSettings(
            5,
            8,
            "zeros",
            alive_threshold=0.1,
            start="noise",
            noise_level=1.0,
            decoder=DecoderSettings(3, 1, (17, 21), "sine"),
        )
    ),
    "fine material": fine(*MANY, seed=2, start="noise", noise_level=1.0),
    "fine few": fine(*FEW, seed=1, start="noise", noise_level=1.0, rgb_scale=0.7),
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
        example = files["example.html"].decode().replace("./node_modules/three", "../package")
        (folder / name / "example.html").write_text(example)
    with serving(folder) as server:
        yield server


def opened(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page, and the messages that it writes to the console, errors included."""
    page, messages = browser.new_page(), []
    page.set_default_timeout(1000 * PATIENCE)
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


def ready(browser: Browser, address: str, name: str) -> tuple[Page, Tensor]:
    """A page, and the state that its automaton shows in textures of floats."""
    page, messages = opened(browser, f"{address}/{name}.html")
    page.wait_for_function("globalThis.shown")
    assert messages == []
    rule = RULES[name]
    start = rule.initial_state(1, HEIGHT, WIDTH, seed=7)
    (state,) = simulate(rule, start, [STEPS], seed=7, backend="torch")
    return page, state


def upright(values: list[float], rows: int, columns: int) -> Tensor:
    """An image, [4, rows, columns], from the texels of WebGL, whose first row is the lowest."""
    return torch.tensor(values).view(rows, columns, 4).flip(0).permute(2, 0, 1)


@pytest.mark.parametrize("name", ["material", "few", "fine material", "fine few"])
def test_the_maps_of_a_material_are_those_of_torch(
    browser: Browser, address: str, name: str
) -> None:
    page, state = ready(browser, address, name)
    maps = {key: value[0].clamp(0, 1) for key, value in RULES[name].to_maps(state).items()}
    rows, columns = maps["color"].shape[1:]
    blank = torch.ones(1, rows, columns)
    packed = [maps.get("occlusion", blank), maps["roughness"], maps.get("metalness", 0 * blank)]
    expected = [maps["normal"], torch.cat(packed)]
    expected += [maps["height"].expand(3, -1, -1)] if "height" in maps else []
    colors, *others = (upright(one, rows, columns) for one in page.evaluate("shown.exact()"))
    srgb = torch.from_numpy(encoded(colors[:3].double().numpy()))
    assert (srgb - maps["color"]).abs().max() < 1e-5
    for got, wanted in zip(others, expected, strict=True):
        assert wanted.std() > 0.05
        assert (got[:3] - wanted).abs().max() < 1e-5

    if RULES[name].decoder is not None:
        assert (rows, columns) == (3 * HEIGHT, 3 * WIDTH)
        page.close()
        return
    # The light comes from where three.js expects it: x is right, y is up.
    vectors = maps["normal"] * 2 - 1
    for x, y in ((1, 0), (0, 1)):
        light = torch.tensor([x, y, 1.0]) / 2**0.5
        lambert = torch.einsum("chw,c->hw", vectors, light).clamp(min=0)
        bright = upright(page.evaluate(f"shown.lit({x}, {y})"), ZOOM * HEIGHT, ZOOM * WIDTH)[0]
        bright = bright[ZOOM // 2 :: ZOOM, ZOOM // 2 :: ZOOM]
        assert np.corrcoef(bright.flatten(), lambert.flatten())[0, 1] > 0.95
    page.close()


PARAMETERS = """() => {
  const { automaton: { maps, textures }, THREE } = shown;
  const material = new THREE.MeshStandardMaterial(maps);
  const names = Object.keys(maps).filter((name) => material[name]?.isTexture);
  const of = ({ colorSpace, wrapS, wrapT, generateMipmaps }) => (
    [colorSpace, wrapS === THREE.RepeatWrapping && wrapT === wrapS, generateMipmaps]);
  return {
    places: Object.fromEntries(names.map((name) => [name, textures.indexOf(material[name])])),
    textures: textures.map(of),
    factors: [material.roughness, material.metalness, material.displacementScale],
  };
}"""


def test_a_standard_material_takes_the_maps(browser: Browser, address: str) -> None:
    page, _ = ready(browser, address, "material")
    packed = dict.fromkeys(("aoMap", "roughnessMap", "metalnessMap"), 2)
    assert page.evaluate(PARAMETERS) == {
        "places": {"map": 0, "normalMap": 1, **packed, "displacementMap": 3},
        "textures": [["srgb", True, True], *[["", True, True]] * 2, ["", True, False]],
        "factors": [1, 1, 0],
    }
    page.close()
    page, _ = ready(browser, address, "few")
    few = page.evaluate(PARAMETERS)
    assert few["places"] == {"map": 0, "normalMap": 1, "roughnessMap": 2}
    assert few["factors"] == [1, 0, 1]  # the last two are those of a material without these maps
    page.close()
    page, _ = ready(browser, address, "fine figure")
    assert page.evaluate(PARAMETERS)["textures"] == [["srgb", False, True]]
    page.close()


@pytest.mark.parametrize("name", ["fine", "fine figure"])
def test_the_pictures_of_a_decoder_are_those_of_torch(
    browser: Browser, address: str, name: str
) -> None:
    page, state = ready(browser, address, name)
    rule = RULES[name]
    more = (
        f"shown.exact(new shown.Automaton(shown.renderer, {{ width: {WIDTH}, height: {HEIGHT},"
        " seed: 7, pixelsPerCell: 5 }))"
    )
    for script, scale in (("shown.exact()", rule.settings.pixels_per_cell), (more, 5)):
        expected = rule.to_image(state, scale=scale)[0].detach().clamp(0, 1)
        (linear,) = page.evaluate(script)
        got = upright(linear, scale * HEIGHT, scale * WIDTH)[:3]
        assert expected.std() > 0.05
        difference = torch.from_numpy(encoded(got.double().numpy())) - expected
        assert difference.abs().max() < 1e-5
    page.close()


@pytest.mark.parametrize("name", ["texture", "material"])
def test_the_example_shows_the_rule_on_a_mesh(browser: Browser, address: str, name: str) -> None:
    page, messages = opened(browser, f"{address}/{name}/example.html")
    page.wait_for_selector("canvas")
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(400, 300, steps=4)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert messages == []
    page.close()
