"""Keys and pointer. The key map is data: the help lists it, the window obeys it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from nca.viewer.actions import Actions, Tool
from nca.viewer.simulation.display import NO_RING
from nca.viewer.simulation.stroke import Stroke

LEFT, RIGHT, MIDDLE = range(3)  # buttons, as glfw counts them

WHEEL_ZOOM, WHEEL_RADIUS = 1.15, 1.12  # factors per notch


@dataclass(frozen=True)
class Key:
    """Keys, and what they do.

    Attributes:
        names: what was pressed: a letter or a sign as printed on the key, or the name of a key
            such as Space or F2, after Ctrl+, Alt+ and Shift+ where these are held. Shift is not
            told of signs, which have their own.
        show: how the help writes it.
        does: what the help says of it; "" leaves it out.
        run: the action.
    """

    names: tuple[str, ...]
    show: str
    does: str
    run: Callable[[Actions], None]


KEYS = (
    Key(("Space", "Enter"), "Space", "Pause, go on", Actions.toggle),
    Key(("N", "."), "N", "One step", Actions.step),
    Key(("Shift+N",), "Shift N", "Ten steps", Actions.ten_steps),
    Key(("R",), "R", "Reset to the seed", Actions.reset),
    Key(("Shift+R",), "Shift R", "Reset to a new seed", Actions.new_seed),
    Key(("C",), "C", "Empty, with one seed cell", Actions.center_seed),
    Key(("X",), "X", "Fill with noise", Actions.noise_everywhere),
    Key(("+", "="), "+", "Faster", Actions.faster),
    Key(("-", "_"), "-", "Slower", Actions.slower),
    Key(("1",), "1", "Brush: plant seeds", Actions.seed_tool),
    Key(("2",), "2", "Brush: erase", Actions.erase_tool),
    Key(("3",), "3", "Brush: noise", Actions.noise_tool),
    Key(("4",), "4", "Brush: another texture", Actions.rule_tool),
    Key(("5",), "5", "Brush: stamp a picture", Actions.stamp_tool),
    Key(("J",), "J", "Next texture (Shift: previous)", Actions.next_rule),
    Key(("Shift+J",), "Shift J", "", Actions.previous_rule),
    Key(("G",), "G", "Grow this texture everywhere", Actions.fill_rule),
    Key(("[",), "[", "Smaller brush", Actions.smaller_brush),
    Key(("]",), "]", "Larger brush", Actions.larger_brush),
    Key(("Ctrl+Z",), "Ctrl Z", "Undo the last stroke or reset", Actions.undo),
    Key(("F",), "F", "Fit to the window", Actions.fit),
    Key(("F11", "Shift+F"), "F11", "Full screen", Actions.toggle_fullscreen),
    Key(("V",), "V", "Next view (Shift: previous)", Actions.next_view),
    Key(("Shift+V",), "Shift V", "", Actions.previous_view),
    Key(("M",), "M", "Color map of channel views", Actions.next_color_map),
    Key(("B",), "B", "Smooth, or square cells", Actions.toggle_smooth),
    Key(("T",), "T", "Lines between tiles", Actions.toggle_borders),
    Key(("Shift+T",), "Shift T", "Three by three tiles", Actions.tiles),
    Key(("S", "F2"), "S", "Save a picture of the grid", Actions.save_picture),
    Key(("Shift+S", "Shift+F2"), "Shift S", "Save a picture of the window", Actions.save_window),
    Key(("Alt+S",), "Alt S", "Save the grid twice as large", Actions.save_picture_twice),
    Key(
        ("Alt+Shift+S",),
        "Alt Shift S",
        "Save it four times as large",
        Actions.save_picture_four_times,
    ),
    Key(("P",), "P", "Record a video", Actions.record),
    Key(("Ctrl+S",), "Ctrl S", "Save the state", Actions.save_state),
    Key(("Ctrl+O",), "Ctrl O", "Open the newest saved state", Actions.open_state),
    Key(("U",), "U", "Show or hide the controls", Actions.toggle_controls),
    Key(("H", "?", "F1"), "H", "This help", Actions.toggle_help),
    Key(("Esc",), "Esc", "Leave the full screen, quit", Actions.escape),
    Key(("Ctrl+Q",), "Ctrl Q", "", Actions.quit),
)

GESTURES = (
    ("Drag", "Paint with the brush"),
    ("Right drag, Shift drag", "Erase"),
    ("Wheel", "Zoom"),
    ("Middle drag, Alt drag", "Move"),
    ("Shift wheel, Ctrl wheel", "Size of the brush"),
    ("Drop files", "Rule, state, picture, video"),
)

_BY_NAME = {name: key for key in KEYS for name in key.names}


def press(actions: Actions, name: str) -> bool:
    """Do what a key is for; False: it is for nothing. See :class:`Key` for names."""
    key = _BY_NAME.get(name)
    if key is not None:
        key.run(actions)
    return key is not None


class Pointer:
    """Turns what the mouse does into strokes and moves of the camera; places in pixels."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._button: int | None = None
        self._tool: Tool | None = None  # None while a button is held: the camera is moved
        self._at = (0.0, 0.0)
        self._cell = self._origin = (0.0, 0.0)

    def press(self, button: int, x: float, y: float, *, shift: bool, alt: bool) -> None:
        """Begin a stroke or a move; one button at a time counts."""
        if self._button is not None:
            return
        player = self._actions.player
        self._button, self._at = button, (x, y)
        if button == MIDDLE or alt:
            self._tool = None
            return
        self._tool = "erase" if button == RIGHT or shift else self._actions.brush.tool
        player.history.remember(player.simulation)
        cell = player.camera.cell_at(x, y)
        # In the view of all channels a stroke belongs to the tile that it begins in.
        if player.look.view == "channels":
            tile = (math.floor(cell[0] / player.grid[0]), math.floor(cell[1] / player.grid[1]))
            self._origin = (tile[0] * player.grid[0], tile[1] * player.grid[1])
        else:
            self._origin = (0.0, 0.0)
        self._cell = self._on_grid(cell)
        self._paint(self._cell)

    def move(self, x: float, y: float) -> None:
        """Go on."""
        player = self._actions.player
        before, self._at = self._at, (x, y)
        if self._button is not None and self._tool is None:
            player.camera.pan(x - before[0], y - before[1])
        cell = player.camera.cell_at(x, y)
        if self._button is not None and self._tool is not None:
            self._paint(self._on_grid(cell))
        player.ring = (*cell, self._actions.brush.radius, 1.0)

    def release(self, button: int) -> None:
        """End it."""
        if button == self._button:
            self._button = None

    def leave(self) -> None:
        """The pointer is gone."""
        self._actions.player.ring = NO_RING

    def wheel(self, notches: float, x: float, y: float, *, resize_brush: bool) -> None:
        """Zoom at the pointer, or change the size of the brush."""
        if resize_brush:
            self._actions.set_radius(self._actions.brush.radius * math.pow(WHEEL_RADIUS, notches))
        else:
            self._actions.player.camera.zoom_at(x, y, math.pow(WHEEL_ZOOM, notches))
            self.move(x, y)

    def _on_grid(self, cell: tuple[float, float]) -> tuple[float, float]:
        return cell[0] - self._origin[0], cell[1] - self._origin[1]

    def _paint(self, cell: tuple[float, float]) -> None:
        assert self._tool is not None
        self._actions.paint(self._tool, Stroke(self._cell, cell, self._actions.brush.radius))
        self._cell = cell
