"""Make text from files safe to display and to share."""

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

LONGEST_SHOWN = 200
LONGEST_PATH = 4096  # limit on Linux; longer texts are not paths
MAX_DEPTH = 64
# A path that starts at a root, a drive, a home or a parent folder. A JPEG in base64 is excluded,
# because it starts with a slash, too.
FROM_A_FOLDER = re.compile(r"(?!/9j/)(file:|[A-Za-z]:[/\\]|~[\w.-]*[/\\]|\.{0,2}[/\\])[^\n]*")


def printable(words: object, longest: int = LONGEST_SHOWN) -> str:
    """Convert to one line that is safe to print on a terminal; escape unprintable characters."""
    text = str(words)
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def shareable(data: object, depth: int = MAX_DEPTH) -> Any:
    """Convert to plain JSON data that is safe to share: paths are reduced to file names.

    Numbers that are not finite become None, because JSON cannot represent them. Unpaired surrogates
    become question marks, because UTF-8 cannot encode them.

    Raises:
        ValueError: the data is nested too deeply.
    """
    if depth == 0:
        raise ValueError(f"nested more than {MAX_DEPTH} times")
    if isinstance(data, PurePath):
        return encodable(base_name(str(data)))
    if isinstance(data, str):
        in_folder = len(data) <= LONGEST_PATH and FROM_A_FOLDER.fullmatch(data)
        return encodable(base_name(data) if in_folder else data)
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {encodable(str(k)): shareable(value, depth - 1) for k, value in data.items()}
    if isinstance(data, list | tuple):
        return [shareable(value, depth - 1) for value in data]
    return data if data is None or isinstance(data, int) else encodable(str(data))


def base_name(path: str) -> str:
    """Last part of a path, with either kind of slash."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def encodable(text: str) -> str:
    """Replace characters that UTF-8 cannot encode (as in some file names) with question marks."""
    return text.encode("utf-8", "replace").decode()
