import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.images import (
    contact_sheet,
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
        (Path.touch, "not a picture"),
        (no_image, "not a picture"),
        (cut_short, "damaged picture"),
        (too_small, "7x40 pixels; a picture needs 8 or more"),
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


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".apng"])
def test_animations_keep_their_frames(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (32, 32), (60 * i, 255 - 60 * i, 90)) for i in range(4)]
    path = tmp_path / f"a{suffix}"
    write_animation(path, frames, 10)
    with Image.open(path) as image:
        assert image.n_frames == 4
        image.seek(2)
        color = np.array(image.convert("RGB").getpixel((16, 16)))
    assert np.abs(color - (120, 135, 90)).max() < 12


def test_unknown_endings_and_empty_animations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown kind of picture '\.xyz'"):
        write_image(tmp_path / "a.xyz", gradient())
    with pytest.raises(InputError, match="an animation ends in"):
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
