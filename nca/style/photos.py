"""Pictures with their color profiles, turned as a camera's note says, as tensors and back."""

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import read_image, to_tensor
from nca.images.color_profiles import Profile, convert
from nca.options import Picture
from nca.style.scales import Size


def read_photo(path: Picture, side: int, *, enlarge: bool = False) -> tuple[Tensor, Profile]:
    """Read a picture whose longer side becomes ``side``.

    Args:
        path: the file, or the picture itself.
        side: pixels.
        enlarge: whether a smaller picture is made larger too.

    Returns:
        [1, 3, H, W] in [0, 1], and the picture's own profile if it has one for RGB.

    Raises:
        InputError: as :func:`nca.images.read_image`.
    """
    image = read_image(path, max_side=side, own_profile=True)
    profile = image.info.get("icc_profile")
    longer = max(image.size)
    if longer != side and enlarge:
        width, height = (max(8, round(length * side / longer)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return to_tensor(image)[None], profile


def read_style(path: Picture, side: int, profile: Profile) -> Tensor:
    """Read a picture of at most ``side`` pixels, its colors as numbers of another's profile."""
    image = read_image(path, max_side=side, own_profile=True)
    return to_tensor(convert(image, image.info.get("icc_profile"), profile))[None]


def read_mask(path: Picture, size: Size) -> Tensor:
    """Read a mask: where a picture is brighter than half, [H, W] of true and false.

    Raises:
        InputError: nothing in it is.
    """
    image = read_image(path).convert("L").convert("RGB")
    inside = F.interpolate(to_tensor(image)[None, :1], size, mode="area")[0, 0] > 0.5
    if not inside.any():
        raise InputError(f"{path}: nothing in it is white; a mask is white where it counts")
    return inside
