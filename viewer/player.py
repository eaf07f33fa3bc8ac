"""Play a simulation, with or without a window: run it, apply the input, measure it."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import moderngl
import torch

from nca.automata.rle import ENDING, Pattern, placed, read_pattern
from nca.errors import InputError, explain
from nca.fields.directions import fields_of_pictures
from nca.options import parse_size
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.viewer.files.rule_files import NamedRule, RuleFiles
from nca.viewer.files.screen_recording import Recordings
from nca.viewer.files.state_file import SavedState, load_state
from nca.viewer.files.video_input import LiveInput, open_source
from nca.viewer.meter import Meter, StateRange
from nca.viewer.settings import ViewSettings
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.display import NO_RING, Display
from nca.viewer.simulation.flashes import Frame
from nca.viewer.simulation.history import History
from nca.viewer.simulation.lit import default_view, maps_of
from nca.viewer.simulation.look import Look, extent, parse_view, repeats, view_of
from nca.viewer.simulation.simulation import Simulation
from nca.viewer.simulation.steering import Steering
from nca.viewer.speed import Clock, Rates, SpeedControl

MEASURE_EVERY = 30  # frames
MESSAGE_SECONDS = 2.5
LAMP = (0.36, 0.28)  # position as fractions of the image, until the pointer moves the lamp
# A changed rule is announced again after this time without changes; training changes rules often.
QUIET_SECONDS = 10.0


# Placeholder that does nothing, used until the file of a rule exists.
_STILL = Rule(RuleSettings(4, 4), generator=torch.Generator().manual_seed(0))


class Player:
    """Plays rules in an OpenGL context.

    Args:
        gl: OpenGL context.
        rules: rules, at least one.
        settings: initial settings.
        clock: returns the time in seconds.

    Attributes:
        simulation, display, camera, look, history, speed: the parts of the player.
        files: names and files of the rules.
        recordings: recordings of the display.
        running: false while the simulation is paused.
        size: width and height of the image in pixels; (0, 0): there is no image.
        ratio: device pixels per logical pixel of the window.
        ring: the ring that shows the brush: x, y and radius in cells, strength.
        trouble: message while something is wrong; otherwise "".

    Raises:
        InputError, GraphicsError: a state cannot be used, or the driver cannot run the rules.
    """

    def __init__(
        self,
        gl: moderngl.Context,
        rules: Sequence[NamedRule],
        settings: ViewSettings,
        clock: Clock = time.monotonic,
    ) -> None:
        self.gl, self.settings, self.clock = gl, settings, clock
        self.files = RuleFiles(rules, settings.rules, watch=settings.window.watch, clock=clock)
        start = settings.source.state
        pattern = read_pattern(start) if start and start.suffix.lower() == ENDING else None
        saved = load_state(start) if start and pattern is None else None
        width, height = parse_size("grid", settings.grid, 4, 8192)
        self.simulation = self._new_simulation(
            [named.rule or _STILL for named in rules], (height, width), settings.seed
        )
        motion = settings.motion
        self.simulation.steering = Steering(
            math.radians(motion.rotation),
            motion.coarseness,
            motion.dt,
            motion.update_rate,
            {"auto": None, "off": 0.0, "on": 1.0}[motion.calm],
        )
        fields = fields_of_pictures(
            self.simulation.rules[0],
            height,
            width,
            direction_map=settings.source.direction_map,
            follow=settings.source.follow,
        )
        if fields is not None:
            self.simulation.write_fields(fields.texels.numpy())
        self.display, self.history, self.meter = Display(gl), History(gl), Meter(gl)
        headless, wanted = settings.run.headless, settings.display.view
        view = parse_view(wanted, self.simulation.channels, maps_of(self.simulation))
        self.look = Look(
            "colors" if headless and view == "auto" else view,
            settings.display.color_map,
            settings.display.scaling,
            average_steps=settings.display.average_steps,
            flash_limit=settings.display.flash_limit,
            lamp=None if headless else LAMP,
        )
        self.camera, self.speed = Camera(), SpeedControl(settings.steps_per_frame)
        self.running = True
        self.size, self.ratio = (0, 0), 1.0
        self.ring = NO_RING
        self.trouble = f"Waiting for {settings.rules[0]}" if self.files.awaited else ""
        self.state_range: StateRange | None = None
        self.rates = Rates(clock())
        self.input_strength = settings.source.input_strength
        self.input: LiveInput | None = None
        self.recordings = Recordings(gl, self.say, clock)
        self._alarmed = False
        self._news_after = 0.0
        self._message, self._message_until = "", 0.0
        self._frames = 0
        self._last = clock()
        if saved is not None:
            self.restore(saved)
        if pattern is not None:
            self.place(pattern)
        if settings.source.input is not None and not settings.run.headless:
            self.open_input(settings.source.input)

    @property
    def names(self) -> list[str]:
        """Names of the rules, by their numbers."""
        return self.files.names

    @property
    def grid(self) -> tuple[int, int]:
        """Width and height in cells."""
        return self.simulation.width, self.simulation.height

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the displayed area, in cells.

        This is the grid or, in the view of all channels, one copy of the grid per channel.
        """
        return extent(self.simulation, self.look)

    @property
    def view(self) -> str:
        """The view that is shown."""
        return view_of(self.simulation, self.look)

    @property
    def _repeats(self) -> bool:
        return repeats(self.simulation, self.look)

    @property
    def title(self) -> str:
        """Names of the rules that own at least one cell."""
        return ", ".join(self.names[number] for number in self.simulation.field.present)

    def say(self, text: str) -> None:
        """Show a message for a moment."""
        self._message, self._message_until = text, self.clock() + MESSAGE_SECONDS

    @property
    def message(self) -> str:
        """The current message, or ""; a message about an unreadable rule file stays."""
        if self.clock() < self._message_until:
            return self._message
        return self.files.trouble

    def advance(self) -> None:
        """Advance by one frame: check files, apply the input, run steps, measure."""
        now = self.clock()
        elapsed, self._last = now - self._last, now
        self._look_at_files()
        self.recordings.look()
        if self.running:
            steps = self.speed.steps(elapsed)
            self._take_input()
            self.run_steps(steps)
        self._frames += 1
        if self._frames % MEASURE_EVERY == 0:
            self._measure()
        self.rates.count_frame(now)

    def run_steps(self, count: int) -> None:
        """Run steps now, even while paused."""
        for _ in range(count):
            self.simulation.step()
            self.display.average(self.simulation, self.look)
        self.rates.count_steps(count)

    def draw(self, target: moderngl.Framebuffer, *, ring: bool = True) -> None:
        """Draw the view, with or without the brush, and record it if a recording is running."""
        brush = self.ring if ring else NO_RING
        frame = Frame(self.camera, self.size, self.ratio, self.clock())
        self.display.limit(self.simulation, self.look, frame)
        self.display.draw(self.simulation, self.camera, self.look, target, brush, limits=True)
        self.recordings.frame(self._draw_recorded)

    def _draw_recorded(self, target: moderngl.Framebuffer, size: tuple[int, int]) -> None:
        camera = self.camera.scaled(self.size, size)
        self.display.draw(self.simulation, camera, self.look, target, limits=True)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the image; (0, 0): there is no image."""
        before, self.size = self.size, (width, height)
        if width and height:
            before = before if all(before) else self.size
            self.camera.resize(self.extent, before, self.size, wraps=self._repeats)

    def fit(self) -> None:
        """Fit the grid into the image."""
        if all(self.size):
            self.camera.fit(self.extent, self.size, wraps=self._repeats)

    def move_lamp(self, x: float, y: float) -> None:
        """Move the lamp that lights materials to a position above a pixel."""
        if all(self.size):
            self.look.lamp = x / self.size[0], y / self.size[1]

    def set_view(self, view: str) -> None:
        """Show another view."""
        before = self.extent
        self.look.view = "auto" if view == default_view(self.simulation) else view
        if self.extent != before:
            self.fit()

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state; the grid is resized to fit it.

        Raises:
            InputError: the state does not fit the loaded rules.
        """
        old = self.simulation
        saved.check_fits(old)
        if saved.size == (old.height, old.width):
            self.history.remember(old)
        else:
            self.simulation = self._new_simulation(old.rules, saved.size, saved.seed)
            self.history.clear()
            self.simulation.steering = old.steering
            old.release()
            self.fit()
        saved.write_to(self.simulation)
        self._recover()

    def place(self, pattern: Pattern) -> None:
        """Clear the grid and put a pattern in its middle.

        The states of the pattern are those of the first rule that owns cells.

        Raises:
            InputError: the rule has no numbered states, or the pattern does not fit.
        """
        simulation = self.simulation
        number = simulation.field.present[0]
        states = self.files.states[number]
        if states is None:
            raise InputError(f"{self.names[number]}: a pattern needs a rule made by nca classic")
        state = torch.zeros(simulation.channels, simulation.height, simulation.width)
        state[: states.shape[1]] = placed(pattern, states, (simulation.height, simulation.width))
        self.history.remember(simulation)
        simulation.write(state)
        self._recover()

    def reset(self, tool: str = "start", *, seed: int | None = None) -> None:
        """Restart, optionally with another seed; this can be undone.

        Args:
            tool: "start" for the rule's initial state, "plant" for one planted cell, or "noise".
            seed: random seed; default: the same as before.
        """
        self.history.remember(self.simulation)
        if seed is not None:
            self.simulation.seed = seed
        self.simulation.reset(tool)
        self._recover()

    def undo(self) -> bool:
        """Return to the state before the last stroke or reset; False if no state is stored."""
        undone = self.history.undo(self.simulation)
        if undone:
            self._recover()
        return undone

    def _recover(self) -> None:
        """Resume if an alarm had paused the simulation, and drop old measurements."""
        self.running = self.running or self._alarmed
        self._alarmed = False
        self.trouble = ""
        self.display.begin_average()
        self.meter.forget()
        self.state_range = None

    def open_input(self, text: str) -> None:
        """Use a video, a camera or a folder of images as input.

        Raises:
            InputError: the input cannot be read.
        """
        source = open_source(text, self.grid)
        self.close_input()
        self.input = LiveInput(source)

    def close_input(self) -> None:
        """Stop the input."""
        if self.input is not None:
            self.input.close()
        self.input = None

    def release(self) -> None:
        """Stop the threads and free the OpenGL objects."""
        self.close_input()
        self.recordings.close()
        self.history.clear()
        self.display.release()
        self.simulation.release()

    def _new_simulation(
        self, rules: Sequence[Rule], size: tuple[int, int], seed: int
    ) -> Simulation:
        return Simulation(self.gl, rules, size, seed=seed, store=self.settings.motion.weights)

    def add_rule(self, path: Path) -> int:
        """Load another rule; return its number.

        Raises:
            InputError: the file cannot be used.
            GraphicsError: the driver cannot run it.
        """
        named, number = self.files.load(path), len(self.names)
        assert named.rule is not None
        self._set_rule(number, named.rule)
        self.files.add(named, path)
        return number

    def _set_rule(self, number: int, rule: Rule) -> bool:
        """Replace or add a rule; return whether the current state fits and was kept."""
        simulation = self.simulation
        channels, replaced = simulation.channels, simulation.rules[number : number + 1]
        simulation.set_rule(number, rule)
        if simulation.channels != channels:
            self.history.clear()
            self.set_view(default_view(simulation))
        fits = all(old.settings.channels == rule.settings.channels for old in replaced)
        if number in self.files.awaited or not fits:
            self.files.awaited.discard(number)
            simulation.reset()
            self._recover()
            return False
        return True

    def _look_at_files(self) -> None:
        for number, rule in self.files.changes():
            name = self.names[number]
            try:
                kept = self._set_rule(number, rule)
                if not kept:
                    self.say(f"New rule: {name}, restarted")
                elif self.clock() >= self._news_after:
                    self.say(f"New rule: {name}")
                self._news_after = self.clock() + QUIET_SECONDS
            except Exception as error:  # drivers can raise anything; keep the previous rule
                self.say(f"{name}: {explain(error)}")

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
            self.running, self._alarmed = False, True
            self.trouble = "Some cell values are infinite. R resets, Ctrl+Z undoes."
