// Patterns of classic automata in .rle files, as nca/automata/rle.py reads them.

const MAX_PATTERN_BYTES = 2 ** 22, MAX_PATTERN_SIDE = 8192, MAX_PATTERN_CELLS = 2 ** 22;

async function readPattern(file) {
  if (file.size > MAX_PATTERN_BYTES) throw new Error(`it holds more than the limit of ${MAX_PATTERN_BYTES} bytes`);
  return parsePattern(new TextDecoder("latin1").decode(await file.arrayBuffer()));
}

/** The number of each cell's state: {cells, width, height}. Throws an error unless all of the text is valid. */
function parsePattern(text) {
  const lines = text.split(/\r\n|\r|\n/);
  const start = lines.findIndex((line) => !/^ *$/.test(line) && !line.startsWith("#"));
  const header = /^ *x *= *([0-9]{1,9}) *, *y *= *([0-9]{1,9}) *(,[^]*)?$/.exec(lines[start] ?? "");
  if (!header) throw new Error("it has no line like 'x = 3, y = 3'");
  const width = Number(header[1]), height = Number(header[2]);
  const side = (n) => n >= 1 && n <= MAX_PATTERN_SIDE;
  if (!side(width) || !side(height) || width * height > MAX_PATTERN_CELLS) {
    throw new Error(`its sides must be 1 to ${MAX_PATTERN_SIDE}, with at most ${MAX_PATTERN_CELLS} cells, not ${width}x${height}`);
  }
  const cells = new Uint8Array(width * height);
  fillPattern({ cells, width, height }, lines.slice(start + 1).join("").replace(/[ \t]+/g, ""));
  return { cells, width, height };
}

function fillPattern({ cells, width, height }, text) {
  let x = 0, y = 0;
  for (const [, number, letters, other] of text.matchAll(/([0-9]*)([bo$!.A-X]|[p-y][A-X])|([^])/g)) {
    if (other !== undefined) throw new Error(`it has an unexpected ${JSON.stringify(other)}`);
    if (letters === "!") return;
    if (number.length > 9) throw new Error("it has a number with more than nine digits");
    const count = number ? Number(number) : 1;
    if (letters === "$") {
      x = 0;
      y += count;
      continue;
    }
    const state = stateOf(letters);
    if (state && count) {
      if (y >= height || x + count > width) throw new Error(`it has cells outside its size, ${width}x${height}`);
      cells.fill(state, y * width + x, y * width + x + count);
    }
    x += count;
  }
}

function stateOf(letters) {
  if (letters === "b" || letters === ".") return 0;
  if (letters === "o") return 1;
  const bank = letters.length === 1 ? 0 : letters.charCodeAt(0) - "p".charCodeAt(0) + 1;
  return Math.min(24 * bank + letters.charCodeAt(letters.length - 1) - "A".charCodeAt(0) + 1, 255);
}

/** Put a pattern in the middle of a grid whose other cells are in state 0; returns the values of all channels. */
function placedPattern(pattern, states, { width, height }) {
  if (pattern.width > width || pattern.height > height) {
    throw new Error(`the pattern has ${pattern.width}x${pattern.height} cells, but the grid has ${width}x${height}`);
  }
  const most = pattern.cells.reduce((a, b) => Math.max(a, b), 0);
  if (most >= states.length) throw new Error(`the pattern has a cell in state ${most}, but the last state of the rule is ${states.length - 1}`);
  const left = Math.floor((width - pattern.width) / 2), top = Math.floor((height - pattern.height) / 2);
  const size = width * height, values = new Float32Array(states[0].length * size);
  states[0].forEach((value, c) => values.fill(value, c * size, (c + 1) * size));
  pattern.cells.forEach((state, i) => {
    const place = (top + Math.floor(i / pattern.width)) * width + left + (i % pattern.width);
    states[state].forEach((value, c) => { values[c * size + place] = value; });
  });
  return values;
}
