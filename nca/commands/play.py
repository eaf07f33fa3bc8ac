"""`nca play`: run a rule over a photograph at several scales, or complete the photograph.

At scale n, the grid has 1/n of the photograph's width and height, and every step moves the colors
of the state a little toward the photograph. The runs are joined like the levels of a Laplacian
pyramid (Burt and Adelson, 1983): large shapes come from the coarse runs, and details from the fine
runs.
:mod:`nca.commands.fill` completes a photograph.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.commands.fill import fill, frame_of, with_margin
from nca.commands.guided import run_guided
from nca.commands.settings import PlaySettings
from nca.errors import InputError
from nca.fields.directions import fields_of_pictures
from nca.fields.texels import Fields
from nca.images import image_format, read_image, to_image, to_tensor, write_image
from nca.rule import Rule
from nca.rulefile import load_rule
from nca.system.outputs import check_free

# Default limit of the photograph's longer side: to run over it, and to complete it, in pixels.
USUAL, LARGEST = 768, 4096
USUAL_STEPS, COMPLETE_STEPS = 60, 400


def play(settings: PlaySettings) -> Path:
    """Run a rule over a photograph, or complete the photograph; write the result to a file.

    Returns:
        The path of the result.

    Raises:
        InputError: the rule, the photograph or the mask cannot be read; the mask has different
            proportions or no light parts; ``tile`` is set but the rule has no circular padding; or
            the result cannot be written.
    """
    image_format(settings.out)  # before the work starts
    if settings.out.exists() and settings.out.samefile(settings.picture):
        raise InputError(f"`out` {settings.out}: is the photograph itself; choose another name")
    check_free(settings.out, settings.overwrite, file=True)
    rule = load_rule(settings.rule).rule
    if rule.decoder is not None:
        raise InputError(
            f"{settings.rule}: a decoder draws its pictures, and nca play does not support "
            "decoders yet; use nca render"
        )
    complete = settings.mask is not None or settings.expand is not None or settings.tile
    size = settings.size or (LARGEST if complete else USUAL)
    photo = to_tensor(read_image(settings.picture, max_side=size))
    if complete:
        result = _completed(rule, photo, settings)
    else:
        steps = USUAL_STEPS if settings.steps is None else settings.steps
        directed = partial(
            fields_of_pictures,
            rule,
            direction_map=settings.direction_map,
            follow=settings.follow,
        )
        result = play_over(
            rule,
            photo,
            settings.scales,
            steps,
            settings.strength,
            seed=settings.seed,
            directed=directed,
        )
    write_image(settings.out, to_image(result))
    return settings.out


def _completed(rule: Rule, photo: Tensor, settings: PlaySettings) -> Tensor:
    if settings.mask is not None:
        rule = rule.with_settings(padding="replicate")
        free = _light_parts(settings.mask, photo)
    elif settings.expand is not None:
        photo, free = with_margin(photo, settings.expand)
    else:
        if rule.settings.padding != "circular":
            raise InputError(f"`tile`: the rule has {rule.settings.padding} padding, not circular")
        free = frame_of(photo)
    steps = COMPLETE_STEPS if settings.steps is None else settings.steps
    return fill(rule, photo, free, steps, cell=min(settings.scales), seed=settings.seed)


def _light_parts(path: Path, photo: Tensor) -> Tensor:
    """The light parts of a mask, scaled to the size of the photograph, [H, W] bool."""
    height, width = photo.shape[1:]
    mask = read_image(path)
    if abs(mask.width * height - mask.height * width) > max(mask.size):  # more than a pixel
        raise InputError(
            f"`mask` {path}: is {mask.width}x{mask.height}; its proportions must be those of the "
            f"photograph, {width}x{height}"
        )
    light: Tensor = to_tensor(mask.resize((width, height))).mean(0) > 0.5
    if not light.any():
        raise InputError(f"`mask` {path}: is dark everywhere; light parts are filled")
    return light


@torch.no_grad()
def play_over(
    rule: Rule,
    photo: Tensor,
    scales: Sequence[int],
    steps: int,
    strength: float,
    *,
    seed: int = 0,
    directed: Callable[[int, int], Fields | None] = lambda height, width: None,
) -> Tensor:
    """Run a rule over a photograph.

    Args:
        rule: rule to run; its padding becomes ``replicate``, because photographs do not wrap.
        photo: photograph, [3, H, W] in [0, 1].
        scales: pixels per cell along each axis, one number per run.
        steps: number of steps in each run.
        strength: how far each step moves the colors toward the photograph, 0 to 1 (all the way).
        seed: random seed that determines which cells fire.
        directed: returns the fields for a grid of a given height and width; None: neutral fields.

    Returns:
        [3, H, W] in [0, 1].
    """
    size = (photo.shape[1], photo.shape[2])
    result: Tensor | None = None
    for scale in sorted(scales, reverse=True):
        small = _resized(photo[None], (max(size[0] // scale, 4), max(size[1] // scale, 4)))
        fields = directed(small.shape[2], small.shape[3])
        layer = _resized(_run(rule, small, steps, strength, seed, fields), size)
        if result is not None:
            layer = _blurred(result, scale) + layer - _blurred(layer, scale)
        result = layer
    assert result is not None
    return result[0].clamp(0, 1)


def _run(
    rule: Rule, photo: Tensor, steps: int, strength: float, seed: int, fields: Fields | None
) -> Tensor:
    """Run at one scale, [1, 3, h, w] -> [1, 3, h, w]."""
    settings = rule.settings
    bordered = rule.with_settings(padding="replicate")
    height, width = photo.shape[2:]
    colors = (photo - settings.rgb_offset) / settings.rgb_scale
    state = bordered.initial_state(1, height, width, seed=seed)
    state[:, :3] = colors
    state = run_guided(
        bordered, state, colors, lambda step: strength, steps, seed=seed, fields=fields
    )
    return rule.to_rgb(state).clamp(0, 1)


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)


def _blurred(images: Tensor, scale: int) -> Tensor:
    """Remove details that are smaller than two cells at the given scale."""
    size = (images.shape[2], images.shape[3])
    small = (max(size[0] // (2 * scale), 1), max(size[1] // (2 * scale), 1))
    return F.interpolate(
        F.interpolate(images, small, mode="bilinear", antialias=True), size, mode="bilinear"
    )
