"""Pictures in and out: whatever a person has on disk becomes float RGB, and back."""

import io
import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from nca.errors import InputError
from nca.files import write_atomically

MAX_PIXELS = 200_000_000
MIN_SIDE = 8
FLAT = 1.5 / 255  # colors that differ less than this are one
ANIMATIONS = (".gif", ".webp", ".png", ".apng")
SIXTEEN_BIT_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(
    path: Path, *, max_side: int | None = None, transparent: bool = False
) -> Image.Image:
    """Read any picture as 8-bit RGB, turned as its EXIF data say.

    Grey, palette and 16-bit pictures are converted; so is CMYK, by its profile if it has one;
    transparency is put on white.

    Args:
        path: the file.
        max_side: the picture is made smaller until its longer side is at most this; a large JPEG
            is then decoded at a fraction of its size.
        transparent: keep the transparency: 8-bit RGBA.

    Raises:
        InputError: no such file, a folder, not readable, not a picture, too large or too small.
    """
    try:
        with warnings.catch_warnings():
            # Our own limit below is stricter in wording, not in pixels.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            _check_size(path, image.size, max_side)
            if max_side is not None:
                image.draft("RGB", (max_side, max_side))
            upright = ImageOps.exif_transpose(image)
            upright = _to_eight_bits(upright)
            return upright.convert("RGBA") if transparent else _to_rgb(upright, max_side)
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture that can be read (JPEG, PNG, WebP)") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has more than {MAX_PIXELS} pixels; make it smaller") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a picture") from error
        reason = getattr(error, "strerror", None) or f"damaged picture ({error})"
        raise InputError(f"cannot read {path}: {reason}") from error


def _check_size(path: Path, size: tuple[int, int], max_side: int | None) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise InputError(f"{path} has {width}x{height} pixels; at most {MAX_PIXELS} can be read")
    if min(size) < MIN_SIDE:
        raise InputError(f"{path} has {width}x{height} pixels; a picture needs {MIN_SIDE} or more")
    shorter = min(size) * min(1.0, (max_side or max(size)) / max(size))
    if shorter < MIN_SIDE - 0.5:
        raise InputError(
            f"{path} has {width}x{height} pixels; with {max_side} on its longer side it would have "
            f"{round(shorter)} on the other, and a picture needs {MIN_SIDE} or more"
        )


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode not in (*SIXTEEN_BIT_MODES, "F"):
        return image
    # Pillow would clip to 255 instead of scaling.
    grey = np.asarray(image, dtype=np.float64)
    if image.mode != "F":
        grey /= 257
    elif grey.max() <= 1:  # floats are of [0, 1] or of [0, 255]
        grey *= 255
    return Image.fromarray(np.clip(grey + 0.5, 0, 255).astype(np.uint8))


def _to_rgb(image: Image.Image, max_side: int | None) -> Image.Image:
    if max_side is not None and max(image.size) > max_side:
        image = image.copy() if image.mode != "P" else image.convert("RGBA")
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    if image.mode == "CMYK" and "icc_profile" in image.info:
        image = _from_print(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def _from_print(image: Image.Image) -> Image.Image:
    """Amounts of ink as the colors that the picture's profile says they make, in sRGB.

    With a profile that cannot be used, Pillow's rule must do, which knows no real ink.
    """
    profile = io.BytesIO(image.info["icc_profile"])
    try:
        converted = ImageCms.profileToProfile(
            image, ImageCms.getOpenProfile(profile), ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError):
        return image
    assert converted is not None
    converted.info.pop("icc_profile", None)
    return converted


def read_square(path: Path, size: int) -> Tensor:
    """Read the largest centred square of a picture, [3, size, size] float32 in [0, 1].

    Raises:
        InputError: as :func:`read_image`.
    """
    image = read_image(path, max_side=16 * size)
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return to_tensor(square)


def read_texture(path: Path, size: int) -> Tensor:
    """As :func:`read_square`, of a picture in which there is something to see.

    Raises:
        InputError: as :func:`read_image`; or all of the square has one color.
    """
    square = read_square(path, size)
    if float((square.amax((1, 2)) - square.amin((1, 2))).max()) < FLAT:
        raise InputError(f"{path}: its centered square has one color only; a texture has more")
    return square


def read_cutout(path: Path, size: int) -> Tensor:
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
