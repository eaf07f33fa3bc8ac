"""Pieces of GLSL that all emitted shaders consist of.

They compile as GLSL 330 and as GLSL ES 300, because they have no implicit conversions and no
reserved words. All names start with ``nca_``, so that they cannot clash with names of a target
program.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nca.exporters.settings import StateFormat
from nca.rule_settings import EIGHT_BIT_STATE, Padding, Quantizer, RuleSettings

Matrix = npt.NDArray[np.float32]

LITERAL_DIGITS = 9  # nine decimal digits identify every float32

HASH = """
uint nca_hash(uint nca_v) {
  uint nca_s = nca_v * 747796405u + 2891336453u;
  uint nca_w = ((nca_s >> ((nca_s >> 28u) + 4u)) ^ nca_s) * 277803737u;
  return (nca_w >> 22u) ^ nca_w;
}
"""

GRID = """
// The nearest value of a uniform grid (see nca.rule_settings.Quantizer).
vec4 nca_grid(vec4 nca_v, float nca_range, float nca_zero, float nca_top) {
  vec4 nca_level = roundEven(clamp(nca_v / nca_range + nca_zero, 0.0, 1.0) * nca_top);
  return (nca_level / nca_top - nca_zero) * nca_range;
}
"""

PADDING: dict[Padding, str] = {
    "circular": """
ivec2 nca_pad(ivec2 nca_c) {
  return nca_c + nca_size * (ivec2(lessThan(nca_c, ivec2(0)))
                             - ivec2(greaterThanEqual(nca_c, nca_size)));
}
""",
    "reflect": """
ivec2 nca_pad(ivec2 nca_c) {
  ivec2 nca_last = nca_size - 1;
  return nca_last - abs(nca_last - abs(nca_c));
}
""",
    "replicate": """
ivec2 nca_pad(ivec2 nca_c) { return clamp(nca_c, ivec2(0), nca_size - 1); }
""",
    "zeros": """
ivec2 nca_pad(ivec2 nca_c) { return nca_c; }
""",
}

ZEROS_READ = """
vec4 {read}(int nca_group, ivec2 nca_c) {{
  bool nca_inside = all(greaterThanEqual(nca_c, ivec2(0))) && all(lessThan(nca_c, nca_size));
  return nca_inside ? {fetch}(nca_group, nca_c) : vec4(0.0);
}}
"""


def number(value: float, digits: int = LITERAL_DIGITS) -> str:
    """Emit a float literal with a point or an exponent; GLSL ES does not convert integers."""
    text = f"{float(np.float32(value)):.{digits}g}"
    return text if "." in text or "e" in text else text + ".0"


def vector(values: Iterable[float], digits: int = LITERAL_DIGITS) -> str:
    """Emit a vec4 literal."""
    return f"vec4({', '.join(number(v, digits) for v in values)})"


def matrix(block: Matrix, digits: int = LITERAL_DIGITS) -> str:
    """Emit a mat4 literal of a [4, 4] block; GLSL fills matrices column by column."""
    return f"mat4({', '.join(number(float(v), digits) for v in block.T.ravel())})"


def group_count(channels: int) -> int:
    """Return the number of groups of four channels."""
    return -(-channels // 4)


def state_code(settings: RuleSettings, state: StateFormat) -> tuple[float, float]:
    """Return scale and offset of a texel, which has the value ``(texel - offset) * scale``."""
    if state != "rgba8":
        return 1.0, 0.0
    quantizer = settings.quantization.state or EIGHT_BIT_STATE
    return quantizer.range, quantizer.zero


def coding(settings: RuleSettings, state: StateFormat) -> str:
    """Emit functions that read and write texels of a state in a known format."""
    value, texel = "nca_t", "nca_v"
    if state == "rgba8":
        scale, offset = map(number, state_code(settings, state))
        value, texel = f"(nca_t - {offset}) * {scale}", f"nca_v / {scale} + {offset}"
    return (
        f"vec4 nca_decode(vec4 nca_t) {{ return {value}; }}\n"
        f"vec4 nca_encode(vec4 nca_v) {{ return {texel}; }}\n"
    )


def outputs(groups: Iterable[int]) -> str:
    """Emit the output parameters of a function for groups."""
    return ", ".join(f"out vec4 nca_next{i}" for i, _ in enumerate(groups))


def on_grid(value: str, quantizer: Quantizer | None) -> str:
    """Round an expression to the values of a quantizer, if there is one."""
    if quantizer is None:
        return value
    numbers = (quantizer.range, quantizer.zero, quantizer.levels - 1)
    return f"nca_grid({value}, {', '.join(map(number, numbers))})"


def only_used_channels(value: str, settings: RuleSettings, group: int) -> str:
    """Keep unused channels of the last group at zero, which rounding could change."""
    used = settings.channels - 4 * group
    rounding = settings.quantization
    if used >= 4 or (rounding.update is None and rounding.state is None):
        return value
    return f"({value}) * {vector(1.0 if i < used else 0.0 for i in range(4))}"


def reader(padding: Padding, fetch: str) -> tuple[str, str]:
    """Return name and source of the function that reads cells beyond the border.

    For all paddings but zeros, ``nca_pad`` has already moved the cell inside. The function is then
    ``fetch``, and the source is empty.
    """
    if padding != "zeros":
        return fetch, ""
    name = fetch.replace("fetch", "read")
    return name, ZEROS_READ.format(read=name, fetch=fetch)
