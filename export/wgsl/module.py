"""The text of a WGSL module with the entry points of a rule.

The computations are translated from the output of the GLSL emitters.
"""

from nca.exporters.glsl.decoder import draws_maps
from nca.exporters.glsl.emitter import step_source
from nca.exporters.glsl.fields import CHANCE
from nca.exporters.glsl.pieces import group_count, number, on_grid, only_used_channels, state_code
from nca.exporters.glsl.text import template
from nca.exporters.glsl.weights import Store
from nca.exporters.settings import ExportOptions
from nca.exporters.wgsl.decoder import decoder_text
from nca.exporters.wgsl.textures import texture_body, texture_outputs
from nca.exporters.wgsl.translation import fill_template, function_body
from nca.rng import fire_threshold
from nca.rule import Rule
from nca.rule_settings import Padding

MODULE, FIELDS_MODULE = "nca.wgsl", "nca_fields.wgsl"
FORMATS = {"rgba32f": "rgba32float", "rgba16f": "rgba16float", "rgba8": "rgba8unorm"}
PADDINGS: dict[Padding, str] = {
    "circular": "(c + nca_frame.size) % nca_frame.size",
    "reflect": "nca_frame.size - 1 - abs(nca_frame.size - 1 - abs(c))",
    "replicate": "clamp(c, vec2i(0), nca_frame.size - 1)",
    "zeros": "c",
}


def module(rule: Rule, options: ExportOptions, store: Store, *, fields: bool = False) -> str:
    """Make the WGSL text; ``fields``: whether the shader also reads a texture of fields."""
    settings = rule.settings
    groups = group_count(settings.channels)
    scale, offset = map(number, state_code(rule.settings, options.state))
    constants = {
        "GROUPS": str(groups),
        "CHANNELS": str(settings.channels),
        "TEXTURE_FORMAT": FORMATS[options.state],
        "SCALE": scale,
        "OFFSET": offset,
        "PAD": PADDINGS[settings.padding],
        "INSIDE": "all(c >= vec2i(0)) && all(c < nca_frame.size)"
        if settings.padding == "zeros"
        else "true",
        "FIRES": f"bits <= {CHANCE}" if fields else _fires(settings.update_rate),
        "WRAPS": "true" if settings.wraps else "false",
        "START": {
            "zeros": "vec4f(0.0)",
            "noise": f"nca_noise(group, at) * {number(settings.noise_level)}",
            "center": "select(vec4f(0.0), nca_plant(group), all(at == nca_frame.size / 2))",
        }[settings.start],
        "STEP": function_body(
            step_source(rule, store, fields=fields, digits=options.digits), "nca_step"
        ),
        "STORE": _stores([f"nca_next{g}" for g in range(groups)]),
        "PIXELS_PER_CELL": number(settings.pixels_per_cell),
        "COLOR": _color_body(rule),
        "OUTPUTS": texture_outputs(rule),
        "TEXTURES": texture_body(rule),
    }
    names = ["automaton", "pictures"]
    if store == "texture":
        names.append("weights")
    if settings.alive_threshold is not None:
        names.append("life")
        constants |= {"ALIVE": number(settings.alive_threshold), "LIVE": _life_body(rule)}
    text = "".join(fill_template(f"wgsl/{name}.wgsl", constants) for name in names)
    if rule.decoder is not None:
        text += decoder_text(rule, store, options.digits)
    return text + (template("fields/fields.wgsl") if fields else "")


def _fires(update_rate: float) -> str:
    threshold = fire_threshold(update_rate)
    return "true" if threshold > 0xFFFFFFFF else f"bits < {threshold}u"


def _life_body(rule: Rule) -> str:
    settings = rule.settings
    lines = []
    for g in range(group_count(settings.channels)):
        value = on_grid(f"nca_fetch_after({g}, at) * life", settings.quantization.state)
        value = only_used_channels(value, settings, g).replace("vec4(", "vec4f(")
        lines.append(f"  let nca_next{g} = {value};")
    return "\n".join(lines)


def _stores(values: list[str]) -> str:
    return "\n".join(
        f"  textureStore(nca_next, at, {g}, nca_encode({value}));" for g, value in enumerate(values)
    )


def _color_body(rule: Rule) -> str:
    """Compute the color at a place, ``cell``."""
    scale, offset = number(rule.settings.rgb_scale), number(rule.settings.rgb_offset)
    if rule.decoder is None:
        return f"  return nca_mix(0, cell).rgb * {scale} + {offset};"
    if draws_maps(rule):
        return "  return nca_drawn(cell)[0].rgb;"
    return (
        "  var mean: vec4f;\n  let details = nca_details(cell, &mean);\n"
        f"  return mean.rgb * {scale} + {offset} + details;"
    )
