"""Accept pictures as files, Pillow images, arrays or tensors."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import to_image
from nca.options import Picture, PictureInMemory

AnyPicture: TypeAlias = str | Path | Image.Image | npt.NDArray[Any] | Tensor


def as_picture(picture: AnyPicture, name: str) -> Picture:
    """Convert a picture to the type used in settings.

    Args:
        picture: the path of a file; a Pillow image of any mode; an array [H, W, 3] of uint8, or of
            floats in [0, 1]; a tensor [3, H, W] of floats in [0, 1].
        name: name of the argument, for messages.

    Raises:
        InputError: the picture's type, shape or range of values is not supported.
    """
    if isinstance(picture, str | Path):
        return Path(picture)
    if isinstance(picture, Image.Image):
        return PictureInMemory(picture, name)
    if isinstance(picture, np.ndarray):
        return PictureInMemory(_of_array(picture, name), name)
    if isinstance(picture, Tensor):
        return PictureInMemory(_of_tensor(picture, name), name)
    raise InputError(
        f"`{name}` of type {type(picture).__name__}: must be a path, a Pillow image, "
        "a NumPy array or a tensor"
    )


def as_pictures(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """The settings, with those listed in ``names`` converted to pictures or tuples of pictures."""
    changed: dict[str, Any] = {}
    for name in names:
        value = values.get(name)
        if isinstance(value, list | tuple):
            changed[name] = tuple(as_picture(each, name) for each in value)
        elif value is not None:
            changed[name] = as_picture(value, name)
    return values | changed


def _of_array(array: npt.NDArray[Any], name: str) -> Image.Image:
    if array.ndim != 3 or array.shape[2] != 3:
        raise InputError(f"`{name}` of shape {array.shape}: an array must be [H, W, 3]")
    if array.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(array))
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"`{name}` of {array.dtype}: must be uint8, or floats in [0, 1]")
    return _of_floats(torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1), name)


def _of_tensor(tensor: Tensor, name: str) -> Image.Image:
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise InputError(f"`{name}` of shape {tuple(tensor.shape)}: a tensor must be [3, H, W]")
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise InputError(f"`{name}` of {kind}: a tensor must hold floats in [0, 1]")
    return _of_floats(tensor.detach().cpu().float(), name)


def _of_floats(colors: Tensor, name: str) -> Image.Image:
    least, most = colors.aminmax() if colors.numel() else (torch.zeros(()), torch.zeros(()))
    if not (least >= 0 and most <= 1):
        raise InputError(
            f"`{name}` with values from {float(least):.4g} to {float(most):.4g}: must be in [0, 1]"
        )
    return to_image(colors)
