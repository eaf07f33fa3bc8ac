// The player: runs a simulation on a canvas, keeps the frame rate, and survives a lost context.

const JUDGE_AFTER = 1.5;      // seconds after which the speed of a device is known
const LEAST_RATE = 15;        // steps per second
const SETTLING = 2000;        // milliseconds until a limited picture has settled on a state that no longer changes
const REDUCED_WARMUP = 200;   // steps before the still image for users who want reduced motion

/**
 * Plays rules on a canvas. Events: "change" (of something that controls show), "stats" (twice a second),
 * "lost", "restored" (detail: {resumed}), "shown" (first drawing on a device), "trouble" (detail: a
 * message).
 */
class Player extends EventTarget {
  /**
   * @param canvas  its size on the page determines the resolution
   * @param data    data of the exporter
   * @param options seed, rule, grid ({width, height} or null: by the canvas), format (or null: the
   *                best), speed, running, warmup (steps before the first drawing),
   *                updateRate, calm (numbers; null: the rule's setting), averageSteps,
   *                scaling (one of SCALINGS), flashLimit, transparent, fields (of readFieldText())
   */
  constructor(canvas, data, options) {
    super();
    Object.assign(this, { canvas, data, options });
    this.speed = new SpeedControl(options.speed ?? 1);
    this.running = options.running ?? true;
    this.warmup = options.warmup ?? 0;
    this.camera = new Camera();
    this.look = { view: "auto", lamp: LAMP, relief: 0, colorMap: "inferno", scaling: options.scaling ?? "smooth", borders: false, averageSteps: options.averageSteps ?? 1,
      flashLimit: options.flashLimit ?? true, transparent: options.transparent ?? false };
    this.ring = [0, 0, 0, 0];
    this.resting = false; // no input at present: the ring is hidden
    this.asleep = false; // it is not visible
    this.snapshots = new Snapshots();
    this.stats = { fps: 0, steps: 0, largest: 0, finite: true };
    this.loss = null; // restores a context that was given back
    this.shown = false; // drawn at least once on this device
    this.gl = canvas.getContext("webgl2", {
      antialias: false, depth: false, stencil: false, powerPreference: "high-performance",
    });
    if (!this.gl) throw new Error("This page needs WebGL 2, which this browser does not offer.");
    this.frames = new Frames(this.gl);
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    canvas.addEventListener("webglcontextlost", (event) => this.lose(event), { signal });
    canvas.addEventListener("webglcontextrestored", () => this.restore(), { signal });
    document.addEventListener("visibilitychange", () => this.show(), { signal });
    addEventListener("pagehide", () => this.show(), { signal });
    this.watcher = new ResizeObserver(([entry]) => this.resize(entry));
    this.watcher.observe(canvas, "devicePixelContentBoxSize" in ResizeObserverEntry.prototype ? { box: "device-pixel-content-box" } : {});
    this.resize(null);
    this.build();
    this.advance = this.advance.bind(this);
    this.frame = requestAnimationFrame(this.advance);
  }

  /** Create everything on the device, from the last snapshot if there is one. */
  build() {
    const { gl, data } = this;
    this.shaders = new Map();
    this.display = new Display(gl, data, this.look);
    this.populate();
  }

  /** Create the state; the compiled rules and the display exist already. */
  populate() {
    const { gl, data, options, shaders } = this, { last } = this.snapshots;
    const targets = Array.from({ length: Math.min(4, data.groups) }, (_, i) => i);
    const formats = options.format ? [options.format] : Object.keys(STATE_FORMATS);
    this.format = chooseFormat(gl, formats, targets);
    if (!this.format) throw new Error(`This device cannot store a state as ${formats.join(" or ")}.`);
    if (!gl.isContextLost()) this.trust ??= this.probe();
    if (!last) this.hidden = !options.grid && !hasBox(this.canvas); // the size of the grid is a guess
    const fields = this.simulation ? this.simulation.fields : options.fields;
    this.simulation = new Simulation(gl, data, {
      ...(last ?? gridFor(this.canvas, { ...options, cellSize: options.cellSize ?? cellSizeOf(data.rules[options.rule ?? 0]) }, this.largestSide)),
      seed: options.seed, rule: options.rule ?? 0, format: this.format, shaders,
    });
    Object.assign(this.simulation, { updateRate: options.updateRate ?? null, calm: options.calm ?? null });
    if (fields?.used) this.simulation.takeFields(fields);
    if (last?.format === this.format) this.simulation.resume(last);
    if (this.camera.fitted) this.fit();
    this.settledAt = null;
    this.stale = true;
    this.shown = false;
    this.emit("change");
  }

  /** How reliable read-back is: exact for states, without visible differences for images. */
  probe() {
    const { gl, format } = this;
    return { states: readBackDifference(gl, format) === 0, pictures: readBackDifference(gl, "rgba8") <= 1 };
  }

  /** The largest number of cells along a side. */
  get largestSide() {
    return Math.min(MAX_SIDE, this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE) ?? MAX_SIDE);
  }

  /** Restart on another grid; null: sized by the canvas. */
  setGrid(grid) {
    this.options.grid = grid;
    this.renew(this.simulation.field.present[0]);
  }

  /** Add rules, and grow the first of them on a new state. Throws an error if there are too many. */
  addRules(rules) {
    const { data, shaders } = this, { groups } = data;
    const places = addRules(data, rules);
    for (const [place, compiled] of shaders) {
      if (groups === data.groups && !places.includes(place)) continue;
      compiled.dispose();
      shaders.delete(place);
    }
    this.renew(places[0]);
    this.emit("rules");
    return places;
  }

  /** Restart one rule on a new state. */
  renew(rule) {
    this.options.rule = rule;
    this.options.seed = this.simulation.seed;
    const { steering } = this.simulation;
    this.snapshots.last = null;
    this.forget();
    this.simulation.dispose();
    this.populate();
    Object.assign(this.simulation, steering);
    this.fit();
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  resize(entry) {
    const { canvas } = this;
    const exact = entry?.devicePixelContentBoxSize?.[0];
    const ratio = devicePixelRatio || 1;
    const width = exact?.inlineSize ?? Math.round(canvas.clientWidth * ratio);
    const height = exact?.blockSize ?? Math.round(canvas.clientHeight * ratio);
    if (!width || !height || (canvas.width === width && canvas.height === height)) return;
    const before = { width: canvas.width, height: canvas.height };
    this.emit("resize"); // before the next frame
    Object.assign(canvas, { width, height });
    if (this.simulation) this.camera.resize(this.extent, before, canvas);
    this.touch();
  }

  /** Width and height of the view in cells, and whether it repeats. */
  get extent() {
    return extent(this.simulation, this.look);
  }

  /** The name of the view. */
  get view() {
    return viewOf(this.simulation, this.look);
  }

  /** The top left corner of the tile that contains a position, in the view of all channels. */
  tileAt({ x, y }) {
    const { look, simulation: { width, height } } = this;
    if (look.view !== "channels") return { x: 0, y: 0 };
    return { x: Math.floor(x / width) * width, y: Math.floor(y / height) * height };
  }

  fit() {
    this.camera.fit(this.extent, this.canvas);
    this.touch();
  }

  /** Report a visible change. */
  touch() {
    this.stale = true;
    this.emit("change");
  }

  rest(resting) {
    this.stale ||= this.resting !== resting;
    this.resting = resting;
  }

  /** Report that the state has changed other than by a step. */
  changed() {
    this.snapshots.changed = true;
    this.display.current = false;
    this.touch();
  }

  /** Report that the whole state was replaced. */
  replaced() {
    this.display.beginAverage();
    this.snapshots.cancel(); // of the state before
    this.changed();
  }

  setAverage(steps) {
    this.look.averageSteps = steps;
    this.touch();
  }

  setRunning(running) {
    this.running = running;
    this.warmup = running ? 0 : this.warmup;
    this.speed.rest();
    if (!running) this.snapshots.due = 0;
    this.touch();
  }

  /** Restart from the initial state; without a context, as soon as there is one. */
  reset(seed = this.simulation.seed) {
    this.stats.finite = true;
    if (this.gl.isContextLost()) {
      this.snapshots.last = null;
      this.simulation.seed = seed >>> 0;
    } else this.simulation.reset(seed);
    this.replaced();
  }

  /** Give every cell to one rule. */
  setRule(rule) {
    if (this.gl.isContextLost()) {
      this.snapshots.last = null;
      this.simulation.field.fill(rule);
    } else this.simulation.paintRule(rule);
    this.replaced();
  }

  /** Replace all fields, for example with those of an address; null makes them neutral. */
  setFields(fields) {
    if (this.gl.isContextLost()) this.snapshots.last = null;
    if (fields) this.simulation.takeFields(fields);
    else this.simulation.writeFields(null);
    this.touch();
  }

  /** Run steps now, even while paused. */
  runSteps(steps) {
    if (!this.simulation.ready) return;
    this.changed();
    for (let i = 0; i < steps; i++) {
      this.simulation.step();
      this.display.average(this.simulation);
    }
    this.frames.steps += steps;
  }

  /** One frame: run steps, draw, and sometimes check the state. */
  advance(now) {
    this.frame = requestAnimationFrame(this.advance);
    const { gl, simulation } = this;
    if (gl.isContextLost() || this.asleep) return;
    try {
      simulation.poll();
    } catch (error) {
      cancelAnimationFrame(this.frame);
      this.emit("trouble", error.message);
      return;
    }
    if (!simulation.ready) return;
    if (this.hidden && hasBox(this.canvas)) return this.setGrid(null);
    if (this.coarser(now)) return;
    const late = this.frames.late(); // fewer steps are made then
    this.speed.adapt(late);
    if (late) return;
    const steps = this.stepsNow();
    if (steps) this.runSteps(steps);
    if (this.stale) this.changedAt = now;
    // Without steps, a limited picture gradually turns into the current state.
    this.stale ||= this.look.flashLimit && now < this.changedAt + SETTLING;
    if (this.stale && !this.warmup) this.draw();
    if (steps || this.stale) this.frames.submitted();
    this.stale = false;
    gl.flush();
    const state = this.trust?.states ? this.snapshots.poll(simulation, now) : null;
    if (state) this.inspect(state);
    const rates = this.frames.rates(now);
    if (!rates) return;
    Object.assign(this.stats, rates);
    this.emit("stats");
  }

  /** If the device is slow from the start, restart with fewer cells. */
  coarser(now) {
    const { options, simulation } = this;
    const { stepNumber, width, height } = simulation;
    if (this.judged || options.grid || !this.running || this.warmup) return false;
    // Ignore the first steps, because drivers may compile the shaders again during them.
    if (stepNumber < 3 || [...this.shaders.values()].some((s) => s.settling)) return false;
    this.settledAt ??= { now, stepNumber };
    const seconds = (now - this.settledAt.now) / 1000;
    if (seconds < JUDGE_AFTER) return false;
    this.judged = true;
    const missing = LEAST_RATE * Math.min(1, this.speed.stepsPerFrame) * seconds / (stepNumber - this.settledAt.stepNumber + 1);
    if (missing < 1.5) return false;
    const cells = Math.max(MIN_CELLS, (width * height) / missing);
    options.cellSize = Math.sqrt((this.canvas.clientWidth * this.canvas.clientHeight) / cells);
    this.setGrid(null);
    return true;
  }

  draw() {
    const { width, height } = this.canvas;
    const { camera, look: { lamp } } = this, ratio = devicePixelRatio || 1;
    this.display.show(this.simulation, { camera, width, height, lamp, ratio, now: performance.now() });
    const ring = this.resting ? [0, 0, 0, 0] : this.ring;
    this.display.draw(this.simulation, this.camera, { width, height, ring });
    this.frames.drawn++;
    if (this.shown) return;
    this.shown = true;
    this.emit("shown");
  }

  /** Number of steps in this frame: as set by the speed, if the device keeps up. */
  stepsNow() {
    if (this.warmup) {
      const steps = Math.min(4, this.warmup);
      this.warmup -= steps;
      if (!this.warmup) this.touch();
      return steps;
    }
    if (!this.running) return 0;
    return this.speed.steps();
  }

  /** Check the values, and stop if one is not finite. */
  inspect({ texels, format }) {
    let largest = 0, finite = true;
    for (const value of texels) {
      if (Math.abs(value) > largest) largest = Math.abs(value);
      finite &&= Number.isFinite(value);
    }
    const [range, zero] = this.simulation.code;
    if (format === "rgba8") largest = Math.max(zero, largest / 255 - zero) * range;
    if (!finite && this.running) {
      this.setRunning(false);
      this.emit("trouble", "The state is no longer finite. Reset restarts it.");
    }
    Object.assign(this.stats, { largest, finite });
  }

  /** Make a snapshot now, waiting for the device. */
  keep() {
    if (!this.trust?.states || this.gl.isContextLost() || !this.simulation.seeded) return;
    this.snapshots.take(this.simulation);
  }

  /** Capture the state before the page sleeps. */
  show() {
    if (document.hidden) this.keep();
    this.speed.rest();
    this.frames.restart();
  }

  lose(event) {
    event.preventDefault(); // asks the browser to restore the context
    this.forget();
    this.emit("lost");
    if (!this.loss) return;
    this.loss.seen = true;
    // A browser restores nothing before this event has been handled.
    setTimeout(() => this.loss?.wanted && this.regain());
  }

  /** Give the context back, keeping the state; false if the browser cannot. */
  release() {
    const { gl, loss } = this;
    if (loss) loss.wanted = false;
    if (gl.isContextLost()) return true;
    const extension = gl.getExtension("WEBGL_lose_context");
    if (!extension) return false;
    this.keep();
    this.loss = { extension, seen: false, wanted: false };
    extension.loseContext();
    return true;
  }

  /** Get a context again, and continue from the stored state. */
  regain() {
    const { loss } = this;
    if (!loss) return;
    loss.wanted = true;
    if (!loss.seen) return;
    this.loss = null;
    loss.extension.restoreContext();
  }

  restore() {
    const { steering, seed, field } = this.simulation;
    Object.assign(this.options, { seed, rule: field.present[0] });
    this.build();
    Object.assign(this.simulation, steering);
    this.speed.limit /= 2;
    this.emit("restored", { resumed: this.simulation.seeded });
  }

  /** Cancel all pending reads of the device. */
  forget() {
    this.snapshots.cancel();
    this.frames.cancel();
  }

  /** Release the device and the page. */
  dispose() {
    cancelAnimationFrame(this.frame);
    this.watcher.disconnect();
    this.listeners.abort();
    this.forget();
    for (const shaders of this.shaders.values()) shaders.dispose();
    this.simulation.dispose();
    this.display.dispose();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
