"""The actions of the window: one method per key and button."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import ParamSpec

from PIL import Image

from nca.automata.rle import ENDING as PATTERN_SUFFIX
from nca.automata.rle import read_pattern
from nca.errors import InputError, explain
from nca.images import read_image, write_image
from nca.images.picture_files import is_picture
from nca.viewer.controls import (
    AVERAGE_STEPS,
    BRUSH,
    COLOR_MAPS,
    LIMITS,
    RADIUS_STEP,
    SCALINGS,
    TOOLS,
)
from nca.viewer.files.state_file import load_state, save_state
from nca.viewer.player import Player
from nca.viewer.simulation.display import NO_RING, view_names
from nca.viewer.simulation.stroke import Stroke
from nca.viewer.speed import speed_text

MIN_RADIUS, MAX_RADIUS = LIMITS["radius"]  # cells
RULE_SUFFIX = ".safetensors"
TILES = 3

P = ParamSpec("P")


@dataclass
class Brush:
    """The brush: radius in cells, number of the rule that it paints, image that it stamps."""

    tool: str = BRUSH["tool"]
    radius: float = BRUSH["radius"]
    rule: int = 0
    picture: Image.Image | None = None


def attempted(action: Callable[P, None]) -> Callable[P, None]:
    """Make an action report its errors as messages, so that the window stays open."""

    @wraps(action)
    def attempt(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            action(*arguments, **named)
        except Exception as error:  # decoders and drivers can raise anything
            actions = arguments[0]
            assert isinstance(actions, Actions)
            actions.player.say(explain(error))

    return attempt


class Actions:
    """The actions of a player.

    Attributes:
        player: the player that the actions change.
        brush: the brush.
        quitting: whether the viewer should end.
        fullscreen: whether the window should fill the screen.
        controls, help: whether they are shown.
    """

    def __init__(self, player: Player) -> None:
        self.player, self.brush = player, Brush()
        self.brush.rule = min(1, len(player.names) - 1)
        self.quitting = False
        self.fullscreen = player.settings.window.fullscreen
        self.controls, self.help = True, False

    def toggle(self) -> None:
        """Pause, or continue."""
        self.player.running = not self.player.running
        if self.player.running:
            self.player.trouble = ""
        self.player.say("Running" if self.player.running else "Paused")

    def step(self) -> None:
        """Make one step, then pause."""
        self.player.running = False
        self.player.run_steps(1)

    def ten_steps(self) -> None:
        """Make ten steps, then pause."""
        self.player.running = False
        self.player.run_steps(10)

    def reset(self) -> None:
        """Restart from the initial state."""
        self.player.reset()
        self.player.say(f"Restarted with seed {self.player.simulation.seed}")

    def new_seed(self) -> None:
        """Restart with another seed."""
        self.set_seed(secrets.randbelow(10**6))

    def set_seed(self, seed: int) -> None:
        """Restart with this seed."""
        self.player.reset(seed=seed)
        self.player.say(f"Restarted with seed {seed}")

    def plant_center(self) -> None:
        """Empty the grid, except for one cell."""
        self.player.reset("plant")
        self.player.say("One cell in the middle")

    def noise_everywhere(self) -> None:
        """Fill the grid with noise."""
        self.player.reset("noise")
        self.player.say("Noise")

    def faster(self) -> None:
        """Make more steps per frame."""
        self.player.speed.faster()
        self.player.say(speed_text(self.player.speed.steps_per_frame))

    def slower(self) -> None:
        """Make fewer steps per frame."""
        self.player.speed.slower()
        self.player.say(speed_text(self.player.speed.steps_per_frame))

    def set_tool(self, tool: str) -> None:
        """Choose a tool."""
        self.brush.tool = tool
        name = self.player.names[self.brush.rule] if tool == "rule" else TOOLS[tool].help
        if tool == "rule" and len(self.player.names) == 1:
            name = "drop another rule on the window first"
        if tool == "stamp" and self.brush.picture is None:
            name = "drop an image on the window first"
        self.player.say(f"Brush: {name}")

    def next_rule(self, by: int = 1) -> None:
        """Choose the next rule to paint."""
        self.brush.rule = (self.brush.rule + by) % len(self.player.names)
        self.set_tool("rule")

    def previous_rule(self) -> None:
        """Choose the previous rule to paint."""
        self.next_rule(-1)

    def fill_rule(self) -> None:
        """Let all cells follow the rule of the brush."""
        self.player.history.remember(self.player.simulation)
        self.player.simulation.paint_rule(self.brush.rule)
        self.player.display.begin_average()
        self.player.say(f"{self.player.names[self.brush.rule]} everywhere")

    def set_radius(self, radius: float) -> None:
        """Set the radius of the brush."""
        self.brush.radius = min(max(radius, MIN_RADIUS), MAX_RADIUS)
        if self.player.ring != NO_RING:
            x, y, _, strength = self.player.ring
            self.player.ring = (x, y, self.brush.radius, strength)

    def smaller_brush(self) -> None:
        """Make the brush smaller."""
        self.set_radius(self.brush.radius / RADIUS_STEP)

    def larger_brush(self) -> None:
        """Make the brush larger."""
        self.set_radius(self.brush.radius * RADIUS_STEP)

    def paint(self, tool: str, stroke: Stroke) -> None:
        """Paint a part of a stroke; the caller has stored the state before the stroke."""
        simulation = self.player.simulation
        if tool == "rule":
            simulation.paint_rule(self.brush.rule, stroke)
        elif tool == "stamp":
            if self.brush.picture is not None:
                (x, y), radius = stroke.end, stroke.radius
                simulation.stamp(
                    self.brush.picture, (x - radius, y - radius, 2 * radius, 2 * radius)
                )
        else:
            simulation.paint(tool, stroke)

    def undo(self) -> None:
        """Return to the state before the last stroke or reset."""
        self.player.say("Undone" if self.player.undo() else "Nothing to undo")

    def fit(self) -> None:
        """Fit the grid into the window."""
        self.player.fit()

    def tiles(self) -> None:
        """Show three by three copies of the grid, with lines between the tiles."""
        if self.player.look.view == "channels":
            self.player.set_view("colors")
        self.player.look.borders = True
        self.player.camera.show_tiles(self.player.grid, self.player.size, TILES)

    def toggle_fullscreen(self) -> None:
        """Fill the screen, or return to a window."""
        self.fullscreen = not self.fullscreen

    def next_view(self, by: int = 1) -> None:
        """Show the next view."""
        views = view_names(self.player.simulation.channels)
        view = views[(views.index(self.player.look.view) + by) % len(views)]
        self.player.set_view(view)
        self.player.say(f"View: {view}")

    def previous_view(self) -> None:
        """Show the previous view."""
        self.next_view(-1)

    def next_color_map(self) -> None:
        """Choose the next color map for channels."""
        look = self.player.look
        look.color_map = COLOR_MAPS[(COLOR_MAPS.index(look.color_map) + 1) % len(COLOR_MAPS)]
        self.player.say(f"Color map: {look.color_map}")

    def next_scaling(self) -> None:
        """Blend between cells, keep them sharp, or show them as squares."""
        look = self.player.look
        look.scaling = SCALINGS[(SCALINGS.index(look.scaling) + 1) % len(SCALINGS)]
        self.player.say(f"Scaling: {look.scaling}")

    def toggle_average(self) -> None:
        """Show the average of the last steps, or only the last step."""
        look = self.player.look
        look.average_steps = AVERAGE_STEPS if look.average_steps == 1 else 1
        on = look.average_steps > 1
        self.player.say(f"Average of {AVERAGE_STEPS} steps" if on else "No average")

    def toggle_calm(self) -> None:
        """Turn calm runs on or off: all cells update, in shorter steps."""
        simulation = self.player.simulation
        simulation.calm = 0.0 if simulation.shown_calm else 1.0
        self.player.say("Calm" if simulation.calm else "Not calm")

    def toggle_transparent(self) -> None:
        """Leave out the background of grown images, or show it."""
        look = self.player.look
        look.transparent = not look.transparent
        background = "no background" if look.transparent else "a background"
        self.player.say(f"Grown images have {background}")

    def toggle_flash_limit(self) -> None:
        """Limit flashes, or show all of them."""
        look = self.player.look
        look.flash_limit = not look.flash_limit
        limited = "At most three flashes a second"
        self.player.say(limited if look.flash_limit else "Flashes are not limited")

    def toggle_borders(self) -> None:
        """Show or hide lines between tiles."""
        self.player.look.borders = not self.player.look.borders
        self.player.say("Lines between tiles" if self.player.look.borders else "No lines")

    @attempted
    def save_picture(self, scale: int = 1) -> None:
        """Save an image of the whole grid, ``scale`` pixels per cell."""
        player = self.player
        self._write_picture(player.display.whole(player.simulation, player.look, scale))

    def save_picture_twice(self) -> None:
        """Save an image of the whole grid, two pixels per cell."""
        self.save_picture(2)

    def save_picture_four_times(self) -> None:
        """Save an image of the whole grid, four pixels per cell."""
        self.save_picture(4)

    @attempted
    def save_window(self) -> None:
        """Save an image of the window."""
        player = self.player
        self._write_picture(
            player.display.picture(player.simulation, player.camera, player.look, player.size)
        )

    def _write_picture(self, picture: Image.Image) -> None:
        path = self._free_path(".png")
        write_image(path, picture)
        self.player.say(f"Saved {path.name}, {picture.width} x {picture.height} pixels")

    @attempted
    def record(self) -> None:
        """Start or stop a recording."""
        if self.player.recordings.running:
            self.player.recordings.stop()
            return
        wanted = self.player.settings.window.recording
        if wanted == "auto":
            wanted = "mp4" if find_spec("imageio_ffmpeg") else "webp"
        path = self._free_path("" if wanted == "png" else f".{wanted}")
        self.player.recordings.start(path, self.player.size)
        self.player.say(f"Recording {path.name}")

    @attempted
    def save_state(self) -> None:
        """Save the state."""
        path = self._free_path(".npz")
        save_state(path, self.player.snapshot())
        self.player.say(f"Saved {path.name}")

    @attempted
    def open_state(self) -> None:
        """Open the last saved state."""
        files = self.player.settings.window.folder.glob("*.npz")
        saved = sorted(files, key=lambda path: path.stat().st_mtime)
        if not saved:
            raise InputError("no saved state here; drop one on the window")
        self.open_file(saved[-1])

    def open_files(self, paths: list[Path]) -> None:
        """Open files dropped on the window: rules, states, patterns, images, videos."""
        for path in paths:
            self._open(path)

    @attempted
    def _open(self, path: Path) -> None:
        try:
            self.open_file(path)
        except Exception as error:
            if path.name in str(error):
                raise
            raise InputError(f"{path.name}: {explain(error)}") from error

    def open_file(self, path: Path) -> None:
        """Open a file of any supported kind.

        Raises:
            InputError: it cannot be used.
            GraphicsError: the driver cannot run the rule.
        """
        suffix = path.suffix.lower()
        if suffix == RULE_SUFFIX:
            self.brush.rule = self.player.add_rule(path)
            self.brush.tool = "rule"
            self.player.say(f"Brush: {self.player.names[self.brush.rule]} (G: everywhere)")
        elif suffix == ".npz":
            self.player.restore(load_state(path))
            self.player.say(f"Opened {path.name}")
        elif suffix == PATTERN_SUFFIX:
            self.player.place(read_pattern(path))
            self.player.say(f"{path.name} is in the middle")
        elif is_picture(path) and not path.is_dir():
            self._open_picture(path)
        else:
            self.player.open_input(str(path))
            self.player.say(f"Playing over {path.name}")

    def _open_picture(self, path: Path) -> None:
        """Set the colors of the whole grid to the colors of an image, and keep it as a stamp."""
        picture = read_image(path, max_side=2048)
        player = self.player
        width, height = player.grid
        scale = max(width / picture.width, height / picture.height)
        across, down = picture.width * scale, picture.height * scale
        self.brush.picture = picture
        player.history.remember(player.simulation)
        player.simulation.stamp(picture, ((width - across) / 2, (height - down) / 2, across, down))
        player.say(f"{path.name} is in the colors; 5 stamps it with the brush")

    def toggle_controls(self) -> None:
        """Show or hide the controls."""
        self.controls = not self.controls

    def toggle_help(self) -> None:
        """Show or hide the help."""
        self.help = not self.help

    def escape(self) -> None:
        """Close the help, leave full screen, or quit."""
        if self.help:
            self.help = False
        elif self.fullscreen:
            self.fullscreen = False
        else:
            self.quitting = True

    def quit(self) -> None:
        """End the viewer."""
        self.quitting = True

    def _free_path(self, suffix: str) -> Path:
        """An unused file name that contains the names of the rules and the step."""
        simulation = self.player.simulation
        names = "-".join(self.player.names[number] for number in simulation.field.present[:3])
        stem = (
            "".join(c if c.isalnum() or c in "-_." else "-" for c in names).strip("-.") or "texture"
        )
        folder = self.player.settings.window.folder
        path = folder / f"{stem}-{simulation.step_number}{suffix}"
        count = 1
        while path.exists():
            count += 1
            path = folder / f"{stem}-{simulation.step_number}-{count}{suffix}"
        return path
