"""An X server that goes away. Xlib ends the process there, in its own words and with code 1."""

import ctypes
import os
import sys
from collections.abc import Callable

import glfw

NO_GRAPHICS = 3  # exit code, as in nca.cli

_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_kept: list[object] = []  # what Xlib calls has to live as long as the process


def leave_with_display(last: Callable[[], None]) -> None:
    """Let the process end in one line and with code 3 when its X server is gone.

    Args:
        last: is done before; it must not draw. A second loss, from within it, ends the process.
    """
    if glfw.get_platform() != glfw.PLATFORM_X11:
        return
    leaving = False

    def leave(_: int | None) -> int:
        nonlocal leaving
        if not leaving:
            leaving = True
            print("nca: the display is gone", file=sys.stderr, flush=True)
            try:
                last()
            except Exception as error:  # nothing above could catch it: Xlib calls this
                print(f"nca: {error}", file=sys.stderr, flush=True)
        os._exit(NO_GRAPHICS)  # Xlib's functions cannot go on

    handler = _HANDLER(leave)
    _kept.append(handler)
    ctypes.CDLL("libX11.so.6").XSetIOErrorHandler(handler)
