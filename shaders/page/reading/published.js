// Read the rules of the article "Self-Organising Textures" from its JSON, as nca.exporters.importers does.

const MAX_PUBLISHED = 1000, MAX_ATLAS_PIXELS = 2 ** 24;
const PUBLISHED_CREDIT = "Niklasson, Mordvintsev, Randazzo, Levin";
const PUBLISHED_FILTERS = Float32Array.of(
  0, 0, 0, 0, 1, 0, 0, 0, 0, ...[-1, 0, 1, -2, 0, 2, -1, 0, 1].map((v) => v / 8),
  ...[-1, -2, -1, 0, 0, 0, 1, 2, 1].map((v) => v / 8), ...[1, 2, 1, 2, -12, 2, 1, 2, 1].map((v) => v / 8),
);

/** Read the rules of the article's JSON as plain data. Throws an error with a one-line message if any part is invalid. */
async function readPublished(bytes) {
  if (bytes.length > MAX_RULE_BYTES) throw new Error(`it is larger than the limit of ${MAX_RULE_BYTES / 2 ** 20} MB`);
  const data = readJson(decodeText(...withoutMark(bytes)));
  if (!isObject(data)) throw new Error("not a JSON object with model_names and layers");
  const { model_names: names, layers: raw } = data;
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) throw new Error("model_names must be a list of names");
  if (!names.length || names.length > MAX_PUBLISHED || new Set(names).size < names.length) {
    throw new Error(`model_names must be 1 to ${MAX_PUBLISHED} different names`);
  }
  if (!Array.isArray(raw) || raw.length !== 2) throw new Error("layers must be a list of two layers");
  const [first, second] = raw.map(readLayer), { columns: channels } = second, { columns: hidden } = first;
  if (!(channels >= 4 && channels <= BOUNDS.channels[1] && hidden >= 4 && hidden <= BOUNDS.hidden[1])) {
    throw new Error(`shape must give 4 to ${BOUNDS.channels[1]} channels and 4 to ${BOUNDS.hidden[1]} hidden units, not ${channels} and ${hidden}`);
  }
  if (first.rows !== 4 * channels + 1 || second.rows !== hidden + 1) {
    throw new Error(`shape ${first.rows} x ${hidden} does not fit ${second.rows} x ${channels}`);
  }
  const state = second.quantizer;
  const settings = {
    ...DEFAULT_SETTINGS, channels, hidden, rgb_scale: 0.5, hidden_clip: first.quantizer.range,
    quantization: { state, perception: state, hidden: first.quantizer, update: state },
  };
  const tiles = [await readTiles(first, names.length), await readTiles(second, names.length)];
  return names.map((name, i) => ({
    name, credit: PUBLISHED_CREDIT, settings, ...publishedTensors(settings, tiles[0](i), tiles[1](i)),
  }));
}

/** Remove a byte order mark; return the other bytes and their encoding. */
function withoutMark(bytes) {
  const starts = (...mark) => mark.every((byte, i) => bytes[i] === byte);
  if (starts(0xef, 0xbb, 0xbf)) return [bytes.subarray(3), "utf-8"];
  if (starts(0xff, 0xfe)) return [bytes.subarray(2), "utf-16le"];
  return starts(0xfe, 0xff) ? [bytes.subarray(2), "utf-16be"] : [bytes, "utf-8"];
}

function readPair(raw, key, fits, wanted) {
  const pair = raw[key];
  check(Array.isArray(pair) && pair.length === 2 && pair.every(fits), key, `two ${wanted}`, pair);
  return pair.map(Number);
}

function readLayer(raw) {
  if (!isObject(raw)) throw new Error("a layer is not an object with shape, layout, scale and data");
  const isSize = (value) => typeof value === "bigint" && value >= 1n && value <= 65536n;
  const [rows, columns] = readPair(raw, "shape", isSize, "whole numbers");
  const [across, down] = readPair(raw, "layout", isSize, "whole numbers");
  if (columns % 4) throw new Error(`shape must have a multiple of 4 outputs, not ${columns}`);
  const [range, zero] = readPair(raw, "quant_scale_zero", isFloat32, "numbers");
  const scale = real("scale", raw.scale);
  if (typeof raw.data !== "string") throw new Error("data must be a base64 PNG");
  const quantizer = readQuantizer({ range, zero });
  return { rows, columns, across, down, scale, quantizer, picture: raw.data };
}

/** Return a function from the number of a rule to its weights, [rows, columns]; the last row is the bias. */
async function readTiles({ rows, columns, across, down, scale, picture }, count) {
  if (across * down < count) throw new Error(`layout ${across} x ${down} has no room for ${count} rules`);
  const width = across * columns / 4, height = down * rows;
  if (width * height > MAX_ATLAS_PIXELS) throw new Error(`shape and layout give too large a picture, ${width} x ${height}`);
  const [head, text] = picture.split(/,(.*)/s);
  if (text === undefined || head.toLowerCase() !== "data:image/png;base64") throw new Error("data must begin with data:image/png;base64,");
  const bytes = await readPng(text, width, height), factor = Math.fround(scale);
  return (tile) => {
    const weights = new Float32Array(rows * columns);
    const left = (tile % across) * columns, top = Math.floor(tile / across) * rows;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const byte = bytes[4 * width * (top + row) + left + column];
        weights[row * columns + column] = Math.fround((byte - 127) / 255) * factor;
      }
    }
    checkFinite("a layer", weights);
    return weights;
  };
}

/** Make the tensors of a rule from its two layers; inputs of the first layer are ordered by filter. */
function publishedTensors({ channels, hidden }, first, second) {
  const inputs = 4 * channels, w1 = new Float32Array(hidden * inputs), w2 = new Float32Array(channels * hidden);
  for (let unit = 0; unit < hidden; unit++) {
    for (let input = 0; input < inputs; input++) {
      const kind = Math.floor(input / channels), channel = input % channels;
      w1[unit * inputs + 4 * channel + kind] = first[input * hidden + unit];
    }
    for (let channel = 0; channel < channels; channel++) w2[channel * hidden + unit] = second[unit * channels + channel];
  }
  return { filters: PUBLISHED_FILTERS, w1, b1: first.slice(inputs * hidden), w2, b2: second.slice(hidden * channels) };
}
