"""The textures that a rule fills for a renderer: its color, or all maps of a material."""

from collections.abc import Iterator
from dataclasses import dataclass

from nca.exporters.glsl.decoder import draws_maps
from nca.exporters.glsl.pieces import number
from nca.maps import MAPS, PACKED, MapName, map_channels
from nca.rule import Rule


@dataclass(frozen=True)
class Texture:
    """A texture that a renderer reads.

    Attributes:
        maps: the maps in the texture; if there are several, each has one channel.
        format: the format in which a renderer reads the texture.
        drawn_as: the format of the view into which the shader draws.
    """

    maps: tuple[MapName, ...]
    format: str = "rgba8unorm"
    drawn_as: str = "rgba8unorm"


TEXTURES = {
    "color": Texture(("color",), format="rgba8unorm-srgb"),
    "normal": Texture(("normal",)),
    "packed": Texture(tuple(PACKED)),
    "height": Texture(("height",), format="r16float", drawn_as="r16float"),
}


def textures_of(rule: Rule) -> dict[str, Texture]:
    """List the textures of a rule, in the order of the outputs of ``nca_textures``."""
    held = map_channels(rule.settings.maps).keys()
    return {name: texture for name, texture in TEXTURES.items() if held & set(texture.maps)}


def describe_textures(rule: Rule) -> list[dict[str, str]]:
    """Return the entry of the manifest."""
    return [
        {"name": name, "format": texture.format, "drawn_as": texture.drawn_as, **_held(texture)}
        for name, texture in textures_of(rule).items()
    ]


def _held(texture: Texture) -> dict[str, str]:
    first = MAPS[texture.maps[0]]
    if first.width == 3:
        return {"rgb": first.meaning}
    return {
        channel: f"{name}: {MAPS[name].meaning}"
        for channel, name in zip("rgb", texture.maps, strict=False)
    }


def texture_outputs(rule: Rule) -> str:
    """Emit the outputs of ``nca_textures``."""
    names = enumerate(textures_of(rule))
    return "\n".join(f"  @location({i}) {name}: vec4f," for i, name in names)


def texture_body(rule: Rule) -> str:
    """Emit the lines of ``nca_textures`` that compute the outputs at a place."""
    return "\n".join(f"  {line}" for line in _lines(rule))


def _lines(rule: Rule) -> Iterator[str]:
    channels = map_channels(rule.settings.maps)
    scale, offset = number(rule.settings.rgb_scale), number(rule.settings.rgb_offset)
    used = range(channels["color"].stop, max(at.stop for at in channels.values()))
    if fine := draws_maps(rule):
        yield "let values = nca_drawn(place);"
    for g in sorted({c // 4 for c in used}):
        value = f"values[{g}]" if fine else f"nca_mix({g}, place) * {scale} + {offset}"
        yield f"let group{g} = {value};"
    values = {
        name: [f"group{c // 4}.{'xyzw'[c % 4]}" for c in range(at.start, at.stop)]
        for name, at in channels.items()
    } | {"color": ["values[0].rgb" if fine else "nca_color(place)"]}
    yield "var drawn: NcaTextures;"
    for name, texture in textures_of(rule).items():
        parts = [
            part
            for key in texture.maps
            for part in (values[key] if key in values else [number(PACKED[key])])
        ]
        vector = f"vec3f({', '.join(parts)})"  # a single number fills it
        if name == "normal":
            vector = f"nca_normal({vector})"
        yield f"drawn.{name} = vec4f(clamp({vector}, vec3f(0.0), vec3f(1.0)), 1.0);"
    yield "return drawn;"
