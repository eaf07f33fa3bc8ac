"""The shader that draws materials: lit, or one of their maps; see ``lit.glsl``."""

from nca.exporters.glsl.fragments import Capabilities, fetch_text, head_text
from nca.exporters.glsl.pieces import group_count
from nca.exporters.glsl.text import template
from nca.maps import MAPS, MapName, map_channels

LIT = "lit"
# The index of a view is NCA_MAP. The color map is not here: the view "colors" shows it.
MAP_VIEWS: tuple[str, ...] = (LIT, *list(MAPS)[1:])


def map_layout(maps: tuple[MapName, ...]) -> int:
    """Encode the first channel of each map except color: 4 bits per map, the lowest bits first."""
    channels = map_channels(maps)
    return sum(channels[n].start << 4 * i for i, n in enumerate(list(MAPS)[1:]) if n in channels)


def lit_fragment(capabilities: Capabilities, channels: int) -> str:
    """Return the shader that draws materials; add the macros that ``lit.glsl`` describes.

    Args:
        capabilities: features of a device; it must blend rules.
        channels: number of channels of the state.
    """
    return (
        head_text(capabilities)
        + fetch_text("nca_fetch", "nca_state", range(group_count(channels)), capabilities.layers)
        + template("lit.glsl")
        + "\nlayout(location = 0) out vec4 nca_out0;\n\n"
        "void main() { nca_out0 = nca_material(gl_FragCoord.xy); }\n"
    )
