"""The numbers of pictures with color profiles become sRGB."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from nca.images import read_cutout, read_image, read_square, to_tensor
from nca.style.photos import read_photo, read_style
from nca.style.settings import style_settings
from nca.style.train import RESULT, stylize
from nca.viewer.files.video_input import open_source
from tests.helpers.picture_makers import DISPLAY_P3, grey_icc, rgb_icc

COLOR = (120, 190, 90)
FROM_D50 = [
    [3.1338561, -1.6168667, -0.4906146],
    [-0.9787684, 1.9161415, 0.0334540],
    [0.0719453, -0.2289914, 1.4052427],
]


def encoded(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    return 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def p3_to_srgb(color: tuple[int, int, int]) -> np.ndarray:
    """By the formulas of sRGB; 0 to 255."""
    levels = np.array(color) / 255
    linear = np.where(levels < 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return encoded(np.array(FROM_D50) @ np.array(DISPLAY_P3).T @ linear)


def save(path: Path, mode: str = "RGB", profile: bytes | None = None) -> Path:
    image = Image.new(mode, (40, 30), 1 if mode == "P" else (*COLOR, 255)[: len(mode)])
    if mode != "RGB":
        image.paste(0 if mode == "P" else (0, 0, 0, 0), (0, 0, 9, 9))
    options: dict[str, object] = {}
    if path.suffix in (".jpg", ".webp"):
        options = {"quality": 100, "lossless": True}
    if mode == "P":
        image.putpalette((0, 0, 0, *COLOR))
        options = {"transparency": 0}
    if path.suffix == ".avif":
        options = {"quality": 100, "subsampling": "4:4:4"}
    image.save(path, icc_profile=profile or rgb_icc(), **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "avif"])
def test_display_p3_is_seen_as_it_is(tmp_path: Path, suffix: str) -> None:
    if f".{suffix}" not in Image.registered_extensions():
        pytest.skip(f"this Pillow has no {suffix}")
    path, seen = save(tmp_path / f"a.{suffix}"), p3_to_srgb(COLOR)
    assert np.abs(seen - COLOR).max() > 15
    assert np.abs(np.array(read_image(path).getpixel((20, 20))) - seen).max() < 4
    assert "icc_profile" not in read_image(path).info
    assert np.abs(255 * read_square(path, 16)[:, 8, 8].numpy() - seen).max() < 4


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparent_pictures_keep_their_colors(tmp_path: Path, mode: str) -> None:
    path, seen = save(tmp_path / "a.png", mode), p3_to_srgb(COLOR)
    for side in (None, 20):
        image = read_image(path, max_side=side)
        assert image.getpixel((1, 1)) == (255, 255, 255)
        assert np.abs(np.array(image.getpixel((15, 12))) - seen).max() < 4
        assert read_image(path, max_side=side, transparent=True).getpixel((1, 1))[3] == 0
    cutout = read_cutout(path, 20)
    assert np.abs(255 * cutout[:3, 10, 15].numpy() - seen).max() < 4


def test_a_folder_of_frames_is_converted(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (frame,) = open_source(str(tmp_path), (16, 16)).frames()
    assert np.abs(np.array(frame.getpixel((8, 8))) - p3_to_srgb(COLOR)).max() < 3


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_has_the_curve_of_its_profile(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (16, 16), 100 if mode == "L" else (100, 255))
    image.save(tmp_path / "a.png", icc_profile=grey_icc(1.8))
    expected = float(encoded(np.array((100 / 255) ** 1.8)))
    pixel = read_image(tmp_path / "a.png").getpixel((8, 8))
    assert pixel == pytest.approx([expected] * 3, abs=1.5)


def test_srgb_by_whatever_profile_keeps_its_bits(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    of_lcms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    of_others = rgb_icc(((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971),
                         (0.1431, 0.0606, 0.7139)))  # fmt: skip
    for profile in (of_lcms, of_others, b"not a profile", grey_icc(1.8)):
        Image.fromarray(colors).save(tmp_path / "a.png", icc_profile=profile)
        assert np.array_equal(np.asarray(read_image(tmp_path / "a.png")), colors)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("side", [20, 40])
def test_a_content_keeps_its_numbers_and_its_profile(tmp_path: Path, mode: str, side: int) -> None:
    path = save(tmp_path / "a.png", mode)
    photo, profile = read_photo(path, side)
    assert profile == rgb_icc()
    assert np.abs(255 * photo[0, :, side // 2, side // 2].numpy() - COLOR).max() < 1.5
    style = read_style(path, side, None)
    assert np.abs(255 * style[0, :, side // 2, side // 2].numpy() - p3_to_srgb(COLOR)).max() < 3


def test_a_painting_of_a_transparent_picture_has_its_profile(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", "RGBA")
    stylize(
        style_settings(
            path, [path], tmp_path / "out", features="random", size=32, smallest=32, iterations=1,
            first_iterations=1, quiet=True,
        )
    )  # fmt: skip
    with Image.open(tmp_path / "out" / RESULT) as image:
        assert image.info["icc_profile"] == rgb_icc()
        assert np.abs(255 * to_tensor(image)[:, 12, 20].numpy() - COLOR).max() < 12
