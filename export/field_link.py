"""Fields as text in the address of a page: a compressed coarse grid.

:mod:`nca.exporters.link_text` turns the following bytes into text.
``shaders/page/reading/field_link.js`` reads and writes the same format:

- 1 byte: bit i is set if channel i of :mod:`nca.fields.texels` is included.
- 1 byte each: number of columns and rows of the coarse grid, 1 to 32.
- for each included channel: its bytes, row by row, compressed with PackBits. A byte n below 128 is
  followed by n + 1 single bytes. Any other n is followed by a byte that is repeated 257 - n times.
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
LONGEST_RUN = 128  # bytes


def write_fields(fields: Fields) -> str:
    """Encode fields as text, which follows ``p=`` in an address; empty if all are neutral."""
    texels = _sample(fields.texels)
    rows, columns = texels.shape[:2]
    planes = {i: texels[..., i].flatten().tolist() for i in range(len(NEUTRAL))}
    used = {i: plane for i, plane in planes.items() if any(byte != NEUTRAL[i] for byte in plane)}
    if not used:
        return ""
    head = bytes([sum(1 << i for i in used), columns, rows])
    return pack_text(head + b"".join(map(_compress, used.values())))


def read_fields(text: str, height: int, width: int) -> Fields:
    """Decode the text of :func:`write_fields`, and interpolate it to height x width cells.

    Raises:
        ValueError: the text is damaged.
    """
    data = unpack_text(text, "the text of the fields", MAX_TEXT)
    channels, columns, rows = data[:3]
    if channels >> len(NEUTRAL) or not (1 <= columns <= SIDE and 1 <= rows <= SIDE):
        raise ValueError(
            f"fields must have 1 to {len(NEUTRAL)} channels, and 1 to {SIDE} columns and rows"
        )
    texels, rest = neutral(rows, columns), iter(data[3:])
    for i in range(len(NEUTRAL)):
        if channels >> i & 1:
            plane = _decompress(rest, rows * columns)
            texels[..., i] = torch.tensor(plane, dtype=torch.uint8).view(rows, columns)
    if next(rest, None) is not None:
        raise ValueError("the text of the fields is too long")
    return Fields(resize(texels, height, width))


def resize(texels: Tensor, height: int, width: int) -> Tensor:
    """Interpolate texels, [h, w, 4], to another size; directions are interpolated as vectors."""
    angle = texels[..., :1] * (2 * math.pi / 256)
    values = torch.cat([angle.cos(), angle.sin(), texels[..., 1:]], -1).double()
    for axis, size in enumerate((height, width)):
        values = _interpolate(values, axis, size)
    texels = torch.empty(height, width, len(NEUTRAL), dtype=torch.uint8)
    texels[..., 0] = direction_byte(torch.atan2(values[..., 1], values[..., 0]))
    texels[..., 1:] = torch.floor(values[..., 2:] + 0.5)
    return texels


def _interpolate(values: Tensor, axis: int, size: int) -> Tensor:
    count = values.shape[axis]
    place = ((torch.arange(size) + 0.5) * count / size - 0.5).clamp(0, count - 1)
    low = place.floor().long()
    weight = (place - low).view([-1 if i == axis else 1 for i in range(values.ndim)])
    high = (low + 1).clamp(max=count - 1)
    return (1 - weight) * values.index_select(axis, low) + weight * values.index_select(axis, high)


def _sample(texels: Tensor) -> Tensor:
    """Take the texels at the centers of a coarse grid, which has at most 32 columns and rows."""
    scale = min(1.0, SIDE / max(texels.shape[:2]))
    for axis, side in enumerate(texels.shape[:2]):
        count = max(1, int(side * scale + 0.5))
        middles = [int((i + 0.5) * side / count) for i in range(count)]
        texels = texels.index_select(axis, torch.tensor(middles))
    return texels


def _compress(plane: list[int]) -> bytes:
    """Compress with PackBits: runs of three equal bytes or more, and single bytes between them."""
    out, single = bytearray(), bytearray()

    def flush() -> None:
        for at in range(0, len(single), LONGEST_RUN):
            part = single[at : at + LONGEST_RUN]
            out.extend((len(part) - 1, *part))
        single.clear()

    for byte, group in groupby(plane):
        count = len(list(group))
        while count >= 3:
            flush()
            run = min(count, LONGEST_RUN)
            out.extend((257 - run, byte))
            count -= run
        single.extend([byte] * count)
    flush()
    return bytes(out)


def _decompress(data: Iterator[int], size: int) -> list[int]:
    plane: list[int] = []
    try:
        while len(plane) < size:
            n = next(data)
            plane += [next(data) for _ in range(n + 1)] if n < 128 else [next(data)] * (257 - n)
    except StopIteration:
        raise ValueError("the text of the fields is incomplete") from None
    if len(plane) > size:
        raise ValueError("a run in the text of the fields is too long")
    return plane
