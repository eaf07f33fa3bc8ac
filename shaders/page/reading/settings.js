// Check the settings of a rule that was read from a file, against the bounds of nca.rule_settings.

const LARGEST_FLOAT32 = 3.4028234663852886e38;
const BOUNDS = { channels: [4, 64], hidden: [1, 1024], levels: [2, 65536],
  dilation: [1, 3], "decoder scale": [2, 16], "decoder order": [0, 8], "decoder hidden": [16, 64] };
const MAX_FILTERS = 16;

/** Whether a value of readJson() is a number that a float32 can hold. */
const isFloat32 = (value) => ["bigint", "number"].includes(typeof value) && Math.abs(Number(value)) <= LARGEST_FLOAT32;

function check(good, name, wanted, value) {
  if (!good) throw new Error(`${name} must be ${wanted}, not ${shown(value)}`);
}

/** Check that an object has only known names. */
function checkNames(kind, object, known) {
  const unknown = Object.keys(object).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`unknown ${kind} ${shown(unknown)}; possible: ${known.join(", ")}`);
}

/** Check that a value is a whole number within its bounds, and return it. */
function whole(name, value) {
  const [least, most] = BOUNDS[name];
  check(typeof value === "bigint" && value >= least && value <= most, name, `a whole number from ${least} to ${most}`, value);
  return Number(value);
}

/** Check that a value is a number for which `fits` is true, and return it. */
function real(name, value, wanted = "a finite number", fits = () => true) {
  check(isFloat32(value) && fits(Number(value)), name, wanted, value);
  return Number(value);
}

function oneOf(name, value, choices) {
  check(choices.includes(value), name, `one of ${choices.join(", ")}`, value);
  return value;
}

const optional = (read) => (name, value) => (value === null ? null : read(name, value));

const READ_SETTING = {
  channels: whole,
  hidden: whole,
  padding: (name, value) => oneOf(name, value, PADDINGS),
  update_rate: (name, value) => real(name, value, "above 0 and at most 1", (v) => v > 0 && v <= 1),
  rgb_scale: real,
  rgb_offset: real,
  alive_threshold: optional(real),
  seed_state: (name, value) => oneOf(name, value, STARTS),
  noise_level: (name, value) => real(name, value, "0 to 100", (v) => v >= 0 && v <= 100),
  hidden_clip: optional((name, value) => real(name, value, "above 0 or null", (v) => v > 0)),
  quantization: readQuantization,
  calm: (name, value) => oneOf(name, value, [true, false]),
  decoder: optional(readDecoder),
  maps: readMaps,
  dilations: readDilations,
};

/** Check a rule's settings, as returned by readJson(), and add defaults for missing ones. */
function readSettings(raw) {
  const settings = { ...DEFAULT_SETTINGS };
  for (const [name, value] of Object.entries(raw)) {
    const read = Object.hasOwn(READ_SETTING, name) && READ_SETTING[name];
    if (!read) throw new Error(`unknown setting ${shown(name)}`);
    settings[name] = read(name, value);
  }
  const { channels, maps } = settings, needed = maps.length && mapWidth(maps);
  check(needed <= channels, "channels", `at least ${needed} for the maps`, channels);
  return settings;
}

/** Check the list of a material's maps, in order; the first must be the color. */
function readMaps(name, raw) {
  check(Array.isArray(raw), name, "a list of names", raw);
  raw.forEach((map) => oneOf(name, map, Object.keys(MAP_WIDTHS)));
  check(new Set(raw).size === raw.length, name, "a list without repeated names", raw);
  check(!raw.length || raw[0] === "color", name, "a list that begins with color", raw);
  return raw;
}

/** Check the distance between the taps of each filter, in cells; an empty list: 1 for all filters. */
function readDilations(name, raw) {
  check(Array.isArray(raw), name, "a list of numbers", raw);
  const dilations = raw.map((value) => whole("dilation", value));
  check(dilations.every((value, i) => !i || value >= dilations[i - 1]), name, "in ascending order", raw);
  return dilations;
}

/** Check that either all filters have a dilation, or none has. */
function checkDilations({ dilations }, filters) {
  if (![0, filters].includes(dilations.length)) throw new Error(`dilations must be ${filters} numbers, not ${dilations.length}`);
}

function readQuantization(name, raw) {
  const quantization = { ...DEFAULT_SETTINGS.quantization };
  if (!raw || (Array.isArray(raw) && !raw.length)) return quantization;
  check(isObject(raw), name, "an object", raw);
  checkNames("part of quantization", raw, Object.keys(quantization));
  for (const [part, value] of Object.entries(raw)) {
    quantization[part] = value === null ? null : readQuantizer(value);
  }
  return quantization;
}

function readDecoder(name, raw) {
  check(isObject(raw), name, "an object", raw);
  checkNames("decoder setting", raw, ["scale", "order", "hidden", "activation"]);
  const { scale = 8n, order = 0n, hidden = [32n], activation = "relu" } = raw;
  check(Array.isArray(hidden) && [1, 2].includes(hidden.length), "decoder hidden", "a list of 1 or 2 numbers", hidden);
  return {
    scale: whole("decoder scale", scale), order: whole("decoder order", order),
    hidden: hidden.map((units) => whole("decoder hidden", units)),
    activation: oneOf("decoder activation", activation, ["sine", "relu"]),
  };
}

function readQuantizer(raw) {
  check(isObject(raw), "a quantizer", "an object", raw);
  checkNames("quantizer setting", raw, ["range", "zero", "levels"]);
  const { range, zero, levels = 256n } = raw;
  return {
    range: real("quantizer range", range, "above 0", (v) => v > 0),
    zero: real("quantizer zero", zero, "from 0 to 1", (v) => v >= 0 && v <= 1),
    levels: whole("levels", levels),
  };
}

/** Check that all numbers in a tensor are finite. */
function checkFinite(name, values) {
  if (!values.every(Number.isFinite)) throw new Error(`${name} holds a number that is not finite`);
}
