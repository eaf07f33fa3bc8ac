"""The entry point of ``nca view``."""

import ctypes
import importlib
import os
from dataclasses import replace
from importlib.util import find_spec

from nca.gallery import gallery, gallery_path
from nca.viewer.headless import run_headless
from nca.viewer.settings import ViewSettings


def run(settings: ViewSettings) -> None:
    """Show rules, or the gallery, in a window until it is closed; or run them without a window.

    Raises:
        InputError: a file or a setting cannot be used.
        GraphicsError: there is no display or no usable OpenGL.
    """
    if not settings.rules:
        settings = replace(settings, rules=tuple(map(gallery_path, gallery("plain", "fine"))))
    if settings.run.headless:
        run_headless(settings)
    else:
        choose_display()
        importlib.import_module("nca.viewer.window.window").run_window(settings)  # loads glfw


def choose_display() -> None:
    """Make glfw use X11 even on Wayland, through XWayland, if the panel is installed.

    imgui_bundle needs glfw's functions for X11. Call this before importing glfw.
    """
    wayland = os.environ.get("XDG_SESSION_TYPE") == "wayland"
    if wayland and find_spec("imgui_bundle") is not None and x11_answers():
        os.environ.setdefault("PYGLFW_LIBRARY_VARIANT", "x11")


def x11_answers() -> bool:
    """Whether there is an X server that accepts connections."""
    try:
        library = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    library.XOpenDisplay.restype = ctypes.c_void_p
    display = library.XOpenDisplay(None)
    if display:
        library.XCloseDisplay(ctypes.c_void_p(display))
    return bool(display)
