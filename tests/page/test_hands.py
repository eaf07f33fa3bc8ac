"""User input on the page: mouse, touch, pen, keys, files."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import CDPSession, Page

from nca.rule_settings import RuleSettings
from tests.helpers.browsing import read, until, write
from tests.helpers.rules import bounded_rule
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.browser

CHANNELS, HEIGHT, WIDTH = 8, 32, 48  # 10 pixels a cell in the window of 480 by 320
SHAPE = (CHANNELS, HEIGHT, WIDTH)


@pytest.fixture
def page(still_page) -> Page:
    """A page of one rule on a state of ones, paused, with a brush of three cells."""
    rule = bounded_rule(RuleSettings(channels=CHANNELS, hidden=16))
    page = still_page({"plain": rule}, grid=(WIDTH, HEIGHT))
    write(page, torch.ones(SHAPE))
    page.evaluate("nca.actions.setRadius(3)")
    return page


def changed(page: Page) -> set[tuple[int, int]]:
    """Cells (x, y) that are no longer one."""
    rows, columns = torch.where((read(page, SHAPE) != 1).any(0))
    return set(zip(columns.tolist(), rows.tolist(), strict=True))


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


def drag(page: Page, *points: tuple[float, float], button: str = "left") -> None:
    page.mouse.move(*points[0])
    page.mouse.down(button=button)
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up(button=button)


@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_a_rule_reaches_all_cells_under_a_brush_wider_than_the_grid(still_page, padding):
    settings = RuleSettings(channels=4, hidden=8, padding=padding)
    rules = {name: bounded_rule(settings, seed=seed) for seed, name in enumerate("ab")}
    page = still_page(rules, grid=(WIDTH, HEIGHT))
    page.evaluate("nca.actions.chooseRule(1); nca.actions.setRadius(28)")
    for x, y in ((5, 160), (475, 160), (240, 5)):
        page.evaluate("nca.player.simulation.paintRule(0)")
        page.mouse.click(x, y)
        owner, shares, whole = page.evaluate("""(() => {
          const { field } = nca.player.simulation, shares = [...field.shares];
          field.refresh();
          return [[...field.owner], shares, [...field.shares]];
        })()""")
        assert 0 < sum(owner) < WIDTH * HEIGHT
        assert shares == whole


def test_a_drag_erases_where_the_pointer_is_and_undo_brings_it_back(page):
    drag(page, (100, 100), (300, 100))
    cells = changed(page)
    assert {(10, 10), (20, 10), (29, 10)} <= cells
    assert all(6 <= x <= 33 and 6 <= y <= 13 for x, y in cells)
    assert not read(page, SHAPE)[:, 10, 20].any()
    page.keyboard.press("Control+z")
    assert changed(page) == set()


def test_a_stroke_goes_on_beyond_the_edge_of_a_torus(page):
    page.evaluate("nca.player.camera.pan(-240, 0); nca.player.touch()")
    drag(page, (240, 160), (240, 160))
    xs = {x for x, _ in changed(page)}
    assert xs == {0, 1, 2, 45, 46, 47}


def test_among_all_channels_a_stroke_belongs_to_the_tile_it_begins_in(page):
    page.evaluate("nca.actions.setView('channels')")  # 3 by 3 tiles, 3.33 pixels a cell
    drag(page, (160 + 80, 320 / 3 + 160 / 3), (160 + 156, 320 / 3 + 160 / 3))
    cells = changed(page)
    assert {(24, 16), (46, 16)} <= cells
    assert (30, 30) not in cells
    assert all(13 <= y <= 18 for _, y in cells)
    page.keyboard.press("Control+z")
    page.keyboard.press("d")  # where the pointer is
    cells = changed(page)
    assert (46, 16) in cells
    assert len(cells) < 60
    page.evaluate("nca.actions.setView('colors')")
    assert page.evaluate("nca.player.camera.zoom") == pytest.approx(10)


def test_the_right_button_and_shift_erase_whatever_the_brush(page):
    page.keyboard.press("3")
    drag(page, (100, 160), (101, 160), button="right")
    assert not read(page, SHAPE)[:, 16, 10].any()
    page.keyboard.down("Shift")
    drag(page, (300, 160), (301, 160))
    page.keyboard.up("Shift")
    assert not read(page, SHAPE)[:, 16, 30].any()
    drag(page, (400, 240), (401, 240))
    noise = read(page, SHAPE)[:, 24, 40]
    assert noise.abs().max() <= 0.5
    assert noise.std() > 0.05


def test_the_seed_brush_plants_what_a_rule_grows_from(page):
    page.keyboard.press("1")
    drag(page, (100, 160), (101, 160))
    assert read(page, SHAPE)[:, 16, 10].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_the_middle_button_moves_and_the_wheel_zooms_at_the_pointer(page):
    before = page.evaluate("nca.player.camera.cellAt(100, 100)")
    drag(page, (100, 100), (200, 150), button="middle")
    assert page.evaluate("nca.player.camera.cellAt(200, 150)") == pytest.approx(before)
    page.mouse.move(200, 150)
    page.mouse.wheel(0, -300)
    until(page, "nca.player.camera.zoom > 12")
    assert page.evaluate("nca.player.camera.cellAt(200, 150)") == pytest.approx(before)
    assert changed(page) == set()
    page.keyboard.press("f")
    assert page.evaluate("nca.player.camera.zoom") == pytest.approx(10)


def test_one_finger_paints_and_two_zoom(page):
    fingers = page.context.new_cdp_session(page)
    touch(fingers, "touchStart", (100, 100))
    touch(fingers, "touchMove", (160, 100))
    touch(fingers, "touchEnd")
    assert {(10, 10), (15, 10)} <= changed(page)
    write(page, torch.ones(SHAPE))
    touch(fingers, "touchStart", (200, 160))
    touch(fingers, "touchStart", (200, 160), (280, 160))
    touch(fingers, "touchMove", (160, 160), (320, 160))
    touch(fingers, "touchEnd")
    assert page.evaluate("nca.player.camera.zoom") == pytest.approx(20, rel=0.05)
    assert changed(page) == set(), "what the first finger began is taken back"


def test_a_pen_paints_as_wide_as_it_is_pressed(page):
    def press(x: float, force: float) -> int:
        session = page.context.new_cdp_session(page)
        at = {"x": x, "y": 160, "button": "left", "pointerType": "pen", "force": force}
        session.send("Input.dispatchMouseEvent", {"type": "mousePressed", "clickCount": 1, **at})
        session.send("Input.dispatchMouseEvent", {"type": "mouseReleased", "clickCount": 1, **at})
        cells = changed(page)
        write(page, torch.ones(SHAPE))
        return len(cells)

    assert 0 < press(100, 0.1) < press(300, 1.0)


def test_keys(page):
    def press(key: str, expression: str) -> object:
        page.keyboard.press(key)
        return page.evaluate(expression)

    step = "nca.player.simulation.stepNumber"
    assert press("n", step) == 1
    assert press("Shift+N", step) == 11
    assert press("r", step) == 0
    assert press("Space", "nca.player.running") is True
    assert press("Enter", "nca.player.running") is False
    assert press("+", "nca.player.speed.stepsPerFrame") == 2
    assert press("-", "nca.player.speed.stepsPerFrame") == 1
    assert press("]", "nca.actions.brush.radius") == pytest.approx(3.75)
    assert press("[", "nca.actions.brush.radius") == pytest.approx(3)
    assert press("v", "nca.actions.view") == "channel 1"
    assert press("Shift+V", "nca.actions.view") == "colors"
    assert press("m", "nca.player.look.colorMap") == "diverging"
    assert press("b", "nca.player.look.scaling") == "sharp"
    assert press("t", "nca.player.look.borders") is True
    assert press("u", "document.body.classList.contains('bare')") is True
    assert press("Escape", "document.body.classList.contains('bare')") is False
    assert press("h", "document.getElementById('help').open") is True
    assert press("Escape", "document.getElementById('help').open") is False
    steps = page.evaluate(step)
    for key in ("h", "?", "F1"):
        assert press(key, "document.getElementById('help').open") is True
        assert press("n", step) == steps, "other keys do nothing in the help"
        assert press(key, "document.getElementById('help').open") is False
    page.keyboard.press("c")
    state = read(page, SHAPE)
    assert torch.equal(state[CHANNELS - 1].nonzero(), torch.tensor([[HEIGHT // 2, WIDTH // 2]]))
    page.keyboard.press("x")
    assert float(read(page, SHAPE).std()) == pytest.approx(12**-0.5, rel=0.05)


def test_the_keyboard_alone_paints_and_moves(page):
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "d"):
        page.keyboard.press(key)
    # From the middle (24, 16) two halves of the radius to the right and one up.
    x, y, radius, shown = page.evaluate("nca.player.ring")
    assert (x, y, radius, shown) == (27, 14.5, 3, 1)
    cells = changed(page)
    assert {(27, 14), (25, 14), (29, 14), (27, 12), (27, 16)} <= cells
    assert all(abs(cx + 0.5 - x) < 3 and abs(cy + 0.5 - y) < 3 for cx, cy in cells)
    page.keyboard.press("Control+z")
    assert changed(page) == set()
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("nca.player.camera.x") == pytest.approx(-WIDTH / 10)
    page.keyboard.press("f")
    page.keyboard.press("i")
    assert page.evaluate("nca.player.camera.zoom") == pytest.approx(15)
    page.keyboard.press("o")
    assert page.evaluate("nca.player.camera.zoom") == pytest.approx(10)


def test_sliders_by_mouse_and_keyboard(page):
    page.click("#dock [data-action=settings]")
    shown = "(name) => document.querySelector(`output[for=${name}]`).textContent"
    simulation = "nca.player.simulation"
    for name, value, text in (("update_rate", "updateRate", "1%"), ("calm", "calm", "off")):
        assert page.evaluate(f"{simulation}.{value}") is None, "as the rule says"
        page.locator(f"#{name}").click(position={"x": 63, "y": 14})  # of 252
        assert 0.1 < page.evaluate(f"{simulation}.{value}") < 0.4
        page.keyboard.press("Home")
        assert page.evaluate(shown, name) == text
        page.keyboard.press("ArrowRight")
        assert page.evaluate(shown, name) == ("2%" if name == "update_rate" else "1%")
    page.locator("#average_steps").press("End")
    assert page.evaluate("nca.player.look.averageSteps") == 16
    until(page, "/c=0.01&u=0.02&a=16/.test(location.hash)")


def test_keys_are_letters_in_a_field(page):
    page.click("#dock [data-action=settings]")
    page.fill("[name=seed]", "77")
    page.keyboard.press("Enter")
    assert page.evaluate("nca.player.simulation.seed") == 77
    step = page.evaluate("nca.player.simulation.stepNumber")
    page.keyboard.press("n")
    assert page.evaluate("nca.player.simulation.stepNumber") == step


def test_every_control_works_by_keyboard_alone_and_has_a_name(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.action") == "toggle"
    page.keyboard.press("Enter")
    assert page.evaluate("nca.player.running") is True
    page.evaluate("nca.player.setRunning(false)")
    nameless = """() => [...document.querySelectorAll("button, input, select")].filter((e) =>
      !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0])).length"""
    assert page.evaluate(nameless) == 0
    assert page.get_attribute("#toast", "aria-live") == "polite"


def test_buttons_do_what_the_keys_do(page):
    def reachable(actions: list[str]) -> list[str]:
        controls = "[...document.querySelectorAll('[data-action]')].map((e) => e.dataset.action)"
        return sorted(set(actions) & set(page.evaluate(controls)))

    actions = ["toggle", "step", "tenSteps", "reset", "plantCenter", "noiseEverywhere", "undo"]
    actions += [
        "fit",
        "toggleFullscreen",
        "saveWindow",
        "record",
        "saveState",
        "chooseFile",
        "copyLink",
        "toggleHelp",
    ]
    assert reachable(actions) == sorted(actions)
    page.evaluate("nca.player.runSteps(3)")
    page.click("#dock [data-action=reset]")
    assert page.evaluate("nca.player.simulation.stepNumber") == 0
    page.click("#dock [data-tool=noise]")
    assert page.evaluate("nca.actions.brush.tool") == "noise"
    assert page.get_attribute("#dock [data-tool=noise]", "aria-pressed") == "true"


def picture(page: Page, act: str, tmp_path: Path) -> Image.Image:
    with page.expect_download() as waiting:
        page.evaluate(act)
    waiting.value.save_as(tmp_path / "picture.png")
    return Image.open(tmp_path / "picture.png").convert("RGB")


def test_pictures_show_the_state_the_right_way_up(page, tmp_path):
    state = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) - 0.5
    write(page, state)
    page.evaluate("nca.actions.setScaling('squares')")
    pixels = np.asarray(picture(page, "nca.actions.savePicture()", tmp_path)).astype(int)
    expected = ((state[:3] + 0.5).clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels - expected).max() <= 1
    wide = picture(page, f"nca.actions.savePicture({1000 / WIDTH})", tmp_path)
    assert wide.size == (1000, round(HEIGHT * 1000 / WIDTH))
    small = np.asarray(wide.resize((WIDTH, HEIGHT), Image.Resampling.BOX)).astype(int)
    assert np.abs(small - expected).mean() < 5
    assert picture(page, "nca.actions.saveWindow()", tmp_path).size == (480, 320)


def test_the_window_shows_the_state(page):
    state = torch.full(SHAPE, -0.5)
    state[0, :16, :24] = 0.5  # red, top left
    write(page, state)
    page.evaluate("nca.player.changed(); nca.actions.toggleControls()")

    def screenshot() -> Image.Image:
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB")

    wait_for(lambda: screenshot().getpixel((100, 80)) == (255, 0, 0), "the state in the window")
    shot = screenshot()
    assert shot.getpixel((400, 80)) == shot.getpixel((100, 240)) == (0, 0, 0)


def test_states_are_exchanged_with_numpy(page, tmp_path):
    state = torch.rand(SHAPE, generator=torch.Generator().manual_seed(2)) - 0.5
    write(page, state)
    with page.expect_download() as waiting:
        page.keyboard.press("Control+s")
    waiting.value.save_as(tmp_path / "saved.npz")
    with np.load(tmp_path / "saved.npz", allow_pickle=False) as saved:
        assert np.array_equal(saved["state"], state.numpy())
        assert saved["step_seed"].tolist() == [0, 0]
    other = np.random.default_rng(1).random((CHANNELS, 20, 30), dtype=np.float32)
    np.savez_compressed(tmp_path / "other.npz", state=other)
    page.set_input_files("[name=file]", tmp_path / "other.npz")
    until(page, "nca.player.simulation.width === 30")
    until(page, "document.getElementById('toast').textContent.startsWith('Opened')")
    assert np.array_equal(read(page, (CHANNELS, 20, 30)).numpy(), other)


@pytest.mark.parametrize(
    ("name", "body", "word"),
    [
        ("a.npz", b"nothing of the kind", "not an .npz"),
        ("b.npz", None, "float32 [channels, height, width]"),
        ("c.png", b"no picture", "c.png:"),
        ("d.safetensors", b"a rule", "not a .safetensors file"),
    ],
)
def test_files_that_are_of_no_use(page, tmp_path, name, body, word):
    if body is None:
        np.savez(tmp_path / name, state=np.zeros((3, 4), np.float32))
    else:
        (tmp_path / name).write_bytes(body)
    page.set_input_files("[name=file]", tmp_path / name)
    until(page, f"document.getElementById('toast').textContent.includes({word!r})")
    assert changed(page) == set()


def test_a_picture_becomes_the_colors_of_the_state(page, tmp_path):
    Image.new("RGB", (90, 60), (255, 128, 0)).save(tmp_path / "orange.png")
    page.set_input_files("[name=file]", tmp_path / "orange.png")
    until(page, "document.getElementById('toast').textContent.startsWith('Opened')")
    state = read(page, SHAPE)
    assert state[:3, 5, 5].tolist() == pytest.approx([0.5, 128 / 255 - 0.5, -0.5], abs=1e-6)
    assert not state[3:].any()


def test_video(page, tmp_path):
    page.keyboard.press("p")
    page.evaluate("nca.player.setRunning(true)")
    until(page, "nca.actions.recorder.parts.some((part) => part.size > 1000)")
    with page.expect_download() as waiting:
        page.keyboard.press("p")
    waiting.value.save_as(tmp_path / "video")
    head = (tmp_path / "video").read_bytes()[:16]
    assert head[:4] == b"\x1a\x45\xdf\xa3" or head[4:8] == b"ftyp"
    assert (tmp_path / "video").stat().st_size > 1000
