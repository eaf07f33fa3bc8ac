"""Turn keys and mouse events into actions. The help uses the same list of keys."""

import math

from nca.viewer.actions import Actions
from nca.viewer.controls import KEYS
from nca.viewer.simulation.display import NO_RING
from nca.viewer.simulation.stroke import Stroke

LEFT, RIGHT, MIDDLE = range(3)  # numbers of the buttons in glfw

WHEEL_ZOOM, WHEEL_RADIUS = 1.15, 1.12  # factors per notch


_BY_NAME = {name: key for key in KEYS for name in key.keys}


def press(actions: Actions, name: str) -> bool:
    """Run the action of a key, see :class:`nca.viewer.controls.Key`; False if it has no action."""
    key = _BY_NAME.get(name)
    if key is not None:
        action = getattr(actions, key.action)
        action(key.tool) if key.tool else action()
    return key is not None


class Pointer:
    """Turns mouse events into strokes and camera moves; positions are in pixels."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._button: int | None = None
        self._tool: str | None = None  # None while a button is held: the camera moves
        self._at = (0.0, 0.0)
        self._cell = self._origin = (0.0, 0.0)

    def press(self, button: int, x: float, y: float, *, shift: bool, alt: bool) -> None:
        """Begin a stroke or a move, if no other button is held."""
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
        # In the view of all channels, positions count from the picture that the stroke starts in.
        if player.look.view == "channels":
            tile = (math.floor(cell[0] / player.grid[0]), math.floor(cell[1] / player.grid[1]))
            self._origin = (tile[0] * player.grid[0], tile[1] * player.grid[1])
        else:
            self._origin = (0.0, 0.0)
        self._cell = self._on_grid(cell)
        self._paint(self._cell)

    def move(self, x: float, y: float) -> None:
        """Continue a stroke or a move."""
        player = self._actions.player
        before, self._at = self._at, (x, y)
        if self._button is not None and self._tool is None:
            player.camera.pan(x - before[0], y - before[1])
        cell = player.camera.cell_at(x, y)
        if self._button is not None and self._tool is not None:
            self._paint(self._on_grid(cell))
        player.ring = (*cell, self._actions.brush.radius, 1.0)
        player.move_lamp(x, y)

    def release(self, button: int) -> None:
        """End a stroke or a move."""
        if button == self._button:
            self._button = None

    def leave(self) -> None:
        """Hide the brush ring, because the pointer has left the window."""
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
