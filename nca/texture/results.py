"""What a training leaves for people to look at: preview, time-lapse, plot of the loss."""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nca.images import to_image, write_animation, write_image
from nca.rule import Rule
from nca.unroll.simulate import simulate

PREVIEW_STEPS = (30, 200, 2000)
GROWTH_FRAMES, GROWTH_STEPS = 90, 600
INK, PAPER = (40, 40, 44), (250, 250, 248)


def pictures_at(rule: Rule, size: int, stops: Sequence[int], seed: int = 0) -> list[Image.Image]:
    """Grow a texture of size x size and take its picture after some steps."""
    states = simulate(rule, rule.seed(1, size, size, seed=seed), stops, seed=seed)
    return [to_image(rule.to_rgb(state)[0]) for state in states]


def write_preview(path: Path, rule: Rule, target: Tensor) -> None:
    """Write the target, [3, S, S], beside the texture after 30, 200 and 2,000 steps."""
    size = target.shape[-1]
    scale = max(1, round(320 / size))
    pictures = [to_image(target), *pictures_at(rule, size, PREVIEW_STEPS)]
    labels = ["target", *(f"{steps:,} steps" for steps in PREVIEW_STEPS)]
    side, margin, line = size * scale, 16, 30
    sheet = Image.new(
        "RGB", (len(pictures) * (side + margin) + margin, side + 2 * margin + line), PAPER
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = margin + i * (side + margin)
        enlarged = picture.resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (left, margin))
        draw.text((left, margin + side + 8), label, INK, font)
    write_image(path, sheet)


def write_growth(path: Path, rule: Rule, size: int) -> None:
    """Write an animation of the texture growing from its seed; early frames are close in time."""
    stops = growth_stops()
    frames = [
        picture.resize((2 * size, 2 * size), Image.Resampling.NEAREST)
        for picture in pictures_at(rule, size, stops)
    ]
    write_animation(path, frames, frames_per_second=20)


def growth_stops() -> list[int]:
    """Steps of the frames: every one at first, then in growing strides, without doubles."""
    ratio = math.log(GROWTH_STEPS) / (GROWTH_FRAMES - 1)
    return sorted({0} | {round(math.exp(ratio * i)) for i in range(GROWTH_FRAMES)})


def thumbnail(rule: Rule, size: int = 64) -> str:
    """A grown texture as a base64 PNG, for the rule file."""
    picture = pictures_at(rule, 2 * size, (400,))[0].resize((size, size), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    picture.save(data, format="PNG", optimize=True)
    return base64.b64encode(data.getvalue()).decode()
