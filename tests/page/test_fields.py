"""Fields on the page: parity with torch, brushes, pictures of directions, saved fields."""

import io
import math
import re
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page

from nca.exporters.field_link import read_fields, write_fields
from nca.fields.directions import angle_of, edge_angles
from nca.fields.steps import step_with_fields
from nca.fields.texels import Fields, direction_byte, neutral
from nca.rule_settings import RuleSettings
from tests.fields.test_steps import mixed_texels
from tests.helpers.browsing import read, until, write
from tests.helpers.rules import bounded_rule, striped_rule

pytestmark = pytest.mark.browser

HEIGHT, WIDTH = 20, 28
FIELDS = "nca.player.simulation.fields"
DIRECTED = "nca.player.simulation.load(0).directed?.ready"


def set_fields(page: Page, texels: torch.Tensor) -> None:
    page.evaluate(
        "(all) => nca.player.simulation.writeFields(Uint8Array.from(all))",
        texels.flatten().tolist(),
    )
    until(page, "nca.player.simulation.stepping(0) && " + DIRECTED)


def texels_of(page: Page, height: int, width: int) -> np.ndarray:
    values = page.evaluate(f"Array.from({FIELDS}.texels)")
    return np.array(values).reshape(height, width, 4)


def drag(page: Page, *points: tuple[float, float], button: str = "left") -> None:
    page.mouse.move(*points[0])
    page.mouse.down(button=button)
    for point in points[1:]:
        page.mouse.move(*point, steps=12)
    page.mouse.up(button=button)


@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_the_page_steps_as_torch_does(still_page, weights):
    rule = bounded_rule(RuleSettings(6, 16, alive_threshold=0.1))
    page = still_page({"a": rule}, grid=(WIDTH, HEIGHT), weights=weights, seed=9)
    start = torch.rand(1, 6, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(5)) - 0.3
    fields = mixed_texels()
    set_fields(page, fields)
    write(page, start[0])
    page.evaluate("nca.player.runSteps(6)")
    for step in range(6):
        start = step_with_fields(rule, start, Fields(fields), step=step, seed=9)
    assert (read(page, (6, HEIGHT, WIDTH)) - start[0]).abs().max() < 1e-5
    assert page.evaluate("nca.player.simulation.load(0).directed.store") == weights
    neutral = read(page, (6, HEIGHT, WIDTH))
    page.evaluate("nca.actions.clearFields(); nca.player.runSteps(3)")
    plain = read(page, (6, HEIGHT, WIDTH))
    write(page, neutral)
    page.evaluate(f"nca.player.simulation.stepNumber = 6; {FIELDS}.used = true")
    page.evaluate("nca.player.runSteps(3)")
    assert torch.equal(read(page, (6, HEIGHT, WIDTH)), plain)


def test_stripes_follow_a_stroke(still_page):
    page = still_page({"stripes": striped_rule()}, grid=(96, 64), seed=1)  # 5 pixels a cell
    page.keyboard.press("6")
    assert page.locator("#toast").text_content() == "Brush: direction along the stroke"
    page.evaluate("nca.actions.setRadius(60)")
    drag(page, (140, 60), (340, 260))  # down to the right
    until(page, "nca.player.simulation.stepping(0) && " + DIRECTED)
    middle = texels_of(page, 64, 96)[24:40, 40:56, 0]
    assert abs(np.median(middle) - 32) < 3
    page.evaluate("nca.player.runSteps(150)")
    gray = read(page, (4, 64, 96))[0][8:56, 24:72]
    assert abs(math.degrees(angle_of(gray)) - 45) < 10


def test_brushes_of_fields_by_mouse_and_keyboard(still_page):
    page = still_page({"plain": bounded_rule(RuleSettings(8, 16))}, grid=(48, 32))
    for channel, key in ((1, "7"), (2, "8"), (3, "9")):
        page.keyboard.press(key)
        drag(page, (240, 160), (250, 160))
        assert texels_of(page, 32, 48)[16, 24, channel] == 96
    page.keyboard.press("{")
    assert page.locator("#toast").text_content() == "Amount: 63%"
    drag(page, (240, 160), (250, 160), button="right")  # back to neutral
    assert list(texels_of(page, 32, 48)[16, 24]) == [0, 96, 96, 128]
    page.keyboard.press("6")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "d"):
        page.keyboard.press(key)
    x, y = page.evaluate("nca.player.ring.slice(0, 2).map(Math.floor)")
    assert abs(texels_of(page, 32, 48)[y % 32, x % 48, 0] - 64) < 8
    page.click("[data-action=settings] >> nth=0")
    assert not page.is_visible("[name=amount]")
    page.click("#panel [data-tool=pace]")
    page.locator("[name=amount]").fill("0")
    assert page.locator("output[for=amount]").text_content() == "0%"
    page.click("text=Remove all fields")
    assert not page.evaluate(f"{FIELDS}.used")
    page.keyboard.press("Control+z")
    assert page.evaluate(f"{FIELDS}.used")


COPY = "navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }"


def test_fields_survive_a_link_and_a_reload(still_page):
    rule = striped_rule()
    page = still_page({"stripes": rule}, grid=(96, 64), seed=1)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(96), indexing="ij")
    texels = neutral(64, 96)
    texels[..., 0] = direction_byte(torch.atan2(y - 31.5, x - 47.5))
    texels[:32, :, 2] = 160
    set_fields(page, texels)
    page.evaluate(f"{COPY}; nca.player.touch()")
    page.keyboard.press("l")
    until(page, "globalThis.copied")
    said = page.locator("#toast").text_content() or ""
    assert re.fullmatch(r"Link copied, [\d,]+ characters, 16 bits per weight", said)
    text = parse_qs(page.evaluate("copied.slice(1)"))["p"][0]
    assert text == write_fields(Fields(texels))
    until(page, f"location.hash.includes('p={text}')")

    # On a grid of another size, as Python reads it; the address keeps the text.
    link = page.evaluate("copied").replace("&g=96x64", "")
    other = still_page({"stripes": rule}, link, grid=(60, 44))
    expected = read_fields(text, 44, 60).texels.numpy().astype(int)
    away = (texels_of(other, 44, 60) - expected + 128) % 256 - 128
    assert np.abs(away).max() <= 1
    until(other, f"location.hash.includes('p={text}') && nca.player.simulation.ready")
    until(other, "nca.player.simulation.stepping(0) && " + DIRECTED)
    other.evaluate("nca.player.runSteps(150)")
    right = read(other, (4, 44, 60))[0][14:30, 38:]  # above and below, the direction turns
    assert abs((math.degrees(angle_of(right)) + 90) % 180 - 90) < 10

    # Another grid keeps fields, an address without them removes them.
    other.evaluate("nca.actions.setGrid(48, 32)")
    assert other.evaluate(f"[{FIELDS}.used, {FIELDS}.text]") == [True, text]
    other.evaluate("(link) => nca.actions.openLink(link)", f"#m=stripes&s=8&p={text[:-9]}")
    assert (
        other.locator("#toast").text_content() == "the text of the fields is incomplete or damaged"
    )
    assert other.evaluate(f"[nca.player.simulation.seed, {FIELDS}.used]") == [1, True]
    other.evaluate("nca.actions.openLink('#m=stripes&s=8')")
    assert other.evaluate(f"[nca.player.simulation.seed, {FIELDS}.used]") == [8, False]
    damaged = still_page({"stripes": rule}, f"#s=3&p={text[:-1]}", grid=(48, 32))
    assert (
        damaged.locator("#toast").text_content()
        == "the text of the fields is incomplete or damaged"
    )
    assert damaged.evaluate(f"[nca.player.simulation.seed, {FIELDS}.used]") == [3, False]


def picture(gray: np.ndarray) -> list[int]:
    data = io.BytesIO()
    Image.fromarray(gray.astype(np.uint8)).save(data, "PNG")
    return list(data.getvalue())


DROP = """([name, bytes, shiftKey]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/png" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer, shiftKey, cancelable: true }));
}"""


def test_pictures_with_shift_are_directions(still_page):
    page = still_page({"plain": bounded_rule(RuleSettings(8, 16))}, grid=(48, 32))
    page.evaluate(DROP, ["map.png", picture(np.full((32, 48, 3), 40)), True])
    until(page, f"{FIELDS}.texels[0] === 40")
    assert page.locator("#toast").text_content() == "map.png: its gray values are the directions"
    y, x = np.mgrid[:32, :48]
    wavy = np.sin((x + 0.5 * y + 3 * np.sin(y / 9)) / 2)[..., None] * [90, 60, 20] + 120
    page.keyboard.press("6")  # then Shift is not needed
    page.evaluate(DROP, ["photo.png", picture(wavy), False])
    until(page, "document.getElementById('toast').textContent.includes('follows its edges')")
    found = texels_of(page, 32, 48)[..., 0] * math.pi / 128
    expected = edge_angles(Image.fromarray(wavy.astype(np.uint8)), 32, 48).numpy()
    apart = (found - expected + math.pi / 2) % math.pi - math.pi / 2
    assert np.abs(apart).mean() < math.radians(3)
    with page.expect_download() as download:
        page.keyboard.press("Control+s")
    arrays = np.load(download.value.path())
    assert np.array_equal(arrays["fields"], texels_of(page, 32, 48))
