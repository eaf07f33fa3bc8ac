// <nca-texture>: a living texture for any page.
//
//   <nca-texture rule="bubbles" style="width: 100%; height: 300px"></nca-texture>
//
// Attributes: rule (name; default the first), seed, grid ("256x256"; default by the size of the
// element), cell (CSS pixels a cell), speed (steps a frame), paused, inert (no painting), label.
// Methods: play(), pause(), reset(seed), dispose(). The element's player is `element.player`.

class NcaTexture extends HTMLElement {
  static observedAttributes = ["rule", "seed", "speed", "paused"];
  static sources = [];

  /** Make more rules known; a page may load several exported files. */
  static add(data) {
    NcaTexture.sources.push(data);
  }

  connectedCallback() {
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: "open" });
      const style = new CSSStyleSheet();
      style.replaceSync(":host { display: block; min-height: 1px; } canvas { display: block; width: 100%; height: 100%; }");
      root.adoptedStyleSheets = [style];
    }
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", this.getAttribute("label") ?? "A living texture");
    this.shadowRoot.replaceChildren(canvas);
    try {
      this.start(canvas);
    } catch (error) {
      this.shadowRoot.replaceChildren(error.message);
    }
  }

  start(canvas) {
    const { data, rule } = this.find(this.getAttribute("rule"));
    const number = (name, otherwise) => {
      const value = this.hasAttribute(name) ? Number(this.getAttribute(name)) : NaN;
      return Number.isFinite(value) && value >= 0 ? value : otherwise;
    };
    const grid = /^(\d{1,4})x(\d{1,4})$/.exec(this.getAttribute("grid") ?? "");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.player = new Player(canvas, data, {
      ...data.start, rule, seed: number("seed", data.start.seed) >>> 0,
      speed: Math.min(64, number("speed", data.start.speed)), cellSize: number("cell", CELL_SIZE),
      grid: grid ? { width: Number(grid[1]), height: Number(grid[2]) } : data.start.grid,
      running: !still && !this.hasAttribute("paused"), warmup: still ? REDUCED_WARMUP : 0,
    });
    this.lifetime = new AbortController();
    if (!this.hasAttribute("inert")) {
      canvas.style.touchAction = "none";
      const brush = new Brush();
      new PointerInput(this.player, brush, { signal: this.lifetime.signal, zooms: false });
    }
    this.player.addEventListener("trouble", ({ detail }) => this.shadowRoot.replaceChildren(detail));
    this.watcher = new IntersectionObserver(([entry]) => {
      if (this.player) this.player.asleep = !entry.isIntersecting;
    });
    this.watcher.observe(this);
  }

  /** The source and number of a rule by its name; the very first without one. */
  find(name) {
    for (const data of NcaTexture.sources) {
      const rule = name === null ? 0 : data.rules.findIndex((r) => r.name === name);
      if (rule >= 0) return { data, rule };
    }
    const known = NcaTexture.sources.flatMap((data) => data.rules.map((r) => r.name));
    throw new Error(`No rule is called ${name}; there are ${known.join(", ")}`);
  }

  attributeChangedCallback(name, before, value) {
    const { player } = this;
    if (!player || before === value) return;
    if (name === "paused") player.setRunning(value === null);
    else if (name === "speed") player.speed = Number(value) || 1;
    else if (name === "seed") this.reset(Number(value));
    else {
      const { data, rule } = this.find(value);
      if (data === player.data) {
        player.simulation.give(rule, null);
        player.changed();
      } else {
        this.dispose();
        this.connectedCallback();
      }
    }
  }

  disconnectedCallback() {
    this.dispose();
  }

  play() { this.player?.setRunning(true); }
  pause() { this.player?.setRunning(false); }

  reset(seed) {
    this.player?.simulation.reset(seed);
    this.player?.changed();
  }

  /** Give everything back: graphics memory, observers, listeners. */
  dispose() {
    this.lifetime?.abort();
    this.watcher?.disconnect();
    this.player?.dispose();
    this.player = null;
  }
}

const known = customElements.get("nca-texture");
(known ?? NcaTexture).add(DATA);
if (!known) customElements.define("nca-texture", NcaTexture);
