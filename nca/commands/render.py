"""`nca render`: images and animations of a rule, without a display."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.commands.settings import RenderSettings
from nca.errors import InputError
from nca.images import ANIMATIONS, to_image, write_animation, write_image
from nca.options import parse_size
from nca.rescaling import rescaled
from nca.rulefile import load_rule
from nca.system.outputs import check_free
from nca.system.signals import uninterrupted
from nca.viewer.headless import simulate_gl

MAX_FRAMES = 5000
REACH = 8  # an average includes this many times its nominal steps; older ones would weigh 1e-7


def render(settings: RenderSettings) -> Path:
    """Grow a texture and write it; returns the path of the result.

    Raises:
        InputError: the rule cannot be read, or the result cannot be written.
        GraphicsError: the engine is gl, and there is no usable OpenGL.
    """
    check_free(settings.out, settings.overwrite, file=True)
    rule = load_rule(settings.rule).rule
    if (settings.coarseness, settings.dt) != (1.0, 1.0):
        dt = settings.dt / max(1.0, settings.coarseness**2)
        rule = rescaled(rule, settings.coarseness, dt)
    width, height = parse_size("size", settings.size, 4, 8192)
    stops = [settings.steps]
    if settings.every is not None:
        stops = list(range(0, settings.steps + 1, settings.every))
        if settings.out.suffix.lower() not in ANIMATIONS:
            raise InputError(f"`out` {settings.out}: an animation ends in {', '.join(ANIMATIONS)}")
        if len(stops) > MAX_FRAMES:
            raise InputError(f"`every` {settings.every}: more than {MAX_FRAMES} frames")
    seeds = rule.initial_state(1, height, width, seed=settings.seed)
    calm = rule.settings.runs_calm(settings.calm)
    seen = _with_earlier(stops, settings.average_steps)
    if settings.engine == "gl":
        states = simulate_gl(rule, seeds, seen, seed=settings.seed, calm=calm)
    else:
        states = simulate(rule, seeds, seen, seed=settings.seed, backend=settings.engine, calm=calm)
    colors = averages((rule.to_rgb(state)[0] for state in states), settings.average_steps)
    frames: list[Image.Image] = []
    wanted = set(stops)
    try:
        for step, color in zip(seen, colors, strict=True):
            if step in wanted:
                frames.append(_enlarged(to_image(color), settings.scale))
    finally:  # after Ctrl-C, write the frames so far
        if frames:
            _write(frames, settings)
    return settings.out


def averages(colors: Iterable[Tensor], steps: int) -> Iterator[Tensor]:
    """Averages of the displayed colors of every step, as in the window and the page.

    The weight falls by a constant factor with each earlier step. The factor is chosen so that the
    average is as smooth as the plain mean of ``steps`` steps. Colors are clipped to [0, 1].
    """
    average: Tensor | None = None
    for color in colors:
        shown = color.clamp(0, 1)
        average = shown if average is None else average.lerp(shown, 2 / (steps + 1))
        yield average


def _with_earlier(stops: Sequence[int], average_steps: int) -> list[int]:
    """All steps that contribute to the images at ``stops``."""
    reach = REACH * average_steps if average_steps > 1 else 0
    return sorted({step for stop in stops for step in range(max(stop - reach, 0), stop + 1)})


def _write(frames: Sequence[Image.Image], settings: RenderSettings) -> None:
    with uninterrupted():
        if settings.every is None:
            write_image(settings.out, frames[0])
        else:
            write_animation(settings.out, frames, settings.fps)


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    size = (scale * image.width, scale * image.height)
    return image.resize(size, Image.Resampling.NEAREST)
