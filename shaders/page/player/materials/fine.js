// All maps of rules with a decoder, drawn into a grid of pixels; see shaders/materials/fine.glsl.

const FINE_GROUPS = [0, 1, 2]; // groups of the ten channels of all maps
const MARGIN = 2; // how far light and parallax reach, relative to the height of the relief

/** Draws all maps of the rules that own cells, pixel by pixel. The lighting shader reads the result like a state. */
class FineMaps {
  constructor(gl) {
    Object.assign(this, { gl, pixels: null });
  }

  /** Draw the maps in `seen`, a part of the grid. Return the inputs of the lighting shader, see LitPictures. */
  draw(simulation, seen, values, textures, relief) {
    const { gl } = this, { width, height } = simulation, rules = decoded(simulation);
    const scale = Math.max(...rules.map((rule) => simulation.data.rules[rule].scale));
    const part = finePart(simulation, seen, scale, MARGIN * relief), alone = simulation.field.present.length === 1;
    this.prepare(part.across, part.down, simulation.format);
    gl.blendFunc(gl.ONE, gl.ONE);
    rules.forEach((rule, i) => {
      const { fine, weights } = simulation.load(rule);
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.pixels.framebuffer(FINE_GROUPS));
      gl.viewport(0, 0, part.across, part.down);
      if (i === 1) gl.enable(gl.BLEND);
      fine.draw({
        ...values, nca_picture: [part.across, part.down], nca_shown: [part.x, part.y, part.width, part.height],
        nca_rule: alone ? -1 : rule, nca_first: !i, nca_wraps: simulation.wraps,
      }, { ...textures, nca_weights: weights });
    });
    gl.disable(gl.BLEND);
    const [kx, ky] = [part.across / part.width, part.down / part.height];
    return {
      values: { ...values, nca_size: [part.across, part.down], nca_code: [1, 0], nca_alone: [1, 0, 0] },
      textures: { ...textures, nca_state: this.pixels }, layout: mapLayout(Object.keys(MAP_WIDTHS)), relief: relief * kx,
      wraps: simulation.wraps && part.width === width && part.height === height,
      shown: [(seen.x - part.x) * kx, (seen.y - part.y) * ky, seen.width * kx, seen.height * ky],
    };
  }

  /** Allocate the texture. Several rules are added up by blending; not every device can blend into 32-bit floats. */
  prepare(width, height, state) {
    const { gl, pixels } = this;
    if (pixels?.width === width && pixels.height === height) return;
    pixels?.dispose();
    const exact = state === "rgba32f" && gl.getExtension("EXT_float_blend");
    const format = chooseFormat(gl, exact ? ["rgba32f", "rgba16f", "rgba8"] : ["rgba16f", "rgba8"], FINE_GROUPS);
    this.pixels = new StateTexture(gl, width, height, FINE_GROUPS.length, format);
  }

  dispose() {
    this.pixels?.dispose();
  }
}

/** The program that draws all maps of a rule; `details` is the GLSL source of its decoder. */
function fineProgram(gl, { vertex, fine }, { settings: { maps } }, details) {
  const macros = ["NCA_TAPS 2", `NCA_OWN ${mapLayout(maps)}`, ...(details.includes("void nca_fine(") ? [] : ["NCA_COLOR_ONLY"])];
  return new Program(gl, vertex, macros.reduce(withMacro, fine) + details);
}

/**
 * The part of the grid whose maps decoders draw: the whole grid, or the visible part and a margin of some cells.
 * The margin is needed because parallax and shadows reach across the border of the visible part.
 */
function finePart(grid, seen, scale, margin) {
  const zoom = seen.across / seen.width, picture = { width: seen.across, height: seen.down };
  const part = decodedPart(grid, { x: seen.x, y: seen.y, zoom }, picture, scale);
  if (part.width === grid.width && part.height === grid.height && !part.x && !part.y) return part;
  const pixels = Math.ceil(Math.min(margin * zoom, Math.max(seen.across, seen.down) / 2)), beyond = pixels / zoom;
  return {
    x: seen.x - beyond, y: seen.y - beyond, width: seen.width + 2 * beyond, height: seen.height + 2 * beyond,
    across: seen.across + 2 * pixels, down: seen.down + 2 * pixels,
  };
}
