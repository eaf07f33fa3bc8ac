// Read the exact bytes of a PNG. A canvas would multiply colors by alpha, and browsers may add noise.

const PNG_START = "\u0089PNG\r\n\u001a\n";

/** Read the RGBA bytes of a base64 PNG with 8 bits per channel, [height, width, 4]. Throws an error if its size differs. */
async function readPng(text, width, height) {
  if (!/^[\w+/]*={0,2}$/.test(text) || text.includes("_") || text.length % 4) throw new Error("data is not base64");
  const chunks = pngChunks(bytesFromBase64(text)), wrong = new Error("data is not a PNG that can be read");
  if (chunks[0]?.kind !== "IHDR" || chunks[0].body.length !== 13) throw wrong;
  const head = new DataView(chunks[0].body.slice().buffer);
  const [across, down] = [head.getUint32(0), head.getUint32(4)];
  if (across !== width || down !== height) throw new Error(`data is a picture of ${across} x ${down}, but shape and layout give ${width} x ${height}`);
  if (chunks[0].body.slice(8).join() !== "8,6,0,0,0") throw new Error("data is not a PNG of 8 bits and RGBA");
  const rows = joined(chunks.filter(({ kind }) => kind === "IDAT").map(({ body }) => body));
  try {
    return unfiltered(await inflate(rows, height * (1 + 4 * width), "deflate"), 4 * width, height);
  } catch {
    throw wrong;
  }
}

/** Return the chunks of a PNG before its end; their checksums must be right. */
function pngChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), chunks = [];
  const letters = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  let at = letters(0, 8) === PNG_START ? 8 : bytes.length;
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at), end = at + 8 + length, kind = letters(at + 4, at + 8);
    if (kind === "IEND") return chunks;
    if (end + 4 > bytes.length || crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) break;
    chunks.push({ kind, body: bytes.subarray(at + 8, end) });
    at = end + 4;
  }
  throw new Error("data is not a PNG that can be read");
}

/** Undo the filters of the rows; a pixel has four bytes. */
function unfiltered(rows, stride, height) {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    if (filter > 4) throw new Error("unknown filter");
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= 4 ? out[at - 4] : 0, up = y ? out[at - stride] : 0, corner = x >= 4 && y ? out[at - stride - 4] : 0;
      const guess = [0, left, up, (left + up) >> 1, 0][filter] + (filter === 4 ? paeth(left, up, corner) : 0);
      out[at] = rows[at + y + 1] + guess;
    }
  }
  return out;
}

function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner), toUp = Math.abs(left - corner), toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
