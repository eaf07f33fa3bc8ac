"""Fields as text in an address: a coarse grid, compressed.

The bytes, within :mod:`nca.exporters.link_text`; ``shaders/page/reading/field_link.js`` reads and
writes the same format:

- channels (1 byte): bit i is set if channel i of :mod:`nca.fields.texels` follows; columns and rows
  of the coarse grid, 1 to 32 (1 byte each).
- for each of these channels: its bytes, row by row, as PackBits: after a byte n below 128 follow
  n + 1 bytes; after a larger n follows one byte, which is repeated 257 - n times.
"""

import math
from collections.abc import Iterator
from itertools import groupby

import torch
from torch import Tensor

from nca.exporters.link_text import pack_text, unpack_text
from nca.fields.texels import NEUTRAL, Fields, direction_byte, neutral

SIDE = 32  # largest number of columns and rows
MAX_TEXT = 20_000  # characters
LONGEST_RUN = 128


def write_fields(fields: Fields) -> str:
    """The text of fields, which follows ``p=`` in an address; empty if they are neutral."""
    texels = _picked(fields.texels)
    rows, columns = texels.shape[:2]
    planes = {i: texels[..., i].flatten().tolist() for i in range(len(NEUTRAL))}
    used = {i: plane for i, plane in planes.items() if any(byte != NEUTRAL[i] for byte in plane)}
    if not used:
        return ""
    head = bytes([sum(1 << i for i in used), columns, rows])
    return pack_text(head + b"".join(map(_packed, used.values())))


def read_fields(text: str, height: int, width: int) -> Fields:
    """Read the text of :func:`write_fields` for a grid of a size; values between are interpolated.

    Raises:
        ValueError: the text is damaged.
    """
    data = unpack_text(text, "the text of the fields", MAX_TEXT)
    channels, columns, rows = data[:3]
    if channels >> len(NEUTRAL) or not (1 <= columns <= SIDE and 1 <= rows <= SIDE):
        raise ValueError(
            f"fields must be up to {len(NEUTRAL)} channels of 1 to {SIDE} columns and rows"
        )
    texels, rest = neutral(rows, columns), iter(data[3:])
    for i in range(len(NEUTRAL)):
        if channels >> i & 1:
            plane = _unpacked(rest, rows * columns)
            texels[..., i] = torch.tensor(plane, dtype=torch.uint8).view(rows, columns)
    if next(rest, None) is not None:
        raise ValueError("the text of the fields is too long")
    return Fields(resized(texels, height, width))


def resized(texels: Tensor, height: int, width: int) -> Tensor:
    """Texels for a grid of another size, by linear interpolation; directions as vectors."""
    angle = texels[..., :1] * (2 * math.pi / 256)
    values = torch.cat([angle.cos(), angle.sin(), texels[..., 1:]], -1).double()
    for axis, size in enumerate((height, width)):
        values = _interpolated(values, axis, size)
    texels = torch.empty(height, width, len(NEUTRAL), dtype=torch.uint8)
    texels[..., 0] = direction_byte(torch.atan2(values[..., 1], values[..., 0]))
    texels[..., 1:] = torch.floor(values[..., 2:] + 0.5)
    return texels


def _interpolated(values: Tensor, axis: int, size: int) -> Tensor:
    count = values.shape[axis]
    place = ((torch.arange(size) + 0.5) * count / size - 0.5).clamp(0, count - 1)
    low = place.floor().long()
    share = (place - low).view([-1 if i == axis else 1 for i in range(values.ndim)])
    high = (low + 1).clamp(max=count - 1)
    return (1 - share) * values.index_select(axis, low) + share * values.index_select(axis, high)


def _picked(texels: Tensor) -> Tensor:
    """The texels in the middle of the cells of a coarse grid."""
    smaller = min(1.0, SIDE / max(texels.shape[:2]))
    for axis, side in enumerate(texels.shape[:2]):
        count = max(1, int(side * smaller + 0.5))
        middles = [int((i + 0.5) * side / count) for i in range(count)]
        texels = texels.index_select(axis, torch.tensor(middles))
    return texels


def _packed(plane: list[int]) -> bytes:
    """PackBits: runs of three bytes or more, and the bytes between them."""
    out, loose = bytearray(), bytearray()

    def flush() -> None:
        for at in range(0, len(loose), LONGEST_RUN):
            part = loose[at : at + LONGEST_RUN]
            out.extend((len(part) - 1, *part))
        loose.clear()

    for byte, group in groupby(plane):
        count = len(list(group))
        while count >= 3:
            flush()
            run = min(count, LONGEST_RUN)
            out.extend((257 - run, byte))
            count -= run
        loose.extend([byte] * count)
    flush()
    return bytes(out)


def _unpacked(data: Iterator[int], size: int) -> list[int]:
    plane: list[int] = []
    try:
        while len(plane) < size:
            n = next(data)
            plane += [next(data) for _ in range(n + 1)] if n < 128 else [next(data)] * (257 - n)
    except StopIteration:
        raise ValueError("the text of the fields is cut") from None
    if len(plane) > size:
        raise ValueError("a run in the text of the fields is too long")
    return plane
