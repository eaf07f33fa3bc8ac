// Draw lit materials, or one of their maps; see shaders/lit.glsl.

const LAMP = [0.36, 0.28]; // place of the lamp until the pointer moves it: 0 to 1, across and down the canvas

/** Draws the views of materials: lit, or one of their maps. */
class LitPictures {
  constructor(gl, { vertex, lit }) {
    Object.assign(this, { gl, vertex, lit, programs: {} });
  }

  /** Draw a part of the state into a texture. Without a lamp, the light and the eye are distant, so that copies tile. */
  draw(view, { data, field, wraps }, part, target, values, textures, { lamp, relief }) {
    const { present } = field;
    const macros = {
      NCA_MAP: MAP_VIEWS.indexOf(view), NCA_RELIEF: Number(relief > 0),
      NCA_TAPS: 1 + Math.max(1, Math.ceil(part.width / part.across)),
      ...(present.length === 1 && { NCA_LAYOUT: mapLayout(data.rules[present[0]].settings.maps) }),
    };
    target.use();
    this.program(macros).draw({
      ...values, nca_shown: [part.x, part.y, part.width, part.height], nca_wraps: wraps,
      nca_lamp: lamp ? [...lamp, 1] : [0, 0, 0], nca_relief: relief,
    }, textures);
  }

  program(macros) {
    const definitions = Object.entries(macros).map((entry) => entry.join(" "));
    return this.programs[definitions] ??= new Program(this.gl, this.vertex, definitions.reduce(withMacro, this.lit));
  }

  dispose() {
    for (const program of Object.values(this.programs)) program.dispose();
  }
}
