"""Read images of any format, convert them to and from tensors, and write them."""

import base64
import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from nca.errors import InputError
from nca.images.color_profiles import rgb_profile, to_srgb
from nca.images.decoding import decode, reading
from nca.options import Picture
from nca.system.files import write_atomically

FLAT = 1.5 / 255  # colors that differ by less than this count as equal
ANIMATIONS = (".gif", ".webp", ".png", ".apng")


def read_image(
    path: str | Picture,
    *,
    max_side: int | None = None,
    transparent: bool = False,
    own_profile: bool = False,
) -> Image.Image:
    """Read any image as upright 8-bit sRGB, following its EXIF orientation.

    Gray, palette and 16-bit images are converted to RGB. Colors with an ICC profile, such as
    Display P3, Adobe RGB or a CMYK profile, are converted to sRGB. Transparent parts become white.

    Args:
        path: the file, or the image itself.
        max_side: shrink the image until its longer side is at most this; a large JPEG is decoded at
            a fraction of its size. None: an image of more than 40 million pixels is shrunk to
            about 10 million.
        transparent: keep the transparency, as 8-bit RGBA.
        own_profile: do not convert the colors of an image with an RGB profile; put the profile
            into ``info["icc_profile"]``.

    Raises:
        InputError: the file is missing, a folder, unreadable or not an image, or the image is too
            large or too small.
    """
    picture = Path(path) if isinstance(path, str) else path
    with reading(picture):
        image = decode(picture, max_side)
        if max_side is not None:
            image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        profile = image.info.get("icc_profile")
        kept = rgb_profile(profile) if own_profile else None
        if profile and not kept:
            image = to_srgb(image, profile)
        image = image.convert("RGBA") if transparent else _on_white(image)
        image.info = {"icc_profile": kept} if kept else {}
        return image


def _on_white(image: Image.Image) -> Image.Image:
    if "A" in image.getbands():
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(
            ground, image if image.mode == "RGBA" else image.convert("RGBA")
        )
    return image if image.mode == "RGB" else image.convert("RGB")


def read_square(path: str | Picture, size: int, *, enlarge: bool = True) -> Tensor:
    """Crop an image to a centered square and scale it, [3, size, size] float32 in [0, 1].

    Raises:
        InputError: see :func:`read_image`; or the image is smaller than ``size`` and ``enlarge``
            is False.
    """
    image = read_image(path, max_side=16 * size)
    if not enlarge and min(image.size) < size:
        raise InputError(too_small(path, image.size, size))
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return to_tensor(square)


def too_small(path: str | Picture, size: tuple[int, int], wanted: int) -> str:
    """Error message for an image that is too small to train a decoder on."""
    return f"{path}: has {size[0]}x{size[1]} pixels, too few for `size` {wanted} with a `decoder`"


def read_texture(path: str | Picture, size: int, *, enlarge: bool = True) -> Tensor:
    """Read like :func:`read_square`, and check that the image is not flat.

    Raises:
        InputError: see :func:`read_square`; or the whole square has one color.
    """
    square = read_square(path, size, enlarge=enlarge)
    if is_flat(square):
        raise InputError(f"{path}: its central square has only one color; a texture needs several")
    return square


def is_flat(image: Tensor) -> bool:
    """Whether every channel of an image, [C, H, W], has only one value."""
    return float((image.amax((1, 2)) - image.amin((1, 2))).max()) < FLAT


def read_cutout(path: str | Picture, size: int, *, enlarge: bool = True) -> Tensor:
    """Read the visible part of an image, scaled to fit a transparent square and centered in it.

    Returns:
        [4, size, size] float32 in [0, 1]: premultiplied RGB, and opacity.

    Raises:
        InputError: see :func:`read_image`; or the visible part is too narrow, or it is smaller than
            ``size`` and ``enlarge`` is False.
    """
    image = read_image(path, transparent=True)
    visible = image.crop(image.getchannel("A").getbbox() or (0, 0, *image.size))
    width, height = visible.size
    if min(width, height) * size < max(width, height):
        raise InputError(
            f"{path}: its visible part has {width}x{height} pixels, too narrow for "
            f"a square of {size}"
        )
    if not enlarge and max(visible.size) < size:
        raise InputError(too_small(path, visible.size, size))
    whole = ImageOps.pad(visible, (size, size), Image.Resampling.LANCZOS, color=(0, 0, 0, 0))
    pixels = torch.from_numpy(np.asarray(whole, dtype=np.float32) / 255).permute(2, 0, 1)
    return torch.cat([pixels[:3] * pixels[3:], pixels[3:]])


def to_tensor(image: Image.Image) -> Tensor:
    """Convert an 8-bit RGB image to [3, H, W] float32 in [0, 1]."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def to_image(rgb: Tensor) -> Image.Image:
    """Convert [3, H, W], or gray [1, H, W], to an RGB image; values outside [0, 1] are clipped."""
    if len(rgb) == 1:
        rgb = rgb.expand(3, -1, -1)
    levels = (rgb.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def write_image(path: Path, image: Image.Image) -> None:
    """Write one image in the format of the file extension.

    Raises:
        InputError: the extension is unknown or the path cannot be written.
    """
    data = io.BytesIO()
    try:
        image.save(data, format=image_format(path))
    except (KeyError, OSError) as error:
        raise InputError(f"cannot write {path} as an image: {error}") from error
    write_atomically(path, data.getvalue())


def png_bytes(image: Image.Image) -> bytes:
    """Encode an image as a PNG file."""
    data = io.BytesIO()
    image.save(data, "PNG")  # optimize=True takes four times as long, and saves less than 1%
    return data.getvalue()


def png_base64(image: Image.Image) -> str:
    """Encode an image as text: a PNG file in base64."""
    return base64.b64encode(png_bytes(image)).decode()


def data_url(image: Image.Image) -> str:
    """Encode an image as a data URL."""
    return "data:image/png;base64," + png_base64(image)


def write_png16(path: Path, rgb: Tensor, profile: bytes | None = None) -> None:
    """Write [3, H, W] in [0, 1] as a PNG with 16 bits per color, which Pillow cannot write.

    Args:
        path: the file.
        rgb: image; values outside [0, 1] are clipped.
        profile: ICC profile of the colors; None: sRGB, without a profile in the file.

    Raises:
        InputError: the path cannot be written.
    """
    height, width = rgb.shape[1:]
    rows = np.zeros((height, 1 + 6 * width), np.uint8)  # each row begins with its filter type
    for channel, values in enumerate(rgb.detach().clamp(0, 1)):
        levels = (values.float() * 65535).round().cpu().numpy().astype(">u2")
        pairs = levels.view(np.uint8).reshape(height, width, 2)
        rows[:, 1 + 2 * channel :: 6], rows[:, 2 + 2 * channel :: 6] = pairs[..., 0], pairs[..., 1]
    # Filter 2: store differences from the row above, which are small, at least in the high bytes.
    rows[1:, 1:] -= rows[:-1, 1:].copy()
    rows[1:, 0] = 2
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    if profile:
        chunks.append((b"iCCP", b"icc\0\0" + zlib.compress(profile)))
    chunks += [(b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    file = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    write_atomically(path, b"\x89PNG\r\n\x1a\n" + file)


def check_animation(path: Path) -> None:
    """Check the file name of an animation, before the work starts.

    Raises:
        InputError: the extension is unknown.
    """
    if path.suffix.lower() not in ANIMATIONS:
        raise InputError(
            f"{path}: the file name of an animation must end in {', '.join(ANIMATIONS)}"
        )


def write_animation(path: Path, frames: Sequence[Image.Image], frames_per_second: float) -> None:
    """Write a looping animation: GIF, WebP, or APNG (``.png`` or ``.apng``).

    A GIF has at most 50 frames per second, because browsers show shorter frames for 100 ms.

    Raises:
        InputError: the extension is unknown, there is no frame, or the path cannot be written.
    """
    check_animation(path)
    if not frames:
        raise InputError(f"{path}: an animation needs at least one frame")
    data = io.BytesIO()
    options: dict[str, object] = {"quality": 80, "method": 4} if path.suffix == ".webp" else {}
    shortest = 20 if path.suffix.lower() == ".gif" else 1
    frames[0].save(
        data,
        format=image_format(path),
        save_all=True,
        append_images=list(frames[1:]),
        duration=max(round(1000 / frames_per_second), shortest),
        loop=0,
        **options,
    )
    write_atomically(path, data.getvalue())


def image_format(path: Path) -> str:
    """Pillow's name for the image format of a file extension.

    Raises:
        InputError: the extension is unknown.
    """
    suffix = ".png" if path.suffix.lower() == ".apng" else path.suffix.lower()
    try:
        return Image.registered_extensions()[suffix]
    except KeyError:
        raise InputError(f"{path}: unknown image format {path.suffix!r}; use .png") from None


def contact_sheet(
    pictures: Sequence[Image.Image], columns: int | None = None, ground: str | None = "white"
) -> Image.Image:
    """Arrange images of the same size in a grid with thin gaps.

    Args:
        pictures: images, at least one.
        columns: number of columns; by default, the grid is nearly square.
        ground: color of the gaps; None: transparent.
    """
    columns = columns or math.ceil(len(pictures) ** 0.5)
    rows = math.ceil(len(pictures) / columns)
    width, height = pictures[0].size
    gap = max(2, width // 64)
    size = (columns * (width + gap) - gap, rows * (height + gap) - gap)
    sheet = Image.new("RGBA", size) if ground is None else Image.new("RGB", size, ground)
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * (width + gap), i // columns * (height + gap)))
    return sheet
