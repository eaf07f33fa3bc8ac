"""Decode image files to upright 8-bit pixels, in less than 1 GB of memory."""

import math
import re
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, ROWSPERSTRIP, TILELENGTH

from nca.errors import InputError, one_line
from nca.images.picture_files import HEIC_ADVICE, is_heic, readable_formats
from nca.options import Picture, PictureInMemory

MAX_PIXELS = 178_956_970  # Pillow refuses larger images
MIN_SIDE = 8
MEMORY = 750_000_000  # bytes that decoding may take
LARGE = 40_000_000  # pixels; larger images are shrunk while their pixels are converted
REDUCED = 10_000_000  # approximate pixels of a shrunk image, if no size is requested
LARGEST_DATA = 8192 * 8192  # pixels of a map; one channel of floats takes 268 MB
STRIP = 1_000_000  # pixels that are converted at a time
MOST_OF_ONE = 2  # images of floats have values up to 1 or 255; this is between them
SIXTEEN_BIT_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
DEEP = re.compile("RGBA?;16[BLN]")  # 16-bit layouts of which Pillow decodes only the high bytes
EIGHT_BITS = (np.arange(65536) / 257 + 0.5).astype(np.uint8)
BYTES = dict.fromkeys(("1", "L", "P"), 1) | dict.fromkeys(SIXTEEN_BIT_MODES[1:], 2)  # per pixel
# Bytes per pixel that these decoders need, as measured; all others decode into the image itself.
# Pillow decodes some kinds of DDS in Python, which takes 1.3 s per million pixels.
DECODERS = {"WEBP": 16, "AVIF": 16, "HEIF": 12, "JPEG2000": 25, "SGI": 8, "QOI": 8, "DDS": 44}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextmanager
def reading(path: Picture) -> Iterator[None]:
    """Turn any error from a decoder into an InputError, with the reason in one line.

    Raises:
        InputError: the ``with`` block raised an error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders also warn about files that they can read
            yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        if "HEIF" not in readable_formats() and isinstance(path, Path) and is_heic(path):
            raise InputError(f"{path} is a HEIC image; {HEIC_ADVICE}") from error
        kinds = "JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP"
        raise InputError(f"{path} is not an image that can be read ({kinds})") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has more than {MAX_PIXELS:,} pixels; make it smaller") from error
    except MemoryError as error:
        raise InputError(f"cannot read {path}: it needs more memory than is available") from error
    except Exception as error:  # decoders can raise anything
        reason = getattr(error, "strerror", None) or f"damaged image ({one_line(error)})"
        raise InputError(f"cannot read {path}: {reason}") from error


def decode(path: Picture, max_side: int | None = None) -> Image.Image:
    """Read an image with 8 bits per color, upright, with transparency as a channel.

    An image of more than 40 million pixels is shrunk by a whole factor.

    Args:
        path: the file, or the image itself.
        max_side: length that the longer side must have at least, in pixels. A large JPEG is decoded
            at a fraction of its size, but not below this. None: see :func:`nca.images.read_image`.

    Returns:
        An image of mode L, LA, RGB, RGBA, CMYK or another mode without a palette; its profile is
        in ``info``.

    Raises:
        Exception: of any type; see :func:`reading`.
    """
    if isinstance(path, PictureInMemory):
        _check_sides(path, path.image.size, max_side)
        return _upright(path.image.copy())
    with _opened(path) as image:
        size = image.size
        if size[0] * size[1] > LARGE and max_side is None:
            max_side = math.ceil(max(size) * math.sqrt(REDUCED / (size[0] * size[1])))
        _check_sides(path, size, max_side)
        if max_side is not None:
            image.draft("RGB", (max_side, max_side))
        _check_memory(path, image, size)
        _scale_transparent_color(image)
        image.load()
        large = max_side is not None and image.width * image.height > LARGE
        factor = max(image.size) // max_side if large and max_side else 1
        return _upright(image, max(factor, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise InputError(f"{path} is a folder; give the name of an image")
    if not stat.S_ISREG(kind):
        raise InputError(f"{path} is a device or a pipe; give the name of an image file")
    # Pillow may memory-map a file that it opens by name. If the file is truncated meanwhile, the
    # process crashes; and a memory-mapped TIFF that must be rotated decodes to noise.
    with path.open("rb") as file, Image.open(file, formats=readable_formats()) as image:
        yield image


def decode_data(path: Path) -> Iterator[tuple[float, Image.Image]]:
    """Read an image whose values are data, not colors, with all of its bits.

    The color profile, the transparency and the EXIF orientation are ignored.

    Yields:
        Pairs of a factor and an image, which has mode F or 8 bits per channel. The sum over
        ``factor * image`` is the data in [0, 1]. Most files give one pair. A color image with 16
        bits per channel gives two, the high and the low bytes, because Pillow decodes only one
        byte per channel at a time.

    Raises:
        Exception: of any type; see :func:`reading`.
    """
    with _opened(path) as image:
        _check_sides(path, image.size, None)
        if image.width * image.height > LARGEST_DATA:
            raise InputError(
                f"{path} has {image.width}x{image.height} pixels; a map can have at most "
                f"{LARGEST_DATA / 1e6:.0f} million; make it smaller"
            )
        _check_memory(path, image, image.size)
        deep = DEEP.search(str(image.tile)) is not None  # type: ignore[attr-defined]
        image.load()
        if image.mode in SIXTEEN_BIT_MODES:
            yield 1 / 65535, Image.fromarray(np.asarray(image, dtype=np.float32))
        elif image.mode == "F":
            most = _most_of_floats(image)
            for top, strip in _strips(image, max(1, STRIP // image.width)):
                image.paste(Image.fromarray(_clipped(strip, most)), (0, top))
            yield 1 / most, image
        else:
            yield (256 / 65535 if deep else 1 / 255), _opaque(image)
    if deep:
        with _opened(path) as image:
            image.tile = [_low_bytes(tile) for tile in image.tile]  # type: ignore[attr-defined]
            image.load()
            yield 1 / 65535, _opaque(image)


def _low_bytes(tile: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make Pillow decode the low byte of each channel, by declaring the opposite byte order."""
    *where, form = tile
    native, other = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    raw, *rest = (form,) if isinstance(form, str) else form
    order = raw[-1].replace("N", native)
    raw = raw[:-1] + (other if order == native else native)
    make = getattr(tile, "_make", tuple)  # a named tuple since Pillow 11
    return cast(tuple[Any, ...], make((*where, raw if isinstance(form, str) else (raw, *rest))))


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image  # a copy of a large image needs too much memory
    return image.convert("L" if image.mode in ("1", "LA") else "RGB")


def _upright(image: Image.Image, factor: int = 1) -> Image.Image:
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    profile = image.info.get("icc_profile")
    plain = _to_eight_bits(image, factor)
    plain.info = {"icc_profile": profile}
    return plain if turn is None else plain.transpose(turn)


def _check_sides(path: Picture, size: tuple[int, int], max_side: int | None) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise InputError(f"{path} has {width}x{height} pixels; a side needs {MIN_SIDE} or more")
    shorter = min(size) * min(1.0, (max_side or max(size)) / max(size))
    if shorter < MIN_SIDE - 0.5:
        raise InputError(
            f"{path} has {width}x{height} pixels; with {max_side} on its longer side it would have "
            f"{round(shorter)} on the other side, and a side needs {MIN_SIDE} or more"
        )


def _check_memory(path: Path, image: Image.Image, size: tuple[int, int]) -> None:
    """Refuse an image that needs too much memory; ``image`` may be a smaller draft of it."""
    needed = _bytes_needed(image, size[0] * size[1])
    if needed > MEMORY:
        most = size[0] * size[1] * MEMORY / needed
        raise InputError(
            f"{path} has {size[0]}x{size[1]} pixels; at most {most / 1e6:.0f} million can be read "
            f"from a {image.format} file of this kind; make it smaller, or convert it to PNG"
        )


def _bytes_needed(image: Image.Image, pixels: int) -> int:
    decoded = image.width * image.height
    per_pixel = DECODERS.get(image.format or "", BYTES.get(image.mode, 4))
    if image.info.get("progressive"):  # holds all coefficients (2 bytes each) at once
        shares: list[int] = [across * down for _, across, down, _ in getattr(image, "layer", [])]
        return decoded * per_pixel + 2 * pixels * sum(shares) // max(shares, default=1)
    if tags := getattr(image, "tag_v2", None):
        strip = 0
        if image.tile[0][0] == "libtiff":  # type: ignore[attr-defined] # decodes a strip as a whole
            rows = tags.get(TILELENGTH) or tags.get(ROWSPERSTRIP) or image.height
            sample = max(4, sum(tags.get(BITSPERSAMPLE, (8,))) // 8)
            strip = image.width * min(int(rows), image.height) * sample
        turned = tags.get(ExifTags.Base.Orientation, 1) != 1  # Pillow rotates it
        return decoded * per_pixel * (2 if turned else 1) + strip
    return decoded * per_pixel


def _scale_transparent_color(image: Image.Image) -> None:
    """Scale a PNG's transparent color to 8 bits, like its pixels."""
    color = image.info.get("transparency")
    layout = image.tile[0][3] if image.format == "PNG" and image.tile else None  # type: ignore[attr-defined]
    if color is None:
        return
    if layout == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in color)
    elif layout in ("L;2", "L;4"):
        image.info["transparency"] = color * {"L;2": 85, "L;4": 17}[layout]


def _to_eight_bits(image: Image.Image, factor: int) -> Image.Image:
    """Convert and shrink strip by strip, because a copy of a large image needs too much memory."""
    as_it_is = image.mode not in ("1", "P", "PA", "F", *SIXTEEN_BIT_MODES)
    if as_it_is and factor == 1 and "transparency" not in image.info:
        return image
    most = _most_of_floats(image) if image.mode == "F" else 1
    plain: Image.Image | None = None
    for top, whole in _strips(image, factor * max(1, STRIP // (image.width * factor))):
        strip = _convert_strip(whole, most).reduce(factor)
        if plain is None:
            plain = Image.new(strip.mode, (strip.width, math.ceil(image.height / factor)))
        plain.paste(strip, (0, top // factor))
    assert plain is not None
    return plain


def _strips(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """Cut an image into strips; gives the number of the first row and the strip."""
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _most_of_floats(image: Image.Image) -> int:
    """Value of white in an image of floats: 1, or 255 if a finite value is above 2.

    Resampling may have made values that are slightly above 1.
    """
    for _, strip in _strips(image, max(1, STRIP // image.width)):
        values = np.asarray(strip)
        if (values[np.isfinite(values)] > MOST_OF_ONE).any():
            return 255
    return 1


def _clipped(strip: Image.Image, most: int) -> NDArray[np.float32]:
    """The values of a strip of floats, in [0, ``most``]; NaN becomes 0."""
    return np.nan_to_num(np.asarray(strip, dtype=np.float32)).clip(0, most)


def _convert_strip(strip: Image.Image, most: int) -> Image.Image:
    """Convert to 8 bits without a palette; ``most`` is the value of white in a strip of floats."""
    if strip.mode == "F":
        return Image.fromarray((_clipped(strip, most) * (255 / most) + 0.5).astype(np.uint8))
    if strip.mode in SIXTEEN_BIT_MODES:  # Pillow would clip to 255 instead of scaling
        levels = np.asarray(strip).clip(0, 65535)
        grey = Image.fromarray(EIGHT_BITS[levels])
        transparent = strip.info.get("transparency")
        if transparent is not None:
            grey.putalpha(Image.fromarray(np.where(levels == transparent, 0, 255).astype(np.uint8)))
        return grey
    if strip.mode in ("P", "PA") or "transparency" in strip.info:
        return strip.convert("RGBA")
    # Pillow would shrink 1-bit images by dropping pixels instead of averaging them.
    return strip.convert("L") if strip.mode == "1" else strip
