"""Text of shaders: templates, comments, and rule names that are safe in text and file names."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from importlib.resources import files

import nca
from nca.exporters.glsl.pieces import GRID, HASH, PADDING, reader
from nca.rule import Rule
from nca.rulefile import RuleFile

MAX_LINE = 200
# Device names on Windows, in any folder and with any extension.
OF_WINDOWS = re.compile(r"con|prn|aux|nul|com\d|lpt\d|conin|conout", re.IGNORECASE)


def one_line(words: object) -> str:
    """Convert words to one line of plain ASCII that can neither end a comment nor continue a line.

    A newline ends a comment. In some compilers, a backslash continues the comment on the next line.
    Some compilers reject everything but ASCII.
    """
    text = unicodedata.normalize("NFKD", str(words))
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = text.encode("ascii", "replace").decode()
    text = re.sub(r"[\x00-\x20\x7f]+", " ", text).replace("\\", "/")
    text = text.replace("*/", "* /").replace("/*", "/ *").strip()
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 3] + "..."


def file_name(name: str) -> str:
    """Make a name that every file system accepts; ``rule`` if no character is left."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", one_line(name)).strip("-_")[:60].rstrip("-_")
    return f"rule-{stem}" if OF_WINDOWS.fullmatch(stem) else stem or "rule"


def file_names(names: Iterable[str]) -> list[str]:
    """Make file names in the order of the rules' names, unique even if case is ignored."""
    taken: set[str] = set()
    result = []
    for name in names:
        stem = candidate = file_name(name)
        number = 2
        while candidate.lower() in taken:
            candidate = f"{stem}-{number}"
            number += 1
        taken.add(candidate.lower())
        result.append(candidate)
    return result


def size_line(rule: Rule) -> str:
    """Describe the size of a rule."""
    settings = rule.settings
    return (
        f"{settings.channels} channels, {settings.hidden} hidden units, "
        f"{rule.weight_count()} weights"
    )


def credit_lines(name: str, file: RuleFile) -> list[str]:
    """Describe the name, size, author, source and license of a rule, one per line."""
    lines = [f"{one_line(name) or 'A rule'}: a neural cellular automaton, {size_line(file.rule)}."]
    for key, label in (("author", "Rule by"), ("source", "From"), ("license", "License")):
        if file.text(key):
            lines.append(f"{label}: {one_line(file.text(key))}")
    return [*lines, f"Shader made by nca-studio {nca.__version__}."]


def comment(lines: Sequence[str]) -> str:
    """Format lines as ``//`` comments."""
    return "".join(f"// {line}".rstrip() + "\n" for line in lines)


def template(name: str) -> str:
    """Read a hand-written file of :mod:`nca.shaders`."""
    return files("nca.shaders").joinpath(name).read_text(encoding="utf-8")


def without_repeats(source: str) -> str:
    """Keep only the first copy of helper functions that several emitted texts contain."""
    for helper in (HASH, GRID, *PADDING.values(), reader("zeros", "nca_fetch")[1]):
        head, found, rest = source.partition(helper)
        source = head + found + rest.replace(helper, "")
    return source
