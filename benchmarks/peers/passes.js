// A rule of two layers in four passes (perception, dense, dense, update), as in the demos of two
// articles, written from their descriptions. The channels of a state are stored in one texture, as
// tiles of four channels each, and so are the perceptions and the hidden units between the passes.
// The weights are in textures too.
//
// "distill" (Niklasson et al., "Self-Organising Textures", 2021): everything is stored in 8 bits; only
// the half of the cells that fires is computed. The random order of the cells is drawn once, and shifted
// in every step.
// "noise" (Pajouheshgar et al., "NoiseNCA", 2024): everything is stored in float32; every cell fires.

const HEAD = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform ivec2 size;      // cells of the grid
uniform ivec2 slots;     // columns and rows of the cells that are computed
uniform ivec2 offset;    // shift of the order of the cells in this step
uniform sampler2D order; // slot -> cell, and below that cell -> slot
layout(location = 0) out vec4 result;

ivec2 wrapped(ivec2 at) { return (at + size) % size; }
ivec2 texel(int tile, int across, ivec2 tiles, ivec2 at) {
  return ivec2(tile % across, tile / across) * tiles + at;
}
ivec2 cell_of(ivec2 slot) {
#if SPARSE
  return (ivec2(texelFetch(order, slot, 0).xy * 255.0 + 0.5) + offset) % size;
#else
  return slot;
#endif
}
`;

const PERCEPTION = `
uniform sampler2D state;
vec4 at(int group, ivec2 cell) {
  return (texelFetch(state, texel(group, STATE_ACROSS, size, wrapped(cell)), 0) - STATE_ZERO) * STATE_RANGE;
}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy), tile = here / slots, cell = cell_of(here % slots);
  int number = tile.x + tile.y * PERCEPTION_ACROSS, group = number % GROUPS, kind = number / GROUPS;
  if (kind >= 4) { result = vec4(0.0); return; }
  vec4 value = vec4(0.0);
  if (kind == 0) value = at(group, cell);
  else if (kind == 1) {
    for (int y = -1; y <= 1; ++y)
      value += (2.0 - abs(float(y))) * (at(group, cell + ivec2(1, y)) - at(group, cell + ivec2(-1, y)));
  } else if (kind == 2) {
    for (int x = -1; x <= 1; ++x)
      value += (2.0 - abs(float(x))) * (at(group, cell + ivec2(x, 1)) - at(group, cell + ivec2(x, -1)));
  } else {
    for (int y = -1; y <= 1; ++y) for (int x = -1; x <= 1; ++x)
      value += (2.0 - abs(float(x))) * (2.0 - abs(float(y))) * at(group, cell + ivec2(x, y));
    value -= 16.0 * at(group, cell);
  }
  result = value / PERCEPTION_RANGE + PERCEPTION_ZERO;
}
`;

const DENSE = `
uniform sampler2D inputs;
uniform sampler2D weights; // column i: weights of input i for four outputs; last column: the bias
vec4 weight(int input_, int output_) { return texelFetch(weights, ivec2(input_, output_), 0); }
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy), tile = here / slots, slot = here % slots;
  int number = tile.x + tile.y * OUT_ACROSS;
  if (number >= OUT_TILES) { result = vec4(0.0); return; }
  vec4 sum = weight(4 * IN_TILES, number);
  float total = 1.0; // sum of the inputs, to subtract what the texel of a zero weight adds
  for (int i = 0; i < IN_TILES; ++i) {
    vec4 value = (texelFetch(inputs, texel(i, IN_ACROSS, slots, slot), 0) - IN_ZERO) * IN_RANGE;
    sum += mat4(weight(4 * i, number), weight(4 * i + 1, number),
                weight(4 * i + 2, number), weight(4 * i + 3, number)) * value;
    total += dot(value, vec4(1.0));
  }
  sum = (sum - WEIGHT_ZERO * total) * WEIGHT_RANGE;
#if RELU
  sum = max(sum, 0.0);
#endif
  result = sum / OUT_RANGE + OUT_ZERO;
}
`;

const UPDATE = `
uniform sampler2D state;
uniform sampler2D change;
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy), tile = here / size, cell = here % size;
  int number = tile.x + tile.y * STATE_ACROSS;
  vec4 value = texelFetch(state, here, 0);
  if (number < GROUPS) {
#if SPARSE
    ivec2 slot = ivec2(texelFetch(order, wrapped(cell - offset) + ivec2(0, slots.y), 0).xy * 255.0 + 0.5);
    bool fires = slot.y < slots.y;
#else
    ivec2 slot = cell;
    const bool fires = true;
#endif
    if (fires) {
      vec4 delta = (texelFetch(change, texel(number, STATE_ACROSS, slots, slot), 0) - CHANGE_ZERO) * CHANGE_RANGE;
      value += delta / STATE_RANGE;
    }
  }
  result = value;
}
`;

const TRIANGLE = `#version 300 es
void main() { gl_Position = vec4(4 * (gl_VertexID & 1) - 1, 2 * (gl_VertexID & 2) - 1, 0, 1); }
`;

/** How each kind of number is stored in 8 bits: it is (texel - zero) * range. */
const CODES = { state: [4, 127 / 255], perception: [16, 127 / 255], hidden: [4, 0], change: [2, 127 / 255] };

class Passes {
  /** @param rule channels, hidden, w1 [hidden][4 * channels] by filter, then channel, b1, w2 */
  constructor(rule, size, way) {
    const canvas = document.createElement("canvas");
    const gl = this.gl = canvas.getContext("webgl2", { antialias: false, depth: false });
    gl.getExtension("EXT_color_buffer_float");
    this.bytes = this.sparse = way === "distill";
    Object.assign(this, { size, slots: [size, this.sparse ? size / 2 : size], step_number: 0 });
    this.groups = rule.channels / 4;
    const code = (name) => this.bytes ? CODES[name] : [1, 0];
    this.code = code("state");
    const tiles = { state: this.groups, perception: 4 * this.groups, hidden: rule.hidden / 4 };
    const across = Object.fromEntries(Object.entries(tiles).map(([n, c]) => [n, Math.ceil(Math.sqrt(c))]));
    this.across = across.state;
    const room = (name, [w, h]) => [w * across[name], h * Math.ceil(tiles[name] / across[name])];
    const cells = [size, size];
    this.state = this.texture(...room("state", cells));
    this.next = this.texture(...room("state", cells));
    this.perception = this.texture(...room("perception", this.slots));
    this.hidden = this.texture(...room("hidden", this.slots));
    this.change = this.texture(...room("state", this.slots));
    const first = this.weights(rule.w1, rule.b1), second = this.weights(rule.w2, null);
    this.order = this.sparse ? this.shuffled() : this.texture(1, 1, null, true);
    const defines = {
      SPARSE: +this.sparse, GROUPS: this.groups, STATE_ACROSS: across.state,
      PERCEPTION_ACROSS: across.perception,
      ...Object.fromEntries(Object.keys(CODES).flatMap((name) => {
        const [range, zero] = code(name);
        return [[`${name.toUpperCase()}_RANGE`, float(range)], [`${name.toUpperCase()}_ZERO`, float(zero)]];
      })),
    };
    const dense = (from, to, { range, zero }, relu) => this.program(DENSE, {
      ...defines, RELU: +relu, IN_TILES: tiles[from], IN_ACROSS: across[from],
      OUT_TILES: tiles[to] ?? this.groups, OUT_ACROSS: across[to] ?? across.state,
      IN_RANGE: float(code(from)[0]), IN_ZERO: float(code(from)[1]),
      OUT_RANGE: float(code(to)[0]), OUT_ZERO: float(code(to)[1]),
      WEIGHT_RANGE: float(range), WEIGHT_ZERO: float(zero),
    });
    this.stages = [
      [this.program(PERCEPTION, defines), () => ({ state: this.state }), () => this.perception],
      [dense("perception", "hidden", first, true),
        () => ({ inputs: this.perception, weights: first }), () => this.hidden],
      [dense("hidden", "change", second, false),
        () => ({ inputs: this.hidden, weights: second }), () => this.change],
      [this.program(UPDATE, defines), () => ({ state: this.state, change: this.change }), () => this.next],
    ];
  }

  texture(width, height, data = null, bytes = this.bytes) {
    const { gl } = this, handle = gl.createTexture(), framebuffer = gl.createFramebuffer();
    gl.bindTexture(gl.TEXTURE_2D, handle);
    gl.texImage2D(gl.TEXTURE_2D, 0, bytes ? gl.RGBA8 : gl.RGBA32F, width, height, 0, gl.RGBA,
      bytes ? gl.UNSIGNED_BYTE : gl.FLOAT, data);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, handle, 0);
    return { handle, framebuffer, width, height };
  }

  /** Weights [outputs][inputs] and bias as a texture; as bytes, they are rounded to the nearest level. */
  weights(rows, bias) {
    const inputs = rows[0].length, width = inputs + 1, height = rows.length / 4;
    const values = new Float32Array(4 * width * height);
    rows.forEach((row, o) => [...row, bias?.[o] ?? 0].forEach((value, i) => {
      values[4 * ((o >> 2) * width + i) + (o & 3)] = value;
    }));
    if (!this.bytes) return { ...this.texture(width, height, values), range: 1, zero: 0 };
    const range = 2 * values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9), zero = 127 / 255;
    const data = Uint8Array.from(values, (value) => Math.min(255, Math.max(0, Math.round((value / range + zero) * 255))));
    return { ...this.texture(width, height, data), range, zero };
  }

  /** Half of the cells in random order; below them, the slot of every cell: for cells that are not computed, a slot
      beyond the last one. */
  shuffled() {
    const { size, slots: [width, height] } = this, cells = size * size;
    const order = Uint32Array.from({ length: cells }, (_, i) => i);
    for (let i = cells - 1, seed = 1; i > 0; i--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const j = Math.floor(seed / 2 ** 32 * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    const data = new Uint8Array(4 * width * (height + size)).fill(255);
    order.subarray(0, width * height).forEach((cell, slot) => {
      data.set([cell % size, Math.floor(cell / size)], 4 * slot);
      data.set([slot % width, Math.floor(slot / width)], 4 * (width * height + cell));
    });
    return this.texture(width, height + size, data);
  }

  program(source, defines) {
    const { gl } = this, program = gl.createProgram();
    const [version, ...rest] = HEAD.split("\n");
    const head = [version, ...Object.entries(defines).map(([n, v]) => `#define ${n} ${v}`), ...rest].join("\n");
    for (const [type, text] of [[gl.VERTEX_SHADER, TRIANGLE], [gl.FRAGMENT_SHADER, head + source]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    const place = (name) => gl.getUniformLocation(program, name);
    gl.useProgram(program);
    gl.uniform2i(place("size"), this.size, this.size);
    gl.uniform2i(place("slots"), ...this.slots);
    const units = ["order", "state", "inputs", "weights", "change"].filter((name) => place(name));
    units.forEach((name, unit) => gl.uniform1i(place(name), unit));
    return { program, units, offset: place("offset") };
  }

  step() {
    const { gl, size } = this, n = ++this.step_number;
    const offset = [Math.imul(n, 40503) & 0xffff, Math.imul(n, 30011) & 0xffff].map((v) => v % size);
    this.offset = offset;
    for (const [{ program, units, offset: place }, textures, target] of this.stages) {
      const given = { ...textures(), order: this.order }, { framebuffer, width, height } = target();
      gl.useProgram(program);
      gl.uniform2i(place, ...offset);
      units.forEach((name, unit) => {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D, given[name].handle);
      });
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      gl.viewport(0, 0, width, height);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    [this.state, this.next] = [this.next, this.state];
  }

  /** Wait until the device has finished all work. */
  finish() {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.state.framebuffer);
    const pixel = this.bytes ? new Uint8Array(4) : new Float32Array(4);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, this.bytes ? gl.UNSIGNED_BYTE : gl.FLOAT, pixel);
  }

  place(channel, cell) {
    const group = channel >> 2, { size, across, state } = this;
    const x = (group % across) * size + cell % size, y = Math.floor(group / across) * size + Math.floor(cell / size);
    return 4 * (y * state.width + x) + (channel & 3);
  }

  /** Set the values [channels][cells]. */
  write(values) {
    const { gl, size, bytes, state, code: [range, zero] } = this;
    const data = new (bytes ? Uint8Array : Float32Array)(4 * state.width * state.height);
    values.forEach((value, i) => {
      const texel = value / range + zero;
      data[this.place(Math.floor(i / size ** 2), i % size ** 2)] = bytes ? Math.round(255 * texel) : texel;
    });
    gl.bindTexture(gl.TEXTURE_2D, state.handle);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, state.width, state.height, gl.RGBA, bytes ? gl.UNSIGNED_BYTE : gl.FLOAT, data);
  }

  read() {
    const { gl, size, bytes, state, code: [range, zero] } = this;
    const data = new (bytes ? Uint8Array : Float32Array)(4 * state.width * state.height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, state.framebuffer);
    gl.readPixels(0, 0, state.width, state.height, gl.RGBA, bytes ? gl.UNSIGNED_BYTE : gl.FLOAT, data);
    return Float32Array.from({ length: 4 * this.groups * size ** 2 }, (_, i) =>
      (data[this.place(Math.floor(i / size ** 2), i % size ** 2)] / (bytes ? 255 : 1) - zero) * range);
  }
}

const float = (value) => Number.isInteger(value) ? `${value}.0` : `${value}`;
