"""Rewrite the GLSL that this package emits as HLSL.

This is not a general translator, because it handles only the types, constructors and functions that
occur in :mod:`nca.exporters.glsl`. In the tests, the reference compiler of the Khronos Group
compiles the result.
"""

import re

TYPES = {
    "vec2": "float2",
    "vec3": "float3",
    "vec4": "float4",
    "ivec2": "int2",
    "ivec4": "int4",
}
FUNCTIONS = {"mix": "lerp", "fract": "frac", "roundEven": "round"}
COMPARISONS = {"lessThan": "<", "greaterThanEqual": ">=", "equal": "=="}


def to_hlsl(source: str) -> str:
    """Rewrite GLSL text as HLSL."""
    # GLSL multiplies a matrix, listed by columns, by a column. HLSL multiplies a row by a matrix
    # that is listed by rows.
    source = re.sub(r"\bmat4\(([^()]*)\) \* (\w+)", r"mul(\2, float4x4(\1))", source)
    # A constructor with one number sets all components; HLSL needs a cast for that.
    source = re.sub(r"\b(i?vec\d)\((-?[\d.]+)\)", r"((\1)\2)", source)
    # Comparing vectors with == gives one bool in GLSL, and a vector of bools in HLSL.
    place = r"(\bnca_at|\bnca_texel) == (nca_size / 2|nca_\w+\(\))"
    source = re.sub(place, r"all(\1 == \2)", source)
    for name, sign in COMPARISONS.items():
        source = _infix(source, name, sign)
    # A global variable is a parameter of the shader unless it is static.
    declared = r"^(const )?(?=(int|uint|bool|float|i?vec\d) nca_\w+( = [^;]*)?;)"
    source = re.sub(declared, r"static \1", source, flags=re.MULTILINE)
    for old, new in {**TYPES, **FUNCTIONS}.items():
        source = re.sub(rf"\b{old}\b", new, source)
    return source


def _infix(source: str, function: str, sign: str) -> str:
    """Replace ``function(a, b)`` with ``((a) sign (b))``."""
    while found := re.search(rf"\b{function}\(", source):
        first, second, end = _arguments(source, found.end())
        source = f"{source[: found.start()]}(({first}) {sign} ({second})){source[end:]}"
    return source


def _arguments(source: str, start: int) -> tuple[str, str, int]:
    """Find the two arguments of a call that start at an index, and the index after the call."""
    depth, comma = 0, start
    for index in range(start, len(source)):
        character = source[index]
        if character == "(":
            depth += 1
        elif character == ")" and depth == 0:
            return source[start:comma], source[comma + 1 : index].strip(), index + 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            comma = index
    raise ValueError("a call has no closing parenthesis")
