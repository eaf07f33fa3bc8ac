"""`nca bench view`: steps in an OpenGL context compared with torch, and the cost of a frame.

Rules with the sizes of the training presets run on 256x256 cells. A frame consists of 8 steps and
everything else that the window does: checking files, measuring, drawing the image at the window's
size and the text over it. Times are CPU seconds with a software renderer. With a graphics card,
they are wall times, because no CPU clock includes the card's work.
"""

import copy
import time
from collections.abc import Callable

import moderngl
import torch
from torch import Tensor

from nca.benchmarks.measuring.machine import describe_machine
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import Times, interleave, ratios, spread
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.benchmarks.settings import BenchViewSettings
from nca.gl.context import open_headless, renderer_name
from nca.options import parse_size
from nca.rule import Rule
from nca.system.threads import torch_threads
from nca.viewer.actions import Actions
from nca.viewer.files.rule_files import NamedRule
from nca.viewer.player import Player
from nca.viewer.settings import WindowSettings, view_settings
from nca.viewer.window.overlay import Overlay

SIZE, STEPS = 256, 8
RULES = {"tiny": (4, 8), "small": (8, 32), "full": (12, 96)}  # channels, hidden units
LIMIT = 1e-5
GATES = [Gate("frame_share_full", 10, most=True)]
PROGRAMS = ("llvmpipe", "softpipe", "swrast", "software")


def run(settings: BenchViewSettings) -> Report:
    """Measure with one torch thread.

    Raises:
        GraphicsError: there is no usable OpenGL.
    """
    gl = open_headless()
    try:
        with torch_threads(None):
            return measure(gl, settings.rounds)
    finally:
        gl.release()


@torch.no_grad()
def measure(gl: moderngl.Context, rounds: int, rules: dict[str, tuple[int, int]] = RULES) -> Report:
    """Measure every rule; rules whose results differ from torch are not timed."""
    renderer = renderer_name(gl)
    by_program = any(name in renderer.lower() for name in PROGRAMS)
    clock = time.process_time if by_program else time.perf_counter
    parities, rows = [], []
    for name, sizes in rules.items():
        scene = Scene(gl, *sizes)
        parity = scene.check(f"view_steps_{name}")
        parities.append(parity)
        if parity.met:
            rows += scene.rows(name, rounds, clock)
        scene.player.release()
    machine = describe_machine() | {
        "renderer": renderer,
        "clock": "CPU seconds" if by_program else "wall seconds",
        "frame": f"{STEPS} steps on {SIZE}x{SIZE} cells, window {WindowSettings.size}",
        "rounds": rounds,
    }
    return Report(machine, parities, rows, gates=GATES)


class Scene:
    """A rule with the sizes of a preset, in a player and in torch."""

    def __init__(self, gl: moderngl.Context, channels: int, hidden: int) -> None:
        torch.manual_seed(0)
        self.gl = gl
        self.rule: Rule = to_rule(SimpleCA(channels, hidden))
        settings = view_settings("bench", grid=f"{SIZE}x{SIZE}")
        self.player = Player(gl, [NamedRule("bench", self.rule)], settings)
        self.player.running = False  # steps are run on request, independent of the frame rate
        size = parse_size("size", settings.window.size, 64, 16384)
        self.player.resize(*size)
        self.target = gl.simple_framebuffer(size)
        self.overlay = Overlay(gl, Actions(self.player))
        self.state = torch.rand(1, channels, SIZE, SIZE) - 0.5
        self.masks = self.rule.fire_masks(1, SIZE, SIZE, STEPS, seed=0)

    def check(self, name: str) -> Parity:
        """Compare with float64 after the steps of one frame."""
        exact = copy.deepcopy(self.rule).double()
        expected = self.by_torch(exact, self.state.double())[0]
        self.player.simulation.write(self.state[0])
        self.player.run_steps(STEPS)
        error = float((self.player.simulation.read() - expected).abs().max() / expected.abs().max())
        return Parity(name, "largest relative error", error, LIMIT, error <= LIMIT)

    def by_torch(self, rule: Rule, state: Tensor) -> Tensor:
        """Run the steps of one frame in torch, with given masks."""
        for mask in self.masks:
            state = rule.step(state, mask)
        return state

    def steps(self) -> None:
        """Run the steps of one frame."""
        self.player.run_steps(STEPS)
        self.gl.finish()

    def frame(self) -> None:
        """Run a whole frame."""
        self.player.advance()
        self.player.run_steps(STEPS)
        self.player.draw(self.target)
        self.overlay.draw(self.target, 1.0)
        self.gl.finish()

    def rows(self, name: str, rounds: int, clock: Callable[[], float]) -> list[Row]:
        """Time all variants alternately."""
        variants = {
            "torch": lambda: self.by_torch(self.rule, self.state),
            "steps": self.steps,
            "frame": self.frame,
        }
        times = interleave(variants, rounds, clock)
        rate = {key: STEPS / spread(times[key]).median for key in ("torch", "steps")}
        against = f"torch's: {rate['steps']:.0f} steps/s against {rate['torch']:.0f}"
        return [
            Row.of(f"view_steps_{name}", ratios(times["torch"], times["steps"]), against),
            _share(f"frame_share_{name}", times),
        ]


def _share(name: str, times: Times) -> Row:
    pairs = zip(times["steps"], times["frame"], strict=True)
    beside = [100 * (1 - steps / frame) for steps, frame in pairs]
    return Row.of(name, spread(beside), "of the frame is work other than steps", "%")
