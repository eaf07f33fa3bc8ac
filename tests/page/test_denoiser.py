"""The page that draws images from noise, in a real browser."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Page

from nca.ddpm.checkpoint import Run
from nca.ddpm.page.page import CHOSEN, automaton_of, denoiser_data, denoiser_page
from nca.ddpm.page.parity import hash_sample
from tests.helpers.browsing import until
from tests.helpers.ddpm_run import untrained_automaton

pytestmark = pytest.mark.browser

SIDE = 13
DONE = "globalThis.nca && nca.sheet.samples.every((sample) => sample.done) && !nca.sheet.dirty"
READ = """(index) => {
  const bytes = new Uint8Array(nca.sheet.samples[index].read().buffer);
  return btoa(String.fromCharCode(...bytes));
}"""


def image(page: Page, run: Run, index: int) -> torch.Tensor:
    net, raw = automaton_of(run), base64.b64decode(page.evaluate(READ, index))
    cells = -(-SIDE // net.patch)
    texels = torch.from_numpy(np.frombuffer(raw, np.float32).copy()).view(-1, cells, cells, 4)
    channels = texels.permute(0, 3, 1, 2).flatten(0, 1)[: net.pixels]
    return F.pixel_shuffle(channels, net.patch)[:, :SIDE, :SIDE]


def test_the_page_draws_what_torch_draws(open_page: Callable[..., Page], tmp_path: Path) -> None:
    run = untrained_automaton(1, SIDE, classes=True, cell_channels=20, cell_hidden=16, cell_steps=4)
    path = tmp_path / "page.html"
    path.write_bytes(denoiser_page(run, "digits <&>", denoiser_data(run, 7)))
    page = open_page(path)

    def near(index: int, levels: int, seed: int, label: int | None = None) -> Any:
        until(page, DONE)
        expected = hash_sample(run, levels, seed, label)
        torch.testing.assert_close(image(page, run, index), expected, rtol=0, atol=1e-4)

    near(0, CHOSEN, 7)
    count = page.evaluate("nca.sheet.samples.length")
    assert count > 1
    near(1, CHOSEN, 8)
    assert page.title() == "digits <&>"
    # A click draws the image under the pointer again, and no other.
    before = image(page, run, 0)
    x, low = page.evaluate("nca.sheet.corner(1)")
    height = page.evaluate("nca.sheet.canvas.height")
    page.locator("canvas").click(position={"x": x + 5, "y": height - low - 5})
    near(1, CHOSEN, 7 + count)
    assert torch.equal(image(page, run, 0), before)
    page.locator("#levels").select_option("10")
    near(0, 10, 8 + count)
    page.locator("#label").select_option("1")
    near(0, 10, 8 + 2 * count, 1)
    page.locator("#all").click()
    near(0, 10, 8 + 3 * count, 1)
    # The canvas shows the image, upright.
    shown = page.evaluate("nca.sheet.corner(0).concat(nca.sheet.layout.side)")
    picture = pixels(page, *shown)
    expected = F.interpolate((image(page, run, 0)[None] + 1) / 2, picture.shape, mode="nearest")
    torch.testing.assert_close(picture, expected[0, 0].clamp(0, 1), rtol=0, atol=0.01)


def pixels(page: Page, x: int, y: int, side: int) -> torch.Tensor:
    """Red of a square of the canvas, from its top, [side, side] in [0, 1]."""
    script = """([x, y, side]) => {
      const { gl } = nca.sheet, bytes = new Uint8Array(4 * side * side);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.readPixels(x, y, side, side, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
      return Array.from(bytes);
    }"""
    values = torch.tensor(page.evaluate(script, [x, y, side])).view(side, side, 4)
    return values[:, :, 0].flip(0) / 255


def test_a_lost_context_is_drawn_again(open_page: Callable[..., Page], tmp_path: Path) -> None:
    run = untrained_automaton(1, SIDE, cell_channels=20, cell_hidden=16, cell_steps=2)
    path = tmp_path / "page.html"
    path.write_bytes(denoiser_page(run, "digits", denoiser_data(run, 7)))
    page = open_page(path)
    until(page, DONE)
    page.evaluate(
        "nca.loss = nca.sheet.gl.getExtension('WEBGL_lose_context'); nca.loss.loseContext()"
    )
    until(page, "nca.sheet.gl.isContextLost()")
    page.evaluate("nca.loss.restoreContext()")
    until(page, f"!nca.sheet.gl.isContextLost() && {DONE} && nca.sheet.samples[0].seed > 7")
    expected = hash_sample(run, CHOSEN, page.evaluate("nca.sheet.samples[0].seed"))
    torch.testing.assert_close(image(page, run, 0), expected, rtol=0, atol=1e-4)
