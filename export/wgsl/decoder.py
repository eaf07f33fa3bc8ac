"""The WGSL functions of a decoder."""

from nca.exporters.glsl.decoder import details_source
from nca.exporters.glsl.decoder_weights import layer_sizes
from nca.exporters.glsl.pieces import group_count, number
from nca.exporters.glsl.weights import Store, step_texels
from nca.exporters.wgsl.translation import fill_template, function_body
from nca.rule import ALPHA, MIN_LIFE, Rule


def details_text(rule: Rule, store: Store) -> str:
    """``nca_details(place, &mean) -> vec3f``: what the decoder adds to the color at a place.

    It sets ``mean`` to the first four channels, interpolated between cells.
    """
    decoder = rule.decoder
    assert decoder is not None
    if store == "inline":
        body = function_body(details_source(rule), "nca_details")
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
        "LIFE": "1.0",
    }
    threshold = rule.settings.alive_threshold
    if threshold is not None:
        least = number(max(threshold, MIN_LIFE))
        values["LIFE"] = f"clamp((*mean)[{ALPHA}] / {least}, 0.0, 1.0)"
    return fill_template("wgsl/decoder.wgsl", values)
