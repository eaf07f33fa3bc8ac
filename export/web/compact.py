"""Shorten the text of shaders for pages."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import product
from string import ascii_letters

import numpy as np

from nca.exporters.glsl.pieces import matrix, vector
from nca.exporters.glsl.weights import pack_weights
from nca.rule import Rule

_GLSL = re.compile(r"//[^\n]*|/\*.*?\*/|(?P<kept>#[^\n]*|[\w.]+|\S)|\s+", re.S)
_LITERAL = re.compile(r"(?:vec4|mat4)\([^()]*\)")


def compact_shader(text: str) -> str:
    """Remove comments and white space from GLSL, and write numbers as ``.5`` and ``2.``."""
    short = re.sub(r"(?<![\w.])0\.(?=\d)", ".", _joined(text))
    return re.sub(r"(?<=\d)\.0(?![\w.])", ".", short) + "\n"


def with_short_names(text: str, kept: Iterable[str] = (), prefix: str = "_") -> str:
    """Shorten the names in GLSL that start with ``nca_``, except uniforms and ``kept``.

    Texts that are joined later need different prefixes, so that their names differ.
    """
    names = Counter(re.findall(r"\bnca_\w+", text))
    for name in {*kept, *re.findall(r"\buniform \w+ (nca_\w+)", text), "nca_size"}:
        del names[name]
    short = (prefix + "".join(some) for n in (1, 2) for some in product(ascii_letters, repeat=n))
    shorter = {name: next(short) for name, _ in names.most_common()}
    return re.sub(r"\bnca_\w+", lambda match: shorter.get(match[0], match[0]), text)


def _joined(text: str) -> str:
    parts, gap = [""], False
    for match in _GLSL.finditer(text):
        if match["kept"]:
            parts += [_gap(parts[-1], match["kept"], gap=gap), match["kept"]]
        gap = not match["kept"]
    return "".join(parts)


def _gap(before: str, after: str, *, gap: bool) -> str:
    """Return the white space that must stay between two tokens."""
    if before.startswith("#") or after.startswith("#"):
        return "\n" if before else ""  # a preprocessor line
    last, first = before[-1:], after[0]
    words = (last.isalnum() or last == "_") and (first.isalnum() or first == "_")
    return " " if gap and last and (words or (last == first and last in "+-")) else ""


def with_references(text: str, rule: Rule) -> str:
    """Replace the literal weights of a shader with references.

    ``@v7`` is texel 7 of :func:`nca.exporters.glsl.weights.pack_weights` as a vector; ``@m7`` is
    texels 7 to 10 as a matrix. The page contains all weights as bytes, and inserts the literals.
    """
    texels = pack_weights(rule).reshape(-1, 4)
    names = {matrix(texels[i : i + 4].T): f"@m{i}" for i in range(len(texels) - 3)}
    names |= {vector(texel): f"@v{i}" for i, texel in enumerate(texels)}
    return _LITERAL.sub(lambda literal: names.get(literal[0], literal[0]), text)


def without_references(text: str, rule: Rule, digits: int) -> str:
    """Replace the references of :func:`with_references` with literals, as the page does."""
    texels = pack_weights(rule).reshape(-1, 4)

    def literal(match: re.Match[str]) -> str:
        i = int(match[2])
        if match[1] == "v":
            return vector(texels[i], digits)
        return matrix(np.ascontiguousarray(texels[i : i + 4].T), digits)

    return re.sub(r"@([vm])(\d+)", literal, text)
