"""Files become pixels: every kind correctly, in limited memory, with one-line errors."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca.errors import InputError
from nca.images import read_cutout, read_image
from nca.images.decoding import decode_data
from tests.helpers.picture_makers import GREY, PALETTE, RGB, RGBA, png

SIDE = 13_300  # near the largest square that can be read

READ = """
import sys
from pathlib import Path
from nca.images import read_cutout, read_image, read_square

def peak():
    return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

path, before = Path(sys.argv[1]), peak()
if sys.argv[2] == "square":
    pixel = read_square(path, 128)[:, 64, 64].mul(255).round().int().tolist()
elif sys.argv[2] == "cutout":
    pixel = read_cutout(path, 40)[:, 20, 20].mul(255).round().int().tolist()
else:
    image = read_image(path)
    assert image.width * image.height <= 20e6
    pixel = image.getpixel((999, 999))
print(peak() - before, *pixel)
"""


def large(name: str) -> bytes:
    size = (SIDE, SIDE)
    if name == "grey16":
        return png(size, 16, GREY, repeat(b"\x4d\x4d" * SIDE, SIDE))
    if name == "rgba":
        return png(size, 8, RGBA, repeat(bytes((10, 200, 30, 255)) * SIDE, SIDE))
    palette = {"PLTE": bytes((0, 0, 0, 10, 200, 30)), "tRNS": b"\0"}
    return png(size, 1, PALETTE, repeat(b"\xff" * -(-SIDE // 8), SIDE), **palette)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux reports the peak")
@pytest.mark.parametrize(
    ("name", "how"),
    [("grey16", "square"), ("rgba", "cutout"), ("rgba", "whole"), ("palette", "whole")],
)
def test_the_largest_pictures_take_less_than_1_gb(tmp_path: Path, name: str, how: str) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(large(name))
    done = subprocess.run(
        [sys.executable, "-c", READ, path, how], capture_output=True, text=True, check=True
    )
    bytes_taken, *pixel = map(int, done.stdout.split())
    # Beside the 240 MB of a Python that has imported torch.
    assert bytes_taken < 770_000_000
    assert pixel[:3] == ([77] * 3 if name == "grey16" else [10, 200, 30])


@pytest.mark.parametrize("side", [None, 40, 100])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK"])
def test_strips_and_whole_factors_change_no_color(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, side: int | None
) -> None:
    x, y = np.meshgrid(np.linspace(0, 255, 310), np.linspace(0, 255, 230))
    image = Image.fromarray(np.stack([x, y, 0 * x + 100], 2).astype(np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    suffix = "tiff" if mode == "CMYK" else "png"
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    expected = read_image(tmp_path / f"a.{suffix}", max_side=side or 104)
    for name, value in {"LARGE": 5000, "REDUCED": 4600, "STRIP": 1000}.items():
        monkeypatch.setattr(f"nca.images.decoding.{name}", value)
    reduced = read_image(tmp_path / f"a.{suffix}", max_side=side)
    assert abs(reduced.width - expected.width) <= 1
    assert abs(reduced.height - expected.height) <= 1
    error = np.abs(np.subtract(reduced.resize(expected.size), expected, dtype=float))
    assert error.mean() < 3


def test_a_picture_above_the_limit_is_refused_by_the_true_number(tmp_path: Path) -> None:
    for side in (13_378, 14_100):
        row = b"\0" * -(-side // 8)
        (tmp_path / f"{side}.png").write_bytes(png((side, side), 1, GREY, repeat(row, side)))
    with pytest.raises(InputError, match="has more than 178,956,970 pixels; make it smaller"):
        read_image(tmp_path / "13378.png")
    with pytest.raises(InputError, match="has more than 178,956,970 pixels; make it smaller"):
        read_image(tmp_path / "14100.png")


@pytest.mark.parametrize(
    ("kind", "options", "fits"),
    [
        ("PNG", {}, True),  # 4 bytes a pixel
        ("JPEG", {}, True),
        ("JPEG", {"progressive": True, "subsampling": 0}, False),  # 10
        ("TIFF", {}, True),
        ("TIFF", {"compression": "tiff_adobe_deflate", "strip_size": 10**6}, False),  # 8
        ("WEBP", {}, False),  # 16
        ("JPEG2000", {}, False),  # 25
    ],
)
def test_what_a_decoder_needs_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: dict, fits: bool
) -> None:
    Image.new("RGB", (100, 100)).save(tmp_path / "a", kind, **options)
    monkeypatch.setattr("nca.images.decoding.MEMORY", 79_000)
    if fits:
        read_image(tmp_path / "a")
        return
    with pytest.raises(
        InputError, match=f"has 100x100 pixels; at most . million can .* {kind} file of"
    ):
        read_image(tmp_path / "a")


@pytest.mark.parametrize("side", [None, 300])
def test_fine_lines_of_1_bit_are_averaged(tmp_path: Path, side: int | None) -> None:
    lines = np.ones((2000, 2000), bool)
    for i in range(0, 2000, 20):
        lines[i : i + 3] = False
    Image.fromarray(lines).save(tmp_path / "a.png")
    Image.fromarray(np.uint8(lines) * 255).save(tmp_path / "b.png")
    one, eight = (np.asarray(read_image(tmp_path / f"{x}.png", max_side=side)) for x in "ab")
    assert one.mean() < 225
    assert np.array_equal(one, eight)


@pytest.mark.parametrize(
    ("kind", "depth", "seen", "hidden"),
    [
        (GREY, 16, b"\x80\x00", b"\x80\x01"),
        (GREY, 8, b"\x80", b"\x81"),
        (GREY, 4, b"\x55", b"\x66"),
        (GREY, 2, b"\x55", b"\xaa"),
        (RGB, 16, b"\x80\x00" * 3, b"\x80\x00\x90\x07\x80\x00"),
        (RGB, 8, b"\x80" * 3, b"\x80\x90\x80"),
    ],
)
@pytest.mark.parametrize("side", [None, 8])
def test_the_transparent_color_of_any_depth_is(
    tmp_path: Path, kind: int, depth: int, seen: bytes, hidden: bytes, side: int | None
) -> None:
    bits = depth * (3 if kind == RGB else 1)
    pixels = 16 * bits // 8 // len(seen) // 2
    rows = [seen * pixels + hidden * pixels] * 16
    samples = [hidden[i : i + 2] for i in range(0, len(hidden), 2)]
    if depth < 16:
        value = [x >> (8 - depth) for x in hidden]
        samples = [x.to_bytes(2, "big") for x in value]
    key = b"".join(samples)
    (tmp_path / "a.png").write_bytes(png((16, 16), depth, kind, rows, tRNS=key))
    image = read_image(tmp_path / "a.png", max_side=side, transparent=True)
    opacity = np.asarray(image.getchannel("A"))
    assert opacity[:, 0].tolist() == [255] * image.height
    assert opacity[:, -1].tolist() == [0] * image.height
    assert read_image(tmp_path / "a.png", max_side=side).getpixel((image.width - 1, 3)) == (
        255, 255, 255,
    )  # fmt: skip
    assert read_cutout(tmp_path / "a.png", 16)[3].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("most", [1.0, 1.004, 1.9, 2.1, 255.0, 260.0])
@pytest.mark.parametrize("strip", [16, 1000])
def test_floats_are_of_one_or_of_255(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: float, strip: int
) -> None:
    """Values that resampling or damage has left outside are clipped, and do not count."""
    monkeypatch.setattr("nca.images.decoding.STRIP", strip)
    values = np.linspace(-0.01, most, 128, dtype=np.float32).reshape(16, 8)
    values[3, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "a.tiff")
    white = 1 if most < 2 else 255
    expected = np.nan_to_num(values).clip(0, white) / white
    seen = np.asarray(read_image(tmp_path / "a.tiff"))[..., 0]
    assert np.abs(seen - expected * 255).max() < 0.51
    ((factor, image),) = decode_data(tmp_path / "a.tiff")
    assert np.abs(factor * np.asarray(image) - expected).max() < 1e-6


def spider() -> bytes:
    data = io.BytesIO()
    Image.new("F", (20, 20)).save(data, "SPIDER")
    return data.getvalue()


@pytest.mark.parametrize("data", [spider(), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
                                  b"%PDF-1.4\n", b"icns\0\0\0\x08"])  # fmt: skip
def test_formats_that_nobody_asked_for_are_not_opened(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=r"a.png is not an image that can be read \(JPEG, PNG"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("error", [AttributeError("x"), KeyError("y"), RuntimeError("two\nlines"),
                                   OverflowError(), AssertionError(), MemoryError(), EOFError(),
                                   RecursionError("deep"), ZeroDivisionError()])  # fmt: skip
@pytest.mark.parametrize("where", ["open", "Image.load"])
def test_whatever_a_decoder_raises_becomes_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, where: str
) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.tga")

    def fail(*_: object, **__: object) -> None:
        raise error

    target = "PIL.Image.open" if where == "open" else "PIL.TgaImagePlugin.TgaImageFile.load"
    monkeypatch.setattr(target, fail)
    with pytest.raises(InputError, match=r"cannot read .*a\.tga: ") as caught:
        read_image(tmp_path / "a.tga")
    assert "\n" not in str(caught.value)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, device])
def test_pipes_and_devices_are_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is a device or a pipe"):
        read_image(tmp_path / "a.png")
