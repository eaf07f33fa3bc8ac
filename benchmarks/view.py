"""`nca bench view`: steps in an OpenGL context compared with torch, and the cost of a frame.

Rules with the sizes of the training presets run on 256x256 cells. A frame consists of 8 steps and
everything else that the window does: checking files, measuring, drawing the image at the window's
size and the text over it. A rule with a decoder is compared with the same rule without it, on equal
grids and in a window of 1024x1024 pixels. Times are CPU seconds with a software renderer. With a
graphics card, they are wall times, because no CPU clock includes the card's work.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import replace

import moderngl
import torch
from torch import Tensor

from nca.benchmarks.measuring.machine import describe_machine
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import Times, interleave, ratios, spread
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.benchmarks.settings import BenchViewSettings
from nca.decoder import Decoder, DecoderSettings
from nca.gl.context import open_headless, renderer_name
from nca.images import to_tensor
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
DECODED_SIZE, DECODED_RULE, DECODER = 128, (12, 96), DecoderSettings(8)
LIMIT, COLOR_LIMIT = 1e-5, 0.51 / 255  # a picture has 8 bits
GATES = [Gate("frame_share_full", 10, most=True), Gate("frame_decoder", 1.5, most=True)]
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
        scene = Scene(gl, make_rule(*sizes), SIZE, WindowSettings.size)
        parity = scene.check(f"view_steps_{name}")
        parities.append(parity)
        if parity.met:
            rows += scene.rows(name, rounds, clock)
        scene.player.release()
    decoded = Decoded(gl)
    parities.append(decoded.check())
    if parities[-1].met:
        rows += decoded.rows(rounds, clock)
    decoded.release()
    machine = describe_machine() | {
        "renderer": renderer,
        "clock": "CPU seconds" if by_program else "wall seconds",
        "frame": f"{STEPS} steps on {SIZE}x{SIZE} cells, window {WindowSettings.size}",
        "frame_decoder": f"{STEPS} steps on {DECODED_SIZE}x{DECODED_SIZE} cells, window "
        f"{_window(DECODED_SIZE)}",
        "rounds": rounds,
    }
    return Report(machine, parities, rows, gates=GATES)


class Scene:
    """A rule in a player and in torch.

    Args:
        gl: OpenGL context.
        rule: the rule.
        side: width and height of the grid, in cells.
        window: width and height of the window, such as 1120x768.
    """

    def __init__(self, gl: moderngl.Context, rule: Rule, side: int, window: str) -> None:
        self.gl, self.rule = gl, rule
        settings = view_settings("bench", grid=f"{side}x{side}")
        self.player = Player(gl, [NamedRule("bench", rule)], settings)
        self.player.running = False  # steps are run on request, independent of the frame rate
        size = parse_size("size", window, 64, 16384)
        self.player.resize(*size)
        self.target = gl.simple_framebuffer(size)
        self.overlay = Overlay(gl, Actions(self.player))
        self.state = torch.rand(1, rule.settings.channels, side, side) - 0.5
        self.masks = rule.fire_masks(1, side, side, STEPS, seed=0)

    def check(self, name: str) -> Parity:
        """Check the state after the steps of one frame against a float64 reference."""
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


class Decoded:
    """A rule with and without a decoder, on equal grids and in windows of 1024x1024 pixels."""

    def __init__(self, gl: moderngl.Context) -> None:
        fine = make_rule(*DECODED_RULE)
        fine.settings = replace(fine.settings, decoder=DECODER)
        fine.decoder = Decoder(DECODER, fine.settings.channels)
        for weight in fine.decoder.parameters():  # the shader leaves out weights that are zero
            torch.nn.init.normal_(weight, std=0.1)
        self.scenes = {
            name: Scene(gl, rule, DECODED_SIZE, _window(DECODED_SIZE))
            for name, rule in (("fine", fine), ("plain", make_rule(*DECODED_RULE)))
        }

    def check(self) -> Parity:
        """Check the colors of a picture against those that torch computes."""
        scene = self.scenes["fine"]
        expected = scene.rule.to_image(scene.state)[0].clamp(0, 1)
        player = scene.player
        player.simulation.write(scene.state[0])
        picture = to_tensor(player.display.whole(player.simulation, player.look, DECODER.scale))
        error = float((picture - expected).abs().max())
        name, measure = "view_picture_decoder", "largest error of a color"
        return Parity(name, measure, error, COLOR_LIMIT, error <= COLOR_LIMIT)

    def rows(self, rounds: int, clock: Callable[[], float]) -> list[Row]:
        """Time frames, and the steps in them."""
        variants: dict[str, Callable[[], None]] = {}
        for name, scene in self.scenes.items():
            variants |= {f"steps {name}": scene.steps, f"frame {name}": scene.frame}
        times = interleave(variants, rounds, clock)
        beside = {
            name: [
                frame - steps
                for frame, steps in zip(times[f"frame {name}"], times[f"steps {name}"], strict=True)
            ]
            for name in self.scenes
        }
        against = "the time without a decoder, on equal grids"
        return [
            Row.of("frame_decoder", ratios(times["frame fine"], times["frame plain"]), against),
            Row.of("draw_decoder", ratios(beside["fine"], beside["plain"]), f"{against}; no steps"),
        ]

    def release(self) -> None:
        """Free the OpenGL objects."""
        for scene in self.scenes.values():
            scene.player.release()


def make_rule(channels: int, hidden: int) -> Rule:
    """Make a rule with the initial weights of the lesson's automaton."""
    torch.manual_seed(0)
    return to_rule(SimpleCA(channels, hidden))


def _window(side: int) -> str:
    """Return the size of a window in which each pixel that the decoder draws is a screen pixel."""
    return f"{DECODER.scale * side}x{DECODER.scale * side}"


def _share(name: str, times: Times) -> Row:
    pairs = zip(times["steps"], times["frame"], strict=True)
    beside = [100 * (1 - steps / frame) for steps, frame in pairs]
    return Row.of(name, spread(beside), "of the frame is work other than steps", "%")
