"""General shaders: one source for all rules, configured by macros at its top.

The page contains this source. There, ``shaders/page/player/general.js`` makes the macros of the
page's rules and of rules that a visitor opens; :func:`macros` makes the same macros in Python. The
weights come from a texture.

A group is four channels. A pass computes ``NCA_OUTPUTS`` groups, starting with ``NCA_FIRST``. If
the state has more groups than the rule uses, the pass copies the additional groups.
"""

from collections.abc import Mapping
from typing import get_args

from nca.decoder import Decoder
from nca.exporters.glsl.decoder_weights import layer_sizes
from nca.exporters.glsl.emitter import (
    FIRES,
    MATRIX,
    START,
    alive_text,
    start_text,
)
from nca.exporters.glsl.fields import CHANCE, FIELD_SAMPLER, field_functions
from nca.exporters.glsl.fragments import (
    CODING,
    RATE,
    SHARE,
    STEERING,
    WEIGHTS,
    Capabilities,
    Pass,
    fetch_text,
    parts,
    version_text,
)
from nca.exporters.glsl.pieces import GRID, PADDING, ZEROS_READ, group_count, number
from nca.exporters.glsl.text import template
from nca.exporters.glsl.weights import step_texels
from nca.rescaling import derivative_order, gradient_pairs
from nca.rule import Rule
from nca.rule_settings import Padding, Quantizer

MAX_OUTPUTS = 8  # largest number of draw buffers in use
PASSES = ("step", "life", "paint")  # their order gives the numbers of NCA_PASS
PADDINGS = get_args(Padding)  # their order gives the numbers of NCA_PADDING
STARTS = tuple(START)  # their order gives the numbers of NCA_START


def general_passes(text: str, name: str, rule: Rule, groups: int, outputs: int = 4) -> list[Pass]:
    """Make the passes that together apply ``step``, ``life`` or ``paint`` to all groups of a state.

    Args:
        text: source from :func:`general_text`.
        name: one of :data:`PASSES`.
        rule: the rule.
        groups: number of groups of the state.
        outputs: largest number of outputs of a pass.
    """
    values = {**macros(rule), "NCA_PASS": str(PASSES.index(name))}
    return [
        Pass(with_macros(text, {**values, **_part_macros(part)}), part)
        for part in parts(groups, outputs)
    ]


def general_text() -> str:
    """Emit the source of all passes, without version and macros."""
    return (
        CODING + fetch_text("nca_fetch", "nca_state", range(1), layers=True)
        + fetch_text("nca_fetch_after", "nca_after", range(1), layers=True)
        + start_text("NCA_CHANNELS", _choice("NCA_START", _STARTS)) + GRID
        + padding_text("nca_fetch", "nca_fetch_after") + _declared() + SHARE
        + _choice("NCA_PASS", [_step(), _life(), "\n" + template("paint.glsl") + _PAINT])
        + _MAIN + _written()
    )  # fmt: skip


def with_macros(text: str, values: Mapping[str, str]) -> str:
    """Make a complete shader."""
    defined = "".join(f"#define {name} {value}\n" for name, value in values.items())
    return version_text(Capabilities("300 es")) + defined + text


def _part_macros(part: tuple[int, ...]) -> dict[str, str]:
    return {"NCA_FIRST": str(part[0]), "NCA_OUTPUTS": str(len(part))}


def macros(rule: Rule) -> dict[str, str]:
    """Return the macros of a rule."""
    settings = rule.settings
    values = {
        "NCA_CHANNELS": str(settings.channels),
        "NCA_GROUPS": str(group_count(settings.channels)),
        "NCA_HIDDEN": str(settings.hidden),
        **_filter_macros(rule),
        "NCA_PADDING": str(PADDINGS.index(settings.padding)),
        "NCA_START": str(STARTS.index(settings.start)),
        "NCA_NOISE": number(settings.noise_level),
    }
    if settings.alive_threshold is not None:
        values["NCA_ALIVE"] = number(settings.alive_threshold)
    if settings.hidden_clip is not None:
        values["NCA_CLIP"] = number(settings.hidden_clip)
    for name, quantizer in vars(settings.quantization).items():
        if quantizer is not None:
            values[f"NCA_{name.upper()}_GRID"] = _grid(quantizer)
    return values if rule.decoder is None else {**values, **_decoder_macros(rule, rule.decoder)}


def _decoder_macros(rule: Rule, decoder: Decoder) -> dict[str, str]:
    sizes = layer_sizes(decoder)
    return {
        "NCA_DECODER": str(step_texels(rule)),
        "NCA_LAYERS": str(len(sizes) - 1),
        "NCA_SIZES": ", ".join(map(str, sizes)),
        "NCA_LARGEST": str(max(sizes)),
        "NCA_SINE": str(int(decoder.settings.activation == "sine")),
    }


def _filter_macros(rule: Rule) -> dict[str, str]:
    filters = rule.filters.detach().numpy()
    count = len(filters)
    # To rotate the pattern, pairs of gradients are mixed by cosine and sine. The lists hold, for
    # each filter, its partner and the sign of the sine (0 without a partner).
    partners, turns = list(range(count)), [0.0] * count
    for x, y in gradient_pairs(rule):
        partners[x], partners[y], turns[x], turns[y] = y, x, 1.0, -1.0
    return {
        "NCA_FILTERS": str(count),
        "NCA_COEFFICIENTS": ", ".join(map(number, filters.ravel())),
        "NCA_DILATIONS": ", ".join(map(str, rule.dilations)),
        "NCA_ORDERS": ", ".join(str(derivative_order(f)) for f in rule.filters),
        "NCA_PARTNERS": ", ".join(map(str, partners)),
        "NCA_TURNS": ", ".join(map(number, turns)),
    }


def _grid(quantizer: Quantizer) -> str:
    return ", ".join(map(number, (quantizer.range, quantizer.zero, quantizer.levels - 1)))


def _step() -> str:
    step = f"#if NCA_FIRST < NCA_GROUPS\n{template('general.glsl')}#endif\n"
    work = "#if NCA_FIRST < NCA_GROUPS\n    nca_step(nca_at, nca_n);\n#endif\n"
    fires = FIRES.format(condition=f"<= {CHANCE}")
    uniforms = "uniform uint nca_base;\n" + STEERING + RATE + WEIGHTS + FIELD_SAMPLER
    uniforms += field_functions("nca_limit", steering=True)
    return uniforms + fires + MATRIX + step + _mixing(work, "#ifndef NCA_ALIVE")


def _life() -> str:
    alive = "".join(
        alive_text(when, fetch, fetch.replace("fetch", "read"), "NCA_ALIVE")
        for when, fetch in (("before", "nca_fetch"), ("after", "nca_fetch_after"))
    )
    return alive + _mixing(_LIVE, "#if 1")


_LIVE = """\
    bool nca_lives = nca_alive_before(nca_at) && nca_alive_after(nca_at);
    for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {
      int nca_g = NCA_FIRST + nca_i;
      if (nca_g >= NCA_GROUPS) continue;
      vec4 nca_value = nca_fetch_after(nca_g, nca_at) * (nca_lives ? 1.0 : 0.0);
#ifdef NCA_STATE_GRID
      nca_value = nca_grid(nca_value, NCA_STATE_GRID);
#endif
      nca_n[nca_i] = nca_value * nca_used(nca_g);
    }
"""


_STARTS = [f"  return {START[name].format(noise='NCA_NOISE')};\n" for name in STARTS]

_PAINT = """
void nca_draw(ivec2 nca_at, out vec4 nca_n[NCA_OUTPUTS]) {
  if (!(nca_painted(nca_at) && nca_share(nca_at) >= 0.5)) discard;
  for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {
    nca_n[nca_i] = nca_paint(NCA_FIRST + nca_i, nca_at);
  }
}
"""

_MAIN = """
void main() {
  vec4 nca_n[NCA_OUTPUTS];
  nca_draw(ivec2(gl_FragCoord.xy), nca_n);
"""


def padding_text(*fetches: str) -> str:
    """Emit ``nca_pad``, and functions that read beyond the border."""
    reads = "".join(ZEROS_READ.format(read=f.replace("fetch", "read"), fetch=f) for f in fetches)
    same = "".join(f"#define {f.replace('fetch', 'read')} {f}\n" for f in fetches)
    zeros = f"#if NCA_PADDING == {PADDINGS.index('zeros')}\n{reads}#else\n{same}#endif\n"
    return _choice("NCA_PADDING", [PADDING[name] for name in PADDINGS]) + zeros


def _choice(macro: str, texts: list[str]) -> str:
    return "".join(f"#if {macro} == {i}\n{text}#endif\n" for i, text in enumerate(texts))


def _mixing(work: str, mixes: str) -> str:
    """Copy groups that the rule does not use, and blend with other rules, like ``_update_main``."""
    mixed = fetch_text("nca_fetch_sum", "nca_sum", range(1), layers=True)
    return f"""uniform bool nca_first;
{mixed}
void nca_draw(ivec2 nca_at, out vec4 nca_n[NCA_OUTPUTS]) {{
  for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) nca_n[nca_i] = vec4(0.0);
  float nca_s = nca_share(nca_at);
  if (nca_s > 0.0) {{ // if several rules are painted, most cells belong to other rules
    for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {{
      nca_n[nca_i] = nca_fetch(NCA_FIRST + nca_i, nca_at);
    }}
{work}  }}
{mixes}
  for (int nca_i = 0; nca_i < NCA_OUTPUTS; nca_i++) {{
    vec4 nca_others = nca_first ? vec4(0.0) : nca_fetch_sum(NCA_FIRST + nca_i, nca_at);
    nca_n[nca_i] = nca_s * nca_n[nca_i] + nca_others;
  }}
#endif
}}
"""


def _declared() -> str:
    return "".join(_output(i, f"layout(location = {i}) out vec4 nca_out{i};\n") for i in _OUTPUTS)


def _written() -> str:
    lines = (_output(i, f"  nca_out{i} = nca_encode(nca_n[{i}]);\n") for i in _OUTPUTS)
    return "".join(lines) + "}\n"


_OUTPUTS = range(MAX_OUTPUTS)


def _output(i: int, text: str) -> str:
    return text if i == 0 else f"#if NCA_OUTPUTS > {i}\n{text}#endif\n"
