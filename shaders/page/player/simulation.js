// The simulation: a state, the rules that run on it, and the brush.

/** A brush moved along a line, in cells; a radius below 0 covers everything. */
const EVERYWHERE = { x0: 0, y0: 0, x1: 0, y1: 0, radius: -1 };

/** A grid of cells in a WebGL2 context. Everything on the device can be rebuilt from capture(). */
class Simulation {
  /**
   * @param gl      WebGL2 context
   * @param data    data of the exporter: vertex shader, rules, groups
   * @param options width, height (cells), seed, rule (number of the first), format, and shaders, a map
   *                of compiled rules that outlives this simulation
   */
  constructor(gl, data, { width, height, seed, rule = 0, format, shaders = new Map() }) {
    Object.assign(this, { gl, data, width, height, seed, format, shaders });
    this.pool = [];
    this.history = [];
    this.rotation = 0;
    this.coarseness = 1;
    this.dt = 1;
    this.updateRate = null; // probability that a cell fires; null: the setting of each rule
    this.calm = null; // 0 to 1: all cells fire, in shorter steps; null: the setting of each rule
    this.quiet = 0; // steps since the last change from outside
    this.wraps = data.rules.every((r) => r.wraps);
    this.code = format === "rgba8" ? data.rules[rule].code : [1, 0];
    this.field = new Field(width, height, this.wraps);
    this.field.fill(rule);
    this.fieldTexture = new Table(gl, gl.RGBA8, gl.UNSIGNED_BYTE, width, height, this.field.shares);
    this.fields = new FieldLayer(gl, width, height, this.wraps);
    const colors = new Float32Array(data.rules.flatMap((r) => [...r.colors, r.fades, mapLayout(r.settings.maps)]));
    this.colors = new Table(gl, gl.RGBA32F, gl.FLOAT, data.rules.length, 1, colors);
    this.state = this.previous = this.spare();
    this.load(rule);
    this.seeded = false;
    this.stepNumber = 0;
  }

  load(rule) {
    if (!this.shaders.has(rule)) {
      this.shaders.set(rule, new RuleShaders(this.gl, this.data, this.data.rules[rule]));
    }
    return this.shaders.get(rule);
  }

  /** The programs of a step. If there are fields, these are the programs that read fields, once they are compiled. */
  stepping(rule) {
    const plain = this.load(rule);
    if (!this.fields.used) return plain;
    plain.directed ??= new RuleShaders(this.gl, this.data, this.data.rules[rule], true);
    return plain.directed.ready ? plain.directed : plain;
  }

  /** Whether every rule on the grid can run. */
  get ready() {
    return this.field.present.every((rule) => this.load(rule).ready);
  }

  /** Let compilers continue; start the state as soon as its rule can run. */
  poll() {
    for (const shaders of this.shaders.values()) shaders.poll();
    if (!this.seeded && this.ready) this.reset(this.seed);
  }

  /** A state texture other than these. */
  spare(...busy) {
    let texture = this.pool.find((t) => !busy.includes(t));
    if (!texture) {
      texture = new StateTexture(this.gl, this.width, this.height, this.data.groups, this.format);
      this.pool.push(texture);
    }
    return texture;
  }

  /** The settings that the user has chosen; they are not part of the state. */
  get steering() {
    const { rotation, coarseness, dt, updateRate, calm } = this;
    return { rotation, coarseness, dt, updateRate, calm };
  }

  /** The probability that a cell of a rule fires, unless the run is calm. */
  rateOf(rule = this.field.present[0]) {
    return this.updateRate ?? this.data.rules[rule].rate;
  }

  /** How calmly a rule runs while nothing is painted, from 0 to 1 (fully calm). */
  calmOf(rule = this.field.present[0]) {
    return this.calm ?? Number(this.data.rules[rule].calm);
  }

  /** Which cells of a rule fire, and the length of a step. In a calm run, more cells fire, in shorter steps. */
  firing(rule) {
    const calm = this.quiet >= this.data.calmAfter ? this.calmOf(rule) : 0, own = this.rateOf(rule);
    const rate = calm ? 1 - (1 - calm) * (1 - own) : own;
    const dt = this.dt / Math.max(1, this.coarseness ** 2); // a larger pattern is stable only with shorter steps
    return { nca_limit: Math.max(Math.floor(rate * 2 ** 32) - 1, 0), nca_dt: dt * own / rate };
  }

  draw(passes, target, textures, values) {
    const { gl } = this;
    gl.viewport(0, 0, this.width, this.height);
    const all = {
      nca_size: [this.width, this.height], nca_code: this.code, nca_rule: -1,
      nca_rotation: [Math.cos(this.rotation), Math.sin(this.rotation)], nca_coarseness: this.coarseness,
      ...values,
    };
    for (const { program, groups } of passes) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer(groups));
      program.draw(all, { nca_field: this.fieldTexture, nca_fields: this.fields.texture, ...textures });
    }
  }

  /** One step of every rule on the grid, weighted by its share in each cell. */
  step() {
    const { present } = this.field;
    const { state } = this;
    let result = null;
    for (const rule of present) {
      const { life } = this.load(rule), { steps, weights } = this.stepping(rule);
      const sum = result ?? state;
      const textures = { nca_state: state, nca_sum: sum, nca_weights: weights };
      const values = {
        nca_base: stepBase(this.stepNumber, this.seed), nca_first: result === null,
        nca_rule: present.length > 1 ? rule : -1, ...this.firing(rule),
      };
      let target = this.spare(state, sum);
      this.draw(steps, target, textures, values);
      if (life.length) {
        textures.nca_after = target;
        target = this.spare(state, sum, target);
        this.draw(life, target, textures, values);
      }
      result = target;
    }
    this.previous = state;
    this.state = result;
    this.stepNumber++;
    this.quiet++;
  }

  /** Restart from the initial states of the rules on the grid. */
  reset(seed = this.seed) {
    this.seed = seed >>> 0;
    this.stepNumber = 0;
    this.seeded = true;
    this.paint("start");
  }

  /** Erase, plant, fill with noise or restart under a stroke, by the rule of each cell. */
  paint(tool, stroke = EVERYWHERE, number = this.seed + (stroke.radius < 0 ? 0 : this.stepNumber + 1)) {
    const { present } = this.field;
    for (const rule of present) this.apply(tool, rule, present.length > 1 ? rule : -1, stroke, number);
  }

  apply(tool, owner, share, { x0, y0, x1, y1, radius }, number) {
    this.quiet = 0;
    this.draw(this.load(owner).paint, this.state, {}, {
      nca_tool: CONTROLS.tools[tool]?.number ?? CONTROLS.start, nca_stroke: [x0, y0, x1, y1],
      nca_radius: radius, nca_number: number >>> 0, nca_wraps: this.wraps, nca_rule: share,
    });
  }

  /**
   * Give the cells under a stroke to a rule. New cells get its initial state: many rules do not recover
   * from the hidden channels of another.
   */
  paintRule(rule, stroke = EVERYWHERE) {
    const { field, fieldTexture } = this;
    const before = field.owner.slice();
    field.paint(rule, stroke);
    this.quiet = 0;
    if (this.data.rules[rule].reseeds) {
      const taken = new Uint8Array(field.shares.length);
      before.forEach((owner, cell) => {
        if (owner !== field.owner[cell]) taken.set([rule, 255], 4 * cell);
      });
      fieldTexture.write(taken);
      this.apply("start", rule, rule, EVERYWHERE, this.seed);
    }
    fieldTexture.write(field.shares);
  }

  /** Set a field under a stroke; null sets it to neutral. */
  paintField(field, byte, stroke) {
    this.quiet = 0;
    this.fields.paint(field, byte, stroke);
  }

  /** Use the fields of another grid, or those of an address. */
  takeFields(fields) {
    this.quiet = 0;
    this.fields.take(fields);
  }

  /** Replace all fields; null makes them neutral. */
  writeFields(texels) {
    this.quiet = 0;
    this.fields.write(texels);
  }

  /** Store the state for undo: up to eight states, and about 64 MB. */
  remember() {
    const bytes = this.width * this.height * this.data.groups * STATE_FORMATS[this.format].bytes;
    const room = Math.max(1, Math.min(8, Math.floor(64e6 / bytes)));
    while (this.history.length >= room) this.history.shift().state.dispose();
    const { width, height } = this;
    const state = new StateTexture(this.gl, width, height, this.data.groups, this.format);
    state.copyFrom(this.state);
    this.history.push({ state, owner: this.field.owner.slice(), fields: this.fields.copy(), stepNumber: this.stepNumber });
  }

  /** Return to the last stored state; false if no state is stored. */
  undo() {
    const kept = this.history.pop();
    if (!kept) return false;
    this.quiet = 0;
    this.state.copyFrom(kept.state);
    kept.state.dispose();
    this.stepNumber = kept.stepNumber;
    this.field.restore(kept.owner);
    this.fieldTexture.write(this.field.shares);
    this.fields.write(kept.fields);
    return true;
  }

  /** Everything that makes up the simulation, as plain arrays. Waits for the device unless texels are given. */
  capture(texels = this.state.read()) {
    const { width, height, seed, stepNumber, format } = this;
    return { width, height, seed, stepNumber, format, texels, owner: this.field.owner.slice(), fields: this.fields.copy() };
  }

  /** Continue from the result of capture(), in this or another context. */
  resume(captured) {
    this.seed = captured.seed;
    this.stepNumber = captured.stepNumber;
    this.field.restore(captured.owner);
    this.fieldTexture.write(this.field.shares);
    this.fields.write(captured.fields);
    this.state.write(captured.texels);
    this.seeded = true;
    for (const rule of this.field.present) this.load(rule);
  }

  /** The values of all channels, [channels, height, width]. */
  read() {
    const { width, height, format, code } = this;
    const texels = this.state.read(), cells = width * height;
    const values = new Float32Array(this.data.channels * cells);
    const [range, zero] = code, top = format === "rgba8" ? 255 : 1;
    for (let c = 0; c < this.data.channels; c++) {
      const layer = (c >> 2) * cells * 4 + (c & 3);
      for (let i = 0; i < cells; i++) {
        values[c * cells + i] = (texels[layer + 4 * i] / top - zero) * range;
      }
    }
    return values;
  }

  /** Set the values of all channels; channels that the state does not have are ignored. */
  write(values, channels) {
    const { width, height, format, code } = this, cells = width * height;
    const texels = new (format === "rgba8" ? Uint8Array : Float32Array)(this.data.groups * cells * 4);
    const [range, zero] = code, top = format === "rgba8" ? 255 : 1;
    for (let c = 0; c < 4 * this.data.groups; c++) {
      const layer = (c >> 2) * cells * 4 + (c & 3), known = c < Math.min(channels, this.data.channels);
      for (let i = 0; i < cells; i++) {
        const texel = top * ((known ? values[c * cells + i] : 0) / range + zero);
        texels[layer + 4 * i] = format === "rgba8" ? Math.round(Math.min(255, Math.max(0, texel))) : texel;
      }
    }
    this.quiet = 0;
    this.state.write(texels);
    this.seeded = true;
  }

  /** Free the state; compiled rules stay. */
  dispose() {
    for (const texture of [...this.pool, ...this.history.map((h) => h.state)]) texture.dispose();
    this.fieldTexture.dispose();
    this.fields.texture.dispose();
    this.colors.dispose();
  }
}
