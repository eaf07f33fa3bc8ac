"""Text as images for the overlay, legible on any texture and at any size."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from PIL import Image, ImageDraw, ImageFilter, ImageFont

INK = (244, 242, 238, 255)
QUIET = (172, 170, 166, 255)
GLASS = (22, 21, 20, 224)

OVERSAMPLING = 4  # boxes are drawn this many times as large and scaled down, for smooth corners


@cache
def font(size: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and supports many languages."""
    return ImageFont.truetype(font_path(bold=bold), size)


def font_path(*, bold: bool = False) -> str:
    """Path of the font that the overlay and the panel use."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return str(files("matplotlib").joinpath("mpl-data", "fonts", "ttf", name))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line in pixels."""
    return font(size, bold=bold).getlength(text)


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Break a text into lines of at most this width, if its words allow it."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def floating_lines(
    lines: Sequence[tuple[str, float, bool]], *, align_right: bool = False
) -> Image.Image:
    """Draw light lines with a soft shadow, directly on the texture.

    Args:
        lines: for each line: text, size in pixels, and whether it is bold.
        align_right: align the lines on the right.
    """
    sizes = [size for _, size, _ in lines]
    margin = round(1.2 * max(sizes))
    width = max(text_width(text, size, bold=bold) for text, size, bold in lines)
    size = (round(width) + 2 * margin, round(sum(1.4 * size for size in sizes)) + 2 * margin)
    letters = Image.new("L", size, 0)
    draw = ImageDraw.Draw(letters)
    y = float(margin)
    for text, height, bold in lines:
        spare = width - text_width(text, height, bold=bold) if align_right else 0
        draw.text((margin + spare, y), text, fill=255, font=font(height, bold=bold))
        y += 1.4 * height
    blur = max(sizes) / 16
    shadow = Image.new("L", size, 0)
    for radius, strength in ((1.0, 1.6), (5.0, 1.5)):
        soft = letters.filter(ImageFilter.GaussianBlur(radius * blur))
        soft = soft.point(lambda v, s=strength: min(255, round(v * s)))
        shadow = Image.composite(Image.new("L", size, 255), shadow, soft)
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    picture.putalpha(shadow.point(lambda v: round(v * 0.72)))
    picture.paste(Image.new("RGBA", size, INK), (0, 0), letters)
    return picture


def box(width: int, height: int, radius: float) -> Image.Image:
    """Draw a dark sheet with rounded corners and a thin light edge."""
    scale = OVERSAMPLING
    large = Image.new("L", (width * scale, height * scale), 0)
    frame = (0, 0, width * scale - 1, height * scale - 1)
    ImageDraw.Draw(large).rounded_rectangle(frame, radius * scale, fill=255)
    outer = large.resize((width, height), Image.Resampling.BOX)
    inside = Image.new("L", (width * scale, height * scale), 0)
    frame = (scale, scale, (width - 1) * scale - 1, (height - 1) * scale - 1)
    ImageDraw.Draw(inside).rounded_rectangle(frame, (radius - 1) * scale, fill=255)
    inner = inside.resize((width, height), Image.Resampling.BOX)
    sheet = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    sheet.paste(Image.new("RGBA", (width, height), (92, 90, 88, GLASS[3])), (0, 0), outer)
    sheet.paste(Image.new("RGBA", (width, height), GLASS), (0, 0), inner)
    return sheet


def toast(text: str, size: float, width: float) -> Image.Image:
    """Draw a message in a pill; a long one has several lines."""
    lines = wrapped(text, size, width)
    text_wide = max(text_width(line, size) for line in lines)
    line_height = 1.45 * size
    height = round(len(lines) * line_height + 1.1 * size)
    sheet = box(round(text_wide + 2.4 * size), height, min(height / 2, 1.3 * size))
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        middle = 0.55 * size + (i + 0.5) * line_height
        draw.text((sheet.width / 2, middle), line, fill=INK, font=font(size), anchor="mm")
    return sheet


def help_sheet(
    gestures: Sequence[tuple[str, str]], keys: Sequence[tuple[str, str]], size: float
) -> Image.Image:
    """Draw the help: a title, the gestures, and the keys in two columns of key caps.

    Args:
        gestures: mouse gestures, and their effects.
        keys: keys, and their effects.
        size: size of the text, in pixels.
    """
    pad, row, gap = 2.2 * size, 1.95 * size, 3.0 * size
    column = max(
        text_width(does, size) + text_width(key, size) + 3.6 * size
        for key, does in (*gestures, *keys)
    )
    half, few = -(-len(keys) // 2), -(-len(gestures) // 2)
    top = pad + 2.6 * size
    width = round(2 * column + gap + 2 * pad)
    height = round(top + (few + half) * row + 1.2 * size + pad * 0.8)
    sheet = box(width, height, 1.6 * size)
    draw = ImageDraw.Draw(sheet)
    draw.text((pad, pad * 0.85), "Keys and gestures", fill=INK, font=font(1.35 * size, bold=True))

    def column_of(rows: Sequence[tuple[str, str]], left: float, y: float, *, caps: bool) -> None:
        for key, does in rows:
            middle = y + row / 2
            draw.text((left, middle), does, fill=INK, font=font(size), anchor="lm")
            right = left + column
            if caps:
                for part in reversed(key.split(" ")):
                    right -= _key_cap(sheet, part, right, middle, size) + 0.3 * size
            else:
                draw.text((right, middle), key, fill=QUIET, font=font(0.92 * size), anchor="rm")
            y += row

    for i, part in enumerate((gestures[:few], gestures[few:])):
        column_of(part, pad + i * (column + gap), top, caps=False)
    line = round(top + few * row + 0.6 * size)
    sheet.paste(
        Image.new("RGBA", (round(width - 2 * pad), 1), (70, 68, 66, 255)), (round(pad), line)
    )
    for i, part in enumerate((keys[:half], keys[half:])):
        column_of(part, pad + i * (column + gap), top + few * row + 1.2 * size, caps=True)
    return sheet


def _key_cap(sheet: Image.Image, text: str, right: float, middle: float, size: float) -> float:
    """Draw one key whose right edge is at ``right``; return its width."""
    small = 0.86 * size
    width = max(text_width(text, small) + 1.0 * size, 1.7 * size)
    cap = box(round(width), round(1.5 * size), 0.42 * size)
    tint = Image.new("RGBA", cap.size, (58, 56, 54, 255))
    place = (round(right - width), round(middle - cap.height / 2))
    sheet.paste(tint, place, cap.getchannel("A").point(lambda v: 255 if v > 200 else v))
    draw = ImageDraw.Draw(sheet)
    draw.text((place[0] + cap.width / 2, middle), text, fill=INK, font=font(small), anchor="mm")
    return width
