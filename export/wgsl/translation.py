"""Translate emitted GLSL to WGSL, and fill in the gaps of templates."""

import re
from collections.abc import Mapping

from nca.exporters.glsl.text import template

SPELLING = (
    (r"\bvec4\[3\]\(", "array("),
    (r"\bvec([24])\(", r"vec\1f("),
    (r"\bmat4\(", "mat4x4f("),
    (r"\bivec2\(", "vec2i("),
    (r"^(\s*)ivec2 (\w+) = (.*), (\w+) = (.*);$", r"\1let \2 = \3; let \4 = \5;"),
    (r"^(\s*)(?:vec[24]|ivec2|int) (\w+) = ", r"\1var \2 = "),
    (r"^(\s*)vec([24]) (\w+);", r"\1var \3: vec\2f;"),
    (r"^(\s*)float nca_mask = (.*) \? 1\.0 : 0\.0;", r"\1let nca_mask = select(0.0, 1.0, \2);"),
    (r"for \(int ", "for (var "),
    # Scalars are not broadcast to vectors in these functions.
    (r"max\((nca_\w+), 0\.0\)", r"max(\1, vec4f(0.0))"),
    (r"min\((max\(.*?\)\)), ([^)]+)\)", r"min(\1, vec4f(\2))"),
    (r"^(\s*)((?:nca_next\d+|nca_means|nca_added) = )", r"\1let \2"),
    (r"^(\s*)(nca_mean = )", r"\1*\2"),  # an output parameter becomes a pointer
)


def function_body(source: str, name: str) -> str:
    """Translate the body of the last function of GLSL text, which is called ``name``, to WGSL."""
    body = source.partition(f" {name}(")[2].partition("{\n")[2].rpartition("}")[0]
    body = re.sub(r"^\s*#.*\n", "", body, flags=re.MULTILINE)  # what #ifdef encloses always stays
    for pattern, spelling in SPELLING:
        body = re.sub(pattern, spelling, body, flags=re.MULTILINE)
    return body.rstrip("\n")


def fill_template(name: str, values: Mapping[str, str]) -> str:
    """Read a hand-written file of :mod:`nca.shaders`; ``@@KEY@@`` becomes the value of KEY."""
    text = template(name)
    for key, value in values.items():
        text = text.replace(f"@@{key}@@", value)
    return text
