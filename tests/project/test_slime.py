"""The example examples/slime: its shaders against numpy, its film and its page."""

import importlib
import math
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import moderngl
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Page

from nca.rng import pcg_hash, step_base
from tests.helpers.browsing import until

FOLDER = Path(__file__).parents[2] / "examples" / "slime"
SIZE, COUNT = (48, 32), 300
TAU = 2 * math.pi

Floats = npt.NDArray[np.float32]

pytestmark = pytest.mark.gl


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("slime")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["slime", f"--grid={SIZE[0]}x{SIZE[1]}", *words])
    runpy.run_path(str(FOLDER / "slime.py"), run_name="__main__")


def read(texture: moderngl.Texture) -> Floats:
    shape = (texture.height, texture.width, texture.components)
    return np.frombuffer(texture.read(), np.float32).reshape(shape)


def cells(at: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column of positions."""
    x, y = (np.floor(at[:, i]).astype(np.int64) % SIZE[i] for i in (0, 1))
    return y, x


def count(at: Floats) -> Floats:
    counts = np.zeros(SIZE[::-1], np.float32)
    np.add.at(counts, cells(at), 1)
    return counts


def moved(agents: Floats, trail: Floats, base: int, preset: Any) -> Floats:
    """Agents [rows, across, 4] after a step, as positions and directions [n, 3]."""
    y, x = (index.ravel() for index in np.indices(agents.shape[:2]))
    bits = pcg_hash((x + pcg_hash((y + base) & 0xFFFFFFFF)) & 0xFFFFFFFF)
    at, direction = agents[..., :2].reshape(-1, 2), agents[..., 2].ravel()

    def smell(turn: float) -> Floats:
        way = np.stack([np.cos(direction + turn), np.sin(direction + turn)], 1)
        return trail[cells(at + preset.reach * way)][:, 0]

    left, ahead, right = smell(preset.angle), smell(0), smell(-preset.angle)
    side = np.sign(left - right)
    side = np.where(ahead < np.minimum(left, right), np.where(bits % 2, -1, 1), side)
    side = np.where(ahead > np.maximum(left, right), 0, side)
    direction = direction + side * preset.turn + preset.wander * ((bits >> 8) / 2**24 - 0.5)
    after = at + np.stack([np.cos(direction), np.sin(direction)], 1)
    stays = (count(at[:COUNT])[cells(after)] >= preset.crowd) & np.any(
        np.stack(cells(after)) != np.stack(cells(at)), 0
    )
    after[stays] = at[stays]
    direction = np.where(stays, TAU * (pcg_hash(bits) >> 8) / 2**24, direction)
    return np.column_stack([after % SIZE, direction % TAU])


def spread(trail: Floats, counts: Floats, decay: float) -> Floats:
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    mean = sum(np.roll(trail[..., 0], shift, (0, 1)) for shift in shifts) / 9
    return (1 - decay) * mean + counts


def painted(stroke: tuple[float, ...], radius: float) -> npt.NDArray[np.bool_]:
    """Cells that a level stroke paints."""
    x0, y0, x1, _ = stroke
    x, y = np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1])[:, None] + 0.5
    return np.hypot(x - np.clip(x, x0, x1), y - y0) < radius


@pytest.mark.parametrize("preset", ["slime", "ants"])
def test_steps_are_those_of_numpy(example: ModuleType, gl: moderngl.Context, preset: str) -> None:
    slime = example.Slime(gl, SIZE, COUNT, chosen := example.PRESETS[preset], seed=5)
    slime.step(example.FOOD, (20, 16, 30, 16), 3)
    food = painted((20, 16, 30, 16), 3)
    assert np.array_equal(read(slime.trail.texture)[..., 1], food)
    for number in range(1, 25):
        agents, trail = read(slime.agents.texture), read(slime.trail.texture)
        slime.step()
        after = read(slime.agents.texture).reshape(-1, 4)[:, :3]
        expected = moved(agents, trail, step_base(number, 5), chosen)
        away = np.abs(after - expected)
        away = np.minimum(away, (*SIZE, TAU) - away)
        # A sensor at the border of two cells may see either.
        assert (away.max(1) < 1e-4).mean() > 0.99
        grown = spread(trail, count(after[:COUNT]), chosen.decay) + food
        np.testing.assert_allclose(read(slime.trail.texture)[..., 0], grown, rtol=1e-5)
    slime.step(example.ERASE, (22, 16, 26, 16), 4)
    gone = painted((22, 16, 26, 16), 4)
    left = read(slime.trail.texture)
    assert np.all(left[gone] == 0)
    assert np.array_equal(left[..., 1], food & ~gone)


def test_the_seed_decides_every_bit(example: ModuleType, gl: moderngl.Context) -> None:
    states = []
    for seed in (1, 1, 2):
        slime = example.Slime(gl, SIZE, COUNT, example.PRESETS["slime"], seed)
        for _ in range(30):
            slime.step()
        states.append(slime.trail.texture.read() + slime.agents.texture.read())
    assert states[0] == states[1] != states[2]


def test_a_film_is_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, str(tmp_path / "film"), "--frames=2", "--every=20", "--agents=300")
    first, last = (np.asarray(Image.open(tmp_path / f"film/00000{i}.png")) for i in (0, 1))
    assert first.shape == (2 * SIZE[1], 2 * SIZE[0], 3)
    assert first.std() > 10
    assert not np.array_equal(first, last)
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, str(tmp_path / "film.webp"), "--agents=0")
    assert capsys.readouterr().err == "slime: `agents` 0: must be 1 to 16777216\n"


READ = """(bounds) => {
  const state = new Float32Array(4 * bounds[0] * bounds[1]);
  gl.bindFramebuffer(gl.FRAMEBUFFER, layers.trail.target);
  gl.readPixels(0, 0, ...bounds, gl.RGBA, gl.FLOAT, state);
  return [...state];
}"""


def trail_of(page: Page) -> Floats:
    return np.reshape(page.evaluate(READ, SIZE), (*SIZE[::-1], 4))[..., :2]


@pytest.mark.browser
def test_the_page_runs_the_same_shaders(
    example: ModuleType,
    gl: moderngl.Context,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    open_page: Callable[..., Page],
) -> None:
    run(monkeypatch, str(tmp_path / "slime.html"), f"--agents={COUNT}", "--seed=7", "--scale=10")
    page = open_page(tmp_path / "slime.html")  # as large as the grid
    page.get_by_text("pause").click()
    page.evaluate("restart(); for (let i = 0; i < 20; i++) step();")
    slime = example.Slime(gl, SIZE, COUNT, example.PRESETS["slime"], 7)
    for _ in range(20):
        slime.step()
    np.testing.assert_allclose(trail_of(page), read(slime.trail.texture), atol=1e-3)

    for button, column, row in (("left", 12, 26), ("left", 36, 26), ("right", 36, 26)):
        page.mouse.move(10 * column, 320 - 10 * row)
        page.mouse.down(button=button)
        page.mouse.move(10 * column + 50, 320 - 10 * row, steps=3)
        page.mouse.up(button=button)
        until(page, "tool === 0")
    food = trail_of(page)[..., 1]
    assert food[26, 12] == food[26, 17] == 1
    assert food[6, 12] == food[26, 36] == 0
    page.get_by_text("ants").click()
    assert page.evaluate("values.crowd") == 4
