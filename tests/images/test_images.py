import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from nca.errors import InputError
from nca.images import (
    contact_sheet,
    read_cutout,
    read_image,
    read_square,
    to_image,
    to_tensor,
    write_animation,
    write_image,
)


def gradient(size: tuple[int, int] = (40, 30)) -> Image.Image:
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x + 100], 2).astype(np.uint8))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_the_usual_formats_are_read(tmp_path: Path, suffix: str) -> None:
    gradient().save(tmp_path / f"a.{suffix}")
    image = read_image(tmp_path / f"a.{suffix}")
    assert (image.mode, image.size) == ("RGB", (40, 30))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "RGBA", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode in ("CMYK", "YCbCr") else "a.png")
    gradient().convert(mode).save(path)
    assert read_image(path).mode == "RGB"


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    levels = np.array([[0, 257 * 64, 257 * 128, 65535]] * 8, dtype=np.uint16)
    Image.fromarray(np.repeat(levels, 2, axis=1)).save(tmp_path / "a.png")
    row = np.asarray(read_image(tmp_path / "a.png"))[0, ::2, 0]
    assert row.tolist() == [0, 64, 128, 255]


def lab_to_srgb(lab: tuple[float, float, float]) -> np.ndarray:
    """Lab under D50, by the formulas of the ICC and of sRGB; 0 to 255."""
    lightness, a, b = lab
    f = np.array([a / 500, 0, -b / 200]) + (lightness + 16) / 116
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.9642, 1, 0.8249)
    from_d50 = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = (np.array(from_d50) @ xyz).clip(0, 1)
    return 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


CYAN, PAPER = (60, -20, -30), (95, 0, 0)


def profile_of_a_press() -> bytes:
    """An ICC profile by which cyan ink is :data:`CYAN` on :data:`PAPER`, every other ink black."""
    corners = [PAPER if not i else CYAN if i == 8 else (5, 0, 0) for i in range(16)]
    ramp = bytes(range(256))
    table = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *(65536 * (i % 4 == 0) for i in range(9)))
    colors = bytes(x for L, a, b in corners for x in (round(L * 2.55), a + 128, b + 128))
    table += 4 * ramp + colors + 3 * ramp
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x3i", 144 + len(table), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp",
        63190, 65536, 54061,
    ).ljust(128, b"\0")  # fmt: skip
    return header + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_ink_has_the_color_that_its_profile_says(tmp_path: Path, suffix: str) -> None:
    path, ink = tmp_path / f"a.{suffix}", Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    options = {"quality": 100} if suffix == "jpg" else {}
    ink.save(path, icc_profile=profile_of_a_press(), **options)
    image = read_image(path)
    assert np.abs(np.array(image.getpixel((9, 9))) - lab_to_srgb(CYAN)).max() < 6
    assert "icc_profile" not in image.info  # it is not that of the colors any more
    ink.save(path, icc_profile=b"not a profile", **options)
    assert np.abs(np.array(read_image(path).getpixel((9, 9))) - (0, 255, 255)).max() < 3


def test_cutouts_are_made_of_any_mode(tmp_path: Path) -> None:
    Image.new("CMYK", (10, 10), (0, 255, 255, 0)).save(tmp_path / "ink.tiff")
    assert read_cutout(tmp_path / "ink.tiff", 8)[:, 4, 4].tolist() == [1, 0, 0, 1]
    Image.fromarray(np.full((10, 10), 257 * 51, np.uint16)).save(tmp_path / "deep.png")
    assert read_cutout(tmp_path / "deep.png", 8)[:, 4, 4].tolist() == pytest.approx([0.2] * 3 + [1])


def test_a_cutout_that_is_a_line_is_refused(tmp_path: Path) -> None:
    line = Image.new("RGBA", (400, 400))
    line.paste((255, 0, 0, 255), (0, 200, 400, 204))
    line.save(tmp_path / "line.png")
    assert read_cutout(tmp_path / "line.png", 100)[3].sum(0).max() >= 1
    with pytest.raises(InputError, match="has 400x4 pixels, too narrow for a square of"):
        read_cutout(tmp_path / "line.png", 64)


def test_transparency_is_put_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").getpixel((5, 5)) == (255, 255, 255)
    palette = Image.new("P", (10, 10), 0)
    palette.save(tmp_path / "p.png", transparency=0)
    assert read_image(tmp_path / "p.png").getpixel((5, 5)) == (255, 255, 255)


def test_exif_turns_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient((40, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").size == (30, 40)


def test_large_and_small_pictures_work(tmp_path: Path) -> None:
    Image.new("RGB", (8000, 6000), (10, 200, 30)).save(tmp_path / "large.jpg")
    square = read_square(tmp_path / "large.jpg", 128)
    assert square.shape == (3, 128, 128)
    assert (square[1] - 200 / 255).abs().max() < 0.02
    gradient((20, 20)).save(tmp_path / "small.png")
    assert read_square(tmp_path / "small.png", 128).shape == (3, 128, 128)


def test_what_becomes_too_thin_is_refused(tmp_path: Path) -> None:
    gradient((2000, 20)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match="with 256 on its longer side it would have 3 on the oth"):
        read_image(tmp_path / "thin.png", max_side=256)
    assert read_image(tmp_path / "thin.png", max_side=800).size == (800, 8)
    assert read_image(tmp_path / "thin.png").size == (2000, 20)


def test_the_square_is_the_center(tmp_path: Path) -> None:
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    wide.save(tmp_path / "a.png")
    square = read_square(tmp_path / "a.png", 32)
    assert square[2].mean() > 0.99
    assert square[0].mean() < 0.01


def no_image(path: Path) -> None:
    path.write_text("hello")


def cut_short(path: Path) -> None:
    data = io.BytesIO()
    gradient((200, 200)).save(data, "PNG")
    path.write_bytes(data.getvalue()[:300])


def too_small(path: Path) -> None:
    gradient((7, 40)).save(path, "PNG")


def bomb(path: Path) -> None:
    Image.new("1", (20000, 20000)).save(path, "PNG")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "is a folder"),
        (lambda path: None, "No such file"),
        (Path.touch, "not an image"),
        (no_image, "not an image"),
        (cut_short, "damaged image"),
        (too_small, "7x40 pixels; a side needs 8 or more"),
        (bomb, "pixels"),
    ],
)
def test_what_cannot_be_read_gets_one_line(tmp_path: Path, make, said: str) -> None:
    path = tmp_path / "thing.png"
    make(path)
    with pytest.raises(InputError, match=said) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_picture_without_permission_gets_one_line(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read_image(tmp_path / "a.png")


def test_tensors_and_pictures_convert_exactly() -> None:
    image = gradient()
    assert np.array_equal(np.asarray(to_image(to_tensor(image))), np.asarray(image))
    assert to_image(torch.tensor([-1.0, 0.5, 2.0])[:, None, None]).getpixel((0, 0)) == (0, 128, 255)
    assert to_image(torch.tensor([0.5])[:, None, None]).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".apng"])
def test_animations_keep_their_frames(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (32, 32), (60 * i, 255 - 60 * i, 90)) for i in range(4)]
    path = tmp_path / f"a{suffix}"
    write_animation(path, frames, 10)
    with Image.open(path) as image:
        assert len(ImageSequence.all_frames(image)) == 4
        image.seek(2)
        color = np.array(image.convert("RGB").getpixel((16, 16)))
    assert np.abs(color - (120, 135, 90)).max() < 12


def test_unknown_endings_and_empty_animations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown image format '\.xyz'"):
        write_image(tmp_path / "a.xyz", gradient())
    with pytest.raises(InputError, match="the file name of an animation must end in"):
        write_animation(tmp_path / "a.jpg", [gradient()], 10)
    with pytest.raises(InputError, match="at least one frame"):
        write_animation(tmp_path / "a.gif", [], 10)
    with pytest.raises(InputError, match="cannot write"):
        write_image(tmp_path / "none" / "a.png", gradient())
    assert not list(tmp_path.iterdir())


def test_contact_sheet_holds_every_picture() -> None:
    sheet = contact_sheet([Image.new("RGB", (64, 64), (i, 0, 0)) for i in range(5)])
    assert sheet.size == (64 * 3 + 2 * 2, 64 * 2 + 2)
    assert [sheet.getpixel((10 + 66 * (i % 3), 10 + 66 * (i // 3)))[0] for i in range(5)] == [
        *range(5)
    ]


def test_a_path_may_be_text(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", Image.new("RGB", (16, 16), "red"))
    assert torch.equal(
        read_square(str(tmp_path / "a.png"), 16), read_square(tmp_path / "a.png", 16)
    )
    with pytest.raises(InputError, match=r"cannot read none\.png"):
        read_square("none.png", 16)
