"""Pictures in and out: whatever a person has on disk becomes float RGB, and back."""

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

FLAT = 1.5 / 255  # colors that differ less than this are one
ANIMATIONS = (".gif", ".webp", ".png", ".apng")


def read_image(
    path: str | Picture,
    *,
    max_side: int | None = None,
    transparent: bool = False,
    own_profile: bool = False,
) -> Image.Image:
    """Read any picture as 8-bit sRGB, turned as its EXIF data say.

    Grey, palette and 16-bit pictures are converted; so are the colors of a picture with a color
    profile, such as Display P3, Adobe RGB or one for CMYK; transparency is put on white.

    Args:
        path: the file, or the picture itself.
        max_side: the picture is made smaller until its longer side is at most this; a large JPEG
            is then decoded at a fraction of its size. Without it, a picture of more than
            40 million pixels is reduced to some 10 million.
        transparent: keep the transparency: 8-bit RGBA.
        own_profile: keep the numbers of a picture with a profile for RGB, and the profile in
            ``info["icc_profile"]``.

    Raises:
        InputError: no such file, a folder, not readable, not a picture, too large or too small.
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


def read_square(path: str | Picture, size: int) -> Tensor:
    """Read the largest centred square of a picture, [3, size, size] float32 in [0, 1].

    Raises:
        InputError: as :func:`read_image`.
    """
    image = read_image(path, max_side=16 * size)
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return to_tensor(square)


def read_texture(path: str | Picture, size: int) -> Tensor:
    """As :func:`read_square`, of a picture in which there is something to see.

    Raises:
        InputError: as :func:`read_image`; or all of the square has one color.
    """
    square = read_square(path, size)
    if float((square.amax((1, 2)) - square.amin((1, 2))).max()) < FLAT:
        raise InputError(f"{path}: its centered square has one color only; a texture has more")
    return square


def read_cutout(path: str | Picture, size: int) -> Tensor:
    """Read a whole picture with its transparency, in the middle of a square.

    Returns:
        [4, size, size] float32 in [0, 1]: colors times opacity, and opacity.

    Raises:
        InputError: as :func:`read_image`; or what is not transparent is as good as a line.
    """
    image = read_image(path, transparent=True)
    visible = image.crop(image.getchannel("A").getbbox() or (0, 0, *image.size))
    width, height = visible.size
    if min(width, height) * size < max(width, height):
        raise InputError(
            f"{path}: what can be seen of it is {width}x{height} pixels, too narrow to be drawn in "
            f"a square of {size}"
        )
    whole = ImageOps.pad(visible, (size, size), Image.Resampling.LANCZOS, color=(0, 0, 0, 0))
    pixels = torch.from_numpy(np.asarray(whole, dtype=np.float32) / 255).permute(2, 0, 1)
    return torch.cat([pixels[:3] * pixels[3:], pixels[3:]])


def to_tensor(image: Image.Image) -> Tensor:
    """An 8-bit RGB picture as [3, H, W] float32 in [0, 1]."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def to_image(rgb: Tensor) -> Image.Image:
    """[3, H, W] as an 8-bit picture; values outside [0, 1] are clipped."""
    levels = (rgb.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def write_image(path: Path, image: Image.Image) -> None:
    """Write one picture in the format that its ending names.

    Raises:
        InputError: the ending is unknown or the path cannot be written.
    """
    data = io.BytesIO()
    try:
        image.save(data, format=image_format(path))
    except (KeyError, OSError) as error:
        raise InputError(f"cannot write {path} as a picture: {error}") from error
    write_atomically(path, data.getvalue())


def png_bytes(image: Image.Image) -> bytes:
    """A picture as a small PNG file."""
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    return data.getvalue()


def png_base64(image: Image.Image) -> str:
    """A picture as text: a small PNG file in base64."""
    return base64.b64encode(png_bytes(image)).decode()


def data_url(image: Image.Image) -> str:
    """A picture as the address of an ``img`` element."""
    return "data:image/png;base64," + png_base64(image)


def write_png16(path: Path, rgb: Tensor, profile: bytes | None = None) -> None:
    """Write [3, H, W] in [0, 1] as a PNG with 16 bits a color, which Pillow cannot.

    Args:
        path: the file.
        rgb: values outside are clipped.
        profile: the ICC profile that the colors are numbers of; None: none is written, which
            means sRGB.

    Raises:
        InputError: the path cannot be written.
    """
    height, width = rgb.shape[1:]
    rows = np.zeros((height, 1 + 6 * width), np.uint8)  # each begins with its filter
    for channel, values in enumerate(rgb.detach().clamp(0, 1)):
        levels = (values.float() * 65535).round().cpu().numpy().astype(">u2")
        pairs = levels.view(np.uint8).reshape(height, width, 2)
        rows[:, 1 + 2 * channel :: 6], rows[:, 2 + 2 * channel :: 6] = pairs[..., 0], pairs[..., 1]
    # A row differs little from the one above (filter 2), as far as its upper bytes go.
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


def write_animation(path: Path, frames: Sequence[Image.Image], frames_per_second: float) -> None:
    """Write a looping animation: GIF, WebP, or APNG (``.png`` or ``.apng``).

    A GIF has at most 50 frames per second: browsers take less than 20 ms a frame for 100.

    Raises:
        InputError: the ending is none of these, there is no frame, or the path cannot be written.
    """
    if path.suffix.lower() not in ANIMATIONS:
        raise InputError(f"{path}: an animation ends in {', '.join(ANIMATIONS)}")
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
    """Pillow's name for the kind of picture that a path's ending tells.

    Raises:
        InputError: it tells none.
    """
    suffix = ".png" if path.suffix.lower() == ".apng" else path.suffix.lower()
    try:
        return Image.registered_extensions()[suffix]
    except KeyError:
        raise InputError(f"{path}: unknown kind of picture {path.suffix!r}; use .png") from None


def contact_sheet(
    pictures: Sequence[Image.Image], columns: int | None = None, ground: str | None = "white"
) -> Image.Image:
    """Lay out pictures of one size in a grid with thin gaps; near-square by default.

    Args:
        pictures: at least one.
        columns: of the grid.
        ground: color of the gaps; None: they are transparent.
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
