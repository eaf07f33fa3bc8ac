"""Images and animations of a rule, without a display."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from nca.commands.settings import RenderSettings
from nca.errors import InputError
from nca.images import ANIMATIONS, to_image, write_animation, write_image
from nca.options import parse_size
from nca.rule import rescaled
from nca.rulefile import load_rule
from nca.system.outputs import check_free
from nca.system.signals import uninterrupted
from nca.unroll.simulate import simulate
from nca.viewer.headless import simulate_gl

MAX_FRAMES = 5000


def render(settings: RenderSettings) -> Path:
    """Grow a texture and write it. Gives the path of the result.

    Raises:
        InputError: the rule cannot be read, or the result not be written.
        GraphicsError: the engine is gl, and there is no usable OpenGL.
    """
    check_free(settings.out, settings.overwrite, file=True)
    rule = load_rule(settings.rule).rule
    if (settings.coarseness, settings.pace) != (1.0, 1.0):
        pace = settings.pace / max(1.0, settings.coarseness**2)
        rule = rescaled(rule, settings.coarseness, pace)
    width, height = parse_size("size", settings.size, 4, 8192)
    stops = [settings.steps]
    if settings.every is not None:
        stops = list(range(0, settings.steps + 1, settings.every))
        if settings.out.suffix.lower() not in ANIMATIONS:
            raise InputError(f"`out` {settings.out}: an animation ends in {', '.join(ANIMATIONS)}")
        if len(stops) > MAX_FRAMES:
            raise InputError(f"`every` {settings.every}: more than {MAX_FRAMES} frames")
    seeds = rule.seed(1, height, width, seed=settings.seed)
    if settings.engine == "gl":
        states = simulate_gl(rule, seeds, stops, seed=settings.seed)
    else:
        states = simulate(rule, seeds, stops, seed=settings.seed, backend=settings.engine)
    frames: list[Image.Image] = []
    try:
        for state in states:
            frames.append(_enlarged(to_image(rule.to_rgb(state)[0]), settings.scale))
    finally:  # Ctrl-C and the like leave an animation of the frames so far
        if frames:
            _write(frames, settings)
    return settings.out


def _write(frames: Sequence[Image.Image], settings: RenderSettings) -> None:
    with uninterrupted():
        if settings.every is None:
            write_image(settings.out, frames[0])
        else:
            write_animation(settings.out, frames, settings.fps)


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    size = (scale * image.width, scale * image.height)
    return image.resize(size, Image.Resampling.NEAREST)
