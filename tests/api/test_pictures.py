"""Pictures as paths, Pillow images, arrays and tensors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.api.pictures import as_picture, as_pictures
from nca.errors import InputError
from nca.images import read_image, to_tensor
from nca.options import PictureInMemory

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
COLORS = torch.from_numpy(PIXELS).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS[:, ::-1][:, ::-1],
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        COLORS,
        COLORS.double().requires_grad_(),
    ],
)
def test_every_form_of_a_picture_has_the_same_pixels(picture: object) -> None:
    read = read_image(as_picture(picture, "picture"))
    assert np.array_equal(np.asarray(read), PIXELS)


def test_words_and_paths_are_paths() -> None:
    assert as_picture("a.png", "picture") == as_picture(Path("a.png"), "picture") == Path("a.png")


def test_an_image_is_treated_as_its_file_would_be(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putalpha(Image.fromarray(PIXELS[..., 0]))
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera that was turned
    image.save(tmp_path / "turned.png", exif=exif)
    expected = read_image(tmp_path / "turned.png")
    with Image.open(tmp_path / "turned.png") as opened:
        read = read_image(as_picture(opened, "picture"))
        assert opened.size == (20, 12)
    assert read.size == (12, 20)
    assert torch.equal(to_tensor(read), to_tensor(expected))


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (PIXELS[..., 0], r"`picture` of shape \(12, 20\): an array must be \[H, W, 3\]"),
        (PIXELS.astype(int), "`picture` of int64: must be uint8, or floats in"),
        (PIXELS.astype(float), "`picture` with values from 0 to 255: must be in"),
        (np.full((9, 9, 3), np.nan), "`picture` with values from nan to nan"),
        (COLORS[None], r"`picture` of shape \(1, 3, 12, 20\): a tensor must be \[3, H, W\]"),
        (COLORS.permute(1, 2, 0), r"`picture` of shape \(12, 20, 3\)"),
        ((255 * COLORS).byte(), "`picture` of uint8: a tensor must hold floats in"),
        (COLORS - 0.5, "`picture` with values from -0.5 to 0.5"),
        (7, "`picture` of type int: must be a path, a Pillow image, a NumPy array or a tensor"),
        (None, "`picture` of type NoneType"),
    ],
)
def test_what_is_no_picture_is_named(picture: object, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        as_picture(picture, "picture")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [(0, 0), (4, 30)])
def test_a_picture_that_is_too_small_is_named(size: tuple[int, int]) -> None:
    picture = as_picture(np.zeros((*size, 3), np.uint8), "content")
    with pytest.raises(InputError, match=r"^content has .* a side needs 8 or more"):
        read_image(picture)


def test_settings_that_are_pictures_are_converted() -> None:
    values = {"also": [PIXELS, "b.png"], "image": COLORS, "seed": 3, "mask": None}
    found = as_pictures(values, "also", "image", "mask", "absent")
    first, second = found["also"]
    assert isinstance(first, PictureInMemory)
    assert second == Path("b.png")
    assert str(found["image"]) == "image"
    assert (found["seed"], found["mask"]) == (3, None)
    assert "absent" not in found
