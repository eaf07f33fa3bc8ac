// The maps of materials, and the views of a simulation.

// Channels of every map of a material, as in nca.maps.
const MAP_WIDTHS = { color: 3, normal: 3, height: 1, roughness: 1, occlusion: 1, metalness: 1 };
const MAP_VIEWS = ["lit", ...Object.keys(MAP_WIDTHS).slice(1)]; // the index is NCA_MAP; color is another view

/** Number of channels of all maps; without maps, there is a color. */
function mapWidth(maps) {
  return maps.reduce((sum, map) => sum + MAP_WIDTHS[map], 0) || MAP_WIDTHS.color;
}

/** The first channels of all maps but the color, as hexadecimal digits in their order. */
function mapLayout(maps) {
  const names = Object.keys(MAP_WIDTHS);
  let first = 0, layout = 0;
  for (const map of maps) {
    if (first) layout |= first << (4 * names.indexOf(map) - 4);
    first += MAP_WIDTHS[map];
  }
  return layout;
}

/** Names of all views, in the order of the V key, as written in the address and the menu. */
function viewNames({ rules, channels }) {
  const maps = MAP_VIEWS.filter((map) => rules.some((rule) => rule.settings.maps.includes(map)));
  const material = rules.some((rule) => rule.settings.maps.length) ? ["lit", "colors", ...maps] : ["colors"];
  return [...material, ...Array.from({ length: channels }, (_, c) => `channel ${c + 1}`), "channels", "change"];
}

/** The view that suits the rules with cells: materials are lit. */
function naturalView({ field, data }) {
  return field.present.some((rule) => data.rules[rule].settings.maps.length) ? "lit" : "colors";
}

/** The view that is shown: that of the look, or, if there is no such view, the natural one. */
function viewOf(simulation, { view }) {
  return viewNames(simulation.data).includes(view) ? view : naturalView(simulation);
}

/** Whether the view is that of a material: lit, or one of its maps. */
function shades(simulation, look) {
  return MAP_VIEWS.includes(viewOf(simulation, look));
}
