// Files in and out: pictures, videos, and states as .npz, which numpy and the viewer read too.

const MAX_STATE_BYTES = 512e6;

function bytesFromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Hand a file to the person. */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file name without what some file system refuses. */
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

/** Files of a zip archive, {name: bytes}; stored or deflated, as numpy writes them. */
async function unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("this is not an .npz file");
  const files = {};
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < view.getUint16(end + 10, true); i++) {
    const method = view.getUint16(at + 10, true), size = view.getUint32(at + 20, true);
    const [name, extra, comment] = [28, 30, 32].map((o) => view.getUint16(at + o, true));
    const from = view.getUint32(at + 42, true);
    const begin = from + 30 + view.getUint16(from + 26, true) + view.getUint16(from + 28, true);
    const packed = bytes.subarray(begin, begin + size);
    const label = String.fromCharCode(...bytes.subarray(at + 46, at + 46 + name));
    files[label] = method === 0 ? packed : await inflate(packed);
    at += 46 + name + extra + comment;
  }
  return files;
}

async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The array of a .npy file: {values, shape}. */
function fromNpy(bytes) {
  const version = bytes[6], long = version > 1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const header = String.fromCharCode(...bytes.subarray(long ? 12 : 10, start));
  const kind = /'descr': '([^']+)'/.exec(header)?.[1];
  const Values = { "<f4": Float32Array, "<u4": Uint32Array, "|u1": Uint8Array }[kind];
  if (!Values || /'fortran_order': True/.test(header)) throw new Error(`an array of type ${kind} cannot be used`);
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").filter((n) => n.trim()).map(Number);
  return { values: new Values(bytes.slice(start).buffer), shape };
}

/** The state of a simulation as an .npz file. */
function stateFile(simulation) {
  const { width, height, data, stepNumber, seed, field } = simulation;
  const arrays = {
    "state.npy": npy(simulation.values(), [data.channels, height, width]),
    "step_seed.npy": npy(Uint32Array.of(stepNumber, seed), [2]),
    "owner.npy": npy(field.owner, [height, width]),
  };
  return new Blob([zip(arrays)], { type: "application/zip" });
}

/** Read what stateFile() or numpy.savez(state=...) wrote. */
async function readState(file) {
  if (file.size > MAX_STATE_BYTES) throw new Error("the file is too large for a state");
  const files = await unzip(new Uint8Array(await file.arrayBuffer()));
  if (!files["state.npy"]) throw new Error("the file holds no array 'state'");
  const state = fromNpy(files["state.npy"]);
  const [channels, height, width] = state.shape;
  if (state.shape.length !== 3 || !(state.values instanceof Float32Array)
      || state.values.length !== channels * height * width) {
    throw new Error(`'state' must be float32 [channels, height, width], not [${state.shape}]`);
  }
  const owner = files["owner.npy"] && fromNpy(files["owner.npy"]).values;
  const [step, seed] = files["step_seed.npy"] ? fromNpy(files["step_seed.npy"]).values : [0, 0];
  return { values: state.values, channels, height, width, owner, step, seed };
}

/** Records the canvas as a video. */
class Recorder {
  constructor(canvas) {
    const kinds = ["video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm"];
    this.kind = kinds.find((kind) => globalThis.MediaRecorder?.isTypeSupported(kind));
    if (!this.kind || !canvas.captureStream) throw new Error("This browser cannot record video.");
    this.parts = [];
    this.recorder = new MediaRecorder(canvas.captureStream(60), {
      mimeType: this.kind, videoBitsPerSecond: 16e6,
    });
    this.recorder.addEventListener("dataavailable", ({ data }) => this.parts.push(data));
    this.recorder.start(1000);
    this.started = performance.now();
  }

  /** Seconds since the start. */
  get seconds() {
    return (performance.now() - this.started) / 1000;
  }

  /** End, and give the video as a blob and the ending of its name. */
  async stop() {
    const stopped = new Promise((done) => this.recorder.addEventListener("stop", done));
    this.recorder.stop();
    await stopped;
    for (const track of this.recorder.stream.getTracks()) track.stop();
    const ending = this.kind.startsWith("video/mp4") ? "mp4" : "webm";
    return { blob: new Blob(this.parts, { type: this.kind }), ending };
  }
}
