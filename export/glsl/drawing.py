"""Fragment shaders that draw a state on a screen, for desktop OpenGL and WebGL2.

They use the textures and uniforms of :mod:`nca.exporters.glsl.fragments`.
"""

from typing import Literal, get_args

from nca.exporters.glsl.fragments import (
    Capabilities,
    fetch_text,
    head_text,
    version_text,
    with_macro,
)
from nca.exporters.glsl.pieces import group_count, number
from nca.exporters.glsl.text import template
from nca.rule_settings import RuleSettings

View = Literal["colors", "channel", "channels", "change"]
VIEWS: tuple[View, ...] = get_args(View)  # the index is NCA_VIEW in colors.glsl


def colors_fragment(
    capabilities: Capabilities,
    channels: int,
    settings: RuleSettings | None = None,
    view: View = "colors",
    *,
    decoder: str = "",
) -> str:
    """Emit a shader that draws the color of every cell into an 8-bit texture.

    Args:
        capabilities: features of the device.
        channels: number of channels of the state.
        settings: settings of the rule whose colors are shown; None for devices that blend rules.
            Then the texels of the texture ``nca_colors`` contain the color maps of all rules
            (scale, offset, and 1 if channel 3 is alpha). If one rule owns all cells,
            ``nca_alone`` (vec3) is its map, otherwise zero. ``nca_transparent`` (bool): whether the
            background of grown images is left out; colors are premultiplied.
        view: displayed quantity.
        decoder: text of :func:`nca.exporters.glsl.decoder.decoder_source`, if the rule has a
            decoder; the texture may then have any size.
    """
    groups = range(group_count(channels))
    if settings is None:
        colors = _FIELD_COLORS
        drawn = "nca_rgba(clamp(nca_shown(gl_FragCoord.xy), 0.0, 1.0), ivec2(gl_FragCoord.xy))"
    else:
        scale, offset = number(settings.rgb_scale), number(settings.rgb_offset)
        colors = (
            "\nvec3 nca_rgb(ivec2 nca_at) {\n"
            f"  return nca_fetch(0, nca_at).rgb * {scale} + {offset};\n}}\n"
        )
        drawn = "vec4(nca_shown(gl_FragCoord.xy), 1.0)"
    if decoder:
        # The template asks for the color of a cell, but the decoder needs the pixel's position.
        colors = decoder + "\n#define nca_rgb(nca_c) nca_color(nca_place * vec2(nca_size))\n"
    text, main = template("colors.glsl"), f"void main() {{ nca_out0 = {drawn}; }}\n"
    if settings is None:
        text = f"#if NCA_VIEW == {len(VIEWS)}\n{template('decoded.glsl')}#else\n{text}#endif\n"
        decoded = "void main() { nca_out0 = nca_decoded(gl_FragCoord.xy); }\n"
        main = f"#if NCA_VIEW == {len(VIEWS)}\n{decoded}#else\n{main}#endif\n"
    return (
        head_text(capabilities)
        + f"#define NCA_VIEW {VIEWS.index(view)}\n"
        + fetch_text("nca_fetch", "nca_state", groups, capabilities.layers)
        + fetch_text("nca_fetch_before", "nca_before", range(1), capabilities.layers)
        + colors
        + "\n"
        + text
        + "\nlayout(location = 0) out vec4 nca_out0;\n\n"
        + main
    )


def decoded_fragment(capabilities: Capabilities, channels: int, details: str) -> str:
    """Emit a shader that draws the picture of rules with a decoder (see ``decoded.glsl``).

    Args:
        capabilities: features of a device that blends rules.
        channels: number of channels of the state.
        details: GLSL code that defines ``nca_details``.
    """
    colors = colors_fragment(capabilities, channels)
    return colors.replace("#define NCA_VIEW 0\n", f"#define NCA_VIEW {len(VIEWS)}\n") + details


def screen_fragment(
    capabilities: Capabilities,
    sampling: int | None = None,
    *,
    marks: bool = True,
    parts: bool = False,
) -> str:
    """Emit a shader that shows the texture of :func:`colors_fragment` through a camera.

    Args:
        capabilities: features of the device.
        sampling: 0: zoomed out, 1: squares, 2: smooth, 3: sharp; None: uniforms decide.
        marks: whether the shader can draw lines between tiles, and the ring of the brush.
        parts: whether the texture shows only a part of the state, which the uniform ``nca_shown``
            gives (vec4; corner and size, in cells).
    """
    fixed = "" if sampling is None else f"#define NCA_SAMPLING {sampling}\n"
    fixed += "" if marks else "#define NCA_MARKS 0\n"
    fixed += "uniform vec4 nca_shown;\n#define NCA_PART nca_shown\n" if parts else ""
    return (
        version_text(capabilities)
        + fixed
        + "\n"
        + template("screen.glsl")
        + "\nlayout(location = 0) out vec4 nca_out0;\n\n"
        "void main() { nca_out0 = nca_screen(gl_FragCoord.xy); }\n"
    )


def flash_text(capabilities: Capabilities) -> str:
    """Emit all shaders of :func:`flash_fragments`; ``NCA_FLASHES`` is the index of one."""
    results = (
        "nca_measured(ivec2(gl_FragCoord.xy))",
        "vec4(nca_limited())",
        "nca_mixed(ivec2(gl_FragCoord.xy))",
    )
    mains = "".join(
        f"#if NCA_FLASHES == {number}\nvoid main() {{ nca_out0 = {result}; }}\n#endif\n"
        for number, result in enumerate(results)
    )
    return (
        version_text(capabilities)
        + "\n"
        + template("flashes.glsl")
        + "\nlayout(location = 0) out vec4 nca_out0;\n\n"
        + mains
    )


def flash_fragments(capabilities: Capabilities) -> list[str]:
    """Emit shaders that measure flashes, decide whether to limit the picture, and blend it."""
    text = flash_text(capabilities)
    return [with_macro(text, f"NCA_FLASHES {number}") for number in range(3)]


_FIELD_COLORS = """
uniform sampler2D nca_field;
uniform sampler2D nca_colors;
uniform vec3 nca_alone;
uniform bool nca_transparent;

vec3 nca_map(ivec2 nca_at) {
  if (nca_alone.x != 0.0) return nca_alone;
  vec4 nca_f = round(texelFetch(nca_field, nca_at, 0) * 255.0);
  vec3 nca_a = texelFetch(nca_colors, ivec2(nca_f.x, 0), 0).xyz;
  vec3 nca_b = texelFetch(nca_colors, ivec2(nca_f.z, 0), 0).xyz;
  return mix(nca_b, nca_a, nca_f.y / 255.0);
}

vec3 nca_rgb(ivec2 nca_at) {
  vec3 nca_m = nca_map(nca_at);
  return nca_fetch(0, nca_at).rgb * nca_m.x + nca_m.y;
}

// Premultiplied. A grown image contains a background, the color of a zero cell; subtract it.
vec4 nca_rgba(vec3 nca_color, ivec2 nca_at) {
#if NCA_VIEW == 0
  if (nca_transparent) {
    vec3 nca_m = nca_map(nca_at);
    float nca_alpha = mix(1.0, clamp(nca_fetch(0, nca_at).w, 0.0, 1.0), nca_m.z);
    return vec4(clamp(nca_color - (1.0 - nca_alpha) * nca_m.y, 0.0, nca_alpha), nca_alpha);
  }
#endif
  return vec4(nca_color, 1.0);
}
"""
