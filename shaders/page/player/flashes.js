// Averages of pictures, and the limit on flashes; see shaders/flashes.glsl.

const PART = 148; // side in CSS pixels: WCAG 2.3.1 ignores smaller flashes
const MOST_PARTS = 16; // across and down
const SLOWNESS = 1; // seconds over which a limited picture is averaged

/** Measures how often the parts of a screen turn lighter and darker, and mixes pictures. */
class Flashes {
  constructor(gl, data) {
    Object.assign(this, { gl, data, programs: [] });
    this.meters = [];
    this.measured = { now: 0, of: "" };
    this.slow = 1;
    this.steps = { now: 0, before: 1 }; // steps since the last frame, and in the frame before
  }

  /** Whether the programs are compiled; the first frames do not wait for them. */
  get ready() {
    this.compile();
    return this.programs.every((program) => program.settled);
  }

  compile() {
    const { gl, data } = this;
    if (this.programs.length) return;
    this.programs = [0, 1, 2].map((part) => new Program(gl, data.vertex, withMacro(data.flashes, `NCA_FLASHES ${part}`)));
  }

  prepare() {
    const { gl } = this;
    this.compile();
    this.verdict ??= new Canvas(gl, gl.RGBA8, 1, 1, false);
  }

  /** Make a meter with this number of parts. */
  prepareMeters(across, down) {
    if (this.meters[0]?.width === across && this.meters[0].height === down) return;
    for (const meter of this.meters) meter.dispose();
    this.meters = [0, 1].map(() => new Canvas(this.gl, this.gl.RGBA16F, across, down, false));
    this.measured.of = "";
  }

  /** Measure a picture, and decide whether it has to be limited. `of` says what it shows. */
  measure(fresh, seen, part, of, { camera, width, height, ratio, now }) {
    this.prepare();
    const [across, down] = [width, height].map((side) => Math.min(MOST_PARTS, Math.max(1, Math.round(side / ratio / PART))));
    this.prepareMeters(across, down);
    const { measured, verdict } = this, [meter, next] = this.meters, [measure, decide] = this.programs;
    const seconds = Math.min(1, Math.max(0, (now - measured.now) / 1000));
    const place = [of, width, height, camera.x, camera.y, camera.zoom].join();
    if (camera.zoom < 8 * ratio * (part.across / part.width)) fresh.shrink(); // a part takes samples some pixels apart
    next.use();
    measure.draw({
      nca_cells: [seen.width, seen.height], nca_camera: [camera.x, camera.y, 1 / camera.zoom],
      nca_shown: [part.x, part.y, part.width, part.height],
      nca_part_size: [width / across, height / down], nca_wraps: seen.wraps, nca_moved: place !== measured.of, nca_seconds: seconds,
    }, { nca_fresh: fresh, nca_meter: meter });
    verdict.use();
    decide.draw({}, { nca_meter: next });
    this.meters = [next, meter];
    this.measured = { now, of: place };
    this.slow = 1 - Math.exp(-seconds / SLOWNESS);
    this.steps = { now: 0, before: Math.max(1, this.steps.now) };
  }

  /** The largest weight of one step, if several steps are averaged in a frame. */
  slowOfStep() {
    this.steps.now++;
    return this.slow / this.steps.before;
  }

  mix(target, textures, weight, slow) {
    this.prepare();
    target.use();
    this.programs[2].draw({ nca_weight: weight, nca_slow: slow }, { ...textures, nca_verdict: this.verdict });
  }

  dispose() {
    for (const one of [...this.programs, ...this.meters]) one.dispose();
    this.verdict?.dispose();
  }
}
