// Fields as text in an address: a compressed coarse grid. nca.exporters.field_link describes the format.

const FIELD_SIDE = 32; // largest number of columns and rows
const MAX_FIELD_TEXT = 20_000; // characters
const LONGEST_RUN = 128; // bytes

/** Encode fields as text; empty if all are neutral. */
function writeFieldText(fields) {
  const { texels, width, height } = sampledTexels(fields), used = [], parts = [];
  FIELDS.forEach((_, channel) => {
    const plane = texels.filter((_, i) => i % 4 === channel);
    if (plane.every((byte) => byte === NEUTRAL[channel])) return;
    used.push(channel);
    parts.push(packRuns(plane));
  });
  const channels = used.reduce((sum, channel) => sum + (1 << channel), 0);
  return channels ? packText(joined([[channels, width, height], ...parts])) : "";
}

/** Decode a text to coarse fields for FieldLayer.take(). Throws an error with a one-line message if it is damaged. */
function readFieldText(text) {
  const [channels, width, height, ...runs] = unpackText(text, "the text of the fields", MAX_FIELD_TEXT);
  const good = (side) => side >= 1 && side <= FIELD_SIDE;
  if (channels >> FIELDS.length || !good(width) || !good(height)) {
    throw new Error(`fields must have 1 to ${FIELDS.length} channels, and 1 to ${FIELD_SIDE} columns and rows`);
  }
  const texels = neutralTexels(width, height);
  let at = 0;
  FIELDS.forEach((_, channel) => {
    if (!(channels >> channel & 1)) return;
    for (let i = 0; i < width * height;) {
      const n = runs[at++], count = n < 128 ? n + 1 : 257 - n;
      if (at + (n < 128 ? n : 0) >= runs.length) throw new Error("the text of the fields is incomplete");
      if (i + count > width * height) throw new Error("a run in the text of the fields is too long");
      for (let k = 0; k < count; k++, i++) texels[4 * i + channel] = runs[n < 128 ? at + k : at];
      at += n < 128 ? count : 1;
    }
  });
  if (at !== runs.length) throw new Error("the text of the fields is too long");
  return { texels, width, height, text, used: true };
}

/** Take the texels at the centers of a coarse grid, which has at most 32 columns and rows. */
function sampledTexels({ texels, width, height }) {
  const scale = Math.min(1, FIELD_SIDE / Math.max(width, height));
  const [columns, rows] = [width, height].map((side) => Math.max(1, Math.floor(side * scale + 0.5)));
  const middle = (i, count, side) => Math.floor((i + 0.5) * side / count);
  const picked = new Uint8Array(4 * columns * rows).map((_, i) => {
    const cell = i >> 2, x = middle(cell % columns, columns, width), y = middle(Math.floor(cell / columns), rows, height);
    return texels[4 * (y * width + x) + i % 4];
  });
  return { texels: picked, width: columns, height: rows };
}

/** Compress with PackBits: runs of three equal bytes or more, and single bytes between them. */
function packRuns(plane) {
  const out = [];
  let single = [];
  const flush = () => {
    for (let at = 0; at < single.length; at += LONGEST_RUN) {
      const part = single.slice(at, at + LONGEST_RUN);
      out.push(part.length - 1, ...part);
    }
    single = [];
  };
  for (let from = 0; from < plane.length;) {
    let to = from + 1;
    while (plane[to] === plane[from]) to++;
    for (; to - from >= 3; from += Math.min(to - from, LONGEST_RUN)) {
      flush();
      out.push(257 - Math.min(to - from, LONGEST_RUN), plane[from]);
    }
    while (from < to) single.push(plane[from++]);
  }
  flush();
  return out;
}
