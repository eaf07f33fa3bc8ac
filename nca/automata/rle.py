"""Patterns in ``.rle`` files (run-length encoded), the format of Golly and LifeWiki.

::

    #C A glider.
    x = 3, y = 3, rule = B3/S23
    bob$2bo$3o!

``b`` or ``.`` is state 0, ``o`` or ``A`` is 1, ``B`` is 2, and so on up to ``X``, which is 24;
``pA`` is 25, and ``yO`` is 255. A number repeats what follows it, ``$`` ends a row, and ``!`` ends
the pattern. ``shaders/page/pattern.js`` reads the same format.
"""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca.errors import InputError
from nca.system.files import read_regular

ENDING = ".rle"
MAX_BYTES = 2**22
MAX_SIDE, MAX_CELLS = 8192, 2**22

Pattern = npt.NDArray[np.uint8]

_HEADER = re.compile(r" *x *= *([0-9]{1,9}) *, *y *= *([0-9]{1,9}) *(,.*)?", re.DOTALL)
_ITEM = re.compile(r"([0-9]*)([bo$!.A-X]|[p-y][A-X])|(.)", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]+")


def read_pattern(path: Path) -> Pattern:
    """Read a pattern.

    Raises:
        InputError: the file cannot be read, is too large, or is not an RLE file.
    """
    data = read_regular(path, MAX_BYTES)
    try:
        return parse_pattern(data.decode("latin-1"))
    except ValueError as error:
        raise InputError(f"{path}: not a usable pattern (.rle): {error}") from error


def parse_pattern(text: str) -> Pattern:
    """Read the text of an RLE file; return the state number of each cell, [height, width].

    Raises:
        ValueError: the text is not in this format, or the pattern is too large.
    """
    lines = re.split(r"\r\n|\r|\n", text)
    start = 0
    while start < len(lines) and (not lines[start].strip(" ") or lines[start].startswith("#")):
        start += 1
    header = _HEADER.fullmatch(lines[start]) if start < len(lines) else None
    if header is None:
        raise ValueError("it has no line like 'x = 3, y = 3'")
    width, height = int(header[1]), int(header[2])
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_CELLS):
        raise ValueError(
            f"its sides must be 1 to {MAX_SIDE}, with at most {MAX_CELLS} cells,"
            f" not {width}x{height}"
        )
    pattern = np.zeros((height, width), np.uint8)
    _fill(pattern, _SPACE.sub("", "\n".join(lines[start + 1 :])))
    return pattern


def _fill(pattern: Pattern, text: str) -> None:
    height, width = pattern.shape
    x = y = 0
    for item in _ITEM.finditer(text):
        number, letters, other = item.groups()
        if other is not None:
            raise ValueError(f"it has an unexpected {other!a}")
        if letters == "!":
            return
        if len(number) > 9:
            raise ValueError("it has a number with more than nine digits")
        count = int(number or 1)
        if letters == "$":
            x, y = 0, y + count
            continue
        state = _state(letters)
        if state and count:
            if y >= height or x + count > width:
                raise ValueError(f"it has cells outside its size, {width}x{height}")
            pattern[y, x : x + count] = state
        x += count


def _state(letters: str) -> int:
    if letters in ("b", "."):
        return 0
    if letters == "o":
        return 1
    bank = 0 if len(letters) == 1 else ord(letters[0]) - ord("p") + 1
    return min(24 * bank + ord(letters[-1]) - ord("A") + 1, 255)


def placed(pattern: Pattern, states: Tensor, size: tuple[int, int]) -> Tensor:
    """Put a pattern in the middle of a grid whose other cells are in state 0.

    Args:
        pattern: state number of each cell, [h, w].
        states: values of the channels in each state, [states, C].
        size: height and width of the grid.

    Returns:
        The values of all channels, [C, height, width].

    Raises:
        InputError: the pattern is larger than the grid, or has more states than the rule.
    """
    (height, width), (rows, columns) = size, pattern.shape
    if rows > height or columns > width:
        raise InputError(
            f"the pattern has {columns}x{rows} cells, but the grid has {width}x{height}"
        )
    if pattern.max() >= len(states):
        raise InputError(
            f"the pattern has a cell in state {pattern.max()}, but the last state of the rule is "
            f"{len(states) - 1}"
        )
    cells = np.zeros(size, np.int64)
    top, left = (height - rows) // 2, (width - columns) // 2
    cells[top : top + rows, left : left + columns] = pattern
    return states[torch.from_numpy(cells)].permute(2, 0, 1).contiguous()
