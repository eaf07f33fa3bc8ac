"""`nca bench page`: steps of a rule on our page, compared with two other implementations.

The other implementations are in `peers/passes.js`. First, the results of steps are compared with
float64. A ratio compares wall times within a round, because no CPU clock includes the browser.
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
SECONDS = 0.05 if SMALL else 1.0  # duration of a turn
PATIENCE = 120.0  # longest wait in seconds until the page has compiled
OURS, DISTILL, NOISE = "ours", "distill", "noise"
WAYS = {
    DISTILL: 'the method of "Self-Organising Textures", 8 bits, half of the cells',
    NOISE: 'the method of "NoiseNCA", float32, every cell',
}
LIMITS = {
    OURS: 1e-5,
    NOISE: 1e-5,
    DISTILL: 0.05,
}  # relative to the largest value; 8 bits are 256 levels
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
    """Measure.

    Raises:
        InputError: there is no browser, or no package to control it.
    """
    torch.manual_seed(0)
    rule = to_rule(SimpleCA(CHANNELS, HIDDEN))
    with open_page(rule) as page:
        return measure(page, rule, settings.rounds)


@contextmanager
def open_page(rule: Rule) -> Iterator[Any]:
    """Open the page of a rule in Chromium, compiled and paused, with the other implementations."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise InputError("no Chromium was found; install it, or set CHROMIUM to its path")
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
            page.evaluate(PREPARE, plain(rule))
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
            raise InputError(f"the page was not ready after {PATIENCE:.0f} seconds")
        time.sleep(0.05)


def plain(rule: Rule) -> dict[str, Any]:
    """Weights of a rule, with the first layer's inputs ordered by filter, then by channel."""
    settings, filters = rule.settings, len(rule.filters)
    w1 = rule.w1.detach().view(settings.hidden, settings.channels, filters).transpose(1, 2)
    return {
        "channels": settings.channels, "hidden": settings.hidden, "size": SIZE,
        "w1": w1.flatten(1).tolist(), "b1": rule.b1.tolist(), "w2": rule.w2.tolist(),
    }  # fmt: skip


@torch.no_grad()
def measure(page: Any, rule: Rule, rounds: int) -> Report:
    """Compare results with float64, then time steps."""
    before = load()
    parities = [check(page, rule, way) for way in LIMITS]
    ways = [parity.name.removeprefix("page_") for parity in parities if parity.met]
    times = turns(page, ways, rounds)
    rate = {way: 1 / spread(each).median for way, each in times.items()}
    rows = [
        Row.of(
            f"page_over_{way}",
            ratios(times[way], times[OURS]),
            f"{said}: {rate[OURS]:.1f} steps/s against {rate[way]:.1f}",
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
    """Compare one step from a random state with float64."""
    state = torch.rand(1, CHANNELS, SIZE, SIZE) - 0.5
    text = base64.b64encode(state.numpy().tobytes()).decode()
    raw = base64.b64decode(page.evaluate(ONE_STEP, [way, text]))
    got = torch.from_numpy(np.frombuffer(raw, np.float32).copy()).view_as(state)
    fires = fired(rule, state, got, way)
    expected = copy.deepcopy(rule).double().step(state.double(), fires)
    error = float((got - expected).abs().max() / expected.abs().max())
    return Parity(f"page_{way}", "largest relative error", error, LIMITS[way], error <= LIMITS[way])


def fired(rule: Rule, state: Tensor, got: Tensor, way: str) -> Tensor:
    """The cells that fire in the first step, [1, H, W]."""
    if way == OURS:
        return rule.fire_masks(1, SIZE, SIZE, 1, seed=0)[0]
    if way == NOISE:
        return torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    return (got - state).abs().amax(1) > LEVEL


def turns(page: Any, ways: list[str], rounds: int) -> Times:
    """Seconds per step; every way runs once per round. A trial sets the steps of a turn."""
    times: Times = {way: [] for way in ways}
    steps = {way: math.ceil(SECONDS / page.evaluate(TURN, [way, 2])) for way in ways}
    for _ in range(rounds):
        for way in ways:
            times[way].append(page.evaluate(TURN, [way, steps[way]]))
    return times
