"""Patterns from .rle files, and where they are put."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nca.automata.rle import MAX_BYTES, parse_pattern, placed, read_pattern
from nca.errors import InputError
from tests.helpers.classic import GLIDER, GUN

HEAD = "x = 4, y = 2\n"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (GLIDER, [[0, 1, 0], [0, 0, 1], [1, 1, 1]]),
        ("#C a comment\r\n\r\n" + GLIDER.replace("\n", "\r\n"), [[0, 1, 0], [0, 0, 1], [1, 1, 1]]),
        (HEAD + "!", [[0, 0, 0, 0], [0, 0, 0, 0]]),
        (HEAD, [[0, 0, 0, 0], [0, 0, 0, 0]]),
        (HEAD + " 2 o\tb\nb $ b3\no ! what follows is text", [[1, 1, 0, 0], [0, 1, 1, 1]]),
        (HEAD + ".A2B$pAyOqX!", [[0, 1, 2, 2], [25, 255, 72, 0]]),
        (HEAD + "7b2$9b5$0o!", [[0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_a_pattern_is_read(text: str, rows: list[list[int]]) -> None:
    assert parse_pattern(text).tolist() == rows


def test_the_gun_has_36_cells() -> None:
    gun = parse_pattern(GUN)
    assert gun.shape == (9, 36)
    assert gun.sum() == 36


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line like 'x = 3, y = 3'"),
        ("bob$!", "no line like"),
        ("x = -1, y = 3\n!", "no line like"),
        ("x = 1234567890, y = 3\n!", "no line like"),
        ("x = 0, y = 3\n!", "not 0x3"),
        ("x = 8193, y = 1\n!", "1 to 8192"),
        ("x = 8000, y = 8000\n!", "at most 4194304 cells, not 8000x8000"),
        (HEAD + "5o!", "cells outside its size, 4x2"),
        (HEAD + "$$o!", "cells outside its size, 4x2"),
        (HEAD + "999999999$o!", "cells outside its size, 4x2"),
        (HEAD + "1234567890o!", "more than nine digits"),
        (HEAD + "bz!", "unexpected 'z'"),
        (HEAD + "b\u00a0!", r"unexpected '\\xa0'"),
        (HEAD + "3", "unexpected '3'"),
        (HEAD + "po!", "unexpected 'p'"),
    ],
)
def test_another_text_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_pattern(text)


def test_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.rle"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError, match=r"a.rle: not a usable pattern \(.rle\): it has no line"):
        read_pattern(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match=r"a.rle"):
        read_pattern(path)
    with pytest.raises(InputError, match=r"none.rle"):
        read_pattern(tmp_path / "none.rle")


def test_a_pattern_is_put_in_the_middle() -> None:
    states = torch.tensor([[0.25, 0.0], [0.5, 1.0]])
    state = placed(np.ones((1, 2), np.uint8), states, (4, 5))
    expected = torch.zeros(4, 5)
    expected[1, 1:3] = 1
    assert torch.equal(state, torch.stack([0.25 + 0.25 * expected, expected]))
    with pytest.raises(InputError, match="the pattern has 6x1 cells, but the grid has 5x4"):
        placed(np.ones((1, 6), np.uint8), states, (4, 5))
    with pytest.raises(InputError, match="a cell in state 2, but the last state of the rule is 1"):
        placed(np.full((1, 1), 2, np.uint8), states, (4, 5))
