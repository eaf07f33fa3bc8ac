// Rules in a link: settings and shortened weights, as base64url. nca.exporters.link describes the format.

const MAX_LINK = 4_000_000; // characters
const LONG_ROW = 24; // a row with at least this many weights has its own scale
const DEFAULT_FILTERS = Float32Array.of(
  0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 1, -2, 0, 2, -1, 0, 1, -1, -2, -1, 0, 0, 0, 1, 2, 1, 1, 2, 1, 2, -12, 2, 1, 2, 1,
);
const LINK_BITS = 16; // bits per weight in links that the page makes; no difference can be seen
const LINK_FLAGS = { wide: 1, bias: 2, filters: 4, more: 8 };
const LINK_REALS = ["update_rate", "rgb_scale", "rgb_offset", "noise_level", "alive_threshold", "hidden_clip"];
const LINK_GRIDS = ["state", "perception", "hidden", "update"];

/** Reads numbers one after the other. Throws an error if there are none left. */
class LinkBytes {
  constructor(bytes) {
    Object.assign(this, { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 });
  }

  next(kind, size) {
    if (this.at + size > this.view.byteLength) throw new Error("the link is incomplete");
    this.at += size;
    return this.view[`get${kind}`](this.at - size, true);
  }

  byte() { return this.next("Uint8", 1); }
  short() { return this.next("Uint16", 2); }
  double() { return this.next("Float64", 8); }
  floats(count) { return Float32Array.from({ length: count }, () => this.next("Float32", 4)); }

  /** Read weights of 8 or 16 bits; each long row has its own scale, and short rows share one. */
  weights(count, row, wide) {
    const values = new Float32Array(count), length = row < LONG_ROW ? count : row;
    const scales = Float32Array.from({ length: count / length }, () => bfloat(this.short()));
    for (let i = 0; i < count; i++) {
      values[i] = (wide ? this.next("Int16", 2) : this.next("Int8", 1)) * scales[Math.floor(i / length)];
    }
    return values;
  }
}

/** Return the float32 with a given upper half; its lower half is zero. */
function bfloat(bits) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits * 65536);
  return view.getFloat32(0);
}

/** Read the rule in the text after "r=" as plain data. Throws an error with a one-line message if any part is invalid. */
function readLink(text) {
  const reader = new LinkBytes(unpackText(text, "the link", MAX_LINK));
  const flags = reader.byte(), settings = readLinkSettings(reader, flags);
  const filters = readLinkFilters(reader, flags);
  checkDilations(settings, filters.length / 9);
  const rule = { settings, filters, b2: null, credit: "", link: text };
  for (const [name, shape] of Object.entries(tensorShapes(settings, filters.length / 9))) {
    if (name === "filters" || (name === "b2" && !(flags & LINK_FLAGS.bias))) continue;
    const count = shape.reduce((a, b) => a * b, 1);
    rule[name] = reader.weights(count, shape.at(-1), flags & LINK_FLAGS.wide);
    checkFinite(name, rule[name]);
  }
  if (reader.at !== reader.view.byteLength) throw new Error("the link is too long for its rule");
  return rule;
}

/** Return the number of bits per weight of a link. */
function linkBits(text) {
  const [flags] = unpackText(text, "the link", MAX_LINK);
  return flags & LINK_FLAGS.wide ? 16 : 8;
}

function readLinkSettings(reader, flags) {
  const raw = { channels: BigInt(reader.byte()), hidden: BigInt(reader.short()), padding: PADDINGS[(flags >> 4) & 3], seed_state: STARTS[flags >> 6] };
  if (flags & LINK_FLAGS.more) {
    const given = reader.short(), quantization = {};
    LINK_REALS.forEach((name, i) => { if (given & (1 << i)) raw[name] = reader.double(); });
    LINK_GRIDS.forEach((name, i) => {
      if (given & (64 << i)) quantization[name] = { range: reader.double(), zero: reader.double(), levels: BigInt(reader.short()) + 1n };
    });
    const decoder = given & 2048 ? readLinkDecoder(reader) : null;
    const maps = given & 4096 ? Array.from({ length: reader.byte() }, () => Object.keys(MAP_WIDTHS)[reader.byte()]) : [];
    const dilations = given & 8192 ? Array.from({ length: reader.byte() }, () => BigInt(reader.byte())) : [];
    Object.assign(raw, { quantization, calm: Boolean(given & 1024), decoder, maps, dilations });
  }
  return readSettings(raw);
}

function readLinkDecoder(reader) {
  const [scale, order, kind, layers] = Array.from({ length: 4 }, () => reader.byte());
  const hidden = Array.from({ length: layers }, () => BigInt(reader.byte()));
  return { scale: BigInt(scale), order: BigInt(order), hidden, activation: kind ? "relu" : "sine" };
}

function readLinkFilters(reader, flags) {
  if (!(flags & LINK_FLAGS.filters)) return DEFAULT_FILTERS;
  const count = reader.byte();
  if (!(count >= 1 && count <= MAX_FILTERS)) throw new Error(`filters must be 1 to ${MAX_FILTERS}, not ${count}`);
  const filters = reader.floats(9 * count);
  checkFinite("filters", filters);
  return filters;
}

/** Return the text after "r=" for a rule, with 8 or 16 bits per weight. */
function writeLink({ settings, filters, ...tensors }, bits) {
  const wide = bits === 16, parts = [];
  const changed = LINK_REALS.map((name) => settings[name] !== DEFAULT_SETTINGS[name]);
  const grids = LINK_GRIDS.map((name) => settings.quantization[name]);
  const { decoder, maps, dilations } = settings;
  const given = [...changed, ...grids, settings.calm, decoder, maps.length, dilations.length].reduce((sum, on, i) => sum + (on ? 1 << i : 0), 0);
  const own = filters.join() !== DEFAULT_FILTERS.join();
  const flags = (wide ? 1 : 0) + (tensors.b2 ? 2 : 0) + (own ? 4 : 0) + (given ? 8 : 0)
    + 16 * PADDINGS.indexOf(settings.padding) + 64 * STARTS.indexOf(settings.seed_state);
  const put = (kind, size, values) => {
    const view = new DataView(new ArrayBuffer(size * values.length));
    values.forEach((value, i) => view[`set${kind}`](i * size, value, true));
    parts.push(new Uint8Array(view.buffer));
  };
  put("Uint8", 1, [flags, settings.channels]);
  put("Uint16", 2, [settings.hidden]);
  if (given) {
    put("Uint16", 2, [given]);
    put("Float64", 8, LINK_REALS.filter((_, i) => changed[i]).map((name) => settings[name]));
    for (const grid of grids.filter(Boolean)) {
      put("Float64", 8, [grid.range, grid.zero]);
      put("Uint16", 2, [grid.levels - 1]);
    }
    if (decoder) put("Uint8", 1, [decoder.scale, decoder.order, Number(decoder.activation === "relu"), decoder.hidden.length, ...decoder.hidden]);
    if (maps.length) put("Uint8", 1, [maps.length, ...maps.map((map) => Object.keys(MAP_WIDTHS).indexOf(map))]);
    if (dilations.length) put("Uint8", 1, [dilations.length, ...dilations]);
  }
  if (own) {
    put("Uint8", 1, [filters.length / 9]);
    put("Float32", 4, [...filters]);
  }
  for (const [name, shape] of Object.entries(tensorShapes(settings, filters.length / 9))) {
    if (name !== "filters" && tensors[name]) putWeights(put, tensors[name], shape.at(-1), wide);
  }
  return packText(joined(parts));
}

function putWeights(put, values, row, wide) {
  const length = row < LONG_ROW ? values.length : row, top = wide ? 32767 : 127, scales = [];
  for (let from = 0; from < values.length; from += length) {
    scales.push(scaleBits(values.subarray(from, from + length).reduce((most, v) => Math.max(most, Math.abs(v)), 0) / top));
  }
  put("Uint16", 2, scales);
  const whole = Array.from(values, (value, i) => {
    const scale = bfloat(scales[Math.floor(i / length)]);
    return scale ? Math.max(-top, Math.min(top, roundEven(value / scale))) : 0;
  });
  put(wide ? "Int16" : "Int8", wide ? 2 : 1, whole);
}

/** Return the upper half of a float32 that is at least as large as a number. */
function scaleBits(value) {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return Math.ceil(view.getUint32(0) / 65536);
}

/** Round halves to even numbers, as numpy does. */
function roundEven(value) {
  const below = Math.floor(value), rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}
