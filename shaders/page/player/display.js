// Display a state: its colors, its channels, or its last change; on the canvas or in an image.

/** Size of the view in cells: the grid, or all channels side by side, arranged as in colors.glsl. */
function extent({ width, height, wraps, data }, look) {
  if (look.view !== "channels") return { width, height, wraps };
  const across = Math.ceil(Math.sqrt(data.channels)), down = Math.ceil(data.channels / across);
  return { width: width * across, height: height * down, wraps: false };
}

/** Values whose change restarts the average. */
function averaged({ width, height, colors }, { view, colorMap, averageSteps }) {
  return { colors, of: `${width}x${height} ${view} ${colorMap} ${averageSteps}` };
}

/** Draws a simulation: the colors of its cells into a texture, and the texture through a camera. */
class Display {
  constructor(gl, data, look) {
    Object.assign(this, { gl, data, look });
    this.screen = new Program(gl, data.vertex, data.screen);
    this.programs = {};
    this.colored = null;
    this.averaged = {};
    this.current = false; // the average includes the last step, and the state has not changed since
  }

  /**
   * Add the current step to the average. The weights of earlier steps fall by a constant factor; the
   * average is as smooth as the plain mean of look.averageSteps steps. Another rule, grid or view
   * restarts it.
   */
  average(simulation) {
    const { averageSteps } = this.look;
    if (averageSteps === 1) return;
    this.color(simulation, this.follows(simulation) ? 2 / (averageSteps + 1) : 1);
    this.current = true;
  }

  /** Restart the average. */
  beginAverage() {
    this.averaged = {};
  }

  follows(simulation) {
    const { colors, of } = averaged(simulation, this.look);
    return this.averaged.colors === colors && this.averaged.of === of;
  }

  /** Update the colors. Changes without a step, such as a stroke during a pause, are visible at once. */
  show(simulation) {
    if (!(this.current && this.follows(simulation))) this.color(simulation);
  }

  /**
   * Draw the colors of the cells, blended by a weight over the existing ones; in the view of all
   * channels the texture is larger than the state.
   */
  color(simulation, weight = 1) {
    const { gl, data, look } = this;
    const { width, height } = simulation, [kind, number] = look.view.split(" ");
    const seen = extent(simulation, look);
    const smaller = Math.min(1, Math.max(LIMITS.mosaic.page, width, height) / Math.max(seen.width, seen.height));
    // Bytes would lose small contributions to an average; a device without floats has no better format.
    const internal = look.averageSteps > 1 && simulation.format !== "rgba8" ? gl.RGBA16F : gl.RGBA8;
    this.prepare(Math.round(seen.width * smaller), Math.round(seen.height * smaller), internal);
    const text = data.colors.replace("NCA_VIEW 0", `NCA_VIEW ${data.views.indexOf(kind)}`);
    this.programs[kind] ??= new Program(gl, data.vertex, text);
    const { present } = simulation.field;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.colored.framebuffer);
    gl.viewport(0, 0, this.colored.width, this.colored.height);
    if (weight < 1) gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    this.programs[kind].draw({
      nca_size: [width, height], nca_code: simulation.code,
      nca_picture: [this.colored.width, this.colored.height], nca_channel: number ? number - 1 : 0,
      nca_channels: data.channels, nca_color_map: COLOR_MAPS.indexOf(look.colorMap),
      nca_alone: present.length > 1 ? [0, 0] : data.rules[present[0]].colors, nca_weight: weight,
    }, {
      nca_state: simulation.state, nca_before: simulation.previous,
      nca_field: simulation.fieldTexture, nca_colors: simulation.colors,
    });
    gl.disable(gl.BLEND);
    this.averaged = averaged(simulation, look);
  }

  prepare(width, height, internal) {
    const { gl, colored } = this;
    if (colored?.width === width && colored.height === height && colored.internal === internal) return;
    this.release();
    const target = gl.TEXTURE_2D, handle = gl.createTexture(), framebuffer = gl.createFramebuffer();
    gl.bindTexture(target, handle);
    const levels = Math.floor(Math.log2(Math.max(width, height))) + 1;
    gl.texStorage2D(target, levels, internal, width, height);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, target, handle, 0);
    this.colored = { target, handle, framebuffer, width, height, internal };
  }

  release() {
    if (!this.colored) return;
    this.gl.deleteTexture(this.colored.handle);
    this.gl.deleteFramebuffer(this.colored.framebuffer);
    this.colored = null;
  }

  /** Draw the colored cells into a framebuffer; its lowest line is line `row` of the image. */
  draw(simulation, camera, { width, height, row = 0, rows = height, framebuffer = null, ring }) {
    const { gl, look } = this, seen = extent(simulation, look);
    gl.bindTexture(gl.TEXTURE_2D, this.colored.handle);
    if (camera.zoom < 1) gl.generateMipmap(gl.TEXTURE_2D);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.viewport(0, 0, width, rows);
    this.screen.draw({
      nca_cells: [seen.width, seen.height],
      nca_camera: [camera.x, camera.y, 1 / camera.zoom], nca_height: height - row,
      nca_smooth: SCALINGS.indexOf(look.scaling), nca_wraps: seen.wraps,
      nca_borders: look.borders ? TILE_LINES : 0, nca_ring: ring ?? [0, 0, 0, 0],
    }, { nca_colors_of_cells: this.colored });
  }

  /** An image of any size as a two-dimensional canvas. */
  picture(simulation, camera, width, height) {
    const { gl } = this;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const paper = canvas.getContext("2d");
    const rows = Math.min(height, 512);
    const texture = gl.createTexture(), framebuffer = gl.createFramebuffer();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, rows);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    this.show(simulation);
    const pixels = new Uint8ClampedArray(width * rows * 4);
    for (let row = 0; row < height; row += rows) {
      const count = Math.min(rows, height - row);
      this.draw(simulation, camera, { width, height, row, rows: count, framebuffer });
      gl.readPixels(0, 0, width, count, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      const stripe = paper.createImageData(width, count);
      for (let y = 0; y < count; y++) {
        const from = (count - 1 - y) * width * 4;
        stripe.data.set(pixels.subarray(from, from + width * 4), y * width * 4);
      }
      paper.putImageData(stripe, 0, height - row - count);
    }
    gl.deleteFramebuffer(framebuffer);
    gl.deleteTexture(texture);
    return canvas;
  }

  dispose() {
    this.release();
    for (const program of [this.screen, ...Object.values(this.programs)]) program.dispose();
  }
}
