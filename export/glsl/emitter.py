"""Emit the GLSL functions of a rule, which the shaders of all targets use.

The emitted text is plain GLSL that compiles as GLSL 330 and as GLSL ES 300. The channels of a cell
are stored in ``ceil(C / 4)`` groups of four; row 0 of the state is texel row 0. In front of the
emitted text, a target defines::

    uniform ivec2 nca_size;                 // cells across and down
    uniform uint nca_base;                  // nca.rng.step_base(step, seed)
    vec4 nca_fetch(int group, ivec2 cell);  // state before the step; calls pass a literal group
    vec4 nca_weight(int texel);             // store "texture" only: see nca.exporters.glsl.weights
    uniform vec2 nca_rotation;              // steering only: cos and sin of the rotation
    uniform float nca_coarseness;           // steering only: size of the pattern, 1 as trained
    uniform float nca_dt;                   // steering only: length of a step, 1 as trained
    uniform uint nca_limit;                 // rate only: nca.rng.fire_threshold(rate) - 1
    vec4 nca_fetch_after(int group, ivec2 cell);  // life_source only: result of nca_step
    vec4 nca_field_texel(ivec2 cell);       // fields only: see nca.exporters.glsl.fields

The target's ``main`` then calls ``nca_step``. For rules with an alive threshold, a second pass
calls ``nca_live``.
"""

from collections.abc import Iterable, Sequence

from nca.exporters.glsl.fields import (
    CHANCE,
    COARSER,
    PACED,
    TURNED,
    UNIFORMS,
    field_functions,
    only_fields,
    read_fields,
)
from nca.exporters.glsl.pieces import (
    GRID,
    HASH,
    LITERAL_DIGITS,
    PADDING,
    Matrix,
    group_count,
    matrix,
    number,
    on_grid,
    only_used_channels,
    outputs,
    reader,
    vector,
)
from nca.exporters.glsl.weights import Store, WeightBlocks
from nca.rescaling import derivative_order, gradient_pairs
from nca.rng import fire_threshold
from nca.rule import Rule
from nca.rule_settings import RuleSettings, Start

TAPS = [(row, column) for row in range(3) for column in range(3)]
CENTER = (1, 1)

FIRES = """
bool nca_fires(ivec2 nca_at) {{
  uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_base));
  return nca_bits {condition};
}}
"""

MATRIX = """
mat4 nca_matrix(int nca_i) {
  return mat4(nca_weight(nca_i), nca_weight(nca_i + 1), nca_weight(nca_i + 2),
              nca_weight(nca_i + 3));
}
"""


def step_source(
    rule: Rule,
    store: Store = "inline",
    *,
    groups: Sequence[int] | None = None,
    steering: bool = False,
    rate: bool = False,
    fields: bool = False,
    digits: int = LITERAL_DIGITS,
) -> str:
    """Emit ``nca_step``: one step of a rule for one cell, before cells die.

    Args:
        rule: rule on the CPU, with finite weights.
        store: ``inline`` writes the weights as literals; ``texture`` reads ``nca_weight``.
        groups: groups of channels that this pass computes, in the order of the ``out`` parameters
            of ``nca_step``; default: all. Targets with too few outputs run several passes over the
            previous state.
        steering: whether to rotate and scale the perception by ``nca_rotation`` and
            ``nca_coarseness``, and to multiply the change of a step by ``nca_dt``.
        rate: whether ``nca_limit`` decides how many cells fire.
        fields: whether to emit code for fields, which the macro ``NCA_FIELDS`` turns on.
        digits: significant digits of the literals; nine reproduce a float32 exactly.

    Returns:
        GLSL functions ending with ``void nca_step(ivec2 nca_at, out vec4 nca_next0, ...)``.
    """
    settings = rule.settings
    blocks = WeightBlocks(rule)
    groups = range(blocks.groups) if groups is None else groups
    most = "nca_limit" if rate else f"{max(fire_threshold(settings.update_rate) - 1, 0)}u"
    steer = _Steer(steering, fields)
    lines = read_fields(most, steering=steering) if fields else []
    lines += _perception_lines(rule, steer, digits)
    if store == "inline":
        lines += _unrolled_layers(settings, blocks, groups, digits)
    else:
        lines += _rolled_layers(settings, blocks, groups)
    lines.append("float nca_mask = nca_fires(nca_at) ? 1.0 : 0.0;")
    for i, group in enumerate(groups):
        change = on_grid(f"nca_d{i}", settings.quantization.update)
        if steering or fields:
            change = f"{steer.paced} * {change}"
        value = f"nca_now{group} + nca_mask * {change}"
        if settings.alive_threshold is None:
            value = on_grid(value, settings.quantization.state)
        lines.append(f"nca_next{i} = {only_used_channels(value, settings, group)};")
    body = "\n".join(f"  {line}" for line in lines)
    head = "".join(_step_helpers(settings, store, rate, fields))
    if fields:
        head = field_functions(most, steering=steering) + head
    return f"{head}\nvoid nca_step(ivec2 nca_at, {outputs(groups)}) {{\n{body}\n}}\n"


def life_source(rule: Rule, *, groups: Sequence[int] | None = None) -> str:
    """Emit ``nca_live``: keep only cells with a living cell near them before and after a step.

    A cell is near if it is in the 3x3 neighborhood. For rules with an alive threshold, this is the
    second pass of a step. It runs after ``nca_step`` has run for every cell, because it depends on
    the neighborhood after the step. From the state before the step, it reads only group 0.

    Returns:
        GLSL functions ending with ``void nca_live(ivec2 nca_at, out vec4 nca_next0, ...)``.

    Raises:
        ValueError: the rule has no alive threshold, so it needs no second pass.
    """
    settings = rule.settings
    if settings.alive_threshold is None:
        raise ValueError("a rule without an alive threshold has no second pass")
    groups = range(group_count(settings.channels)) if groups is None else groups
    text = [GRID if settings.quantization.state else "", PADDING[settings.padding]]
    for when, fetch in (("before", "nca_fetch"), ("after", "nca_fetch_after")):
        read, read_text = reader(settings.padding, fetch)
        text += [read_text, alive_text(when, fetch, read, number(settings.alive_threshold))]
    text.append(
        f"\nvoid nca_live(ivec2 nca_at, {outputs(groups)}) {{\n"
        "  float nca_life = nca_alive_before(nca_at) && nca_alive_after(nca_at) ? 1.0 : 0.0;\n"
    )
    for i, group in enumerate(groups):
        value = f"nca_fetch_after({group}, nca_at) * nca_life"
        value = only_used_channels(on_grid(value, settings.quantization.state), settings, group)
        text.append(f"  nca_next{i} = {value};\n")
    return "".join(text) + "}\n"


def alive_text(when: str, fetch: str, read: str, threshold: str) -> str:
    """Emit ``nca_alive_<when>``, which returns whether a cell or one of its neighbors lives."""
    offsets = (f"ivec2({column - 1}, {row - 1})" for row, column in TAPS)
    taps = (f"{read}(0, nca_pad(nca_at + {offset})).w" for offset in offsets)
    alive = "".join(f"  nca_most = max(nca_most, {tap});\n" for tap in taps)
    return (
        f"\nbool nca_alive_{when}(ivec2 nca_at) {{\n"
        f"  float nca_most = {fetch}(0, nca_at).w;\n{alive}"
        f"  return nca_most > {threshold};\n}}\n"
    )


def start_source(rule: Rule) -> str:
    """Emit functions for the initial state and for the values that the brush writes.

    ``nca_start(group, cell, seed)`` returns what :meth:`nca.rule.Rule.initial_state` gives for the
    cell. ``nca_noise(group, cell, seed)`` returns noise in (-0.5, 0.5). ``nca_plant(group)``
    returns the values of the single cell that rules with the start ``center`` grow from.
    """
    settings = rule.settings
    state = START[settings.start].format(noise=number(settings.noise_level))
    return start_text(str(settings.channels), f"  return {state};\n")


START: dict[Start, str] = {
    "zeros": "vec4(0.0)",
    "noise": "nca_noise(nca_group, nca_at, nca_number) * {noise}",
    "center": "nca_at == nca_size / 2 ? nca_plant(nca_group) : vec4(0.0)",
}


def start_text(channels: str, body: str) -> str:
    """Emit the functions of :func:`start_source`; ``body`` returns the initial state."""
    return f"""{HASH}
vec4 nca_used(int nca_group) {{
  return vec4(lessThan(ivec4(0, 1, 2, 3) + 4 * nca_group, ivec4({channels})));
}}

vec4 nca_plant(int nca_group) {{
  return (nca_group == 0 ? vec4(0.0, 0.0, 0.0, 1.0) : vec4(1.0)) * nca_used(nca_group);
}}

vec4 nca_noise(int nca_group, ivec2 nca_at, uint nca_number) {{
  vec4 nca_value;
  for (int nca_i = 0; nca_i < 4; nca_i++) {{
    // The noise of a channel uses step number 2**32 - 1 - channel. No run reaches that step, so the
    // noise is independent of all masks.
    uint nca_layer = nca_hash(4294967295u - uint(4 * nca_group + nca_i) + nca_hash(nca_number));
    uint nca_bits = nca_hash(uint(nca_at.x) + nca_hash(uint(nca_at.y) + nca_layer));
    nca_value[nca_i] = float(nca_bits >> 8u) * {number(2.0**-24)} - 0.5;
  }}
  return nca_value * nca_used(nca_group);
}}

vec4 nca_start(int nca_group, ivec2 nca_at, uint nca_number) {{
{body}}}
"""


def _step_helpers(settings: RuleSettings, store: Store, rate: bool, fields: bool) -> Iterable[str]:
    threshold = fire_threshold(settings.update_rate)
    if fields:
        yield HASH
        yield FIRES.format(condition=f"<= {CHANCE}")
    elif threshold > 0xFFFFFFFF and not rate:
        yield "\nbool nca_fires(ivec2 nca_at) { return true; }\n"
    else:
        yield HASH
        yield FIRES.format(condition="<= nca_limit" if rate else f"< {threshold}u")
    if any(vars(settings.quantization).values()):
        yield GRID
    yield PADDING[settings.padding]
    yield reader(settings.padding, "nca_fetch")[1]
    if store == "texture":
        yield MATRIX


class _Steer:
    """Source of the rotation and scale of the perception: uniforms, fields, both or neither."""

    def __init__(self, steering: bool, fields: bool) -> None:
        self._steering, self._fields = steering, fields
        self._turned, self._coarser, self.paced = (TURNED, COARSER, PACED) if fields else UNIFORMS

    def lines(self, g: int, rule: Rule) -> list[str]:
        if not (self._steering or self._fields):
            return []
        lines = _steering_lines(g, rule, self._turned, self._coarser)
        return lines if self._steering else only_fields(lines)


def _perception_lines(rule: Rule, steer: _Steer, digits: int) -> list[str]:
    """Read the neighborhood once and set ``nca_now<g>`` and ``nca_p<g>_<k>``."""
    filters: Matrix = rule.filters.detach().numpy()
    quantizer = rule.settings.quantization.perception
    read, _ = reader(rule.settings.padding, "nca_fetch")
    lines = [
        f"ivec2 nca_low{_suffix(d)} = nca_pad(nca_at - {d}), "
        f"nca_high{_suffix(d)} = nca_pad(nca_at + {d});"
        for d in rule.filters_by_dilation()
    ]
    for g in range(group_count(rule.settings.channels)):
        lines.append(f"vec4 nca_now{g} = nca_fetch({g}, nca_at);")
        for dilation, some in rule.filters_by_dilation().items():
            end = _suffix(dilation)
            columns = (f"nca_low{end}.x", "nca_at.x", f"nca_high{end}.x")
            rows = (f"nca_low{end}.y", "nca_at.y", f"nca_high{end}.y")
            names = {CENTER: f"nca_now{g}"}
            for row, column in TAPS:
                if (row, column) != CENTER and filters[some, row, column].any():
                    name = names[row, column] = f"nca_t{g}{end}_{row}{column}"
                    place = f"ivec2({columns[column]}, {rows[row]})"
                    lines.append(f"vec4 {name} = {read}({g}, {place});")
            for k in range(len(filters))[some]:
                lines.append(f"vec4 nca_p{g}_{k} = {_weighted_sum(filters[k], names, digits)};")
        lines += steer.lines(g, rule)
        if quantizer:
            perceived = (f"nca_p{g}_{k}" for k in range(len(filters)))
            lines += [f"{name} = {on_grid(name, quantizer)};" for name in perceived]
    return lines


def _suffix(dilation: int) -> str:
    """Return the suffix of variable names for a dilation; empty for 1."""
    return "" if dilation == 1 else f"_{dilation}"


def _weighted_sum(coefficients: Matrix, names: dict[tuple[int, int], str], digits: int) -> str:
    terms = []
    for tap in TAPS:
        value = float(coefficients[tap])
        if value != 0:
            factor = "" if abs(value) == 1 else number(abs(value), digits) + " * "
            terms.append(("- " if value < 0 else "+ ") + factor + names[tap])
    return " ".join(terms).removeprefix("+ ") or "vec4(0.0)"


def _steering_lines(g: int, rule: Rule, turned: str, coarser: str) -> list[str]:
    """Rotate the pairs of gradients, and scale up derivatives for a larger pattern.

    Pajouheshgar et al., "NoiseNCA", 2024: if cells are dx = 1 / coarseness apart, a derivative of
    order n is coarseness**n times as large.
    """
    lines = []
    for x, y in gradient_pairs(rule):
        p, q = f"nca_p{g}_{x}", f"nca_p{g}_{y}"
        lines += [
            f"vec4 nca_x{g}_{x} = {turned}.x * {p} + {turned}.y * {q};",
            f"{q} = {turned}.x * {q} - {turned}.y * {p};",
            f"{p} = nca_x{g}_{x};",
        ]
    factors = {1: coarser, 2: f"{coarser} * {coarser}"}
    for k, coefficients in enumerate(rule.filters):
        factor = factors.get(derivative_order(coefficients))
        if factor:
            lines.append(f"nca_p{g}_{k} *= {factor};")
    return lines


def _activation(settings: RuleSettings) -> str:
    value = "max(nca_h, 0.0)"
    if settings.hidden_clip is not None:
        value = f"min({value}, {number(settings.hidden_clip)})"
    return f"nca_h = {on_grid(value, settings.quantization.hidden)};"


def _unrolled_layers(
    settings: RuleSettings, blocks: WeightBlocks, groups: Sequence[int], digits: int
) -> list[str]:
    """Emit both layers with literal weights, four hidden units at a time, without zero blocks."""
    lines = ["vec4 nca_h;"]
    for i, g in enumerate(groups):
        lines.append(f"vec4 nca_d{i} = {vector(blocks.b2[4 * g : 4 * g + 4], digits)};")
    for j in range(blocks.hidden_groups):
        lines.append(f"nca_h = {vector(blocks.b1[4 * j : 4 * j + 4], digits)};")
        for g in range(blocks.groups):
            for k in range(blocks.filters):
                block = blocks.first(j, g, k)
                if block.any():
                    lines.append(f"nca_h += {matrix(block, digits)} * nca_p{g}_{k};")
        lines.append(_activation(settings))
        for i, g in enumerate(groups):
            block = blocks.second(g, j)
            if block.any():
                lines.append(f"nca_d{i} += {matrix(block, digits)} * nca_h;")
    return lines


def _rolled_layers(
    settings: RuleSettings, blocks: WeightBlocks, groups: Sequence[int]
) -> list[str]:
    """Emit both layers as a loop over four hidden units at a time, with weights from a texture."""
    filters = blocks.filters
    stride = 1 + 4 * blocks.groups * (filters + 1)
    lines = ["vec4 nca_h;"]
    lines += [f"vec4 nca_d{i} = nca_weight({g});" for i, g in enumerate(groups)]
    lines += [
        f"for (int nca_j = 0; nca_j < {blocks.hidden_groups}; nca_j++) {{",
        f"  int nca_o = {blocks.groups} + {stride} * nca_j;",
        "  nca_h = nca_weight(nca_o);",
    ]
    for g in range(blocks.groups):
        for k in range(filters):
            at = 1 + 4 * (g * filters + k)
            lines.append(f"  nca_h += nca_matrix(nca_o + {at}) * nca_p{g}_{k};")
    lines.append(f"  {_activation(settings)}")
    for i, g in enumerate(groups):
        at = 1 + 4 * blocks.groups * filters + 4 * g
        lines.append(f"  nca_d{i} += nca_matrix(nca_o + {at}) * nca_h;")
    return [*lines, "}"]
