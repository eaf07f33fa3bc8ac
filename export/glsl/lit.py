"""The shaders that draw a material, as a lit surface or as one of its maps; see ``lit.glsl``.

If a rule has a decoder, a first shader (``fine.glsl``) draws all maps into the *fine* texture,
which has the resolution of the image. ``lit.glsl`` then reads the maps there instead of in the
cells.
"""

from nca.exporters.glsl.fragments import Capabilities, fetch_text, head_text, with_macro
from nca.exporters.glsl.pieces import group_count
from nca.exporters.glsl.text import template
from nca.maps import MAPS, MapName, map_channels, map_width

LIT = "lit"
# The value of the macro NCA_MAP is an index into this tuple. The color map is not here: the view
# "colors" shows it.
MAP_VIEWS: tuple[str, ...] = (LIT, *list(MAPS)[1:])


def map_layout(maps: tuple[MapName, ...]) -> int:
    """Pack the number of each map's first channel into an integer, 4 bits per map, without color.

    The first map has the lowest bits.
    """
    channels = map_channels(maps)
    return sum(channels[n].start << 4 * i for i, n in enumerate(list(MAPS)[1:]) if n in channels)


# The fine texture has all maps, in the order of nca.maps.
FINE_CHANNELS = map_width(tuple(MAPS))
FINE_LAYOUT = map_layout(tuple(MAPS))


def lit_fragment(capabilities: Capabilities, channels: int) -> str:
    """Return the shader that draws materials; the caller adds the macros of ``lit.glsl``.

    Args:
        capabilities: what the device supports, and whether several rules are blended.
        channels: number of channels of the state.
    """
    return (
        _maps_text(capabilities, channels)
        + template("lit.glsl")
        + "\nlayout(location = 0) out vec4 nca_out0;\n\n"
        "void main() { nca_out0 = nca_material(gl_FragCoord.xy); }\n"
    )


def fine_text(capabilities: Capabilities, channels: int) -> str:
    """Return the shader that draws all maps; the caller adds the macros and the decoder.

    See ``fine.glsl``. The outputs are a state with ``FINE_CHANNELS`` channels in the layout
    ``FINE_LAYOUT``.

    Args:
        capabilities, channels: see :func:`lit_fragment`.
    """
    count = group_count(FINE_CHANNELS)
    outputs = [f"nca_out{i}" for i in range(count)]
    declared = "".join(
        f"layout(location = {i}) out vec4 {name};\n" for i, name in enumerate(outputs)
    )
    return (
        _maps_text(capabilities, channels)
        + template("materials/fine.glsl")
        + f"\n{declared}\nvoid main() {{ nca_draw(gl_FragCoord.xy, {', '.join(outputs)}); }}\n"
    )


def fine_fragment(
    capabilities: Capabilities, channels: int, details: str, maps: tuple[MapName, ...]
) -> str:
    """Return the shader of :func:`fine_text` for one rule, with its macros and its decoder.

    Args:
        capabilities, channels: see :func:`lit_fragment`.
        details: text that defines ``nca_details``, and ``nca_fine`` if there are maps.
        maps: maps of the rule.
    """
    text = fine_text(capabilities, channels) + details
    macros = ["NCA_TAPS 2", f"NCA_OWN {map_layout(maps)}"]
    for macro in macros if "void nca_fine(" in details else [*macros, "NCA_COLOR_ONLY"]:
        text = with_macro(text, macro)
    return text


def _maps_text(capabilities: Capabilities, channels: int) -> str:
    return (
        head_text(capabilities)
        + fetch_text("nca_fetch", "nca_state", range(group_count(channels)), capabilities.layers)
        + template("materials/maps.glsl")
        + "\n"
    )
