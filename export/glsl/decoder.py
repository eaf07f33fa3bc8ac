"""Emit the GLSL function of a decoder, with its weights as literals.

Before this text, a target defines ``nca_size`` and ``nca_fetch``, as for
:mod:`nca.exporters.glsl.emitter`.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from nca.decoder import Decoder
from nca.exporters.glsl.pieces import (
    PADDING,
    Matrix,
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


def decoder_source(rule: Rule) -> str:
    """Emit ``vec3 nca_decoded(vec2 nca_place)``: the color at a place, in cells.

    It is :meth:`nca.rule.Rule.colors_at`. Places are in the grid.
    """
    settings, decoder = rule.settings, rule.decoder
    assert decoder is not None
    read, read_text = reader(settings.padding, "nca_fetch")
    lines = [*_interpolated(group_count(settings.channels), read), *_waves(decoder)]
    inputs = [f"nca_s{g}" for g in range(group_count(settings.channels))]
    inputs += [f"nca_w{k}" for k in range(1, decoder.settings.order + 1)]
    lines += _layers(decoder, inputs)
    details = "nca_details.rgb"
    if settings.alive_threshold is not None:
        least = number(max(settings.alive_threshold, MIN_LIFE))
        details += f" * clamp(nca_s0[{ALPHA}] / {least}, 0.0, 1.0)"
    scale, offset = number(settings.rgb_scale), number(settings.rgb_offset)
    body = "".join(f"  {line}\n" for line in lines)
    return (
        f"{PADDING[settings.padding]}{read_text}\nvec3 nca_decoded(vec2 nca_place) {{\n"
        f"{WHERE}{body}  return nca_s0.rgb * {scale} + {offset} + {details};\n}}\n"
    )


def _interpolated(groups: int, read: str) -> Iterator[str]:
    """The channels between the centers of four cells, ``nca_s<g>``."""
    for g in range(groups):
        corners = [
            f"{read}({g}, ivec2(nca_{x}.x, nca_{y}.y))"
            for y in ("low", "high")
            for x in ("low", "high")
        ]
        above, below = (f"mix({a}, {b}, nca_part.x)" for a, b in (corners[:2], corners[2:]))
        yield f"vec4 nca_s{g} = mix({above}, {below}, nca_part.y);"


def _waves(decoder: Decoder) -> Iterator[str]:
    """The place in the cell, ``nca_w<k>``. Sines are most precise near zero."""
    for k in range(1, decoder.settings.order + 1):
        turns = f"fract({number(k)} * nca_place + 0.5) - 0.5"
        yield f"nca_turn = {number(2 * np.pi)} * ({turns});"
        wave = "vec4(sin(nca_turn.x), cos(nca_turn.x), sin(nca_turn.y), cos(nca_turn.y))"
        yield f"vec4 nca_w{k} = {wave};"


def _layers(decoder: Decoder, inputs: Sequence[str]) -> Iterator[str]:
    """All layers, four units at a time; the result is ``nca_details``."""
    for i in range(1, decoder.layers + 1):
        weight, bias = (
            getattr(decoder, f"{kind}{i}").detach().numpy().astype(np.float32) for kind in "wb"
        )
        if i == 1:  # the channels fill whole groups
            fill = -decoder.channels % 4
            weight = np.insert(weight, [decoder.channels] * fill, 0, axis=1)
        weight = np.pad(weight, [(0, -side % 4) for side in weight.shape])
        bias = np.pad(bias, (0, -len(bias) % 4))
        last = i == decoder.layers
        names = ["nca_details"] if last else [f"nca_h{i}_{j}" for j in range(len(bias) // 4)]
        for j, name in enumerate(names):
            yield f"vec4 {name} = {vector(bias[4 * j : 4 * j + 4])};"
            yield from _products(name, weight[4 * j : 4 * j + 4], inputs)
            if not last:
                sine = decoder.settings.activation == "sine"
                yield f"{name} = {f'sin({name})' if sine else f'max({name}, 0.0)'};"
        inputs = names


def _products(name: str, rows: Matrix, inputs: Sequence[str]) -> Iterator[str]:
    for n, given in enumerate(inputs):
        block = rows[:, 4 * n : 4 * n + 4]
        if block.any():
            yield f"{name} += {matrix(block)} * {given};"
