"""`nca bench page`: speed of a rule's steps on our page, relative to two other implementations.

The other implementations are in `peers/passes.js`. First, one step of each implementation is
checked against a float64 reference. A ratio is between wall-clock times of the same round. CPU time
cannot be used, because it would not include the browser's processes.
"""

import base64
import copy
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nca.benchmarks.measuring.machine import describe_machine, load
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import Times, ratios, spread
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.benchmarks.settings import SMALL, BenchPageSettings
from nca.errors import InputError
from nca.exporters.hosts.html import page_html
from nca.exporters.web.page import PageSettings
from nca.rule import Rule
from nca.rulefile import RuleFile

CHANNELS, HIDDEN, SIZE = (4, 8, 32) if SMALL else (12, 96, 256)
# Approximate duration of a turn, which is one timing of one implementation ("way").
SECONDS = 0.05 if SMALL else 1.0
PATIENCE = 120.0  # longest time to wait until the page has compiled its shaders, in seconds
OURS, DISTILL, NOISE = "ours", "distill", "noise"
WAYS = {
    DISTILL: 'the method of "Self-Organising Textures" (8-bit states, half of the cells per step)',
    NOISE: 'the method of "NoiseNCA" (float32 states, all cells in every step)',
}
# Largest errors, relative to the largest value. DISTILL stores states in 8 bits.
LIMITS = {OURS: 1e-5, NOISE: 1e-5, DISTILL: 0.05}
LEVEL = 4 / 255  # distance between adjacent 8-bit levels of a state with values from -2 to 2
GATES = [Gate(f"page_over_{way}", 2.0) for way in WAYS]
PASSES = Path(__file__).parent / "peers" / "passes.js"

PREPARE = """rule => {
  const { player } = nca, { gl } = player, pixel = new Float32Array(4);
  player.setRunning(false);
  globalThis.ways = {
    ours: {
      step() { player.simulation.step(); },
      finish() {
        gl.bindFramebuffer(gl.FRAMEBUFFER, player.simulation.state.framebuffer([0]));
        gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.FLOAT, pixel);
      },
      write(values) {
        player.simulation.write(values, rule.channels);
        player.simulation.stepNumber = 0;
      },
      read() { return player.simulation.read(); },
    },
    distill: new Passes(rule, rule.size, "distill"),
    noise: new Passes(rule, rule.size, "noise"),
  };
}"""
ONE_STEP = """([way, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  ways[way].write(new Float32Array(bytes.buffer));
  ways[way].step();
  const result = new Uint8Array(ways[way].read().buffer);
  let out = "";
  for (let i = 0; i < result.length; i += 32768) {
    out += String.fromCharCode.apply(null, result.subarray(i, i + 32768));
  }
  return btoa(out);
}"""
TURN = """([way, steps]) => {
  ways[way].finish();
  const start = performance.now();
  for (let i = 0; i < steps; i++) ways[way].step();
  ways[way].finish();
  return (performance.now() - start) / 1000 / steps;
}"""
POLL = """(() => {
  const simulation = globalThis.nca?.player.simulation;
  simulation?.poll();
  return simulation?.seeded && [...simulation.shaders.values()].every((each) => !each.settling);
})()"""
RENDERER = """(() => {
  const { gl } = nca.player, named = gl.getExtension("WEBGL_debug_renderer_info");
  return gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
})()"""


def run(settings: BenchPageSettings) -> Report:
    """Run the benchmark.

    Raises:
        InputError: there is no browser, or no package to control it.
    """
    torch.manual_seed(0)
    rule = to_rule(SimpleCA(CHANNELS, HIDDEN))
    with open_page(rule) as page:
        return measure(page, rule, settings.rounds)


@contextmanager
def open_page(rule: Rule) -> Iterator[Any]:
    """Open the page of a rule in Chromium, and wait until its shaders are compiled.

    The page is then paused, and the other implementations are loaded.
    """
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise InputError("no Chromium or Chrome was found; install one, or set CHROMIUM to a path")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError as error:
        raise InputError("nca bench page requires playwright: pip install playwright") from error
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_bytes(page_html({"bench": RuleFile(rule)}, PageSettings(grid=(SIZE, SIZE))))
        browser = playwright.chromium.launch(executable_path=path)
        try:
            page = browser.new_page(viewport={"width": 320, "height": 320})
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(file.as_uri())
            wait(lambda: bool(page.evaluate(POLL)))
            page.evaluate(f"{PASSES.read_text(encoding='utf-8')}; globalThis.Passes = Passes; 0")
            page.evaluate(PREPARE, page_rule(rule))
            yield page
        finally:
            browser.close()


def wait(ready: Callable[[], bool]) -> None:
    """Wait until something is ready.

    Raises:
        InputError: it took too long.
    """
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise InputError(
                f"the page was not ready after {PATIENCE:.0f} seconds; does Chromium have WebGL 2?"
            )
        time.sleep(0.05)


def page_rule(rule: Rule) -> dict[str, Any]:
    """Return sizes and weights for ``passes.js``; inputs are ordered by filter, then by channel."""
    settings, filters = rule.settings, len(rule.filters)
    w1 = rule.w1.detach().view(settings.hidden, settings.channels, filters).transpose(1, 2)
    return {
        "channels": settings.channels, "hidden": settings.hidden, "size": SIZE,
        "w1": w1.flatten(1).tolist(), "b1": rule.b1.tolist(), "w2": rule.w2.tolist(),
    }  # fmt: skip


@torch.no_grad()
def measure(page: Any, rule: Rule, rounds: int) -> Report:
    """Check the results of all ways against float64, then time their steps."""
    before = load()
    parities = [check(page, rule, way) for way in LIMITS]
    ways = [parity.name.removeprefix("page_") for parity in parities if parity.met]
    times = turns(page, ways, rounds)
    rate = {way: 1 / spread(each).median for way, each in times.items()}
    rows = [
        Row.of(
            f"page_over_{way}",
            ratios(times[way], times[OURS]),
            f"{said}: {rate[way]:.1f} steps/s, ours {rate[OURS]:.1f}",
        )
        for way, said in WAYS.items()
        if {way, OURS} <= times.keys()
    ]
    machine = describe_machine() | {
        "browser": page.context.browser.version,
        "renderer": page.evaluate(RENDERER),
        "clock": "wall seconds",
        "work": f"{CHANNELS} channels, {HIDDEN} hidden units, {SIZE}x{SIZE} cells",
        "load": f"{before} before, {load()} after",
        "rounds": rounds,
    }
    return Report(machine, parities, rows, gates=GATES)


def check(page: Any, rule: Rule, way: str) -> Parity:
    """Check one step from a random state against a float64 reference."""
    state = torch.rand(1, CHANNELS, SIZE, SIZE) - 0.5
    text = base64.b64encode(state.numpy().tobytes()).decode()
    raw = base64.b64decode(page.evaluate(ONE_STEP, [way, text]))
    got = torch.from_numpy(np.frombuffer(raw, np.float32).copy()).view_as(state)
    fires = fired(rule, state, got, way)
    expected = copy.deepcopy(rule).double().step(state.double(), fires)
    error = float((got - expected).abs().max() / expected.abs().max())
    return Parity(f"page_{way}", "largest relative error", error, LIMITS[way], error <= LIMITS[way])


def fired(rule: Rule, state: Tensor, got: Tensor, way: str) -> Tensor:
    """Return which cells fired in the first step, [1, H, W]; for DISTILL, those that changed."""
    if way == OURS:
        return rule.fire_masks(1, SIZE, SIZE, 1, seed=0)[0]
    if way == NOISE:
        return torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    return (got - state).abs().amax(1) > LEVEL


def turns(page: Any, ways: list[str], rounds: int) -> Times:
    """Measure seconds per step; every way takes one turn per round.

    A first run of two steps determines how many steps a turn needs to last :data:`SECONDS`.
    """
    times: Times = {way: [] for way in ways}
    steps = {way: math.ceil(SECONDS / page.evaluate(TURN, [way, 2])) for way in ways}
    for _ in range(rounds):
        for way in ways:
            times[way].append(page.evaluate(TURN, [way, steps[way]]))
    return times
