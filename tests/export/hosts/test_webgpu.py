"""The script of the WebGPU export in a browser: its pictures are those of torch."""

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from nca.exporters.hosts import wgsl
from nca.exporters.settings import ExportOptions
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.browsing import serving
from tests.helpers.rules import bounded_rule

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = [
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-vulkan=native",
    "--use-angle=vulkan",
]
FRAMES = 3
# A headless browser cannot read what a canvas shows: draw into a texture instead, and stop after
# some frames.
PAGE = """<!doctype html><link rel="icon" href="data:,"><canvas width="64" height="32"></canvas>
<script type="module">
let drawn, device, frames = 0;
globalThis.errors = [];
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function () {
  device = await request.call(this);
  device.addEventListener("uncapturederror", (event) => errors.push(event.error.message));
  const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC;
  drawn = device.createTexture({
    size: [64, 32], usage, format: navigator.gpu.getPreferredCanvasFormat() });
  return device;
};
GPUCanvasContext.prototype.getCurrentTexture = () => { frames++; return drawn; };
const next = globalThis.requestAnimationFrame;
globalThis.requestAnimationFrame = (call) => frames < FRAMES ? next(call) : 0;
import { start } from "./nca.js";
await start(document.querySelector("canvas"), { pixelsPerCell: 1 });
globalThis.picture = async () => {
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
  const buffer = device.createBuffer({ size: 64 * 32 * 4, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyTextureToBuffer({ texture: drawn }, { buffer, bytesPerRow: 256 }, [64, 32]);
  device.queue.submit([encoder.finish()]);
  await buffer.mapAsync(GPUMapMode.READ);
  const bytes = String.fromCharCode(...new Uint8Array(buffer.getMappedRange()));
  return { format: drawn.format, bytes: btoa(bytes) };
};
globalThis.done = () => frames >= FRAMES;
</script>""".replace("FRAMES", str(FRAMES))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as server:
        yield f"{server}/page.html"


@pytest.mark.parametrize("alive", [None, 0.1])
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_its_pictures_are_those_of_torch(address, tmp_path, alive, weights):
    settings = RuleSettings(6, 8, alive_threshold=alive, start="noise", noise_level=0.8)
    rule = bounded_rule(settings, update_bias=True)
    options = ExportOptions(grid=32, seed=9, steps_per_frame=2, weights=weights)
    for name, data in wgsl.build("rule", RuleFile(rule), options).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "page.html").write_text(PAGE)
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        absent("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page()
        page.goto(address)
        if not page.evaluate("navigator.gpu?.requestAdapter().then(a => !!a)"):
            browser.close()
            absent("WebGPU in Chromium")
        page.wait_for_function("globalThis.done?.()")
        got = page.evaluate("picture()")
        assert page.evaluate("errors") == []
        browser.close()
    pixels = np.frombuffer(base64.b64decode(got["bytes"]), np.uint8).reshape(32, 64, 4)
    colors = pixels[..., [2, 1, 0]] if got["format"].startswith("bgra") else pixels[..., :3]
    state = rule(rule.initial_state(1, 32, 32, seed=9), 2 * FRAMES, seed=9)
    expected = rule.to_rgb(state)[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255
    expected = np.concatenate([expected, expected], 1)  # the torus is repeated
    assert np.abs(colors - expected).max() < 1
    assert expected.std() > 5
