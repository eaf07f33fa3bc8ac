"""Shorter texts of scripts and shaders for pages."""

import re

import numpy as np

from nca.exporters.glsl.pieces import matrix, vector
from nca.exporters.glsl.weights import pack_weights
from nca.rule import Rule

# A template literal must not contain another one. A regular expression follows punctuation.
_JAVASCRIPT = re.compile(
    r"""//[^\n]*|/\*.*?\*/"""
    r"""|(?P<kept>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"""
    r"""|(?<=[(,=:!&|?{;\[>])\s*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*"""
    r"""|\w+|\S)|(?P<space>\s+)""",
    re.S,
)
_GLSL = re.compile(r"//[^\n]*|/\*.*?\*/|(?P<kept>#[^\n]*|[\w.]+|\S)|(?P<space>\s+)", re.S)
_LITERAL = re.compile(r"(?:vec4|mat4)\([^()]*\)")


def compact(text: str) -> str:
    """JavaScript without comments and without white space that has no meaning."""
    return _joined(text, _JAVASCRIPT) + "\n"


def compact_shader(text: str) -> str:
    """GLSL without comments and without white space, with numbers as ``.5`` and ``2.``."""
    short = re.sub(r"(?<![\w.])0\.(?=\d)", ".", _joined(text, _GLSL))
    return re.sub(r"(?<=\d)\.0(?![\w.])", ".", short) + "\n"


def compact_style(text: str) -> str:
    """CSS without white space between its parts, and without comments."""
    parts = r"/\*.*?\*/|\s*([{};,])\s*|(?<=:)\s+"
    return re.sub(parts, r"\1", text.strip(), flags=re.S).replace(";}", "}")


def _joined(text: str, token: re.Pattern[str]) -> str:
    parts, gap = [""], ""
    for match in token.finditer(text):
        if match["space"]:
            gap = "\n" if "\n" in match[0] + gap else " "
        elif match["kept"]:
            part = match[0].lstrip()
            parts += [_gap(parts[-1], part, gap), part]
            gap = ""
    return "".join(parts)


def _gap(before: str, after: str, gap: str) -> str:
    """What must stay of a gap between two tokens."""
    if before.startswith("#") or after.startswith("#"):
        return "\n" if before else ""  # a line of the preprocessor
    last, first = before[-1:], after[0]
    words = (last.isalnum() or last in "_$") and (first.isalnum() or first in "_$")
    if gap and last and (words or (last == first and last in "+-")):
        return gap
    # Only after these can a statement end without a semicolon.
    ends = last.isalnum() or last in tuple("_$})]\"'`/")
    return "\n" if gap == "\n" and ends and first not in "}).,]?:&|=;" else ""


def with_references(text: str, rule: Rule) -> str:
    """A shader with literal weights that names them by their place instead.

    ``@v7`` is texel 7 of :func:`nca.exporters.glsl.weights.pack_weights` as a vector, ``@m7`` are
    texels 7 to 10 as a matrix. The page has all weights as bytes, and writes the literals itself.
    """
    texels = pack_weights(rule).reshape(-1, 4)
    names = {matrix(texels[i : i + 4].T): f"@m{i}" for i in range(len(texels) - 3)}
    names |= {vector(texel): f"@v{i}" for i, texel in enumerate(texels)}
    return _LITERAL.sub(lambda literal: names.get(literal[0], literal[0]), text)


def without_references(text: str, rule: Rule, digits: int) -> str:
    """A shader of :func:`with_references` with literals of a number of digits, as in the page."""
    texels = pack_weights(rule).reshape(-1, 4)

    def literal(match: re.Match[str]) -> str:
        i = int(match[2])
        if match[1] == "v":
            return vector(texels[i], digits)
        return matrix(np.ascontiguousarray(texels[i : i + 4].T), digits)

    return re.sub(r"@([vm])(\d+)", literal, text)
