"""The actions of the window: one method per key and button."""

import secrets
from pathlib import Path

from nca.images import read_image
from nca.images.picture_files import is_picture
from nca.viewer.controls import AVERAGE_STEPS, COLOR_MAPS, LIMITS, RADIUS_STEP, SCALINGS, TOOLS
from nca.viewer.field_actions import FieldActions, field_of
from nca.viewer.file_actions import FileActions, report_errors
from nca.viewer.player import Player
from nca.viewer.simulation.display import NO_RING
from nca.viewer.simulation.fields import no_fields
from nca.viewer.simulation.look import views_of
from nca.viewer.simulation.stroke import Stroke
from nca.viewer.speed import speed_text

MIN_RADIUS, MAX_RADIUS = LIMITS["radius"]  # cells
TILES = 3


class Actions(FileActions):
    """The actions of a player.

    Attributes:
        player: the player that the actions change.
        brush: the brush.
        fields: the brushes of fields.
        quitting: whether the viewer should end.
        fullscreen: whether the window should fill the screen.
        controls, help: whether they are shown.
    """

    def __init__(self, player: Player) -> None:
        super().__init__(player)
        self.brush.rule = min(1, len(player.names) - 1)
        self.fields = FieldActions(player, self.brush)
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
        """Pause, and run one step."""
        self.player.running = False
        self.player.run_steps(1)

    def ten_steps(self) -> None:
        """Pause, and run ten steps."""
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
        """Run more steps per frame."""
        self.player.speed.faster()
        self.player.say(speed_text(self.player.speed.steps_per_frame))

    def slower(self) -> None:
        """Run fewer steps per frame."""
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
        """Give all cells to the rule of the brush."""
        self.player.history.remember(self.player.simulation)
        self.player.simulation.paint_rule(self.brush.rule)
        self.player.display.begin_average()
        self.player.say(f"{self.player.names[self.brush.rule]} everywhere")

    @report_errors
    def open_directions(self, path: Path) -> None:
        """Let the texture follow a picture, see :meth:`FieldActions.follow`."""
        done = self.fields.follow(read_image(path, max_side=2048))
        self.player.say(f"{path.name}: {done}")

    def open_file(self, path: Path) -> None:
        """Open a file; a picture sets the directions while the direction brush is selected.

        Raises:
            InputError: it cannot be used.
            GraphicsError: the driver cannot run the rule.
        """
        if self.brush.tool == "direction" and is_picture(path) and not path.is_dir():
            self.open_directions(path)
        else:
            super().open_file(path)

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
        """Paint a part of a stroke; the caller has already stored the state before the stroke."""
        simulation = self.player.simulation
        field = field_of(self.brush.tool if tool == "erase" else tool)
        if field is not None:
            self.fields.paint(field, stroke, neutral=tool == "erase")
        elif tool == "rule":
            simulation.paint_rule(self.brush.rule, stroke)
        elif tool == "stamp":
            if self.brush.picture is not None:
                (x, y), radius = stroke.end, stroke.radius
                simulation.stamp(
                    self.brush.picture, (x - radius, y - radius, 2 * radius, 2 * radius)
                )
        else:
            simulation.paint(tool, stroke)

    def less_amount(self) -> None:
        """Paint fields with a smaller amount."""
        self.fields.change_amount(-1)

    def more_amount(self) -> None:
        """Paint fields with a larger amount."""
        self.fields.change_amount(1)

    def clear_fields(self) -> None:
        """Remove all fields."""
        self.player.history.remember(self.player.simulation)
        self.player.simulation.write_fields(no_fields(*self.player.grid))
        self.player.say("No fields")

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
        views = views_of(self.player.simulation)
        view = views[(views.index(self.player.view) + by) % len(views)]
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
        """Turn calm runs on or off; in a calm run, all cells update, in shorter steps."""
        simulation = self.player.simulation
        simulation.steering.calm = 0.0 if simulation.shown_calm else 1.0
        self.player.say("Calm" if simulation.steering.calm else "Not calm")

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
