"""Read PNG images from untrusted files; only their pixels are used."""

import base64
import io
import warnings

from PIL import Image


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["PNG"])


def read_png(text: str, most_pixels: int) -> Image.Image:
    """Decode a base64 PNG, with or without the prefix ``data:image/png;base64,``.

    Args:
        text: the base64 text.
        most_pixels: larger images are not decoded.

    Raises:
        ValueError: the text is not a PNG, or the image is too large; the message says which.
    """
    try:
        data = base64.b64decode(text.partition(",")[2] or text, validate=True)
    except ValueError as error:
        raise ValueError(f"not base64 ({error})") from error
    try:
        with (
            warnings.catch_warnings(action="error"),
            _opened(data) as checked,
            _opened(data) as png,
        ):
            checked.verify()  # checksums; the image cannot be used after that
            width, height = png.size
            if width * height <= most_pixels:
                return png.copy()
    # Decoders fail in many ways on invalid data.
    except Exception as error:
        raise ValueError("not a PNG that can be read") from error
    raise ValueError(f"a PNG of {width} x {height} pixels, more than {most_pixels:,}")
