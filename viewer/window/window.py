"""The window: handle glfw's events, draw frames."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glfw

from nca.errors import GraphicsError
from nca.gl.context import attach_to_window, missing_graphics
from nca.options import parse_size
from nca.system.signals import uninterrupted
from nca.system.triton_library import load_triton
from nca.viewer.actions import Actions
from nca.viewer.files.rule_files import load_rules
from nca.viewer.player import Player
from nca.viewer.settings import ViewSettings
from nca.viewer.window.lost_display import leave_with_display
from nca.viewer.window.overlay import Overlay
from nca.viewer.window.pointer import Pointer, press

if TYPE_CHECKING:
    from nca.viewer.window.panel import Panel

RESTING = 1 / 15  # seconds; a paused viewer wakes up this often to check files and messages

SPECIAL_KEYS = {
    glfw.KEY_SPACE: "Space",
    glfw.KEY_ENTER: "Enter",
    glfw.KEY_KP_ENTER: "Enter",
    glfw.KEY_ESCAPE: "Esc",
    glfw.KEY_BACKSPACE: "Backspace",
    glfw.KEY_DELETE: "Delete",
    glfw.KEY_LEFT: "Left",
    glfw.KEY_RIGHT: "Right",
    glfw.KEY_HOME: "Home",
    glfw.KEY_END: "End",
    glfw.KEY_TAB: "Tab",
    **{glfw.KEY_F1 + i: f"F{i + 1}" for i in range(12)},
}


class Window:
    """A window with an OpenGL context.

    Args:
        title: title of the window.
        size: width and height in screen units.
        monitor: number of the screen for full screen.
        vsync: draw at the screen's refresh rate.

    Raises:
        GraphicsError: there is no display, or no usable OpenGL.
    """

    def __init__(self, title: str, size: tuple[int, int], *, monitor: int, vsync: bool) -> None:
        self._errors: list[str] = []
        glfw.set_error_callback(lambda _, text: self._errors.append(_text(text)))
        load_triton()
        if not glfw.init():
            raise missing_graphics(f"{self._last_error()}; without a display, use --headless")
        hints = {
            glfw.CONTEXT_VERSION_MAJOR: 3,
            glfw.CONTEXT_VERSION_MINOR: 3,
            glfw.OPENGL_PROFILE: glfw.OPENGL_CORE_PROFILE,
            glfw.OPENGL_FORWARD_COMPAT: True,  # macOS has no other core profile
            glfw.DEPTH_BITS: 0,
            glfw.STENCIL_BITS: 0,
            glfw.SCALE_TO_MONITOR: True,
        }
        for hint, value in hints.items():
            glfw.window_hint(hint, value)
        self._handle = glfw.create_window(*size, title, None, None)
        if not self._handle:
            reason = self._last_error()
            glfw.terminate()
            raise missing_graphics(reason)
        glfw.make_context_current(self._handle)
        glfw.swap_interval(1 if vsync else 0)
        self._monitor, self._place = monitor, (0, 0, *size)
        self.fullscreen = False
        try:
            self.gl = attach_to_window()
        except GraphicsError:
            self.close()
            raise

    @property
    def handle(self) -> Any:
        """The window's handle for glfw."""
        return self._handle

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height in pixels; (0, 0) while the window is minimized."""
        width, height = glfw.get_framebuffer_size(self._handle)
        return width, height

    @property
    def scale(self) -> float:
        """Pixels per unit of text: 2 on a high-resolution screen."""
        return float(max(glfw.get_window_content_scale(self._handle)))

    def to_pixels(self, x: float, y: float) -> tuple[float, float]:
        """Convert a position in screen units to pixels."""
        width, height = glfw.get_window_size(self._handle)
        across, down = self.picture_size
        return x * across / max(width, 1), y * down / max(height, 1)

    def pointer(self) -> tuple[float, float]:
        """Position of the pointer, in pixels."""
        return self.to_pixels(*glfw.get_cursor_pos(self._handle))

    def set_fullscreen(self, on: bool) -> None:
        """Fill a screen, or return to the previous position and size."""
        if on == self.fullscreen:
            return
        monitors = glfw.get_monitors()
        if on and not monitors:
            return
        self.fullscreen = on
        if on:
            self._place = (*glfw.get_window_pos(self._handle), *glfw.get_window_size(self._handle))
            monitor = monitors[min(self._monitor, len(monitors) - 1)]
            mode = glfw.get_video_mode(monitor)
            width, height = mode.size
            glfw.set_window_monitor(self._handle, monitor, 0, 0, width, height, mode.refresh_rate)
        else:
            x, y, width, height = self._place
            no_monitor: Any = None  # the parameter's annotation does not allow None
            glfw.set_window_monitor(self._handle, no_monitor, x, y, width, height, glfw.DONT_CARE)

    def lost_its_monitor(self) -> bool:
        """Whether the screen that the window fills was disconnected."""
        return self.fullscreen and not glfw.get_window_monitor(self._handle)

    def close(self) -> None:
        """Close the window and shut glfw down."""
        glfw.destroy_window(self._handle)
        glfw.terminate()

    def _last_error(self) -> str:
        return self._errors[-1] if self._errors else "no window could be opened"


class Stage:
    """Shows a player in a window: passes events to it, and draws frame after frame."""

    def __init__(self, window: Window, player: Player) -> None:
        self._window, self._player = window, player
        self._actions = Actions(player)
        self._pointer = Pointer(self._actions)
        self._overlay = Overlay(window.gl, self._actions)
        self._scale = player.ratio = window.scale
        self._panel = open_panel(self._actions, self._scale)
        self._connect()

    def run(self) -> None:
        """Run until the window is closed."""
        self._window.set_fullscreen(self._actions.fullscreen)
        while not (glfw.window_should_close(self._window.handle) or self._actions.quitting):
            # A signal's exception would be lost in a C callback or a finalizer.
            with uninterrupted():
                self._frame()

    def _frame(self) -> None:
        window, player, actions = self._window, self._player, self._actions
        if player.running and all(player.size):
            glfw.poll_events()
        else:
            glfw.wait_events_timeout(RESTING)
        if window.lost_its_monitor():
            actions.fullscreen = False
        window.set_fullscreen(actions.fullscreen)
        if player.size != window.picture_size:
            player.resize(*window.picture_size)
        self._follow_scale()
        player.advance()
        if all(player.size):
            self._draw()

    def _draw(self) -> None:
        window, player, actions = self._window, self._player, self._actions
        screen = window.gl.screen
        screen.viewport = (0, 0, *player.size)
        resting = self._overlay.idle and player.running
        player.draw(screen, ring=not (actions.help or resting))
        panel = self._panel if actions.controls and not actions.help else None
        if panel is not None and (not resting or panel.busy):
            self._overlay.draw(screen, self._scale, covered=panel.covers(screen))
            panel.draw(screen)
        else:
            if self._panel is not None:
                self._panel.hide()
            self._overlay.draw(screen, self._scale)
        cursor = glfw.CURSOR_HIDDEN if resting else glfw.CURSOR_NORMAL
        glfw.set_input_mode(window.handle, glfw.CURSOR, cursor)
        glfw.swap_buffers(window.handle)

    def _follow_scale(self) -> None:
        """Resize the controls after a move to a screen with a different resolution."""
        if self._window.scale == self._scale:
            return
        self._scale = self._player.ratio = self._window.scale
        if self._panel is not None:
            self._panel.release()
            self._panel = open_panel(self._actions, self._scale)

    def _connect(self) -> None:
        handle = self._window.handle
        glfw.set_mouse_button_callback(handle, self._on_button)
        glfw.set_cursor_pos_callback(handle, self._on_move)
        glfw.set_cursor_enter_callback(handle, self._on_enter)
        glfw.set_scroll_callback(handle, self._on_wheel)
        glfw.set_key_callback(handle, self._on_key)
        glfw.set_char_callback(handle, self._on_letter)
        on_drop: Any = self._on_drop  # pyGLFW passes a list; its annotation has the C types
        glfw.set_drop_callback(handle, on_drop)

    def _on_button(self, _: Any, button: int, action: int, mods: int) -> None:
        self._overlay.wake()
        down = action == glfw.PRESS
        if self._panel is not None:
            self._panel.button(button, down)
        if not down:
            self._pointer.release(button)
        elif self._actions.help:
            self._actions.toggle_help()
        elif not self._panel_has_pointer():
            shift, alt = bool(mods & glfw.MOD_SHIFT), bool(mods & glfw.MOD_ALT)
            self._pointer.press(button, *self._window.pointer(), shift=shift, alt=alt)

    def _on_move(self, _: Any, x: float, y: float) -> None:
        self._overlay.wake()
        place = self._window.to_pixels(x, y)
        if self._panel is not None:
            self._panel.move(*place)
        if self._panel_has_pointer():
            self._pointer.leave()
        else:
            self._pointer.move(*place)

    def _on_enter(self, _: Any, inside: int) -> None:
        if not inside:
            self._pointer.leave()

    def _on_wheel(self, _: Any, dx: float, dy: float) -> None:
        self._overlay.wake()
        if self._panel is not None and self._panel_has_pointer():
            self._panel.wheel(dx, dy)
            return
        held = self._holds(glfw.KEY_LEFT_SHIFT, glfw.KEY_RIGHT_SHIFT, glfw.KEY_LEFT_CONTROL)
        self._pointer.wheel(dy or dx, *self._window.pointer(), resize_brush=held)

    def _on_key(self, _: Any, key: int, scancode: int, action: int, mods: int) -> None:
        self._overlay.wake()
        name = key_name(key, scancode, mods)
        if name is None:
            return
        if self._panel is not None and self._panel.key(name, action != glfw.RELEASE):
            return
        if action != glfw.RELEASE:
            press(self._actions, name)

    def _on_letter(self, _: Any, codepoint: int) -> None:
        letter = chr(codepoint)
        if self._panel is not None and self._panel.letter(letter):
            return
        if not letter.isalpha():  # letters are handled as keys, with Ctrl and Shift
            press(self._actions, letter)

    def _on_drop(self, _: Any, paths: Any) -> None:
        self._overlay.wake()
        opened = [Path(path) for path in paths]
        if self._holds(glfw.KEY_LEFT_SHIFT, glfw.KEY_RIGHT_SHIFT):
            self._actions.open_directions(opened[0])
        else:
            self._actions.open_files(opened)

    def _holds(self, *keys: int) -> bool:
        return any(glfw.get_key(self._window.handle, key) == glfw.PRESS for key in keys)

    def _panel_has_pointer(self) -> bool:
        return self._panel is not None and self._panel.has_pointer

    def release(self) -> None:
        """Free the OpenGL objects."""
        if self._panel is not None:
            self._panel.release()
        self._player.release()


def key_name(key: int, scancode: int, mods: int) -> str | None:
    """Name of a pressed key for the key map; None for characters, which come as text.

    Letters are those printed on the keys, in any keyboard layout. If a letter is not Latin, the
    letter in the same position on a US keyboard is used.
    """
    name = SPECIAL_KEYS.get(key)
    if name is None and glfw.KEY_A <= key <= glfw.KEY_Z:
        printed = (glfw.get_key_name(key, scancode) or "").upper()
        latin = len(printed) == 1 and printed.isascii() and printed.isalpha()
        name = printed if latin else chr(key)
    if name is None:
        return None
    held = ((glfw.MOD_CONTROL, "Ctrl+"), (glfw.MOD_SUPER, "Ctrl+"), (glfw.MOD_ALT, "Alt+"))
    prefix = "".join(dict.fromkeys(text for bit, text in held if mods & bit))
    return prefix + ("Shift+" if mods & glfw.MOD_SHIFT else "") + name


def open_panel(actions: Actions, scale: float) -> "Panel | None":
    """Open the panel; None if the ``ui`` extra is missing or not usable here."""
    if find_spec("imgui_bundle") is None:
        return None
    try:
        module = importlib.import_module("nca.viewer.window.panel")
    except (
        ImportError
    ):  # for example with glfw for Wayland, which lacks functions that imgui_bundle needs
        actions.player.say("The panel cannot be shown here; H shows the keys")
        return None
    panel: Panel = module.Panel(actions, scale)
    return panel


def run_window(settings: ViewSettings) -> None:
    """Show rules in a window until it is closed.

    Raises:
        InputError: a file cannot be used.
        GraphicsError: there is no display or no usable OpenGL.
    """
    rules = load_rules(settings.rules, wait=settings.window.wait)
    size = parse_size("size", settings.window.size, 64, 16384)
    title = ", ".join(rule.name for rule in rules)
    window = Window(title, size, monitor=settings.window.monitor, vsync=settings.window.vsync)
    try:
        player = Player(window.gl, rules, settings)
        leave_with_display(player.recordings.rescue)
        stage = Stage(window, player)
        try:
            stage.run()
        finally:
            stage.release()
    finally:
        window.close()


def _text(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
