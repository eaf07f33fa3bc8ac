from hypothesis import given
from hypothesis import strategies as st

from nca.exporters.glsl.pieces import HASH
from nca.exporters.glsl.text import (
    MAX_LINE,
    comment,
    file_name,
    file_names,
    one_line,
    without_repeats,
)


@given(st.text())
def test_one_line_stays_in_its_comment(words):
    line = one_line(words)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= MAX_LINE
    for ending in ("*/", "/*", "\\"):
        assert ending not in line


@given(st.lists(st.text(), max_size=8))
def test_file_names_are_plain_and_all_different(names):
    stems = file_names(names)
    assert len({stem.lower() for stem in stems}) == len(names)
    for stem in stems:
        assert stem.replace("-", "").replace("_", "").isalnum()
        assert stem.isascii()
        assert len(stem) <= 70


def test_names_keep_what_they_can():
    assert file_name("Blüten & Gräser.png") == "Bluten-Graser-png"
    assert file_name("../..") == "rule"
    assert file_names(["a", "A", "a"]) == ["a", "A-2", "a-3"]
    assert comment(["one", ""]) == "// one\n//\n"


def test_names_of_devices_of_windows_are_not_used():
    names = ["CON", "nul", "Lpt1", "com¹", "CONIN$", "aux.", "rule-con", "console", "com10"]
    assert file_names(names) == [
        "rule-CON", "rule-nul", "rule-Lpt1", "rule-com1", "rule-CONIN", "rule-aux", "rule-con-2",
        "console", "com10",
    ]  # fmt: skip


def test_helpers_are_kept_once():
    assert without_repeats("a" + HASH + "b" + HASH + "c") == "a" + HASH + "bc"
    assert without_repeats("nothing") == "nothing"
