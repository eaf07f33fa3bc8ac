"""The shader that lights materials, or shows one of their maps: see ``lit.glsl``."""

from nca.exporters.glsl.fragments import Capabilities, fetch_text, head_text
from nca.exporters.glsl.pieces import group_count
from nca.exporters.glsl.text import template
from nca.maps import MAPS, MapName, map_channels

LIT = "lit"
MAP_VIEWS: tuple[str, ...] = (LIT, *list(MAPS)[1:])  # the index is NCA_MAP; color is another view


def map_layout(maps: tuple[MapName, ...]) -> int:
    """The first channels of all maps but the color, as hexadecimal digits in their order."""
    channels = map_channels(maps)
    return sum(channels[n].start << 4 * i for i, n in enumerate(list(MAPS)[1:]) if n in channels)


def lit_fragment(capabilities: Capabilities, channels: int) -> str:
    """Shader of lit materials without its macros; ``lit.glsl`` describes them.

    Args:
        capabilities: features of a device that blends rules.
        channels: number of channels of the state.
    """
    return (
        head_text(capabilities)
        + fetch_text("nca_fetch", "nca_state", range(group_count(channels)), capabilities.layers)
        + template("lit.glsl")
        + "\nlayout(location = 0) out vec4 nca_out0;\n\n"
        "void main() { nca_out0 = nca_material(gl_FragCoord.xy); }\n"
    )
