"""The script of the WebGPU export in a browser: its pictures are those of torch."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from playwright.sync_api import Browser, Page

from nca.decoder import DecoderSettings
from nca.exporters.hosts import wgsl
from nca.exporters.settings import ExportOptions
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent, chromium
from tests.helpers.browsing import serving
from tests.helpers.rules import bounded_rule, with_random_decoder
from tests.helpers.waiting import PATIENCE
from tests.viewer.simulation.lit import MANY, fine

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = [
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-vulkan=native",
    "--use-angle=vulkan",
]
FRAMES, STEPS, SEED = 3, 2, 9
NOISE = {"start": "noise", "noise_level": 0.8, "rgb_offset": 0.5}
MATERIAL = bounded_rule(RuleSettings(10, 8, maps=MANY, **NOISE), update_bias=True)
FINE = fine(*MANY, seed=7, decoder=DecoderSettings(2), **NOISE)
# A headless browser cannot read what a canvas shows: draw into a texture instead, and stop after
# some frames.
PAGE = """<!doctype html><link rel="icon" href="data:,"><canvas width="64" height="32"></canvas>
<script type="module">
let drawn, device, frames = 0;
globalThis.errors = [];
const create = GPUDevice.prototype.createTexture;
GPUDevice.prototype.createTexture = function (descriptor) {
  return create.call(this, { ...descriptor, usage: descriptor.usage | GPUTextureUsage.COPY_SRC });
};
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function () {
  device = await request.call(this);
  device.addEventListener("uncapturederror", (event) => errors.push(event.error.message));
  drawn = device.createTexture({ size: [64, 32], usage: GPUTextureUsage.RENDER_ATTACHMENT,
    format: navigator.gpu.getPreferredCanvasFormat() });
  return device;
};
GPUCanvasContext.prototype.getCurrentTexture = () => { frames++; return drawn; };
const next = globalThis.requestAnimationFrame;
globalThis.requestAnimationFrame = (call) => frames < FRAMES ? next(call) : 0;
import { start } from "./nca.js";
const automaton = await start(document.querySelector("canvas"), OPTIONS);
globalThis.picture = async (name, mipLevel = 0) => {
  const texture = name ? automaton.textures[name] : drawn;
  const width = texture.width >> mipLevel, height = texture.height >> mipLevel;
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
  const buffer = device.createBuffer({ size: 256 * height, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyTextureToBuffer({ texture, mipLevel }, { buffer, bytesPerRow: 256 }, [width, height]);
  device.queue.submit([encoder.finish()]);
  await buffer.mapAsync(GPUMapMode.READ);
  const bytes = String.fromCharCode(...new Uint8Array(buffer.getMappedRange()));
  return { format: texture.format, width, bytes: btoa(bytes) };
};
globalThis.done = () => frames >= FRAMES;
</script>""".replace("FRAMES", str(FRAMES))
Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium with WebGPU."""
    with chromium(FLAGS) as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page at the address of an empty folder, ``tmp_path``."""
    with serving(tmp_path) as server:
        (tmp_path / "index.html").write_text('<!doctype html><link rel="icon" href="data:,">')
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(server)
        if not page.evaluate("navigator.gpu?.requestAdapter().then(a => !!a)"):
            absent("WebGPU in Chromium")
        yield page
        page.close()


def run(page: Page, folder: Path, rule: Rule, options: ExportOptions, script: str) -> torch.Tensor:
    """Run some frames of the exported script; return the state that torch computes, [1, C, H, W].

    ``script`` is the second argument of ``start``.
    """
    for name, data in wgsl.build("rule", RuleFile(rule), options).items():
        (folder / name).write_bytes(data)
    (folder / "page.html").write_text(PAGE.replace("OPTIONS", script))
    page.goto(page.url + "page.html")
    page.wait_for_function("globalThis.done?.() || errors.length")
    assert page.evaluate("errors") == []
    assert options.grid is not None
    start = rule.initial_state(1, options.grid, options.grid, seed=SEED)
    return rule(start, STEPS * FRAMES, seed=SEED).detach()


def picture(page: Page, texture: str = "", level: int = 0) -> Array:
    """The pixels of the canvas or of a texture, from 0 to 1: [h, w, channels]."""
    got = page.evaluate("([name, level]) => picture(name, level)", [texture, level])
    data = base64.b64decode(got["bytes"])
    kind, channels = (np.float16, 1) if got["format"] == "r16float" else (np.uint8, 4)
    rows = np.frombuffer(data, kind).reshape(
        -1, 256 // (np.dtype(kind).itemsize * channels), channels
    )
    pixels = rows[:, : got["width"]].astype(np.float32) / (1 if kind is np.float16 else 255)
    return pixels[..., [2, 1, 0]] if got["format"].startswith("bgra") else pixels[..., :3]


def rows_of(image: torch.Tensor) -> Array:
    """An image [1, 3 or 1, h, w] as [h, w, 3 or 1]; values from 0 to 1."""
    return image[0].detach().clamp(0, 1).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("alive", [None, 0.1])
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_its_pictures_are_those_of_torch(opened, tmp_path, alive, weights):
    settings = RuleSettings(6, 8, alive_threshold=alive, start="noise", noise_level=0.8)
    rule = bounded_rule(settings, update_bias=True)
    options = ExportOptions(grid=32, seed=SEED, steps_per_frame=STEPS, weights=weights)
    state = run(opened, tmp_path, rule, options, "{ pixelsPerCell: 1 }")
    expected = rows_of(rule.to_rgb(state))
    expected = np.concatenate([expected, expected], 1)  # the torus is repeated
    assert np.abs(picture(opened) - expected).max() < 1 / 255
    assert expected.std() > 5 / 255


def test_a_decoder_draws_at_the_resolution_of_the_canvas(opened, tmp_path):
    settings = RuleSettings(
        6, 8, start="noise", noise_level=0.8, rgb_offset=0.5, decoder=DecoderSettings(scale=4)
    )
    rule = with_random_decoder(settings)
    options = ExportOptions(grid=8, seed=SEED, steps_per_frame=STEPS, weights="texture")
    state = run(opened, tmp_path, rule, options, "{ textures: true }")
    expected = rows_of(rule.to_image(state))
    assert expected.shape == (32, 32, 3)
    assert expected.std() > 5 / 255
    assert np.abs(picture(opened, "color") - expected).max() < 1 / 255
    expected = np.concatenate([expected, expected], 1)
    assert np.abs(picture(opened) - expected).max() < 1 / 255


@pytest.mark.parametrize("rule", [MATERIAL, FINE], ids=["cells", "decoder"])
def test_its_textures_are_the_maps_of_torch(opened, tmp_path, rule):
    side = 32 // rule.settings.pixels_per_cell
    options = ExportOptions(grid=side, seed=SEED, steps_per_frame=STEPS)
    state = run(opened, tmp_path, rule, options, "{ textures: true }")
    maps = {name: rows_of(image) for name, image in rule.to_maps(state).items()}
    parts = [maps.pop(name) for name in ("occlusion", "roughness", "metalness")]
    for name, expected in (maps | {"packed": np.concatenate(parts, 2)}).items():
        got = picture(opened, name)
        assert np.abs(got - expected).max() < (1e-3 if name == "height" else 1 / 255)
        assert expected.std() > 5 / 255
        if name != "color":  # the mean of colors is that of light
            coarse = expected.reshape(16, 2, 16, 2, -1).mean((1, 3))
            assert np.abs(picture(opened, name, 1) - coarse).max() < 2 / 255
    light = ((maps["color"] + 0.055) / 1.055) ** 2.4
    light = np.where(maps["color"] < 0.04045, maps["color"] / 12.92, light)
    coarse = light.reshape(16, 2, 16, 2, 3).mean((1, 3))
    coarse = np.where(coarse < 0.0031308, 12.92 * coarse, 1.055 * coarse ** (1 / 2.4) - 0.055)
    assert np.abs(picture(opened, "color", 1) - coarse).max() < 3 / 255
