"""OpenGL contexts that can run a rule, with clear errors if something is missing."""

import sys
from typing import Any

import moderngl

from nca.errors import GraphicsError
from nca.system.triton_library import load_triton

REQUIRED_VERSION = 330
MIN_TARGETS = 4

ADVICE = {
    "linux": "on Debian or Ubuntu: apt install libegl1 libgl1, and the graphics card's driver",
    "win32": "install the newest driver for the graphics card",
    "darwin": "OpenGL 3.3 comes with macOS; a remote login may have no graphics",
}


def open_headless() -> moderngl.Context:
    """Open a context without a window; on Linux through EGL, which needs no display.

    Raises:
        GraphicsError: there is no OpenGL 3.3 with float render targets.
    """
    load_triton()
    backend: dict[str, Any] = {"backend": "egl"} if sys.platform == "linux" else {}
    try:
        gl = moderngl.create_context(standalone=True, require=REQUIRED_VERSION, **backend)
    except Exception as error:  # moderngl raises plain Exception
        raise missing_graphics(str(error)) from error
    return checked(gl)


def attach_to_window() -> moderngl.Context:
    """Use the context of the current window; call this once per window.

    Raises:
        GraphicsError: the context is older than OpenGL 3.3 or has no float render targets.
    """
    try:
        gl = moderngl.create_context(require=REQUIRED_VERSION)
    except Exception as error:
        raise missing_graphics(str(error)) from error
    return checked(gl)


def checked(gl: moderngl.Context) -> moderngl.Context:
    """Return a context after checking that it can draw into several float textures at once.

    Raises:
        GraphicsError: the context cannot do this; it has been released.
    """
    if target_limit(gl) < MIN_TARGETS:
        renderer = renderer_name(gl)
        gl.release()
        raise missing_graphics(f"{renderer} draws into fewer than {MIN_TARGETS} textures at once")
    textures = [gl.texture((4, 4), 4, dtype="f4") for _ in range(MIN_TARGETS)]
    try:
        gl.framebuffer(textures).release()
    except moderngl.Error as error:
        renderer = renderer_name(gl)
        gl.release()
        raise missing_graphics(f"{renderer} cannot draw into float textures") from error
    for texture in textures:
        texture.release()
    return gl


def target_limit(gl: moderngl.Context) -> int:
    """Number of textures that one pass can draw into."""
    info = gl.info
    return int(min(info["GL_MAX_DRAW_BUFFERS"], info["GL_MAX_COLOR_ATTACHMENTS"]))


def renderer_name(gl: moderngl.Context) -> str:
    """Name of the graphics card, or of the program that emulates one."""
    return str(gl.info["GL_RENDERER"])


def missing_graphics(reason: str) -> GraphicsError:
    """Make a one-line error with the reason and a remedy."""
    reason = " ".join(reason.split())
    advice = ADVICE.get(sys.platform, "install the driver for the graphics card")
    return GraphicsError(f"no usable OpenGL 3.3 here ({reason}); {advice}")
