"""Rules and trainings in a real JupyterLab."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator

import nca
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.browsing import READY, until, watch
from tests.helpers.notebook.jupyter import Notebook, jupyter_lab, write_notebook
from tests.helpers.waiting import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOW = "import nca\nnca.load('turning.safetensors')"
TRAIN = """import numpy as np
colors = np.random.default_rng(0).random((64, 64, 3))
nca.train(colors, preset="tiny", iterations=30, size=32, grid=16, late_grid=16)"""


def turning_rule() -> Rule:
    """Two channels turn about zero in every cell, and never rest."""
    rule = Rule(RuleSettings(channels=4, hidden=4, start="noise", noise_level=1.0))
    with torch.no_grad():
        for weight in rule.parameters():
            weight.zero_()
        for unit, (channel, sign) in enumerate([(0, 1), (0, -1), (1, 1), (1, -1)]):
            rule.w1[unit, 4 * channel] = sign
            rule.w2[1 - channel, unit] = 0.1 * sign * (1 - 2 * channel)
            rule.w2[channel, unit] = -0.005 * sign
    return rule


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook's folder, with a rule."""
    folder = tmp_path_factory.mktemp("lab")
    nca.save(turning_rule(), folder / "turning.safetensors")
    write_notebook(folder / "book.ipynb", [SHOW, SHOW, TRAIN])
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with jupyter_lab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """What frames complained of, and requests that left the server."""
    return []


@pytest.fixture(scope="module")
def book(browser: Browser, address: str, complaints: list[str]) -> Iterator[Notebook]:
    """The notebook, open, with its first cell run."""
    context = browser.new_context(viewport={"width": 1000, "height": 1600})
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    watch(page, complaints, (address, "about:"), source="srcdoc")
    book = Notebook(page, address, "book.ipynb")
    book.run(0)
    until(book.frame(0), READY)
    yield book
    context.close()


def pixels(output: Locator) -> np.ndarray:
    image = Image.open(io.BytesIO(output.screenshot())).convert("RGB")
    return np.asarray(image.crop((20, 60, image.width - 20, image.height - 80))).astype(int)


def test_a_rule_runs_below_its_cell(book: Notebook) -> None:
    frame = book.cell(0).locator("iframe")
    assert frame.get_attribute("sandbox") == "allow-scripts"
    assert book.frame(0).evaluate("origin") == "null"
    first = pixels(frame)
    assert first.std() > 10
    step = book.frame(0).evaluate("nca.player.simulation.stepNumber")
    until(book.frame(0), f"nca.player.simulation.stepNumber > {step + 10}")
    assert np.abs(pixels(frame) - first).mean() > 3


def test_the_keyboard_stays_with_the_notebook(book: Notebook) -> None:
    assert book.page.evaluate("document.activeElement.tagName") != "IFRAME"


def test_the_pointer_paints(book: Notebook) -> None:
    frame = book.frame(0)
    frame.evaluate("nca.player.setRunning(false)")
    box = book.cell(0).locator("iframe").bounding_box()
    assert box is not None
    erased = "nca.player.simulation.read().filter((value) => value === 0).length"
    before = frame.evaluate(erased)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    book.page.mouse.move(x - 60, y)
    book.page.mouse.down()
    book.page.mouse.move(x + 60, y, steps=5)
    book.page.mouse.up()
    assert frame.evaluate(erased) > before + 50
    frame.evaluate("nca.player.setRunning(true)")


def test_a_second_cell_leaves_the_first_running(book: Notebook) -> None:
    book.frame(0).evaluate("globalThis.same = true")
    book.run(1)
    until(book.frame(1), READY)
    first = book.frame(0)
    assert first.evaluate("same")
    step = first.evaluate("nca.player.simulation.stepNumber")
    until(first, f"nca.player.simulation.stepNumber > {step + 5}")
    assert len(book.outputs(0)) == len(book.outputs(1)) == 1


def test_a_training_is_a_bar_and_a_picture(book: Notebook) -> None:
    book.run(2)
    bar, picture, result = book.outputs(2)
    assert "training 100%" in bar.inner_text()
    image = picture.locator("img")
    assert (image.get_attribute("src") or "").startswith("data:image/png;base64,")
    assert "30 iterations" in result.inner_text()
    assert book.cell(2).locator("[data-mime-type*=stderr]").count() == 0


def test_nothing_went_wrong_and_nothing_left_the_server(
    book: Notebook, complaints: list[str]
) -> None:
    assert book.page.locator(".jp-RenderedText[data-mime-type*=error]").count() == 0
    assert complaints == []
