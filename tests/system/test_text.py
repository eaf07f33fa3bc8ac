import json
import math
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nca.options import PictureInMemory
from nca.system.text import LONGEST_SHOWN, MAX_DEPTH, base_name, printable, shareable


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_shown_is_one_printable_line(words: str) -> None:
    shown = printable(words)
    assert shown.isprintable()
    assert len(shown) <= LONGEST_SHOWN
    shown.encode()


def test_what_is_not_printable_is_seen() -> None:
    assert printable("a\x1b[2J\x9bb\n\u202ec\ud800") == r"a\x1b[2J\x9bb\n\u202ec\ud800"
    assert printable("Größe 木 'a' \"b\"") == "Größe 木 'a' \"b\""
    assert printable("a" * 9, longest=6) == "aaa..."


@pytest.mark.parametrize(
    "path",
    [
        "/home/anna/bark.png",
        "/bark.png",
        "../anna/bark.png",
        "./bark.png",
        "~/bark.png",
        "~anna/bark.png",
        "C:\\Users\\anna\\bark.png",
        "c:/Users/anna/bark.png",
        "\\\\server\\anna\\bark.png",
        "file:///home/anna/bark.png",
        Path("anna/bark.png"),
        PureWindowsPath("anna\\bark.png"),
    ],
)
def test_a_path_is_handed_on_as_a_name(path: object) -> None:
    assert shareable({"a": [path]}) == {"a": ["bark.png"]}


@pytest.mark.parametrize(
    "words",
    [
        "",
        "bark.png",
        "https://example.org/bark.png",
        "doi:10.23915/distill.00027",
        "ViT-B-32/laion2b_s34b_b79k",
        "MIT / CC0",
        "/9j/4AAQSkZJRg==",
        "/line one\nline two",
        "/" + "a" * 5000,
        "~ 2020",
    ],
)
def test_other_words_are_handed_on_as_they_are(words: str) -> None:
    assert shareable(words) == words


def test_what_is_handed_on_can_always_be_written() -> None:
    odd = {"a\ud800": "\udcff", "b": (math.nan, math.inf, 1.5, True, None, 10**400)}
    given = {"a?": "?", "b": [None, None, 1.5, True, None, 10**400]}
    assert shareable(odd) == given
    json.dumps(given, allow_nan=False).encode()


def test_other_objects_are_handed_on_by_their_names() -> None:
    assert shareable({"picture": PictureInMemory(Image.new("RGB", (9, 9)))}) == {
        "picture": "picture"
    }


def test_deep_data_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(MAX_DEPTH):
        deep = [deep]
    with pytest.raises(ValueError, match="nested more than 64 times"):
        shareable(deep)


def test_the_last_part_of_a_path() -> None:
    assert base_name("a/b\\c//") == "c"
    assert base_name("/") == ""
