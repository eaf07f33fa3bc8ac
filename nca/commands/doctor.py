"""`nca doctor`: what this machine has, what is missing, and how to install it."""

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nca.backends.compiler import CompileError, find_compiler
from nca.commands.settings import DoctorSettings
from nca.errors import GraphicsError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox", "firefox-esr", "msedge")
NAME = 10  # width of the first column


@dataclass(frozen=True)
class Part:
    """A part that a machine may have, such as a compiler.

    Attributes:
        name: name of the part.
        find: returns a description of the part, or an empty string if the part is missing.
        without: what does not work, or is slower, if the part is missing.
        remedy: command that installs the part, or its requirements.
    """

    name: str
    find: Callable[[], str]
    without: str
    remedy: str


def doctor(settings: DoctorSettings) -> list[str]:
    """Describe each part of the machine in one line."""
    del settings
    lines = [f"{'torch':{NAME}} {torch.__version__}, {torch.get_num_threads()} threads"]
    for part in PARTS:
        found = part.find()
        said = found or f"missing: {part.without}; {part.remedy}"
        lines.append(f"{part.name:{NAME}} {said}")
    return lines


def compiler() -> str:
    """The C++ compiler for the unroll."""
    try:
        return str(find_compiler())
    except CompileError:
        return ""


def gpu() -> str:
    """The GPU that torch can use."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def opengl() -> str:
    """The name of OpenGL's renderer, from a context without a window."""
    from nca.gl.context import open_headless, renderer_name  # noqa: PLC0415  (opens libraries)

    try:
        context = open_headless()
    except GraphicsError:
        return ""
    try:
        return renderer_name(context)
    finally:
        context.release()


def browser() -> str:
    """The path of a browser."""
    return next(filter(None, map(shutil.which, BROWSERS)), "")


def package(name: str) -> Callable[[], str]:
    """Make a function that finds a Python package."""
    return lambda: "installed" if importlib.util.find_spec(name) else ""


PARTS = (
    Part(
        "compiler",
        compiler,
        "training is several times slower",
        "pip install 'nca-studio[compiler]'",
    ),
    Part("GPU", gpu, "training runs on the CPU", "needs an NVIDIA GPU and torch with CUDA"),
    Part(
        "OpenGL",
        opengl,
        "no window, no `nca render --engine gl`",
        "apt install libegl1 libgl1-mesa-dri",
    ),
    Part("browser", browser, "exported pages cannot be shown here", "apt install chromium"),
    Part("ffmpeg", package("imageio_ffmpeg"), "no .mp4 films", "pip install 'nca-studio[video]'"),
    Part(
        "panel",
        package("imgui_bundle"),
        "the window has no control panel",
        "pip install 'nca-studio[ui]'",
    ),
    Part("diffusers", package("diffusers"), "no `nca ddpm`", "pip install 'nca-studio[ddpm]'"),
)
