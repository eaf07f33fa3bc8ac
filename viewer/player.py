"""The clock of a viewer: runs a simulation, feeds it, measures it. It knows no window."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import moderngl
import torch

from nca.errors import GraphicsError, InputError
from nca.rule import Rule, RuleSettings
from nca.rulefile import load_rule
from nca.viewer.camera import Camera
from nca.viewer.display import NO_RING, Display, Look, parse_view
from nca.viewer.history import History
from nca.viewer.meter import Meter, StateRange
from nca.viewer.pace import Pace
from nca.viewer.recording import Grabber, Recorder
from nca.viewer.settings import ViewSettings, parse_size
from nca.viewer.simulation import SEED, Simulation
from nca.viewer.state_file import SavedState, load_state
from nca.viewer.video_input import LiveInput, open_source
from nca.viewer.watch import Watcher

MEASURE_EVERY = 30  # frames
COUNT_SECONDS = 0.5
MESSAGE_SECONDS = 2.5
MAX_RULES = 16
RECORDING_FPS = 30.0


@dataclass(frozen=True)
class NamedRule:
    """A rule and what people call it; None: its file is not there yet."""

    name: str
    rule: Rule | None


@dataclass
class Rates:
    """Frames and steps per second, over the last half second."""

    frames: float = 0.0
    steps: float = 0.0


# Stands in for a rule that is awaited: nothing happens.
_STILL = Rule(RuleSettings(4, 4), generator=torch.Generator().manual_seed(0))


def rule_name(path: Path) -> str:
    """Name of a rule file; where it is a plain ``rule.safetensors``, that of its folder."""
    return path.parent.name or path.stem if path.stem == "rule" else path.stem


class Player:
    """Plays rules on a context.

    Args:
        gl: the context.
        rules: at least one.
        settings: how to begin.

    Attributes:
        simulation, display, camera, look, history, pace: what is played, and how it is seen.
        names: of the rules.
        running: time goes on.
        size: width and height of the picture in pixels; (0, 0): there is none to draw into.
        ring: the brush on the screen: x, y and radius in cells, strength.
        trouble: why something stands still, or "".

    Raises:
        InputError, GraphicsError: a state cannot be used, or the driver cannot run the rules.
    """

    def __init__(
        self, gl: moderngl.Context, rules: Sequence[NamedRule], settings: ViewSettings
    ) -> None:
        self.gl, self.settings = gl, settings
        self.names = [rule.name for rule in rules]
        self._awaited = {number for number, rule in enumerate(rules) if rule.rule is None}
        saved = load_state(settings.state) if settings.state else None
        width, height = parse_size("grid", settings.grid, 4, 8192)
        self.simulation = self._new_simulation(
            [named.rule or _STILL for named in rules], (height, width), settings.seed
        )
        self.simulation.turn = math.radians(settings.rotation)
        self.simulation.scale, self.simulation.pace = settings.coarseness, settings.pace
        self.simulation.update_rate = settings.update_rate
        self.display, self.history, self.meter = Display(gl), History(gl), Meter(gl)
        view = parse_view(settings.view, self.simulation.channels)
        self.look = Look(view, settings.color_map)
        self.camera, self.pace = Camera(), Pace(settings.steps_per_frame)
        self.watcher = Watcher(settings.rules) if settings.watch else None
        self.running = True
        self.size = (0, 0)
        self.ring = NO_RING
        self.trouble = f"Waiting for {settings.rules[0]}" if self._awaited else ""
        self.state_range: StateRange | None = None
        self.rates = Rates()
        self.input_strength = settings.input_strength
        self.input: LiveInput | None = None
        self.recorder: Recorder | None = None
        self._grabber: Grabber | None = None
        self._record_next = 0.0
        self._message, self._message_until = "", 0.0
        self._frames = 0
        self._last = self._counted_at = time.monotonic()
        self._counted_frames = self._counted_steps = 0
        if saved is not None:
            self.restore(saved)
        if settings.input is not None and not settings.headless:
            self.open_input(settings.input)

    @property
    def grid(self) -> tuple[int, int]:
        """Width and height in cells."""
        return self.simulation.width, self.simulation.height

    @property
    def title(self) -> str:
        """Names of the rules that have cells."""
        return ", ".join(self.names[number] for number in self.simulation.field.present)

    def say(self, text: str) -> None:
        """Tell the person something, for a moment."""
        self._message, self._message_until = text, time.monotonic() + MESSAGE_SECONDS

    @property
    def message(self) -> str:
        """What is to be told now, or ""."""
        return self._message if time.monotonic() < self._message_until else ""

    def advance(self) -> None:
        """One frame of time: look at the files, take in the input, run steps, measure."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        self._look_at_files()
        if self.running:
            steps = self.pace.steps(elapsed)
            self._take_input()
            self.run_steps(steps)
        self._frames += 1
        if self._frames % MEASURE_EVERY == 0:
            self._measure()
        self._count(now)

    def run_steps(self, count: int) -> None:
        """Run steps now, also while paused."""
        self.simulation.step(count)
        self._counted_steps += count

    def draw(self, target: moderngl.Framebuffer) -> None:
        """Draw what is seen, and record it where a recording runs."""
        self.display.draw(self.simulation, self.camera, self.look, target, self.ring)
        self._record_frame()

    def resize(self, width: int, height: int) -> None:
        """Take note of another size of the picture; zero: there is nothing to draw into."""
        before, self.size = self.size, (width, height)
        if width and height:
            before = before if all(before) else self.size
            self.camera.resize(self.grid, before, self.size, wraps=self.simulation.wraps)

    def fit(self) -> None:
        """Fit the grid into the picture."""
        if all(self.size):
            self.camera.fit(self.grid, self.size, wraps=self.simulation.wraps)

    def restore(self, saved: SavedState) -> None:
        """Go on from a saved state; the grid takes its size.

        Raises:
            InputError: the state belongs to rules of other sizes.
        """
        old = self.simulation
        channels, height, width = saved.state.shape
        if channels != old.channels:
            raise InputError(f"the state has {channels} channels, the rule {old.channels}")
        if saved.owner.max() >= len(self.names):
            raise InputError(f"the state needs {saved.owner.max() + 1} rules, there is not as many")
        if (height, width) == (old.height, old.width):
            self.history.remember(old)
        else:
            self.history.clear()
            self.simulation = self._new_simulation(old.rules, (height, width), saved.seed)
            new = self.simulation
            new.turn, new.scale, new.pace = old.turn, old.scale, old.pace
            new.update_rate = old.update_rate
            old.release()
            self.fit()
        self.simulation.field.restore(saved.owner)
        self.simulation.show_field()
        self.simulation.write(saved.state)
        self.simulation.step_number, self.simulation.seed = saved.step_number, saved.seed

    def snapshot(self) -> SavedState:
        """The simulation as it is now, to be saved."""
        simulation = self.simulation
        return SavedState(
            simulation.read(), simulation.field.owner, simulation.step_number, simulation.seed
        )

    def reset(self, tool: int = SEED) -> None:
        """Start anew; it can be undone."""
        self.history.remember(self.simulation)
        self.simulation.reset(tool)
        self.trouble = ""

    def open_input(self, text: str) -> None:
        """Play over moving pictures.

        Raises:
            InputError: they cannot be read.
        """
        source = open_source(text, self.grid)
        self.close_input()
        self.input = LiveInput(source)

    def close_input(self) -> None:
        """Stop the moving pictures."""
        if self.input is not None:
            self.input.close()
        self.input = None

    def start_recording(self, path: Path) -> None:
        """Record what is seen, without brush and controls, until it is stopped.

        Raises:
            InputError: the file cannot be written.
        """
        size = (self.size[0] + self.size[0] % 2, self.size[1] + self.size[1] % 2)
        self.recorder = Recorder(path, size, RECORDING_FPS)
        self._grabber = Grabber(self.gl, size)
        self._record_next = time.monotonic()

    def stop_recording(self) -> Path | None:
        """Finish the recording; gives its path, None where there is none.

        Raises:
            InputError: writing has failed.
        """
        recorder, grabber = self.recorder, self._grabber
        if recorder is None or grabber is None:
            return None
        self.recorder = self._grabber = None
        last = grabber.last()
        grabber.release()
        if last is not None:
            recorder.add(last, wait=True)
        recorder.close()
        return recorder.path

    def release(self) -> None:
        """End what runs beside and free what the driver holds."""
        self.close_input()
        self.stop_recording()
        self.history.clear()
        self.display.release()
        self.simulation.release()

    def _new_simulation(
        self, rules: Sequence[Rule], size: tuple[int, int], seed: int
    ) -> Simulation:
        return Simulation(self.gl, rules, size, seed=seed, store=self.settings.weights)

    def add_rule(self, path: Path) -> int:
        """Load a rule beside the others; gives its number.

        Raises:
            InputError: the file cannot be used.
            GraphicsError: the driver cannot run it.
        """
        rule = load_rule(path).rule
        number = len(self.names)
        if number >= MAX_RULES:
            raise InputError(f"at most {MAX_RULES} rules share one grid")
        self._set_rule(number, rule)
        self.names.append(rule_name(path))
        if self.watcher is not None:
            self.watcher.add(path)
        return number

    def _set_rule(self, number: int, rule: Rule) -> None:
        """Replace or add a rule; the state is kept where its channels fit."""
        simulation = self.simulation
        channels, replaced = simulation.channels, simulation.rules[number : number + 1]
        simulation.set_rule(number, rule)
        if simulation.channels != channels:
            self.history.clear()
            self.look.view = "colors"
        fits = all(old.settings.channels == rule.settings.channels for old in replaced)
        if number in self._awaited or not fits:
            self._awaited.discard(number)
            self.trouble = ""
            simulation.reset()

    def _look_at_files(self) -> None:
        for change in self.watcher.poll() if self.watcher else []:
            if change.rule is None:
                self.say(f"{self.names[change.number]}: kept the last good rule; {change.trouble}")
                continue
            try:
                self._set_rule(change.number, change.rule)
                self.say(f"New rule: {self.names[change.number]}")
            except GraphicsError as error:
                self.say(str(error))

    def _take_input(self) -> None:
        if self.input is None:
            return
        frame = self.input.newest()
        if frame is not None:
            place = (0.0, 0.0, float(self.grid[0]), float(self.grid[1]))
            self.simulation.stamp(frame, place, self.input_strength)
        if self.input.trouble:
            self.say(self.input.trouble)
            self.input = None

    def _measure(self) -> None:
        self.state_range = self.meter.update(self.simulation) or self.state_range
        if self.state_range and self.state_range.broken_cells and not self.trouble:
            self.running = False
            self.trouble = "The state is no longer finite. R resets, Ctrl+Z undoes."

    def _count(self, now: float) -> None:
        self._counted_frames += 1
        seconds = now - self._counted_at
        if seconds >= COUNT_SECONDS:
            self.rates = Rates(self._counted_frames / seconds, self._counted_steps / seconds)
            self._counted_at, self._counted_frames, self._counted_steps = now, 0, 0

    def _record_frame(self) -> None:
        if self.recorder is None or self._grabber is None:
            return
        late = time.monotonic() - self._record_next
        if late < 0:
            return
        # A slow screen shows a frame for longer; so does the recording, up to a second.
        times = min(1 + int(late * RECORDING_FPS), int(RECORDING_FPS))
        self._record_next += max(times / RECORDING_FPS, late - 1)
        self.display.draw(self.simulation, self.camera, self.look, self._grabber.target)
        pixels = self._grabber.grab()
        if pixels is None:
            return
        try:
            for _ in range(times):
                self.recorder.add(pixels)
        except InputError as error:
            self.recorder = self._grabber = None
            self.say(str(error))


def load_rules(paths: Sequence[Path], *, wait: bool = False) -> list[NamedRule]:
    """Read rule files; those that are not there yet may be waited for.

    Raises:
        InputError: one cannot be used.
    """
    return [
        NamedRule(rule_name(path), None if wait and not path.exists() else load_rule(path).rule)
        for path in paths
    ]
