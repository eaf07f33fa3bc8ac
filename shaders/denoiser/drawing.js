// Draw images from noise: step by step, an automaton estimates the clean image in a noisy one.

const WEIGHT_COLUMNS = 256;

/** The shaders of the exporter on a device, and the state of the automaton, which all images share. */
class Denoiser {
  /** Throws an error with a message for visitors if the device lacks something. */
  constructor(gl, data) {
    Object.assign(this, { gl, data });
    if (!gl.getExtension("EXT_color_buffer_float")) {
      throw new Error("This device cannot draw into 32-bit floats, which the automaton needs.");
    }
    const { cells, stateGroups, passes, vertex, show, waves, weights, weightRows } = data;
    const program = (fragment) => new Program(gl, vertex, fragment);
    this.passes = Object.fromEntries(Object.entries(passes).map(([name, parts]) => [
      name, parts.map(({ fragment, groups }) => ({ program: program(fragment), groups })),
    ]));
    this.show = program(show);
    this.states = [0, 1].map(() => new StateTexture(gl, cells, cells, stateGroups, "rgba32f"));
    const numbers = new Float32Array(bytesFromBase64(weights).buffer);
    const circle = Float32Array.from(waves.flatMap(([cosine, sine]) => [cosine, sine, 0, 0]));
    this.tables = {
      nca_weights: new Table(gl, gl.RGBA32F, gl.FLOAT, WEIGHT_COLUMNS, weightRows, numbers),
      nca_waves: new Table(gl, gl.RGBA32F, gl.FLOAT, cells, 1, circle),
    };
  }

  /** Run the passes of this name, and draw into a state. */
  run(name, target, values, textures) {
    const { gl } = this;
    gl.viewport(0, 0, target.width, target.height);
    for (const { program, groups } of this.passes[name]) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer(groups));
      program.draw(values, { ...this.tables, ...textures });
    }
  }

  /** One call of the automaton for an image at a noise level; `memory` holds values of its class. */
  estimate(image, { scale, times }, memory) {
    const { data, states } = this, values = { nca_scale: scale };
    const given = [...Array(data.given).fill(0), ...times, ...memory];
    for (let group = 0; group < data.stateGroups; group++) {
      values[`nca_given${group}`] = Array.from({ length: 4 }, (_, i) => given[4 * group + i] ?? 0);
    }
    this.run("start", states[0], values, { nca_image: image });
    const plain = { nca_size: [data.cells, data.cells], nca_code: [1, 0], nca_base: 0 };
    for (let step = 0; step < data.steps; step++) {
      this.run("step", states[1], plain, { nca_state: states[0] });
      states.reverse();
    }
    return states[0];
  }
}

/** An image that is being drawn from noise. */
class Sample {
  constructor(denoiser) {
    const { gl, data } = denoiser;
    this.denoiser = denoiser;
    this.images = [0, 1].map(() =>
      new StateTexture(gl, data.cells, data.cells, 2 * data.imageGroups, "rgba32f"));
    this.rows = [];
    this.index = 0;
  }

  /** Begin with the noise of a seed. `levels`: number of steps; `label`: a class, or null: by seed. */
  begin(seed, levels, label = null) {
    const { classes, tables } = this.denoiser.data;
    Object.assign(this, { seed, rows: tables[levels], index: 0 });
    this.memory = classes ? classes[label ?? seed % classes.length] : [];
    const values = { nca_seed: seed, nca_sigma: this.rows[0].sigma };
    this.brightness = 1 / Math.hypot(1, this.rows[0].sigma);
    this.denoiser.run("noise", this.images[0], values, {});
  }

  get done() {
    return this.index >= this.rows.length;
  }

  /** One step of the sampler. */
  advance() {
    const { denoiser, images } = this, row = this.rows[this.index++];
    const state = denoiser.estimate(images[0], row, this.memory);
    const values = { nca_read: row.read, nca_mix: row.mix };
    denoiser.run("advance", images[1], values, { nca_image: images[0], nca_state: state });
    images.reverse();
    this.brightness = row.brightness;
  }

  /** Draw into a square of the canvas; x and y are its lower left pixel. */
  show(x, y, side) {
    const { gl, show } = this.denoiser;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(x, y, side, side);
    const values = { nca_corner: [x, y], nca_extent: [side, side], nca_brightness: this.brightness };
    show.draw(values, { nca_image: this.images[0] });
  }

  /** The channels of the noisy image and of the last estimate, [groups, height, width, 4]. */
  read() {
    return this.images[0].read();
  }
}
