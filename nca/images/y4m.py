"""Write uncompressed video as YUV4MPEG2, which ffmpeg and most encoders read."""

from collections.abc import Iterable
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from PIL import Image

# BT.601 from RGB to Y, Cb, Cr. Pillow's own conversion is darker by up to two levels.
BT601 = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
OFFSET = np.array([0, 128, 128])


def write_y4m(out: BinaryIO, frames: Iterable[Image.Image], frames_per_second: float) -> None:
    """Write frames one at a time, with the BT.601 matrix in full range, as in JPEG.

    Chroma is not subsampled.

    Args:
        out: destination, such as ``sys.stdout.buffer``.
        frames: RGB images, all of the same size.
        frames_per_second: written into the header.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
    """
    rate = Fraction(frames_per_second).limit_denominator(1001)
    for i, frame in enumerate(frames):
        if i == 0:
            size = f"W{frame.width} H{frame.height} F{rate.numerator}:{rate.denominator}"
            out.write(f"YUV4MPEG2 {size} Ip A1:1 C444 XCOLORRANGE=FULL\n".encode())
        levels = np.asarray(frame.convert("RGB")) @ BT601.T + OFFSET
        planes = levels.round().clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
        out.write(b"FRAME\n" + planes.tobytes())
    out.flush()
