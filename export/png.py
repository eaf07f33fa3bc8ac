"""PNG images inside other files, which can hold anything: their pixels are taken, no more."""

import base64
import io
import warnings

from PIL import Image


def read_png(text: str, most_pixels: int) -> Image.Image:
    """Decode the base64 of a PNG, with ``data:image/png;base64,`` before it or without.

    Args:
        text: the base64.
        most_pixels: nothing larger is unpacked.

    Raises:
        ValueError: it is no such thing, or larger; the text says which.
    """
    try:
        data = base64.b64decode(text.partition(",")[2] or text, validate=True)
    except ValueError as error:
        raise ValueError(f"not base64 ({error})") from error
    try:
        with (
            warnings.catch_warnings(action="error"),
            Image.open(io.BytesIO(data), formats=["PNG"]) as png,
        ):
            width, height = png.size
            if width * height <= most_pixels:
                return png.copy()
    # A decoder that is given nonsense fails in many ways.
    except Exception as error:
        raise ValueError("not a PNG that can be read") from error
    raise ValueError(f"a PNG of {width} x {height} pixels, more than {most_pixels:,}")
