"""Uncompressed video."""

import io

import numpy as np
import pytest
from PIL import Image

from nca.images.y4m import write_y4m


@pytest.mark.parametrize(("fps", "rate"), [(20.0, "20:1"), (29.97, "2997:100"), (0.5, "1:2")])
def test_frames_follow_the_header(fps: float, rate: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3), np.uint8)
    out = io.BytesIO()
    write_y4m(out, (Image.fromarray(frame) for frame in levels), fps)
    header, _, rest = out.getvalue().partition(b"\n")
    assert header.decode() == f"YUV4MPEG2 W5 H3 F{rate} Ip A1:1 C444 XCOLORRANGE=FULL"
    frames = rest.split(b"FRAME\n")[1:]
    assert [len(frame) for frame in frames] == [45, 45]
    planes = [Image.frombytes("L", (5, 3), frames[1][i : i + 15]) for i in (0, 15, 30)]
    back = np.asarray(Image.merge("YCbCr", planes).convert("RGB"), int)
    assert np.abs(back - levels[1]).max() <= 2


def test_no_frames_are_no_bytes() -> None:
    out = io.BytesIO()
    write_y4m(out, [], 20)
    assert out.getvalue() == b""
