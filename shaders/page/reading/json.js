// Read JSON as Python does: whole numbers stay distinct from others, as BigInt, and depth is limited.

const MAX_DIGITS = 4300; // largest number of digits of a whole number
const NUMBER = /(-?(?:0|[1-9]\d*))(\.\d+)?([eE][-+]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = { true: true, false: false, null: null, NaN, Infinity, "-Infinity": -Infinity };

/** Read a text. Throws an error that names the position of the mistake. */
function readJson(text, deepest = 100) {
  return new JsonText(text, deepest).read();
}

class JsonText {
  constructor(text, deepest) {
    Object.assign(this, { text, deepest, at: 0 });
  }

  read() {
    const value = this.value(0);
    if (this.peek() !== undefined) this.fail();
    return value;
  }

  fail(what = "not JSON") {
    throw new Error(`${what}, at character ${this.at}`);
  }

  /** Move to the next character that is not white space, and return it. */
  peek() {
    SPACE.lastIndex = this.at;
    this.at += SPACE.exec(this.text)[0].length;
    return this.text[this.at];
  }

  take(letter) {
    if (this.peek() !== letter) return false;
    this.at++;
    return true;
  }

  value(depth) {
    if (depth > this.deepest) this.fail(`nested more than ${this.deepest} times`);
    const letter = this.peek();
    if (letter === "{") return this.object(depth);
    if (letter === "[") return this.list(depth);
    if (letter === '"') return this.string();
    for (const [word, value] of Object.entries(WORDS)) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  number() {
    NUMBER.lastIndex = this.at;
    const [all, whole, ...rest] = NUMBER.exec(this.text) ?? this.fail();
    if (all.length > MAX_DIGITS) this.fail("a number with too many digits");
    this.at += all.length;
    return rest.some(Boolean) ? Number(all) : BigInt(whole);
  }

  string() {
    const from = this.at;
    let end = from;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) this.fail("a string without an end");
    } while (this.escaped(end));
    this.at = end + 1;
    try {
      return JSON.parse(this.text.slice(from, this.at));
    } catch {
      this.at = from;
      return this.fail();
    }
  }

  /** Whether an odd number of backslashes precedes a position. */
  escaped(place) {
    let from = place;
    while (this.text[from - 1] === "\\") from--;
    return (place - from) % 2 === 1;
  }

  /** Read items between brackets, each with `item`. */
  items(open, close, item) {
    this.take(open);
    if (this.take(close)) return;
    do item(); while (this.take(","));
    if (!this.take(close)) this.fail();
  }

  list(depth) {
    const list = [];
    this.items("[", "]", () => list.push(this.value(depth + 1)));
    return list;
  }

  /** Read an object without a prototype, so that no name has a special meaning. */
  object(depth) {
    const object = Object.create(null);
    this.items("{", "}", () => {
      if (this.peek() !== '"') this.fail();
      const name = this.string();
      if (!this.take(":")) this.fail();
      object[name] = this.value(depth + 1);
    });
    return object;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Format a value of readJson() for a message; invisible characters become escapes. */
function shown(value) {
  if (typeof value === "string") {
    const text = value.length > 40 ? `${value.slice(0, 37)}...` : value;
    return `'${text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`)}'`;
  }
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  const text = isObject(value) ? "an object" : String(value);
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
