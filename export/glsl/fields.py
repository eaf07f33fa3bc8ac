"""Emit the code that reads the texture of fields in a step (see :mod:`nca.fields.texels`).

The emitted text supports fields if the macro ``NCA_FIELDS`` is defined; otherwise it costs nothing.
In front of the emitted text, a target defines ``vec4 nca_field_texel(ivec2 cell)``, which returns a
texel of an RGBA8 texture as large as the grid.
"""

from nca.exporters.glsl.text import template

IFDEF, ELSE, ENDIF = "#ifdef NCA_FIELDS", "#else", "#endif"
TURNED, COARSER, PACED, CHANCE = "nca_turned", "nca_coarser", "nca_paced", "nca_chance"
UNIFORMS = ("nca_rotation", "nca_coarseness", "nca_dt")  # values for the whole grid

FIELD_SAMPLER = f"""{IFDEF}
uniform sampler2D nca_fields;
vec4 nca_field_texel(ivec2 nca_at) {{ return texelFetch(nca_fields, nca_at, 0); }}
{ENDIF}
"""


def field_functions(most: str, *, steering: bool) -> str:
    """Emit ``nca_read_fields`` and, for the case without fields, macros for the names that it sets.

    Args:
        most: GLSL expression for the largest hash at which a cell fires.
        steering: whether the values for the whole grid are uniforms.
    """
    plain = {CHANCE: most, PACED: "1.0"}
    if steering:
        plain |= dict(zip((TURNED, COARSER, PACED), UNIFORMS, strict=True))
    names = "".join(f"#define {name} {value}\n" for name, value in plain.items())
    return f"{IFDEF}\n{template('fields/fields.glsl')}{ELSE}\n{names}{ENDIF}\n"


def read_fields(most: str, *, steering: bool) -> list[str]:
    """Emit the lines at the beginning of a step."""
    whole = UNIFORMS if steering else ("vec2(1.0, 0.0)", "1.0", "1.0")
    return only_fields([f"nca_read_fields(nca_at, {', '.join((*whole, most))});"])


def only_fields(lines: list[str]) -> list[str]:
    """Emit lines that are compiled only if there are fields."""
    return [IFDEF, *lines, ENDIF]
