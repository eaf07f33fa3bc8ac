"""Pictures for tests: spots, a material, and files that Pillow cannot write (depths, profiles)."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nca.images.material import normals_from_height, write_maps
from nca.maps import MapName

# The sRGB curve, as a parametric curve of type 3 in an ICC profile.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# Colorants under D50.
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6


def png(
    size: tuple[int, int], depth: int, kind: int, rows: Iterable[bytes], **chunks: bytes
) -> bytes:
    """Make a PNG; ``chunks``, such as ``tRNS``, come before the pixels."""
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    squeeze = zlib.compressobj(1)
    pixels = b"".join(squeeze.compress(b"\0" + row) for row in rows) + squeeze.flush()
    parts = {"IHDR": header, **chunks, "IDAT": pixels, "IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + name.encode()
        + data
        + struct.pack(">I", zlib.crc32(name.encode() + data))
        for name, data in parts.items()
    )


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x", start + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp"
    ) + _fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb_icc(colorants: tuple[tuple[float, ...], ...] = DISPLAY_P3) -> bytes:
    """An ICC profile with sRGB's curve and different primaries."""
    curve = b"para\0\0\0\0\0\3\0\0" + _fixed(*SRGB_CURVE)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1, 0.8249)}
    for name, xyz in zip("rgb", colorants, strict=True):
        tags[name.encode() + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(*xyz)
        tags[name.encode() + b"TRC"] = curve
    return _profile(b"RGB ", tags)


def grey_icc(gamma: float) -> bytes:
    """An ICC profile for grey."""
    curve = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(gamma * 256))
    white = b"XYZ \0\0\0\0" + _fixed(0.9642, 1, 0.8249)
    return _profile(b"GRAY", {b"wtpt": white, b"kTRC": curve})


def blobs(height: int = 48, width: int = 64) -> Tensor:
    """Soft spots in three colors, [1, 3, H, W]."""
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(3))
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def tiff16(levels: NDArray[np.uint16]) -> bytes:
    """Make an uncompressed TIFF of 16-bit RGB, [H, W, 3], in two strips."""
    height, width, _ = levels.shape
    strips = [half.astype("<u2").tobytes() for half in np.array_split(levels, 2)]
    rows = -(-height // 2)
    first = 8 + 2 + 12 * 9 + 4
    starts = struct.pack("<2I", first + 22, first + 22 + len(strips[0]))
    sizes = struct.pack("<2I", len(strips[0]), len(strips[1]))
    bits = struct.pack("<3H", 16, 16, 16)
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, first + 16), (259, 3, 1, 1),
        (262, 3, 1, 2), (273, 4, 2, first), (277, 3, 1, 3), (278, 4, 1, rows),
        (279, 4, 2, first + 8),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)
    return head + starts + sizes + bits + b"".join(strips)


def slopes_of_normals(normals: Tensor) -> Tensor:
    """Slopes to the right and up of a surface from its map of normals, [3, H, W] -> [2, H, W].

    The inverse of :func:`nca.images.relief.normals_from_height`.
    """
    n = normals * 2 - 1
    return -n[:2] / n[2].clamp(min=0.01)


def domes(size: int = 64) -> dict[MapName, Tensor]:
    """Maps that tile and are aligned: high places are orange and smooth, low ones blue, rough."""
    phase = torch.arange(size) * (2 * torch.pi / 16)
    height = (phase.cos()[:, None] + phase.cos()) / 4 + 0.5
    orange, blue = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.1, 0.2, 0.5])
    return {
        "color": torch.lerp(blue[:, None, None], orange[:, None, None], height),
        "normal": normals_from_height(height, 3.0, wraps=True),
        "height": height[None],
        "roughness": 1 - height[None] / 2,
    }


def write_domes(folder: Path, size: int = 64) -> Path:
    """Write the maps into a new folder."""
    write_maps(folder, domes(size), "domes")
    return folder
