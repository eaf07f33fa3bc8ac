"""Plain words: phrases that readers stumble over do not come back, in code, pages and guides."""

import io
import json
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import absent

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".md", ".glsl", ".wgsl", ".gd", ".js", ".html", ".css", ".toml", ".ipynb"}
SUFFIXES |= {".h", ".cpp"}
PHRASES = ["what is lost", "anew", "the dear", "knows no", "as good as", "is none"]
GAP = r"[\s#/*|\"]+"  # words of a phrase may be on two lines of a comment
FORBIDDEN = re.compile("|".join(rf"\b{GAP.join(phrase.split())}\b" for phrase in PHRASES))
TELL = re.compile(r"\b(?:tell|tells|told)\b", re.IGNORECASE)
PER_10_000 = 0.5  # words of the family of "tell" in 10,000 words of prose


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every tracked text file but this one."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        absent("a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in SUFFIXES and path.is_file() and path != Path(__file__).resolve():
            text = path.read_text(encoding="utf-8")
            yield name, sources(text) if path.suffix == ".ipynb" else text


def sources(notebook: str) -> str:
    """Text and code of a notebook's cells, without their outputs, which programs write."""
    cells = json.loads(notebook)["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def prose(name: str, text: str) -> str:
    """The part of a file that people read: of Python the comments and strings, else everything.

    Lines keep their numbers.
    """
    if not name.endswith(".py"):
        return text
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if (
            token.type in (tokenize.COMMENT, tokenize.STRING)
            or "FSTRING" in tokenize.tok_name[token.type]
        ):
            for i, line in enumerate(token.string.split("\n"), token.start[0]):
                lines[i] += f" {line}"
    return "\n".join(lines[1:])


def places(name: str, text: str, pattern: re.Pattern[str]) -> list[str]:
    """File, line and text of every match."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())}"
        for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize("text", ["# what is\n# lost", "Starts anew.", "is as good as new"])
def test_phrases_are_found(text: str) -> None:
    assert FORBIDDEN.search(text)


def test_forbidden_phrases_do_not_occur() -> None:
    found = [place for name, text in texts() for place in places(name, text, FORBIDDEN)]
    assert found == []


def test_tell_is_rare() -> None:
    found, words = [], 0
    for name, text in texts():
        read = prose(name, text)
        words += len(re.findall(r"[A-Za-z']+", read))
        found += places(name, read, TELL)
    assert words > 100_000
    assert len(found) < PER_10_000 * words / 10_000, "\n".join(found)
