// Rules as plain data, {name, credit, thumbnail, settings, filters, w1, b1, w2, b2}, and values derived from it.

const MAX_RULES = 255; // a cell stores the number of its rule in a byte
const DEFAULT_SETTINGS = {
  channels: 8, hidden: 32, padding: "circular", update_rate: 0.5, rgb_scale: 1, rgb_offset: 0.5,
  alive_threshold: null, seed_state: "zeros", noise_level: 0, hidden_clip: null,
  quantization: { state: null, perception: null, hidden: null, update: null }, calm: false, decoder: null, maps: [],
  dilations: [],
};

/** Names of the tensors in their order, and their shapes; b2 may be missing. */
function tensorShapes(settings, filters) {
  const { channels, hidden } = settings;
  return {
    filters: [filters, 3, 3], w1: [hidden, channels * filters], b1: [hidden], w2: [channels, hidden], b2: [channels],
    ...decoderShapes(settings),
  };
}

/** Split consecutive numbers into the tensors of a rule; b2 is null if there are too few numbers for it. */
function splitTensors(settings, filters, numbers) {
  const sizes = Object.entries(tensorShapes(settings, filters)).map(([name, shape]) => [name, shape.reduce((a, b) => a * b, 1)]);
  const bias = numbers.length >= sizes.reduce((sum, [, size]) => sum + size, 0);
  let at = 0;
  return Object.fromEntries(sizes.map(([name, size]) => (
    [name, name === "b2" && !bias ? null : numbers.subarray(at, at += size)])));
}

/** A rule from the data of the exporter, as plain data. */
function exportedRule({ tensors, filters, settings: changes, ...rest }) {
  const numbers = new Float32Array(bytesFromBase64(tensors).buffer), settings = { ...DEFAULT_SETTINGS, ...changes };
  return { ...rest, settings, ...splitTensors(settings, filters, numbers) };
}

/** A rule as player, display and panel need it. */
function playable(rule, { byteState }) {
  const { settings } = rule, { range, zero } = settings.quantization.state ?? {};
  return {
    stores: ["texture"], inline: null, decoder: null, thumbnail: null, credit: "", states: null, ...rule,
    channels: settings.channels, hidden: settings.hidden,
    weightCount: rule.w1.length + rule.b1.length + rule.w2.length + (rule.b2?.length ?? 0),
    wraps: settings.padding === "circular",
    rate: settings.update_rate,
    scale: settings.decoder?.scale ?? 1, // pixels per cell
    calm: settings.calm,
    // An initial state of one cell in the middle does not reach an area painted elsewhere.
    reseeds: settings.seed_state !== "center",
    colors: [settings.rgb_scale, settings.rgb_offset],
    fades: Number(settings.alive_threshold !== null), // channel 3 is alpha
    code: range === undefined ? byteState : [range, zero],
  };
}

/** The data of the exporter with rules as the player needs them; `read` turns each into plain data. */
function prepared(data, read = exportedRule) {
  const all = { ...data, rules: [] };
  addRules(all, data.rules.map(read));
  return all;
}

/** Add rules, replacing those with the same names; returns their places. */
function addRules(data, rules) {
  const names = new Map(data.rules.map(({ name }, place) => [name, place]));
  for (const { name } of rules) if (!names.has(name)) names.set(name, names.size);
  if (names.size > MAX_RULES) throw new Error(`there would be ${names.size} textures; a page can hold ${MAX_RULES}`);
  const places = rules.map(({ name }) => names.get(name));
  places.forEach((place, i) => { data.rules[place] = playable(rules[i], data); });
  data.channels = Math.max(...data.rules.map((rule) => rule.channels)); // of a state that all share
  data.groups = groupCount(data.channels);
  return places;
}

/** Number of groups of four channels. */
function groupCount(channels) {
  return Math.ceil(channels / 4);
}
