"""Shaders that sample from a diffusion model whose network is an automaton, for WebGL2.

An image is stored as the automaton sees it: a cell holds a square of pixels, and the cell's
channels are stored in groups of four. A texture array holds the groups of the noised image, then
those of the previous estimate. ``noise`` makes the first noised image. In a step of the sampler,
``start`` makes the state of the automaton, the passes of the automaton's rule run a few times, and
``advance`` makes the next noised image.
"""

from collections.abc import Callable, Sequence

from nca.ddpm.diffusion.automaton import COORDINATES, Automaton
from nca.exporters.glsl.fragments import Capabilities, Pass, parts, step_passes, version_text
from nca.exporters.glsl.pieces import HASH, group_count, number
from nca.rng import TERMS

DEVICE = Capabilities("300 es", layers=True)

NOISE = f"""{HASH}
uniform uint nca_seed;
uniform float nca_sigma;

// Same as nca.rng.normal_noise, times nca_sigma.
float nca_normal(int nca_channel, ivec2 nca_at) {{
  uint nca_sum = 0u;
  for (int nca_i = 0; nca_i < {TERMS}; nca_i++) {{
    uint nca_layer = uint({TERMS} * nca_channel + nca_i);
    nca_layer = nca_hash(4294967295u - nca_layer + nca_hash(nca_seed));
    nca_sum += nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_layer)) >> 12u;
  }}
  return nca_sigma * (float(nca_sum) * {number(2.0**-20)} - {number(TERMS / 2)});
}}
"""

IMAGE = """
uniform sampler2DArray nca_image;
vec4 nca_noised(int nca_group, ivec2 nca_at) {
  return texelFetch(nca_image, ivec3(nca_at, nca_group), 0);
}
"""

PLACE = """
uniform sampler2D nca_waves; // cosine and sine of a coordinate
vec4 nca_place(ivec2 nca_at) {
  return vec4(texelFetch(nca_waves, ivec2(nca_at.x, 0), 0).xy,
              texelFetch(nca_waves, ivec2(nca_at.y, 0), 0).xy);
}
"""

ADVANCE = """
uniform sampler2DArray nca_state;
uniform vec2 nca_read; // estimate = x * noised image + y * network output, then clamped
uniform vec3 nca_mix;  // next image = x * noised image + y * estimate + z * previous estimate

vec4 nca_estimate(vec4 nca_output, int nca_group, ivec2 nca_at) {
  return clamp(nca_read.x * nca_noised(nca_group, nca_at) + nca_read.y * nca_output, -1.0, 1.0);
}
"""


def passes(net: Automaton, side: int) -> dict[str, list[Pass]]:
    """The shaders of the sampler by name: ``noise``, ``start``, ``step``, ``advance``.

    Args:
        net: the automaton.
        side: width and height of the images, in pixels.
    """
    image, state = group_count(net.pixels), group_count(net.rule.settings.channels)
    return {
        "noise": _passes(NOISE, 2 * image, lambda group: _noise(net, group)),
        "start": _passes(
            IMAGE + PLACE + _given(state), state, lambda group: _start(net, side, group)
        ),
        "step": step_passes(net.rule, DEVICE, "texture"),
        "advance": _passes(IMAGE + ADVANCE, 2 * image, lambda group: _advance(net, group)),
    }  # fmt: skip


def _passes(head: str, groups: int, value: Callable[[int], str]) -> list[Pass]:
    """Make passes whose output for group g is the expression ``value(g)``."""
    made = []
    for part in parts(groups, DEVICE.draw_buffers):
        declared = "".join(
            f"layout(location = {i}) out vec4 nca_out{i};\n" for i in range(len(part))
        )
        body = "".join(f"  nca_out{i} = {value(group)};\n" for i, group in enumerate(part))
        main = f"\nvoid main() {{\n  ivec2 nca_at = ivec2(gl_FragCoord.xy);\n{body}}}\n"
        made.append(Pass(version_text(DEVICE) + declared + head + main, part))
    return made


def _given(groups: int) -> str:
    """Uniforms for values that all cells share: cosines and sines of the time; class embedding."""
    return "".join(f"uniform vec4 nca_given{group};\n" for group in range(groups)) + (
        "uniform float nca_scale;\n"
    )


def _noise(net: Automaton, group: int) -> str:
    channels = (4 * group + i for i in range(4))
    return _vector([f"nca_normal({c}, nca_at)" if c < net.pixels else "0.0" for c in channels])


def _start(net: Automaton, side: int, group: int) -> str:
    return _vector([_channel(net, side, 4 * group + i) for i in range(4)])


def _channel(net: Automaton, side: int, channel: int) -> str:
    """A channel of the state before the first step; see :meth:`Automaton.start`."""
    coordinate = channel - 2 * net.pixels
    if channel < net.pixels:
        value = f"nca_scale * nca_noised({channel // 4}, nca_at){_part(channel)}"
        return (
            value if side % net.patch == 0 else f"({_inside(net, side, channel)} ? {value} : 0.0)"
        )
    if coordinate < 0:
        return "0.0"
    if coordinate < COORDINATES:
        return f"nca_place(nca_at){_part(coordinate)}"
    return f"nca_given{channel // 4}{_part(channel)}"


def _inside(net: Automaton, side: int, channel: int) -> str:
    """Whether a pixel of a cell lies in the image; the grid may be larger than the image."""
    row, column = divmod(channel % net.patch**2, net.patch)
    return f"all(lessThan({net.patch} * nca_at + ivec2({column}, {row}), ivec2({side})))"


def _advance(net: Automaton, group: int) -> str:
    groups = group_count(net.pixels)
    at = group % groups
    output = _vector([_output(net, 4 * at + i) for i in range(4)])
    estimate = f"nca_estimate({output}, {at}, nca_at)"
    if group >= groups:
        return estimate
    return (
        f"nca_mix.x * nca_noised({at}, nca_at) + nca_mix.y * {estimate}"
        f" + nca_mix.z * nca_noised({groups + at}, nca_at)"
    )


def _output(net: Automaton, pixel: int) -> str:
    channel = net.pixels + pixel
    if pixel >= net.pixels:
        return "0.0"
    return f"texelFetch(nca_state, ivec3(nca_at, {channel // 4}), 0){_part(channel)}"


def _part(channel: int) -> str:
    return f".{'xyzw'[channel % 4]}"


def _vector(values: Sequence[str]) -> str:
    return f"vec4({', '.join(values)})"
