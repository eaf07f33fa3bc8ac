// Display a state: its colors, its channels, or its last change; on the canvas or in an image.

/** Size of the view in cells: the grid, or all channels side by side, arranged as in colors.glsl. */
function extent({ width, height, wraps, data }, look) {
  if (look.view !== "channels") return { width, height, wraps };
  const across = Math.ceil(Math.sqrt(data.channels)), down = Math.ceil(data.channels / across);
  return { width: width * across, height: height * down, wraps: false };
}

/** Whether a decoder draws the view: the colors, or a view of a material. */
function decodes(simulation, look) {
  return ["colors", ...MAP_VIEWS].includes(viewOf(simulation, look)) && decoded(simulation).length > 0;
}

/** Pixels per cell of a picture: as many as the decoders of a view were trained for, or 1. */
function naturalScale(simulation, look) {
  return decodes(simulation, look) ? Math.max(...decoded(simulation).map((rule) => simulation.data.rules[rule].scale)) : 1;
}

/** Draws a simulation: the colors of its cells into a texture, and the texture through a camera. */
class Display {
  constructor(gl, data, look) {
    Object.assign(this, { gl, data, look });
    this.screen = new Program(gl, data.vertex, data.screen);
    this.programs = {};
    this.decoded = new DecodedPictures(gl);
    this.lit = new LitPictures(gl, data);
    this.aim = null; // what is drawn: {camera, width and height in pixels, lamp}
    this.fresh = null; // colors of the cells
    this.kept = []; // the average of pictures, in two buffers
    this.flashes = new Flashes(gl, data);
    this.averaged = {};
    this.limited = false; // whether flashes were limited in the last frame
    this.current = false; // the average includes the last step, and the state has not changed since
  }

  /** Whether flashes are limited; a device without float textures cannot limit them. */
  limits({ format }) {
    return this.look.flashLimit && format !== "rgba8" && this.flashes.ready;
  }

  /**
   * Add the current step to the average. The weights of earlier steps fall by a constant factor; the
   * average is as smooth as the plain mean of look.averageSteps steps. A new rule, grid or view
   * restarts it.
   */
  average(simulation) {
    const { averageSteps } = this.look;
    if (averageSteps === 1) return;
    const follows = this.follows(simulation);
    this.color(simulation);
    this.mix(follows ? 2 / (averageSteps + 1) : 1, follows && this.limits(simulation), this.flashes.slowOfStep());
    this.current = true;
  }

  /** Restart the average. */
  beginAverage() {
    this.averaged = {};
  }

  /** What the texture of the colors shows: a part in cells, and its pixels across and down. */
  part(simulation) {
    const { look, aim } = this, seen = extent(simulation, look), camera = aim?.camera ?? new Camera();
    if (showsMaterial(simulation, look)) return seenPart(camera, aim ?? seen);
    if (decodes(simulation, look)) return decodedPart(seen, camera, aim ?? seen, naturalScale(simulation, look));
    const smaller = Math.min(1, Math.max(LIMITS.mosaic.page, simulation.width, simulation.height) / Math.max(seen.width, seen.height));
    return { ...seen, x: 0, y: 0, across: Math.round(seen.width * smaller), down: Math.round(seen.height * smaller) };
  }

  /** Values whose change restarts the average. */
  averages(simulation) {
    const { look } = this, { colorMap, averageSteps, transparent } = look, part = Object.values(this.part(simulation));
    return { colors: simulation.colors, of: [part, viewOf(simulation, look), colorMap, averageSteps, transparent].join() };
  }

  follows(simulation) {
    const { colors, of } = this.averages(simulation);
    return this.averaged.colors === colors && this.averaged.of === of;
  }

  /**
   * Update the colors. Changes without a step, such as a stroke during a pause, are visible at once.
   * `frame` is what is drawn on a screen: {camera, width, height, lamp, ratio (pixels per CSS pixel), now}.
   */
  show(simulation, frame) {
    if (frame) this.aimAt(frame);
    const light = showsMaterial(simulation, this.look) && [this.aim?.lamp, this.look.relief].join();
    if (light !== this.light) this.current = false;
    this.light = light;
    const follows = this.follows(simulation), current = this.current && follows;
    const limits = Boolean(frame) && this.limits(simulation);
    this.limited = limits;
    if (!current) this.color(simulation);
    if (limits) this.flashes.measure(this.fresh, extent(simulation, this.look), this.part(simulation), this.averaged.of, frame);
    if (this.look.averageSteps > 1 ? !current : limits) this.mix(1, follows && limits, this.flashes.slow);
  }

  /** Set what later calls of show() and average() draw; some views draw only what is visible. */
  aimAt({ camera: { x, y, zoom }, width, height, lamp = null }) {
    this.aim = { camera: { x, y, zoom }, width, height, lamp };
  }

  /** Draw the colors of the cells; in the view of all channels the texture is larger than the state. */
  color(simulation) {
    const { gl, data, look } = this;
    const { width, height } = simulation, [kind, number] = viewOf(simulation, look).split(" "), part = this.part(simulation);
    // Bytes would lose small contributions to an average, but a device without float textures has nothing better.
    const deep = simulation.format === "rgba8" ? gl.RGBA8 : gl.RGBA16F;
    this.prepare(part.across, part.down, look.averageSteps > 1 ? deep : gl.RGBA8, deep);
    const { present } = simulation.field, { colors, fades } = data.rules[present[0]];
    const values = {
      nca_size: [width, height], nca_code: simulation.code,
      nca_picture: [this.fresh.width, this.fresh.height], nca_channel: number ? number - 1 : 0,
      nca_channels: data.channels, nca_color_map: COLOR_MAPS.indexOf(look.colorMap),
      nca_alone: present.length > 1 ? [0, 0, 0] : [...colors, fades], nca_transparent: look.transparent,
    };
    const textures = {
      nca_state: simulation.state, nca_before: simulation.previous,
      nca_field: simulation.fieldTexture, nca_colors: simulation.colors,
    };
    if (MAP_VIEWS.includes(kind)) this.lit.draw(kind, simulation, part, this.fresh, values, textures, { lamp: this.aim?.lamp, relief: look.relief });
    else if (decodes(simulation, look)) this.decoded.draw(simulation, part, this.fresh, values, textures);
    else this.viewProgram(kind).draw(values, textures);
    this.averaged = this.averages(simulation);
  }

  /** The program of a view, ready to draw into the texture of the colors. */
  viewProgram(kind) {
    const { gl, data } = this, text = data.colors.replace("NCA_VIEW 0", `NCA_VIEW ${data.views.indexOf(kind)}`);
    this.programs[kind] ??= new Program(gl, data.vertex, text);
    this.fresh.use();
    return this.programs[kind];
  }

  prepare(width, height, internal, deep) {
    const { gl, fresh } = this;
    if (fresh?.width === width && fresh.height === height && fresh.internal === internal) return;
    this.release();
    this.fresh = new Canvas(gl, internal, width, height);
    this.makeKept = () => [0, 1].map(() => new Canvas(gl, deep, width, height));
  }

  /** Mix the fresh picture into the kept one; a limited one with at most the weight `slow`. */
  mix(weight, limited, slow) {
    if (!this.kept.length) this.kept = this.makeKept();
    const [kept, next] = this.kept;
    this.flashes.mix(next, { nca_fresh: this.fresh, nca_kept: kept }, weight, limited ? slow : 1);
    this.kept = [next, kept];
  }

  release() {
    for (const canvas of [this.fresh, ...this.kept]) canvas?.dispose();
    this.fresh = null;
    this.kept = [];
  }

  /** Draw the colored cells into a framebuffer; its lowest line is line `row` of the image. A still image needs no limit. */
  draw(simulation, camera, { width, height, row = 0, rows = height, framebuffer = null, ring, still = false }) {
    const { gl, look } = this, seen = extent(simulation, look), part = this.part(simulation);
    const mixed = look.averageSteps > 1 || (!still && this.limited);
    const shown = mixed ? this.kept[0] : this.fresh;
    if (camera.zoom < part.across / part.width) shown.shrink();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.viewport(0, 0, width, rows);
    this.screen.draw({
      nca_cells: [seen.width, seen.height],
      nca_camera: [camera.x, camera.y, 1 / camera.zoom], nca_height: height - row,
      nca_shown: [part.x, part.y, part.width, part.height],
      nca_smooth: this.smoothing(simulation, still && camera.zoom === 1), nca_wraps: seen.wraps, nca_transparent: look.transparent,
      nca_borders: look.borders ? TILE_LINES : 0, nca_ring: ring ?? [0, 0, 0, 0],
    }, { nca_colors_of_cells: shown });
  }

  /** How the screen shader samples the texture: -1: as when zoomed out; otherwise the number of a scaling. */
  smoothing(simulation, exact) {
    if (decodes(simulation, this.look) || showsMaterial(simulation, this.look)) return -1;
    return exact ? 0 : SCALINGS.indexOf(this.look.scaling);
  }

  /** An image of any size as a two-dimensional canvas. Without a lamp, materials have a distant light. */
  picture(simulation, camera, width, height, lamp = null) {
    const { gl } = this;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const paper = canvas.getContext("2d");
    const rows = Math.min(height, 512);
    const target = new Canvas(gl, gl.RGBA8, width, rows, false), { framebuffer } = target;
    this.aimAt({ camera, width, height, lamp });
    this.show(simulation);
    const pixels = new Uint8ClampedArray(width * rows * 4);
    for (let row = 0; row < height; row += rows) {
      const count = Math.min(rows, height - row);
      this.draw(simulation, camera, { width, height, row, rows: count, framebuffer, still: true });
      gl.readPixels(0, 0, width, count, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      if (this.look.transparent) straighten(pixels);
      const stripe = paper.createImageData(width, count);
      for (let y = 0; y < count; y++) {
        const from = (count - 1 - y) * width * 4;
        stripe.data.set(pixels.subarray(from, from + width * 4), y * width * 4);
      }
      paper.putImageData(stripe, 0, height - row - count);
    }
    target.dispose();
    return canvas;
  }

  dispose() {
    this.release();
    this.decoded.dispose();
    this.lit.dispose();
    this.flashes.dispose();
    for (const program of [this.screen, ...Object.values(this.programs)]) program.dispose();
  }
}

/** Divide premultiplied colors by their alpha. */
function straighten(pixels) {
  for (let i = 0; i < pixels.length; i += 4) {
    const alpha = pixels[i + 3] / 255;
    if (alpha > 0 && alpha < 1) for (let c = i; c < i + 3; c++) pixels[c] /= alpha;
  }
}
