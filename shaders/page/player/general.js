// Shaders of any rule: one general source, configured by macros; the weights come from a texture.

const PADDINGS = ["circular", "zeros", "reflect", "replicate"]; // numbers of NCA_PADDING
const STARTS = ["zeros", "noise", "center"]; // numbers of NCA_START
const PASSES = ["step", "life", "paint"]; // numbers of NCA_PASS
const WEIGHTS_WIDTH = 256; // texels
const PRECISIONS = ["float", "int", "sampler2D", "sampler2DArray"].map((kind) => `precision highp ${kind};\n`).join("");

/** A float literal of GLSL. */
function literal(value) {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** 0 for a filter that responds to a constant, 1 for an odd one (a gradient), otherwise 2. */
function derivativeOrder(filter) {
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  if (Math.abs(sum(filter)) > 1e-6 * sum(filter.map(Math.abs))) return 0;
  return filter.every((value, i) => value === -filter[8 - i]) ? 1 : 2;
}

/** For each filter: its order as a derivative, its partner in a pair of gradients, and the sign of the sine. */
function derivatives(filters, dilations) {
  const each = Array.from({ length: filters.length / 9 }, (_, k) => filters.slice(9 * k, 9 * k + 9));
  const orders = each.map(derivativeOrder), partners = each.map((_, k) => k), turns = each.map(() => 0);
  const transposed = (a, b) => a.every((value, i) => value === b[3 * (i % 3) + Math.floor(i / 3)]);
  each.forEach((one, x) => each.forEach((other, y) => {
    const free = x < y && dilations[x] === dilations[y] && orders[x] === 1 && orders[y] === 1 && !turns[x] && !turns[y];
    if (!free || !transposed(one, other)) return;
    [partners[x], partners[y], turns[x], turns[y]] = [y, x, 1, -1];
  }));
  return { orders, partners, turns };
}

/** The macros of a rule; nca.exporters.glsl.general makes the same ones. */
function macros({ settings, filters }) {
  const dilations = settings.dilations.length ? settings.dilations : Array(filters.length / 9).fill(1);
  const { orders, partners, turns } = derivatives(filters, dilations), literals = (values) => [...values].map(literal).join(", ");
  const values = {
    NCA_CHANNELS: settings.channels, NCA_GROUPS: groupCount(settings.channels), NCA_HIDDEN: settings.hidden,
    NCA_FILTERS: orders.length, NCA_COEFFICIENTS: literals(filters),
    NCA_DILATIONS: dilations.join(", "), NCA_ORDERS: orders.join(", "), NCA_PARTNERS: partners.join(", "), NCA_TURNS: literals(turns),
    NCA_PADDING: PADDINGS.indexOf(settings.padding), NCA_START: STARTS.indexOf(settings.seed_state),
    NCA_NOISE: literal(settings.noise_level),
  };
  if (settings.alive_threshold !== null) values.NCA_ALIVE = literal(settings.alive_threshold);
  if (settings.hidden_clip !== null) values.NCA_CLIP = literal(settings.hidden_clip);
  for (const [name, grid] of Object.entries(settings.quantization)) {
    if (grid) values[`NCA_${name.toUpperCase()}_GRID`] = literals([grid.range, grid.zero, grid.levels - 1]);
  }
  return Object.assign(values, decoderMacros(settings, stepTexels(settings, orders.length)));
}

/** Macros as text. */
function defines(macros) {
  return Object.entries(macros).map(([name, value]) => `#define ${name} ${value}\n`).join("");
}

/** The passes that together apply "step", "life" or "paint" to all groups of a state; `text` is the source. */
function generalPasses(text, name, rule, groups, outputs, fields) {
  const passes = [];
  for (let first = 0; first < groups; first += outputs) {
    const count = Math.min(outputs, groups - first);
    const defined = { ...macros(rule), NCA_PASS: PASSES.indexOf(name), NCA_FIRST: first, NCA_OUTPUTS: count, ...(fields && { NCA_FIELDS: 1 }) };
    const fragment = `#version 300 es\n${PRECISIONS}${defines(defined)}${text}`;
    passes.push({ fragment, groups: Array.from({ length: count }, (_, i) => first + i) });
  }
  return passes;
}

/** Number of texels of the weights of a step. */
function stepTexels({ channels, hidden }, kinds) {
  const groups = groupCount(channels);
  return groups + groupCount(hidden) * (1 + 4 * groups * (kinds + 1));
}

/** The weights as texels, see nca.exporters.glsl.weights.pack_weights. */
function packWeights(rule) {
  const { settings, filters, w1, b1, w2, b2 } = rule, { channels, hidden } = settings;
  const kinds = filters.length / 9, groups = groupCount(channels), units = groupCount(hidden), decoder = decoderTexels(rule);
  const count = stepTexels(settings, kinds) + decoder.length / 4;
  const packed = new Float32Array(4 * WEIGHTS_WIDTH * Math.ceil(count / WEIGHTS_WIDTH));
  let at = 0;
  const put = (value) => { packed[at++] = value ?? 0; };
  const matrix = (value) => { for (let column = 0; column < 4; column++) for (let row = 0; row < 4; row++) put(value(row, column)); };
  for (let c = 0; c < 4 * groups; c++) put(b2?.[c]);
  for (let j = 0; j < 4 * units; j += 4) {
    for (let row = 0; row < 4; row++) put(b1[j + row]);
    for (let c = 0; c < 4 * groups; c += 4) {
      for (let k = 0; k < kinds; k++) {
        matrix((row, column) => (j + row < hidden && c + column < channels
          ? w1[(j + row) * channels * kinds + (c + column) * kinds + k] : 0));
      }
    }
    for (let c = 0; c < 4 * groups; c += 4) {
      matrix((row, column) => (c + row < channels && j + column < hidden ? w2[(c + row) * hidden + j + column] : 0));
    }
  }
  packed.set(decoder, at);
  return packed;
}

/** Replace the weight references of a shader by literals: @v7 is texel 7 as a vector, @m7 is texels 7 to 10 as a matrix. */
function withWeights(fragment, packed, digits) {
  return fragment.replace(/@([vm])(\d+)/g, (_, kind, first) => {
    const size = kind === "v" ? 4 : 16, values = packed.subarray(4 * first, 4 * first + size);
    const texts = Array.from(values, (value) => {
      const text = String(Number(value.toPrecision(digits)));
      return /[.e]/.test(text) ? text : `${text}.`;
    });
    return `${kind === "v" ? "vec" : "mat"}4(${texts})`;
  });
}
