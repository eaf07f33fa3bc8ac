// The page: a sheet of images, with one step of the sampler per frame; a click draws another image.

const GAP = 8, WIDEST = 168, MOST = 24;  // pixels between images, their side; number of images

/** The images on a canvas. */
class Sheet {
  /** `levels`: number of steps of the sampler. */
  constructor(canvas, data, levels) {
    Object.assign(this, { canvas, data, levels, samples: [], seed: data.seed, label: null });
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
    this.gl = canvas.getContext("webgl2", { antialias: false, depth: false, preserveDrawingBuffer: true });
    if (!this.gl) throw new Error("This page needs WebGL 2, which this browser does not offer.");
    this.build();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.build());
    canvas.addEventListener("click", (event) => this.another(event));
    new ResizeObserver(() => this.arrange()).observe(canvas);
    const frame = () => {
      this.frame();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  build() {
    this.denoiser = new Denoiser(this.gl, this.data);
    this.samples = [];
    this.arrange();
  }

  /** Show as many images as fit, and begin those that are new. */
  arrange() {
    const { canvas } = this, { clientWidth: width, clientHeight: height } = canvas;
    const fitting = (length) => Math.max(1, Math.round(length / WIDEST));
    const columns = Math.min(fitting(width), MOST);
    const rows = Math.min(fitting(height), Math.max(1, Math.floor(MOST / columns)));
    const ratio = devicePixelRatio || 1;
    const side = Math.min(width / columns, height / rows) - GAP;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    this.layout = {
      columns, rows, side: Math.max(1, Math.floor(side * ratio)), pitch: Math.round((side + GAP) * ratio), ratio,
    };
    const count = columns * rows;
    this.samples.length = Math.min(this.samples.length, count);
    while (this.samples.length < count) {
      this.samples.push(new Sample(this.denoiser));
      this.begin(this.samples.at(-1));
    }
    this.dirty = true;
  }

  begin(sample) {
    sample.begin(this.seed, this.levels, this.label);
    this.seed = (this.seed + 1) >>> 0;
  }

  /** Draw all images again, from new noise. */
  all() {
    this.samples.forEach((sample) => this.begin(sample));
  }

  /** The lower left corner of an image on the canvas. */
  corner(index) {
    const { columns, rows, side, pitch } = this.layout, { width, height } = this.canvas;
    const gap = pitch - side;
    const left = Math.floor((width - columns * pitch + gap) / 2), top = Math.floor((height - rows * pitch + gap) / 2);
    const x = left + (index % columns) * pitch, y = top + Math.floor(index / columns) * pitch;
    return [x, height - y - side];
  }

  /** Draw the image under the pointer again. */
  another({ offsetX, offsetY }) {
    const { side, ratio } = this.layout;
    const x = offsetX * ratio, y = this.canvas.height - offsetY * ratio;
    const found = this.samples.find((_, index) => {
      const [left, low] = this.corner(index);
      return x >= left && x < left + side && y >= low && y < low + side;
    });
    if (found) this.begin(found);
  }

  frame() {
    const { gl, samples } = this, waiting = samples.filter((sample) => !sample.done);
    if (gl.isContextLost() || !(waiting.length || this.dirty)) return;
    for (const sample of waiting) {
      do sample.advance(); while (this.reduced.matches && !sample.done);
    }
    this.draw();
  }

  draw() {
    const { gl, samples, layout } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    samples.forEach((sample, index) => sample.show(...this.corner(index), layout.side));
    this.dirty = false;
  }
}

function start() {
  const levels = document.getElementById("levels"), label = document.getElementById("label");
  const data = JSON.parse(document.getElementById("data").textContent);
  const sheet = new Sheet(document.querySelector("canvas"), data, levels.value);
  globalThis.nca = { sheet };
  document.getElementById("all").addEventListener("click", () => sheet.all());
  levels.addEventListener("change", () => {
    sheet.levels = levels.value;
    sheet.all();
  });
  label?.addEventListener("change", () => {
    sheet.label = label.value === "" ? null : Number(label.value);
    sheet.all();
  });
}

try {
  start();
} catch (error) {
  document.getElementById("trouble").textContent = error.message;
}
