"""Emit the GLSL function of a decoder, with its weights as literals.

Before this text, a target defines ``nca_size`` and ``nca_fetch``, as for
:mod:`nca.exporters.glsl.emitter`.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nca.decoder import Decoder
from nca.exporters.glsl.decoder_weights import decoder_layers
from nca.exporters.glsl.pieces import (
    LITERAL_DIGITS,
    PADDING,
    group_count,
    matrix,
    number,
    reader,
    vector,
)
from nca.rule import ALPHA, MIN_LIFE, Rule

WHERE = """\
  vec2 nca_from = nca_place - 0.5;
  vec2 nca_part = fract(nca_from);
  ivec2 nca_corner = ivec2(floor(nca_from));
  ivec2 nca_low = nca_pad(nca_corner), nca_high = nca_pad(nca_corner + 1);
  vec2 nca_turn;
"""

FINE = "void nca_fine(vec2 nca_place, int nca_count, out vec4 nca_means[3], out vec4 nca_added[3])"
DETAILS = """
vec3 nca_details(vec2 nca_place, out vec4 nca_mean) {
  vec4 nca_means[3], nca_added[3];
  nca_fine(nca_place, 1, nca_means, nca_added);
  nca_mean = nca_means[0];
  return nca_added[0].rgb;
}
"""


def decoder_source(rule: Rule, details: str = "", *, digits: int = LITERAL_DIGITS) -> str:
    """Emit ``vec3 nca_color(vec2 nca_cell)``: the color at a position, in cells.

    It computes :meth:`nca.rule.Rule.colors_at`. The position must lie in the grid. ``details``
    defines ``nca_details``; the default is :func:`details_source`, with weights of some ``digits``.
    """
    scale, offset = number(rule.settings.rgb_scale), number(rule.settings.rgb_offset)
    details = details or details_source(rule, maps=False, digits=digits)
    return (
        f"{details}\nvec3 nca_color(vec2 nca_cell) {{\n"
        "  vec4 nca_mean;\n  vec3 nca_added = nca_details(nca_cell, nca_mean);\n"
        f"  return nca_mean.rgb * {scale} + {offset} + nca_added;\n}}\n"
    )


def details_source(rule: Rule, *, maps: bool = True, digits: int = LITERAL_DIGITS) -> str:
    """Emit ``vec3 nca_details(vec2 nca_place, out vec4 nca_mean)``: what the decoder adds.

    ``nca_mean`` is set to the first four channels, interpolated between cells. With ``maps``, the
    decoder of a material also gets the function ``nca_fine``, which has all of its outputs: see
    ``fine.glsl``.
    """
    settings, decoder = rule.settings, rule.decoder
    assert decoder is not None
    read, read_text = reader(settings.padding, "nca_fetch")
    lines = [*_interpolated(group_count(settings.channels), read), *_waves(decoder)]
    inputs = [f"nca_s{g}" for g in range(group_count(settings.channels))]
    inputs += [f"nca_w{k}" for k in range(1, decoder.settings.order + 1)]
    fine = maps and bool(settings.maps)
    outputs = group_count(decoder.outputs) if fine else 1
    lines += _layers(decoder, inputs, outputs, digits)
    life = ""
    if settings.alive_threshold is not None:
        least = number(max(settings.alive_threshold, MIN_LIFE))
        life = f" * clamp(nca_s0[{ALPHA}] / {least}, 0.0, 1.0)"
    body = WHERE + "".join(f"  {line}\n" for line in lines)
    head = f"{PADDING[settings.padding]}{read_text}\n"
    if not fine:
        return (
            f"{head}vec3 nca_details(vec2 nca_place, out vec4 nca_mean) {{\n"
            f"{body}  nca_mean = nca_s0;\n  return nca_last0.rgb{life};\n}}\n"
        )
    means = _three(f"nca_s{g}" for g in range(group_count(settings.channels)))
    added = _three(f"nca_last{g}{life}" for g in range(outputs))
    return f"{head}{FINE} {{\n{body}  nca_means = {means};\n  nca_added = {added};\n}}\n{DETAILS}"


def draws_maps(rule: Rule) -> bool:
    """Whether a decoder draws all maps of a material, and its source has ``nca_fine``."""
    return rule.decoder is not None and bool(rule.settings.maps)


def drawn_values(rule: Rule, place: str) -> str:
    """Emit statements that compute the values of all maps at a place: see :func:`drawn_value`."""
    scale, offset = number(rule.settings.rgb_scale), number(rule.settings.rgb_offset)
    return (
        "  vec4 nca_drawn[3], nca_added[3];\n"
        f"  nca_fine({place}, 3, nca_drawn, nca_added);\n"
        "  for (int nca_g = 0; nca_g < 3; nca_g++)\n"
        f"    nca_drawn[nca_g] = nca_drawn[nca_g] * {scale} + {offset} + nca_added[nca_g];\n"
    )


def drawn_value(channel: int) -> str:
    """A value that :func:`drawn_values` computed."""
    return f"nca_drawn[{channel // 4}][{channel % 4}]"


def _three(groups: Iterable[str]) -> str:
    """An array of three groups; missing ones are zero."""
    filled = [*groups, *["vec4(0.0)"] * 3][:3]
    return f"vec4[3]({', '.join(filled)})"


def _interpolated(groups: int, read: str) -> Iterator[str]:
    """Set ``nca_s<g>`` to the channels, interpolated between the centers of four cells."""
    for g in range(groups):
        corners = [
            f"{read}({g}, ivec2(nca_{x}.x, nca_{y}.y))"
            for y in ("low", "high")
            for x in ("low", "high")
        ]
        above, below = (f"mix({a}, {b}, nca_part.x)" for a, b in (corners[:2], corners[2:]))
        yield f"vec4 nca_s{g} = mix({above}, {below}, nca_part.y);"


def _waves(decoder: Decoder) -> Iterator[str]:
    """Set ``nca_w<k>`` to waves of the position in the cell; sines are most precise near zero."""
    for k in range(1, decoder.settings.order + 1):
        turns = f"fract({number(k)} * nca_place + 0.5) - 0.5"
        yield f"nca_turn = {number(2 * np.pi)} * ({turns});"
        wave = "vec4(sin(nca_turn.x), cos(nca_turn.x), sin(nca_turn.y), cos(nca_turn.y))"
        yield f"vec4 nca_w{k} = {wave};"


def _layers(decoder: Decoder, inputs: Sequence[str], outputs: int, digits: int) -> Iterator[str]:
    """Compute all layers, four units at a time; the results are ``nca_last<j>``, j < outputs."""
    for i, layer in enumerate(decoder_layers(decoder), 1):
        last = i == decoder.layers
        count = outputs if last else layer.units
        names = [f"nca_last{j}" if last else f"nca_h{i}_{j}" for j in range(count)]
        for j, name in enumerate(names):
            yield f"vec4 {name} = {vector(layer.bias[4 * j : 4 * j + 4], digits)};"
            for n, given in enumerate(inputs):
                block = layer.block(j, n)
                if block.any():
                    yield f"{name} += {matrix(block, digits)} * {given};"
            if not last:
                sine = decoder.settings.activation == "sine"
                yield f"{name} = {f'sin({name})' if sine else f'max({name}, 0.0)'};"
        inputs = names
