// Bytes as text in an address, with a version and a checksum, as in nca.exporters.link_text.

const TEXT_VERSION = 1;

/** Encode bytes as text. */
function packText(contents) {
  const body = joined([[TEXT_VERSION], contents]), sum = crc32(body);
  const letters = Array.from(joined([body, [sum & 255, (sum >> 8) & 255]]), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Decode a text, which messages call `what`. Throws an error with a one-line message if it is damaged or too long. */
function unpackText(text, what, longest) {
  if (text.length > longest) throw new Error(`${what} has more than ${longest} characters`);
  if (!/^[\w-]+$/.test(text) || text.length % 4 === 1) throw new Error(`${what} is incomplete or damaged`);
  const bytes = bytesFromBase64(text.replaceAll("-", "+").replaceAll("_", "/")), body = bytes.subarray(0, -2);
  if (bytes[0] !== TEXT_VERSION) throw new Error(`${what} has version ${bytes[0]}, but this page reads ${TEXT_VERSION}`);
  if (bytes.length < 8 || (crc32(body) & 0xffff) !== bytes.at(-2) + 256 * bytes.at(-1)) throw new Error(`${what} is incomplete or damaged`);
  return body.subarray(1);
}
