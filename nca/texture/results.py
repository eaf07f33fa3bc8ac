"""Images that a training run writes: preview, time-lapse, thumbnail."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nca.backends.simulate import simulate
from nca.images import png_base64, to_image, write_animation
from nca.maps import MapName
from nca.rule import Rule

PREVIEW_STEPS = (30, 200, 2000)
GROWTH_FRAMES, GROWTH_STEPS = 90, 600  # length of the film of a growing texture
INK, PAPER = (40, 40, 44), (250, 250, 248)

Labeled = tuple[str, Image.Image]


@dataclass(frozen=True)
class RulePreview:
    """Images of a rule.

    Attributes:
        portrait: one image of the texture.
        preview: a sheet of several labeled images.
        film: frames, all of the same size.
    """

    portrait: Image.Image
    preview: Image.Image
    film: list[Image.Image]


def pictures_at(
    rule: Rule, size: int, stops: Sequence[int], *, scale: float | None = None
) -> list[Image.Image]:
    """Grow a texture on size x size cells; return its images after the given numbers of steps."""
    states = simulate(rule, rule.initial_state(1, size, size), stops)
    return [to_image(rule.to_image(state, scale=scale)[0]) for state in states]


def portrait(rule: Rule) -> Image.Image:
    """One image of the grown texture, 128 pixels wide, or 16 cells if they are wider."""
    cells = max(16, 128 // rule.settings.pixels_per_cell)
    return pictures_at(rule, cells, (400,))[0]


def preview(rule: Rule, target: Tensor) -> Image.Image:
    """The target, [3, S, S], beside the texture after 30, 200 and 2,000 steps."""
    pictures = pictures_at(rule, target.shape[-1] // rule.settings.pixels_per_cell, PREVIEW_STEPS)
    labels = [f"{steps:,} steps" for steps in PREVIEW_STEPS]
    return labeled_sheet([("target", to_image(target)), *zip(labels, pictures, strict=True)])


def map_sheet(rule: Rule, targets: Mapping[MapName, Image.Image]) -> Image.Image:
    """Make a row for each map: the target, and the map of the rule after 30, 200 and 2,000 steps.

    Args:
        rule: rule that has these maps.
        targets: images of the target's maps, all of the same size.
    """
    size = next(iter(targets.values())).width // rule.settings.pixels_per_cell
    states = simulate(rule, rule.initial_state(1, size, size), PREVIEW_STEPS)
    grown = [rule.to_maps(state) for state in states]
    sheet = []
    for name, target in targets.items():
        sheet.append((f"{name}: target", target))
        sheet += [
            (f"{steps:,} steps", to_image(maps[name][0]))
            for steps, maps in zip(PREVIEW_STEPS, grown, strict=True)
        ]
    return labeled_sheet(sheet, columns=1 + len(PREVIEW_STEPS))


def labeled_sheet(pictures: Sequence[Labeled], columns: int | None = None) -> Image.Image:
    """Arrange square images of the same size, each with a label below it; by default in one row."""
    columns = columns or len(pictures)
    size = pictures[0][1].width
    side, margin, line = size * max(1, round(320 / size)), 16, 30
    across, down = side + margin, side + margin + line
    sheet = Image.new(
        "RGB",
        (columns * across + margin, math.ceil(len(pictures) / columns) * down + margin),
        PAPER,
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for i, (label, picture) in enumerate(pictures):
        left, top = margin + i % columns * across, margin + i // columns * down
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (left, top))
        draw.text((left, top + side + 8), label, INK, font)
    return sheet


def growth(rule: Rule, cells: int) -> list[Image.Image]:
    """Film frames of a growing texture; a decoder draws them at half its resolution."""
    scale = max(1, rule.settings.pixels_per_cell / 2)
    return pictures_at(rule, cells, growth_stops(), scale=scale)


def write_film(path: Path, frames: Sequence[Image.Image]) -> None:
    """Write an animation of the frames, enlarged to twice their size."""
    size = (2 * frames[0].width, 2 * frames[0].height)
    large = [frame.resize(size, Image.Resampling.NEAREST) for frame in frames]
    write_animation(path, large, frames_per_second=20)


def growth_stops() -> list[int]:
    """Step numbers of the frames: every step at first, then at growing intervals; no duplicates."""
    ratio = math.log(GROWTH_STEPS) / (GROWTH_FRAMES - 1)
    return sorted({0} | {round(math.exp(ratio * i)) for i in range(GROWTH_FRAMES)})


def thumbnail(picture: Image.Image, size: int = 64) -> str:
    """Encode an image as a small PNG in base64, for the rule file."""
    small = picture.resize((size, size), Image.Resampling.LANCZOS)
    return png_base64(small)
