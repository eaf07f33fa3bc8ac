"""The maps of a material, and the channels of a cell that contain them.

A material is a set of aligned images of a surface, such as its color, normals and height, from
which a renderer draws the surface. A rule can grow all of them together. Its cells contain the maps
in consecutive channels, in the order of the rule's setting ``maps``; color is always the first. A
value of any map is ``state * rgb_scale + rgb_offset``, as for colors; values are displayed in
[0, 1].
"""

from dataclasses import dataclass
from typing import Literal, get_args

MapName = Literal["color", "normal", "height", "roughness", "occlusion", "metalness"]


@dataclass(frozen=True)
class MapKind:
    """What the values of a map mean.

    Attributes:
        width: number of channels.
        space: ``srgb`` if the values are gamma-encoded colors; ``linear`` if they are data.
        meaning: the meaning in a few words.
    """

    width: int
    space: Literal["srgb", "linear"]
    meaning: str


MAPS: dict[MapName, MapKind] = {
    "color": MapKind(3, "srgb", "base color, without light and shadow"),
    "normal": MapKind(
        3, "linear", "unit normal n, stored as (n + 1) / 2; x right, y up, z out (OpenGL)"
    ),
    "height": MapKind(1, "linear", "height: 0 is the lowest point, 1 is the highest"),
    "roughness": MapKind(1, "linear", "perceptual roughness: 0 is a mirror, 1 is matte"),
    "occlusion": MapKind(1, "linear", "fraction of the ambient light that reaches the surface"),
    "metalness": MapKind(1, "linear", "0 is not metal, 1 is metal"),
}

# Maps that renderers read from red, green and blue of one texture, as in glTF 2.0, and the values
# of those that a material lacks.
PACKED: dict[MapName, float] = {"occlusion": 1.0, "roughness": 1.0, "metalness": 0.0}


def check_maps(maps: object, channels: int) -> tuple[MapName, ...]:
    """Check the setting ``maps`` of a rule that has ``channels`` channels; return it as a tuple.

    Raises:
        ValueError: it is not a list of distinct map names that begins with color, or the maps need
            more channels.
    """
    if not isinstance(maps, list | tuple) or not all(isinstance(name, str) for name in maps):
        raise ValueError(f"maps must be a list of names, not {maps!r:.80}")
    if not maps:
        return ()
    names = get_args(MapName)
    for name in maps:
        if name not in names:
            raise ValueError(f"maps: {name!r:.80} must be one of {', '.join(names)}")
    if len(set(maps)) < len(maps):
        raise ValueError(f"maps must not repeat a name, but are {', '.join(maps)}")
    if maps[0] != "color":
        raise ValueError(f"maps must begin with color, not {maps[0]}")
    needed = map_width(tuple(maps))
    if needed > channels:
        raise ValueError(f"maps {', '.join(maps)} need {needed} channels, not {channels}")
    return tuple(maps)


def map_width(maps: tuple[MapName, ...]) -> int:
    """Return the number of channels of all maps together; without maps, 3 for the color."""
    return sum(MAPS[name].width for name in maps or ("color",))


def map_channels(maps: tuple[MapName, ...]) -> dict[MapName, slice]:
    """Return the channels of each map; without maps, those of the color."""
    channels: dict[MapName, slice] = {}
    first = 0
    for name in maps or ("color",):
        channels[name] = slice(first, first + MAPS[name].width)
        first += MAPS[name].width
    return channels
