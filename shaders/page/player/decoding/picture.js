// Pictures of rules with a decoder, drawn at the resolution of the screen; see shaders/decoded.glsl.

const FINENESS = 2; // largest ratio of the pixels of a picture of the whole grid to the screen's
const LARGEST_PICTURE = 8192; // pixels along a side of such a picture

/** The program that draws the picture of a rule, and its decoder as text, in a list; empty without a decoder. */
function decodedPasses(gl, { vertex, colors, views, decoder, digits }, rule, weights) {
  if (!rule.settings.decoder) return [];
  const details = rule.decoder ? withWeights(rule.decoder, weights, digits) : defines(macros(rule)) + decoder;
  const fragment = colors.replace("NCA_VIEW 0", `NCA_VIEW ${views.length}`) + details;
  return [{ fragment, details, program: new Program(gl, vertex, fragment) }];
}

/** The program for rules that share the cells, made when it is first used. */
function sharedProgram(gl, { vertex }, passes) {
  passes[1] ??= { program: new Program(gl, vertex, withMacro(passes[0].fragment, "NCA_SHARED")) };
  return passes[1].program;
}

/**
 * The part of the grid that decoders draw: x, y, width, height in cells, across and down in pixels. It
 * is the whole grid, at the scale of the decoder or of the camera, whichever is larger, but with at most
 * twice as many pixels as the screen. If the camera needs a larger scale than that, it is what the camera
 * sees, at the resolution of the screen.
 */
function decodedPart({ width, height }, camera, picture, scale) {
  const most = Math.sqrt(FINENESS * picture.width * picture.height / (width * height));
  const density = Math.min(Math.max(camera.zoom, scale), most, LARGEST_PICTURE / Math.max(width, height));
  if (density >= camera.zoom) {
    const [across, down] = [width, height].map((side) => Math.max(1, Math.round(side * density)));
    return { x: 0, y: 0, width, height, across, down };
  }
  return seenPart(camera, picture);
}

/** What a camera sees, with the pixels of the picture, or fewer if a texture cannot hold them. */
function seenPart({ x, y, zoom }, { width, height }) {
  const smaller = Math.min(1, LARGEST_PICTURE / Math.max(width, height));
  return { x, y, width: width / zoom, height: height / zoom, across: Math.round(width * smaller), down: Math.round(height * smaller) };
}

/** Draws a pass for every rule that has cells and a decoder. */
class DecodedPictures {
  constructor(gl) {
    Object.assign(this, { gl, sums: [] });
  }

  draw(simulation, part, target, values, textures) {
    const rules = decoded(simulation), alone = simulation.field.present.length === 1;
    if (rules.length > 1) this.prepare(target.width, target.height);
    rules.forEach((rule, i) => {
      const { decoded: passes, weights } = simulation.load(rule), last = i === rules.length - 1;
      const program = alone ? passes[0].program : sharedProgram(this.gl, simulation.data, passes);
      const drawn = i ? this.sums[i % 2] : null;
      (last ? target : this.sums[(i + 1) % 2]).use();
      program.draw({
        ...values, nca_shown: [part.x, part.y, part.width, part.height], nca_rule: rule,
        nca_first: !i, nca_last: last, nca_wraps: simulation.wraps,
      }, { ...textures, nca_weights: weights, nca_drawn: drawn ?? textures.nca_colors });
    });
  }

  prepare(width, height) {
    if (this.sums[0]?.width === width && this.sums[0].height === height) return;
    this.dispose();
    this.sums = [0, 1].map(() => new Canvas(this.gl, this.gl.RGBA16F, width, height, false));
  }

  dispose() {
    for (const canvas of this.sums) canvas.dispose();
    this.sums = [];
  }
}

/** The rules that have cells and a decoder. */
function decoded({ field, data }) {
  return field.present.filter((rule) => data.rules[rule].settings.decoder);
}
