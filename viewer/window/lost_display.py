"""Handle the loss of the X server, when Xlib would end the process with exit code 1."""

import ctypes
import os
import sys
from collections.abc import Callable

import glfw

NO_GRAPHICS = 3  # exit code, as in nca.cli

_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_kept: list[object] = []  # callbacks for Xlib must live as long as the process


def leave_with_display(last: Callable[[], None]) -> None:
    """End the process with a one-line message and exit code 3 when its X server is gone.

    Args:
        last: called before the process ends; it must not draw. If it needs the X server, the
            process ends at once.
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
            except Exception as error:  # nothing can catch it: the caller is Xlib
                print(f"nca: {error}", file=sys.stderr, flush=True)
        os._exit(NO_GRAPHICS)  # Xlib's functions cannot return

    handler = _HANDLER(leave)
    _kept.append(handler)
    ctypes.CDLL("libX11.so.6").XSetIOErrorHandler(handler)
