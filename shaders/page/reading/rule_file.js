// Read rule files (.safetensors), with the checks of nca.rulefile.

const RULE_FORMAT = "nca-rule", RULE_VERSION = 4; // the largest supported major version
const MAX_RULE_BYTES = 64 * 2 ** 20, MAX_RULE_HEADER = 8 * 2 ** 20;
const DEEPEST_HEADER = 63, MAX_STATES = 256;

/** Read the rule of a file as plain data. Throws an error with a one-line message if any part is invalid. */
function readRuleFile(bytes) {
  const { header, body } = splitRuleFile(bytes);
  const { __metadata__: metadata, ...tensors } = header;
  const { settings: raw, author, license, thumbnail, states } = readRuleHeader(metadata);
  const settings = readSettings(raw), known = Object.keys(tensorShapes(settings, 0));
  const unknown = Object.keys(tensors).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`unknown tensor ${shown(unknown)}`);
  const missing = known.find((name) => name !== "b2" && !tensors[name]);
  if (missing) throw new Error(`no tensor ${missing}`);
  checkOffsets(tensors, body.length);
  const text = (value) => (typeof value === "string" ? value.split(/\s+/).filter(Boolean).join(" ") : "");
  return {
    settings, b2: null, ...readTensors(settings, tensors, body), states: readStates(states, settings.channels),
    credit: [text(author), text(license)].filter(Boolean).join(", "), thumbnail: readThumbnail(thumbnail),
  };
}

function splitRuleFile(bytes) {
  if (bytes.length > MAX_RULE_BYTES) throw new Error(`it is larger than the limit of ${MAX_RULE_BYTES / 2 ** 20} MB`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 8 ? Infinity : Number(view.getBigUint64(0, true));
  if (length > bytes.length - 8) throw new Error("it is not a .safetensors file, or it is incomplete");
  if (length > MAX_RULE_HEADER) throw new Error(`its header has ${length} bytes; the limit is ${MAX_RULE_HEADER}`);
  const header = readJson(decodeText(bytes.subarray(8, 8 + length)));
  if (!isObject(header)) throw new Error("its header is not an object");
  return { header, body: bytes.subarray(8 + length) };
}

function decodeText(bytes, encoding = "utf-8") {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error("it is not text");
  }
}

/** Check and return the entry of the header that describes the rule. */
function readRuleHeader(metadata) {
  const texts = isObject(metadata) ? Object.entries(metadata).flat() : [];
  if (!texts.every((text) => typeof text === "string" && text.isWellFormed())) throw new Error("its header is damaged");
  if (!metadata || !Object.hasOwn(metadata, "nca")) throw new Error("its header has no entry 'nca'");
  const header = readJson(metadata.nca, DEEPEST_HEADER);
  if (!isObject(header) || header.format !== RULE_FORMAT) throw new Error(`its format is not '${RULE_FORMAT}'`);
  const { version } = header, major = typeof version === "string" && /^\d{1,9}(?=\.|$)/.exec(version)?.[0];
  if (!major) throw new Error(`its version is ${shown(version)}, not a number such as '1.0'`);
  if (Number(major) > RULE_VERSION) throw new Error(`its version is ${version}, but this page reads ${RULE_VERSION}; export a newer page`);
  if (!isObject(header.settings)) throw new Error("its header has no 'settings'");
  return header;
}

/** Check that the tensors fill the body, in any order, without gaps. */
function checkOffsets(tensors, length) {
  const pairs = Object.entries(tensors).map(([name, tensor]) => {
    const { dtype, shape, data_offsets: offsets } = isObject(tensor) ? tensor : {};
    const sizes = [shape, offsets].every((list) => Array.isArray(list) && list.every((n) => typeof n === "bigint" && n >= 0n));
    if (!sizes || offsets.length !== 2) throw new Error(`${name} has no valid shape or offsets`);
    if (dtype !== "F32") throw new Error(`${name} must be float32 (F32), not ${shown(dtype)}`);
    return offsets;
  });
  let end = 0n;
  for (const [from, to] of pairs.sort(([a], [b]) => Number(a - b))) {
    if (from !== end || to < from) throw new Error("its tensors overlap or leave gaps");
    end = to;
  }
  if (end !== BigInt(length)) throw new Error(`it is incomplete or damaged: its tensors need ${end} bytes, but it has ${length}`);
}

function readTensors(settings, tensors, body) {
  const count = Number(tensors.filters.shape[0] ?? 0);
  if (!(count >= 1 && count <= MAX_FILTERS)) throw new Error(`filters must be 1 to ${MAX_FILTERS}, not ${count}`);
  checkDilations(settings, count);
  const values = {};
  for (const [name, wanted] of Object.entries(tensorShapes(settings, count))) {
    if (!tensors[name]) continue;
    const { shape, data_offsets: [from, to] } = tensors[name];
    if (shape.join() !== wanted.join()) throw new Error(`${name} must have shape ${wanted.join(" x ")}, not ${shown(shape.join(" x "))}`);
    if (Number(to - from) !== 4 * wanted.reduce((a, b) => a * b, 1)) throw new Error(`${name} is incomplete or damaged`);
    values[name] = new Float32Array(body.slice(Number(from), Number(to)).buffer);
    checkFinite(name, values[name]);
  }
  return values;
}

/** Read the channel values of each state of a classic automaton, by state number; null if the table is not valid. */
function readStates(rows, channels) {
  const isRow = (row) => Array.isArray(row) && row.length === channels
    && row.every((value) => ["number", "bigint"].includes(typeof value) && Number.isFinite(Math.fround(Number(value))));
  const good = Array.isArray(rows) && rows.length >= 2 && rows.length <= MAX_STATES && rows.every(isRow);
  return good ? rows.map((row) => row.map(Number)) : null;
}

/** Return the image of a rule as a data URL; null unless it is a short base64 string of a PNG. */
function readThumbnail(text) {
  const good = typeof text === "string" && text.length < 100_000 && /^iVBORw0KGgo[\w+/]*={0,2}$/.test(text);
  return good ? `data:image/png;base64,${text}` : null;
}
