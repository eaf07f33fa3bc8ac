// <nca-texture>: a living texture for any page.
//
//   <nca-texture rule="bubbles" style="width: 100%; height: 300px"></nca-texture>
//
// Attributes: rule (name; default: the first one), seed, grid ("256x256"; default: by the size of the
// element), cell (CSS pixels per cell), speed (steps per frame), paused, inert (no painting), label,
// calm ("on", "off", 0 to 1; default: as set in the rule), average-steps (1: show only the last step),
// update-rate (fraction of the cells that fire in a step; default: as set in the rule),
// scaling ("smooth", "sharp" or "squares": how cells larger than a pixel are drawn),
// fields (the value of p in a link that a page copied: direction, size, pace and share vary),
// transparent (grown images have no background), flash-limit ("off": show every flash),
// touch ("paint": every swipe paints; default: vertical swipes scroll the page, unless the finger is
// held still first). Methods: play(), pause(), reset(seed), dispose(). The element's player is
// `element.player`. A browser limits the number of graphics contexts: elements that wait for one have
// no player yet, and others rest and show a still image.

const GROWN = 200; // steps after which an element may rest, if another has no image yet
// Numeric attributes: smallest value, largest value, and whether they are integers.
const NUMBERS = { seed: [0, 2 ** 32 - 1, true], cell: [0.1, 1000, false], speed: [0, 64, false], "average-steps": [...LIMITS.average_steps, true], "update-rate": [...LIMITS.update_rate, false] };
const CALM = { auto: null, off: 0, on: 1, __proto__: null };
const STYLE = `
:host { display: block; min-height: 1px; }
div { position: relative; width: 100%; height: 100%; }
canvas { display: block; width: 100%; height: 100%; }
.live { -webkit-touch-callout: none; -webkit-user-select: none; user-select: none; }
.still { position: absolute; inset: 0; visibility: hidden; }
.resting > .live { visibility: hidden; }
.resting > .still { visibility: visible; }`;

class NcaTexture extends HTMLElement {
  static observedAttributes = ["rule", "seed", "speed", "paused", "calm", "average-steps", "update-rate", "scaling", "transparent", "flash-limit", "fields"];
  static sources = [];
  static stage = new Stage();

  /** Add rules; a page may load several exported files. */
  static add(data) {
    NcaTexture.sources.push(prepared(data));
  }

  connectedCallback() {
    if (!this.shadowRoot) {
      const style = new CSSStyleSheet();
      style.replaceSync(STYLE);
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [style];
    }
    this.lifetime = new AbortController();
    this.frame = document.createElement("div");
    this.still = document.createElement("canvas");
    this.still.className = "still";
    this.frame.append(this.still);
    this.shadowRoot.replaceChildren(this.frame);
    this.inView = null; // not known yet
    this.pointed = this.pictured = false;
    this.watcher = new IntersectionObserver(([entry]) => {
      this.inView = entry.isIntersecting;
      if (this.player) this.player.asleep = !this.inView;
      NcaTexture.stage.settle();
    });
    this.watcher.observe(this);
    const { signal } = this.lifetime;
    this.addEventListener("pointerenter", ({ pointerType }) => this.point(pointerType !== "touch"), { signal });
    this.addEventListener("pointerleave", () => this.point(false), { signal });
    this.addEventListener("click", () => {
      this.point(true);
      this.point(false); // a finger only points while it touches
    }, { signal });
    NcaTexture.stage.add(this);
  }

  /** The pointer is on this element: it gets a context first. */
  point(pointed) {
    this.pointed = pointed;
    if (pointed) NcaTexture.stage.settle();
  }

  /** Whether it may take the context of another visible element. */
  get urgent() {
    return this.pointed || !this.pictured;
  }

  /** Whether a still image can replace it. */
  get grown() {
    const { running, speed, warmup, shown, simulation } = this.player ?? {};
    return !this.pointed && shown && (running && speed.stepsPerFrame > 0 ? simulation.stepNumber >= GROWN : !warmup);
  }

  /** Start: the stage has given this element a context. */
  wake() {
    try {
      if (this.player) this.player.regain();
      else this.start();
    } catch (error) {
      this.fail(error.message);
    }
  }

  /** Give the context back and show a still image; false if the browser cannot. */
  rest() {
    const { player, still } = this;
    if (!player) return true;
    if (player.shown && !player.gl.isContextLost()) {
      player.ring = [0, 0, 0, 0];
      player.draw();
      Object.assign(still, { width: player.canvas.width, height: player.canvas.height });
      still.getContext("2d").drawImage(player.canvas, 0, 0);
      this.pictured = this.grown;
    }
    return player.release();
  }

  start() {
    const { data, rule } = this.find(this.getAttribute("rule"));
    const { start } = data;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const canvas = document.createElement("canvas");
    canvas.className = "live";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", this.getAttribute("label") ?? "A living texture");
    this.frame.prepend(canvas);
    const player = this.player = new Player(canvas, data, {
      ...start, rule, seed: this.number("seed", start.seed), speed: this.number("speed", start.speed),
      cellSize: this.number("cell", null), grid: this.grid(start.grid),
      running: !still && !this.hasAttribute("paused"), warmup: still ? REDUCED_WARMUP : 0,
      calm: this.calm, averageSteps: this.number("average-steps", 1), updateRate: this.number("update-rate", null),
      fields: this.fields,
      ...this.look,
    });
    const { signal } = this.lifetime;
    if (!this.hasAttribute("inert")) {
      const scrolls = this.getAttribute("touch") !== "paint";
      new Pointer(player, new Brush(), { signal, zooms: false, scrolls });
    }
    const on = (type, run) => player.addEventListener(type, run, { signal });
    on("trouble", ({ detail }) => this.shadowRoot.replaceChildren(detail));
    on("lost", () => this.frame.classList.add("resting"));
    on("shown", () => this.frame.classList.remove("resting"));
    on("stats", () => NcaTexture.stage.settle());
  }

  /** Show a text instead of the texture. */
  fail(message) {
    this.release();
    this.shadowRoot.replaceChildren(message);
  }

  /** The source and number of a rule by its name; without a name, the first one. */
  find(name) {
    for (const data of NcaTexture.sources) {
      const rule = name === null ? 0 : data.rules.findIndex((r) => r.name === name);
      if (rule >= 0) return { data, rule };
    }
    const known = NcaTexture.sources.flatMap((data) => data.rules.map((r) => r.name));
    throw new Error(`No rule is called ${name}; there are ${known.join(", ")}`);
  }

  /** The number in an attribute; if it is missing or out of range, a default. */
  number(name, otherwise) {
    const text = this.getAttribute(name);
    if (text === null) return otherwise;
    const [least, largest, whole] = NUMBERS[name], value = text.trim() ? Number(text) : NaN;
    const good = value >= least && (!whole || Number.isInteger(value));
    const used = good ? Math.min(value, largest) : otherwise;
    if (used !== value) this.warn(name, `must be ${whole ? "an integer from " : ""}${least} to ${largest}; using ${used ?? "that of the rule"}`);
    return used;
  }

  get calm() {
    const text = this.getAttribute("calm") ?? "auto", value = text in CALM ? CALM[text] : Number(text || NaN);
    const [least, most] = LIMITS.calm, known = value === null || (value >= least && value <= most);
    if (!known) this.warn("calm", `must be auto, on, off, or ${least} to ${most}; using auto`);
    return known ? value : null;
  }

  /** Settings of the display: only those that have attributes. */
  get look() {
    return { scaling: this.scaling, transparent: this.hasAttribute("transparent"), flashLimit: this.getAttribute("flash-limit") !== "off" };
  }

  get scaling() {
    const text = this.getAttribute("scaling") ?? "smooth", known = SCALINGS.includes(text);
    if (!known) this.warn("scaling", `must be ${SCALINGS.join(", ")}; using smooth`);
    return known ? text : "smooth";
  }

  /** The fields in the attribute; null without any. */
  get fields() {
    const text = this.getAttribute("fields");
    try {
      return text ? readFieldText(text) : null;
    } catch {
      this.warn("fields", "must be the value of p in a copied link; using none");
      return null;
    }
  }

  grid(otherwise) {
    const text = this.getAttribute("grid"), grid = readGrid(text);
    if (text !== null && !grid) this.warn("grid", `must be like "256x128", ${MIN_SIDE} to ${MAX_SIDE} cells per side`);
    return grid ?? otherwise;
  }

  warn(name, text) {
    console.warn(`<nca-texture ${name}="${this.getAttribute(name)}">: ${name} ${text}`);
  }

  attributeChangedCallback(name, before, value) {
    const { player, lifetime } = this;
    if (!lifetime || before === value) return;
    if (name === "rule") this.changeRule(value);
    else if (!player) return;
    else if (name === "paused") value === null ? this.play() : this.pause();
    else if (name === "calm") player.simulation.calm = this.calm;
    else if (name === "update-rate") player.simulation.updateRate = this.number(name, null);
    else if (["scaling", "transparent", "flash-limit"].includes(name)) {
      Object.assign(player.look, this.look);
      player.touch();
    } else if (name === "fields") player.setFields(this.fields);
    else if (name === "average-steps") player.setAverage(this.number(name, 1));
    else if (name === "speed") player.speed.set(this.number("speed", player.data.start.speed));
    else this.reset(this.number("seed", player.data.start.seed));
  }

  changeRule(name) {
    const { player } = this;
    const rule = player ? player.data.rules.findIndex((r) => r.name === name) : -1;
    if (rule >= 0) {
      const { finite } = player.stats;
      player.setRule(rule);
      if (!finite) player.reset();
      this.renew();
    } else {
      this.dispose();
      this.connectedCallback();
    }
  }

  disconnectedCallback() {
    this.dispose();
  }

  play() {
    if (!this.player) return;
    this.player.setRunning(true);
    this.renew();
  }

  pause() { this.player?.setRunning(false); }

  reset(seed) {
    if (!this.player) return;
    this.player.reset(seed);
    this.renew();
  }

  /** Drop the still image, which is no longer valid, and an error message, if there was one. */
  renew() {
    this.shadowRoot.replaceChildren(this.frame);
    this.pictured = false;
    NcaTexture.stage.settle();
  }

  /** Free everything: graphics memory, observers, listeners. */
  dispose() {
    this.release();
    this.lifetime?.abort();
    this.watcher?.disconnect();
    this.lifetime = null;
  }

  release() {
    this.player?.dispose();
    this.player = null;
    NcaTexture.stage.remove(this);
  }
}

const known = customElements.get("nca-texture");
(known ?? NcaTexture).add(DATA);
if (!known) customElements.define("nca-texture", NcaTexture);
