"""Read, estimate and write the maps of a material: aligned images of one surface."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from nca.errors import InputError
from nca.images import png_bytes, read_square, to_image, too_small
from nca.images.decoding import TURNS, decode_data, reading
from nca.images.estimation import estimate
from nca.images.map_files import MapFile, is_material, map_files
from nca.images.picture_files import readable_formats
from nca.images.relief import normalized, normals_from_height
from nca.maps import MAPS, MapName
from nca.system.files import cannot_write, write_atomically

__all__ = [
    "Material",
    "estimate_maps",
    "is_material",
    "normals_from_height",
    "read_material",
    "write_maps",
]


@dataclass(frozen=True)
class Material:
    """Aligned maps of a surface.

    Attributes:
        maps: names of the maps, in the order of :data:`nca.maps.MAPS`.
        values: all maps, [N, S, S] float32 in [0, 1]; :func:`nca.maps.map_channels` gives the
            channels of each map.
    """

    maps: tuple[MapName, ...]
    values: Tensor


def read_material(folder: Path, size: int, *, enlarge: bool = True) -> Material:
    """Read the maps in a folder; each is cropped to its central square and scaled to ``size``.

    The color map is converted to sRGB. The other maps hold data, not colors: their color profiles
    are ignored, and 16-bit values keep their precision. Normals are converted to the OpenGL
    convention, and are normalized to length 1 after scaling.

    Args:
        folder: folder with the files of the maps.
        size: side of the resulting maps, in pixels.
        enlarge: whether smaller maps are enlarged; otherwise, they are refused.

    Raises:
        InputError: see :func:`nca.images.map_files.map_files`; or a file cannot be read or has an
            EXIF orientation, the maps differ in size, a normal map is gray, or the maps are smaller
            than ``size`` and ``enlarge`` is False.
    """
    files = map_files(folder)
    width, height = _common_size([file.path for file in files.values()])
    if not enlarge and min(width, height) < size:
        raise InputError(too_small(folder, (width, height), size))
    values = [
        read_square(file.path, size) if name == "color" else _read_data(name, file, size)
        for name, file in files.items()
    ]
    return Material(tuple(files), torch.cat(values))


def _common_size(paths: list[Path]) -> tuple[int, int]:
    sizes: list[tuple[int, int]] = []
    for path in paths:
        with reading(path), Image.open(path, formats=readable_formats()) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in TURNS
            sizes.append(image.size)
        if turned:
            raise InputError(
                f"{path}: its EXIF orientation turns it; the maps of a material must be stored "
                "upright, so turn its pixels, or remove the orientation"
            )
        if sizes[-1] != sizes[0]:
            (width, height), (first_width, first_height) = sizes[-1], sizes[0]
            raise InputError(
                f"{path} has {width}x{height} pixels and {paths[0].name} has "
                f"{first_width}x{first_height}; the maps of a material must have the same size"
            )
    return sizes[0]


def _read_data(name: MapName, file: MapFile, size: int) -> Tensor:
    with reading(file.path):
        values = _square_of_data(file.path, size)
    if len(values) == 1 < MAPS[name].width:
        raise InputError(f"{file.path} is gray; a normal map needs red, green and blue")
    if name == "normal":
        return _read_normals(values, file.directx)
    channel = min(file.channel, len(values) - 1)
    return torch.from_numpy(values[channel : channel + 1]).clamp(0, 1)


def _square_of_data(path: Path, size: int) -> NDArray[np.float32]:
    """Read the central square, [C, size, size]; scale one channel at a time to save memory."""
    total: list[NDArray[np.float32]] = []
    for factor, image in decode_data(path):
        for i in range(len(image.getbands())):
            plane = image.getchannel(i).convert("F") if image.mode != "F" else image
            square = ImageOps.fit(plane, (size, size), Image.Resampling.LANCZOS)
            scaled = factor * np.asarray(square, dtype=np.float32)
            if i < len(total):
                total[i] += scaled
            else:
                total.append(scaled)
    return np.nan_to_num(np.stack(total))


def _read_normals(values: NDArray[np.float32], directx: bool) -> Tensor:
    normals = torch.from_numpy(values) * 2 - 1
    if directx:
        normals[1] *= -1
    return normalized(normals) / 2 + 0.5


def estimate_maps(color: Tensor, names: tuple[MapName, ...]) -> Material:
    """Estimate maps of a material from one photograph; see :mod:`nca.images.estimation`.

    The color map is the photograph itself, so it includes the photograph's light and shadows.

    Args:
        color: the photograph, [3, S, S] in [0, 1].
        names: maps to estimate; color is always added.

    Raises:
        InputError: ``names`` contains metalness, which cannot be seen in a photograph.
    """
    wanted = {"color", *names}
    if "metalness" in wanted:
        raise InputError("metalness cannot be estimated from a photograph; leave it out")
    maps = tuple(name for name in MAPS if name in wanted)
    estimated = estimate(color)
    return Material(maps, torch.cat([estimated[name] for name in maps]))


def write_maps(folder: Path, maps: dict[MapName, Tensor], name: str) -> list[Path]:
    """Write each map as ``NAME_MAP.png``: height with 16 bits per channel, all others with 8.

    Args:
        folder: output folder; it is created if it is missing.
        maps: map name -> [3, H, W] or [1, H, W] in [0, 1].
        name: first part of the file names.

    Returns:
        Paths of the files, in the order of ``maps``.

    Raises:
        InputError: the folder or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    paths = []
    for kind, values in maps.items():
        paths.append(folder / f"{name}_{kind}.png")
        write_atomically(paths[-1], png_bytes(_image_of(kind, values)))
    return paths


def _image_of(name: MapName, values: Tensor) -> Image.Image:
    if name == "height":
        levels = (values[0].detach().float().clamp(0, 1) * 65535).round().cpu().numpy()
        return Image.fromarray(levels.astype(np.uint16))
    return (
        to_image(values)
        if MAPS[name].width == 3
        else to_image(values.expand(3, -1, -1)).convert("L")
    )
