// Files: images, videos, and states as .npz, which numpy and the viewer also read.

const MAX_STATE_BYTES = 512e6;
const TOO_LARGE = `it holds more than the limit of ${MAX_STATE_BYTES / 1e6} MB`;
const MAX_CHANNELS = 64;                      // limit of all rules
const END_SIZE = 22, MAX_COMMENT = 65535;     // bytes at the end of a zip archive

function bytesFromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Download a file. */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file name without characters that some file systems reject. */
function fileName(text) {
  return text.normalize("NFKD").replace(/[^\w.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "") || "texture";
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** An array as .npy: header, then the numbers in C order. */
function npy(values, shape) {
  const kinds = { Float32Array: "<f4", Uint32Array: "<u4", Uint8Array: "|u1" };
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const text = `{'descr': '${kinds[values.constructor.name]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11) + "\n";
  const ascii = (letters) => Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const magic = joined([[0x93], ascii("NUMPY"), [1, 0, header.length & 255, header.length >> 8]]);
  const body = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return joined([magic, ascii(header), body]);
}

function joined(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function numbers(...pairs) {
  const out = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of pairs) {
    if (size === 2) out.setUint16(at, value, true);
    else out.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(out.buffer);
}

/** A zip archive of uncompressed files, {name: bytes}. */
function zip(files) {
  const local = [], central = [];
  let offset = 0;
  for (const [name, body] of Object.entries(files)) {
    const letters = Uint8Array.from(name, (c) => c.charCodeAt(0));
    const common = [[2, 20], [2, 0], [2, 0], [2, 0], [2, 33], [4, crc32(body)],
      [4, body.length], [4, body.length], [2, letters.length], [2, 0]];
    const head = numbers([4, 0x04034b50], ...common);
    local.push(head, letters, body);
    central.push(numbers([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), letters);
    offset += head.length + letters.length + body.length;
  }
  const directory = joined(central), count = Object.keys(files).length;
  const end = numbers([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count],
    [4, directory.length], [4, offset], [2, 0]);
  return joined([...local, directory, end]);
}

/** The wanted files of a zip archive, by name; stored or deflated, as numpy writes them. */
async function unzip(bytes, wanted) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const earliest = Math.max(0, bytes.length - END_SIZE - MAX_COMMENT);
  let end = bytes.length - END_SIZE;
  while (end >= earliest && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < earliest) throw new Error("this is not an .npz file");
  const files = new Map();
  let at = view.getUint32(end + 16, true), room = MAX_STATE_BYTES;
  for (let i = 0; i < view.getUint16(end + 10, true); i++) {
    const method = view.getUint16(at + 10, true), crc = view.getUint32(at + 16, true);
    const [size, unpacked] = [20, 24].map((o) => view.getUint32(at + o, true));
    const [name, extra, comment] = [28, 30, 32].map((o) => view.getUint16(at + o, true));
    const from = view.getUint32(at + 42, true);
    const label = String.fromCharCode(...bytes.subarray(at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
    if (!wanted.includes(label)) continue;
    const begin = from + 30 + view.getUint16(from + 26, true) + view.getUint16(from + 28, true);
    const packed = bytes.subarray(begin, begin + size);
    if (method !== 0 && method !== 8) throw new Error(`${label} has an unknown compression method (${method})`);
    room -= unpacked;
    if (room < 0) throw new Error(TOO_LARGE);
    const body = method === 0 ? packed : await inflate(packed, unpacked);
    if (crc32(body) !== crc) throw new Error(`${label} is damaged`);
    files.set(label, body);
  }
  return files;
}

/** Decompress at most this number of bytes: a small file can hold a huge one. */
async function inflate(packed, size, format = "deflate-raw") {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream(format));
  const reader = stream.getReader(), out = new Uint8Array(size);
  for (let at = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return out;
    if (at + value.length > size) await reader.cancel();
    out.set(value, at); // raises a RangeError if there are more
    at += value.length;
  }
}

const NUMBER_KINDS = new Map([["<f4", Float32Array], ["<u4", Uint32Array], ["|u1", Uint8Array]]);

/** The array of a .npy file: {values, shape}. */
function fromNpy(bytes) {
  const version = bytes[6], long = version > 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const header = new TextDecoder("latin1").decode(bytes.subarray(long ? 12 : 10, start));
  const kind = /'descr': '([^']+)'/.exec(header)?.[1];
  const Values = NUMBER_KINDS.get(kind);
  if (!Values || /'fortran_order': True/.test(header)) {
    throw new Error(`an array of type ${kind ?? "unknown"} cannot be used`);
  }
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").filter((n) => n.trim()).map(Number);
  const count = shape.reduce((product, side) => product * side, 1);
  if (count * Values.BYTES_PER_ELEMENT !== bytes.length - start) {
    throw new Error(`an array of shape [${shape}] does not have ${bytes.length - start} bytes`);
  }
  return { values: new Values(bytes.slice(start).buffer), shape };
}

/** The state of a simulation as an .npz file. */
function stateFile(simulation) {
  const { width, height, data, stepNumber, seed, field, fields } = simulation;
  const arrays = {
    "state.npy": npy(simulation.read(), [data.channels, height, width]),
    "step_seed.npy": npy(Uint32Array.of(stepNumber, seed), [2]),
    "owner.npy": npy(field.owner, [height, width]),
  };
  if (fields.used) arrays["fields.npy"] = npy(fields.texels, [height, width, 4]);
  return new Blob([zip(arrays)], { type: "application/zip" });
}

/** The arrays of an .npz file that belong to a state. */
async function readArrays(file) {
  if (file.size > MAX_STATE_BYTES) throw new Error(TOO_LARGE);
  const names = ["state", "step_seed", "owner", "fields"];
  try {
    const files = await unzip(new Uint8Array(await file.arrayBuffer()), names.map((name) => `${name}.npy`));
    return names.map((name) => files.has(`${name}.npy`) ? fromNpy(files.get(`${name}.npy`)) : null);
  } catch (error) {
    // Thrown by views of bytes and by the decompression, if a file is truncated or damaged.
    if (error instanceof RangeError || error instanceof TypeError) throw new Error("the .npz file is damaged");
    throw error;
  }
}

/** Read what stateFile() or numpy.savez(state=...) wrote. Throws an error unless all of it is valid. */
async function readState(file, largest) {
  const [state, count, owner, fields] = await readArrays(file);
  const check = (good, name, wanted, { values, shape }) => {
    if (!good) throw new Error(`'${name}' must be ${wanted}, not ${values.constructor.name} [${shape}]`);
  };
  const whole = (n, low, high) => Number.isInteger(n) && n >= low && n <= high;
  if (!state) throw new Error("the file holds no array 'state'");
  const { values, shape: [channels, height, width] } = state;
  check(values instanceof Float32Array && state.shape.length === 3, "state",
    "float32 [channels, height, width]", state);
  check(whole(channels, 1, MAX_CHANNELS) && whole(height, MIN_SIDE, largest) && whole(width, MIN_SIDE, largest),
    "state", `1 to ${MAX_CHANNELS} channels of ${MIN_SIDE} to ${largest} cells per side`, state);
  if (!values.every(Number.isFinite)) throw new Error("'state' holds a number that is not finite");
  if (count) check(count.values instanceof Uint32Array && count.values.length === 2, "step_seed", "uint32 [2]", count);
  for (const [name, array, shape] of [["owner", owner, [height, width]], ["fields", fields, [height, width, 4]]]) {
    if (array) check(array.values instanceof Uint8Array && String(array.shape) === String(shape), name, `uint8 [${shape}]`, array);
  }
  const [step, seed] = count?.values ?? [0, 0];
  return { values, channels, height, width, owner: owner?.values, fields: fields?.values, step, seed };
}

const LARGEST_MP4 = 4096 * 2304; // pixels of a frame; the encoders of browsers accept no larger ones

/** Records the canvas as a video. */
class Recorder {
  constructor(canvas, transparent) {
    const kinds = ["video/webm;codecs=vp9", "video/webm"], pixels = canvas.width * canvas.height;
    if (!transparent && pixels <= LARGEST_MP4) kinds.unshift("video/mp4;codecs=avc1"); // has no alpha
    this.kind = kinds.find((kind) => globalThis.MediaRecorder?.isTypeSupported(kind));
    if (!this.kind || !canvas.captureStream) throw new Error("This browser cannot record video.");
    this.parts = [];
    this.recorder = new MediaRecorder(canvas.captureStream(60), {
      mimeType: this.kind, videoBitsPerSecond: Math.max(16e6, 4 * pixels),
    });
    this.stopped = new Promise((done) => this.recorder.addEventListener("stop", done)); // also after an error
    this.recorder.addEventListener("error", ({ error }) => { this.error = error; });
    this.recorder.addEventListener("dataavailable", ({ data }) => this.parts.push(data));
    this.recorder.start(1000);
    this.started = performance.now();
  }

  /** Seconds since the start. */
  get seconds() {
    return (performance.now() - this.started) / 1000;
  }

  /** Stop, and return the video as a blob, and its file extension. Throws if the encoder failed or wrote nothing. */
  async stop() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
    await this.stopped;
    for (const track of this.recorder.stream.getTracks()) track.stop();
    if (this.error) throw new Error(`The browser cannot record this video: ${this.error.message}`);
    const extension = this.kind.startsWith("video/mp4") ? "mp4" : "webm", blob = new Blob(this.parts, { type: this.kind });
    if (!blob.size) throw new Error("The browser recorded no frame.");
    return { blob, extension };
  }
}
