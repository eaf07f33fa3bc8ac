"""The WGSL functions of a decoder."""

from collections.abc import Sequence

from nca.exporters.glsl.decoder import DETAILS, details_source, draws_maps
from nca.exporters.glsl.decoder_weights import layer_sizes
from nca.exporters.glsl.pieces import group_count, number
from nca.exporters.glsl.weights import Store, step_texels
from nca.exporters.wgsl.translation import fill_template, function_body
from nca.rule import ALPHA, MIN_LIFE, Rule

GROUPS = range(3)  # groups of four values that a decoder draws at most


def decoder_text(rule: Rule, store: Store, digits: int) -> str:
    """The function of a decoder.

    ``nca_details(place, &mean) -> vec3f`` is what the decoder adds to the color at a place. It sets
    ``mean`` to the first four channels, interpolated between cells. If the decoder draws all maps
    of a material, the function is ``nca_drawn(place) -> array<vec4f, 3>``: their values.
    """
    decoder = rule.decoder
    assert decoder is not None
    maps = draws_maps(rule)
    if store == "inline":
        source = details_source(rule, digits=digits)
        if maps:
            body = function_body(source.removesuffix(DETAILS), "nca_fine")
            body += f"\n{_sums(rule, [f'nca_added[{g}]' for g in GROUPS], 'nca_means')}"
            head = "fn nca_drawn(nca_place: vec2f) -> array<vec4f, 3> {"
        else:
            body = function_body(source, "nca_details")
            head = "fn nca_details(nca_place: vec2f, nca_mean: ptr<function, vec4f>) -> vec3f {"
        return f"\n{head}\n{body}\n}}\n"
    sizes = layer_sizes(decoder)
    values = {
        "LAYERS": str(len(sizes) - 1),
        "SIZES": ", ".join(map(str, sizes)),
        "LARGEST": str(max(sizes)),
        "GROUPS": str(group_count(decoder.channels)),
        "FIRST_TEXEL": str(step_texels(rule)),
        "ACTIVATED": "sin(sum)"
        if decoder.settings.activation == "sine"
        else "max(sum, vec4f(0.0))",
        "FUNCTION": "nca_details(place: vec2f, mean: ptr<function, vec4f>) -> vec3f",
        "MEANS": "*mean = inputs[0];",
        "RESULT": "  return inputs[0].rgb * life;",
        "LIFE": "1.0",
    }
    threshold = rule.settings.alive_threshold
    if threshold is not None:
        least = number(max(threshold, MIN_LIFE))
        values["LIFE"] = f"clamp(first[{ALPHA}] / {least}, 0.0, 1.0)"
    if maps:
        drawn = min(sizes[-1], len(GROUPS))
        added = [f"inputs[{g}] * life" if g < drawn else "vec4f(0.0)" for g in GROUPS]
        values |= {
            "FUNCTION": "nca_drawn(place: vec2f) -> array<vec4f, 3>",
            "MEANS": "let means = inputs;",
            "RESULT": _sums(rule, added, "means"),
        }
    return fill_template("wgsl/decoder.wgsl", values)


def _sums(rule: Rule, added: Sequence[str], means: str) -> str:
    """Return the interpolated values of the maps plus what the decoder adds."""
    scale, offset = number(rule.settings.rgb_scale), number(rule.settings.rgb_offset)
    held = group_count(rule.settings.channels)
    sums = (
        f"{means}[{g}] * {scale} + {offset} + {one}" if g < held else "vec4f(0.0)"
        for g, one in enumerate(added)
    )
    return f"  return array({', '.join(sums)});"
