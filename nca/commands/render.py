"""`nca render`: make images and animations of a rule, without a display."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.commands.loop import run_loop
from nca.commands.settings import MAX_FRAMES, RenderSettings
from nca.errors import InputError
from nca.fields.directions import fields_of_pictures
from nca.fields.steps import simulate_fields
from nca.images import (
    check_animation,
    image_format,
    to_image,
    write_animation,
    write_image,
    write_png16,
)
from nca.images.enlarging import enlarged
from nca.images.material import write_maps
from nca.images.relief import normalized
from nca.images.y4m import write_y4m
from nca.maps import MapName, map_channels
from nca.options import parse_size
from nca.rescaling import rescaled
from nca.rule import ALPHA, Rule
from nca.rulefile import load_rule, rule_name
from nca.system.outputs import check_free
from nca.system.signals import uninterrupted
from nca.viewer.headless import simulate_gl

STANDARD_OUTPUT = Path("-")
TRANSPARENT = (".png", ".apng", ".webp")
REACH = 8  # an average covers this many times its nominal steps; older steps would weigh 1e-7


@torch.no_grad()  # otherwise, the hidden units of every drawn pixel would be kept
def render(settings: RenderSettings) -> Path | None:
    """Grow a texture and write it as an image or an animation; or write the maps of a material.

    Returns:
        The path of the result; None for standard output.

    Raises:
        InputError: the rule cannot be read, or the result cannot be written.
        GraphicsError: the engine is gl, but there is no usable OpenGL.
    """
    animated = settings.loop is not None or settings.every is not None
    _check_out(settings, animated=animated)
    rule = load_rule(settings.rule).rule
    if settings.maps and not rule.settings.maps:
        raise InputError(f"`maps`: {settings.rule} has only a color; train it on a material")
    if (settings.coarseness, settings.dt) != (1.0, 1.0):
        dt = settings.dt / max(1.0, settings.coarseness**2)
        rule = rescaled(rule, settings.coarseness, dt)
    if settings.transparent:
        _check_background(rule)
    colors = _colors(rule, settings)
    # A decoder has already drawn the cells at the requested scale. Otherwise, enlarge them here.
    scale, wraps = (settings.scale or 1) if rule.decoder is None else 1, rule.settings.wraps
    large = (enlarged(one, scale, settings.scaling, wraps=wraps) for one in colors)
    if settings.maps:
        write_maps(settings.out, _split(next(large), rule.settings.maps), rule_name(settings.rule))
        return settings.out
    if settings.bits == 16:
        write_png16(settings.out, _straight(next(large)))
        return settings.out
    images = (to_image(_straight(one)) for one in large)
    if settings.out == STANDARD_OUTPUT:
        write_y4m(sys.stdout.buffer, images, settings.fps)
        return None
    frames: list[Image.Image] = []
    try:
        frames.extend(images)
    finally:  # after Ctrl-C, write the frames that are ready
        if frames:
            with uninterrupted():
                if animated:
                    write_animation(settings.out, frames, settings.fps)
                else:
                    write_image(settings.out, frames[0])
    return settings.out


def _check_out(settings: RenderSettings, *, animated: bool) -> None:
    """Before the work starts, refuse a path that the result cannot be written to."""
    if settings.maps:
        check_free(settings.out, settings.overwrite, file=False)
        return
    if settings.out != STANDARD_OUTPUT:
        check_free(settings.out, settings.overwrite, file=True)
        if animated:
            check_animation(settings.out)
        image_format(settings.out)
    suffix = settings.out.suffix.lower()
    if settings.transparent and suffix not in TRANSPARENT:
        raise InputError(f"`transparent`: {settings.out} must end in {', '.join(TRANSPARENT)}")
    if settings.bits == 16 and suffix != ".png":
        raise InputError(f"`bits` 16: {settings.out} must end in .png")


def _check_background(rule: Rule) -> None:
    if rule.settings.alive_threshold is None:
        raise InputError("`transparent`: this rule is a texture, without a background")
    if rule.decoder is not None:
        raise InputError("`transparent`: this rule has a decoder, whose pictures are opaque")


def _colors(rule: Rule, settings: RenderSettings) -> Iterator[Tensor]:
    """Colors of every image, [3, H, W]; premultiplied colors and alpha, [4, H, W]; or all maps."""
    width, height = parse_size("size", settings.size, 4, 8192)
    start = rule.initial_state(1, height, width, seed=settings.seed)
    calm = rule.settings.runs_calm(settings.calm)  # once grown, all cells update in every step

    fields = fields_of_pictures(
        rule, height, width, direction_map=settings.direction_map, follow=settings.follow
    )

    def run(stops: Sequence[int]) -> Iterator[Tensor]:
        if settings.engine == "gl":
            return simulate_gl(rule, start, stops, seed=settings.seed, calm=calm, fields=fields)
        if fields is not None:
            return simulate_fields(rule, start, stops, fields, seed=settings.seed, calm=calm)
        return simulate(rule, start, stops, seed=settings.seed, backend=settings.engine, calm=calm)

    scale = None if rule.decoder is None else settings.scale
    shown = partial(_rgba, rule) if settings.transparent else partial(rule.to_image, scale=scale)
    if settings.maps:
        shown = partial(_all_maps, rule, scale)
    if settings.loop is not None:
        states = run_loop(rule, run, settings.loop, every=settings.every or 1, grown=settings.steps)
        yield from (shown(state)[0] for state in states)
        return
    stops = range(settings.steps, settings.steps + 1)
    if settings.every is not None:
        stops = range(0, settings.steps + 1, settings.every)
        if len(stops) > MAX_FRAMES and settings.out != STANDARD_OUTPUT:
            raise InputError(f"`every` {settings.every}: more than {MAX_FRAMES} frames")
    seen = _with_earlier(stops, settings.average_steps)
    colors = averages((shown(state)[0] for state in run(seen)), settings.average_steps)
    yield from (one for step, one in zip(seen, colors, strict=True) if step in stops)


def averages(colors: Iterable[Tensor], steps: int) -> Iterator[Tensor]:
    """Running averages of the displayed colors, one per step, as in the window and the page.

    The weights fall by a constant factor with each earlier step. The factor makes the average as
    smooth as the plain mean of ``steps`` steps. Colors are clipped to [0, 1].
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


def _rgba(rule: Rule, state: Tensor) -> Tensor:
    """Premultiplied colors and alpha of a grown image, [B, C, H, W] -> [B, 4, H, W].

    The rule's colors include a background of the color ``rgb_offset``, which is subtracted here.
    """
    alpha = state[:, ALPHA : ALPHA + 1].clamp(0, 1)
    colors = rule.to_rgb(state) - (1 - alpha) * rule.settings.rgb_offset
    return torch.cat([colors, alpha], 1)


def _all_maps(rule: Rule, scale: float | None, state: Tensor) -> Tensor:
    return torch.cat(list(rule.to_maps(state, scale=scale).values()), 1)


def _split(values: Tensor, maps: tuple[MapName, ...]) -> dict[MapName, Tensor]:
    """The maps in [N, H, W]; averages and blends of normals get length 1 again."""
    parts = {name: values[part] for name, part in map_channels(maps).items()}
    if "normal" in parts:
        parts["normal"] = normalized(parts["normal"] * 2 - 1) / 2 + 0.5
    return parts


def _straight(colors: Tensor) -> Tensor:
    """Divide premultiplied colors by their alpha, [4, H, W]; leave colors without alpha as is."""
    if len(colors) < 4:
        return colors
    alpha = colors[3:].clamp(0, 1)
    return torch.cat([colors[:3] / alpha.clamp(min=1e-3), alpha])
