// Draw lit materials, or one of their maps; see shaders/lit.glsl.

const LAMP = [0.36, 0.28]; // place of the lamp until the pointer moves it: 0 to 1, across and down the canvas

/** Draws the views of materials: lit, or one of their maps. */
class LitPictures {
  constructor(gl, { vertex, lit }) {
    Object.assign(this, { gl, vertex, lit, programs: {}, fine: new FineMaps(gl) });
  }

  /** Draw a part of the state into a texture. Without a lamp, the light and the eye are distant, so that copies tile. */
  draw(view, simulation, part, target, values, textures, { lamp, relief }) {
    // The pixels that decoders draw are lit as if they were cells.
    const cells = decoded(simulation).length ? this.fine.draw(simulation, part, values, textures, relief)
      : cellsOf(simulation, part, values, textures, relief);
    const { shown: [, , width], layout } = cells;
    const macros = {
      NCA_MAP: MAP_VIEWS.indexOf(view), NCA_RELIEF: Number(relief > 0),
      NCA_TAPS: 1 + Math.max(1, Math.ceil(width / part.across)),
      ...(layout !== null && { NCA_LAYOUT: layout }),
    };
    target.use();
    this.program(macros).draw({
      ...cells.values, nca_shown: cells.shown, nca_wraps: cells.wraps,
      nca_lamp: lamp ? [...lamp, 1] : [0, 0, 0], nca_relief: cells.relief,
    }, cells.textures);
  }

  program(macros) {
    const definitions = Object.entries(macros).map((entry) => entry.join(" "));
    return this.programs[definitions] ??= new Program(this.gl, this.vertex, definitions.reduce(withMacro, this.lit));
  }

  dispose() {
    for (const program of Object.values(this.programs)) program.dispose();
    this.fine.dispose();
  }
}

/** What is lit without a decoder. */
function cellsOf({ data, field: { present }, wraps }, { x, y, width, height }, values, textures, relief) {
  const layout = present.length === 1 ? mapLayout(data.rules[present[0]].settings.maps) : null;
  return { values, textures, wraps, relief, layout, shown: [x, y, width, height] };
}
