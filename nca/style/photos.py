"""Read images, turned upright, as tensors with their color profiles; also read masks."""

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import read_image, to_image, to_tensor
from nca.images.color_profiles import Profile, convert
from nca.options import Picture
from nca.style.scales import Size
from nca.style.settings import parse_color


def read_photo(path: Picture, side: int, *, enlarge: bool = False) -> tuple[Tensor, Profile]:
    """Read an image, reduced so that its longer side is at most ``side`` pixels.

    Args:
        path: the file, or the image itself.
        side: longer side of the result, in pixels.
        enlarge: also enlarge smaller images.

    Returns:
        [1, 3, H, W] in [0, 1], and the color profile of the image, if it has one for RGB.

    Raises:
        InputError: see :func:`nca.images.read_image`.
    """
    image, profile = _read(path, side, enlarge=enlarge)
    return to_tensor(image)[None], profile


def _read(path: Picture, side: int, *, enlarge: bool) -> tuple[Image.Image, Profile]:
    image = read_image(path, max_side=side, own_profile=True)
    profile = image.info.get("icc_profile")
    longer = max(image.size)
    if longer != side and enlarge:
        width, height = (max(8, round(length * side / longer)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return image, profile


def read_style(path: Picture, side: int, profile: Profile, *, enlarge: bool = False) -> Tensor:
    """Read an image like :func:`read_photo`, and convert its colors to a profile."""
    image, own = _read(path, side, enlarge=enlarge)
    return to_tensor(convert(image, own, profile))[None]


def read_color(text: str, profile: Profile) -> list[float]:
    """Read ``#rrggbb``, a color in sRGB, and convert it to a profile.

    Returns:
        Red, green and blue in [0, 1].

    Raises:
        InputError: see :func:`nca.style.settings.parse_color`.
    """
    color = to_image(torch.tensor(parse_color(text))[:, None, None])
    values: list[float] = to_tensor(convert(color, None, profile)).flatten().tolist()
    return values


def read_mask(path: Picture, size: Size) -> Tensor:
    """Read a mask, [H, W] bool: true where the image is brighter than middle gray.

    Raises:
        InputError: the mask is empty.
    """
    image = read_image(path).convert("L").convert("RGB")
    inside = F.interpolate(to_tensor(image)[None, :1], size, mode="area")[0, 0] > 0.5
    if not inside.any():
        raise InputError(f"{path}: no part of the mask is white; white parts are used")
    return inside
