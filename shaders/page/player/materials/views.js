// The maps of materials, and the views of a simulation.

// Number of channels of each map of a material, as in nca.maps.
const MAP_WIDTHS = { color: 3, normal: 3, height: 1, roughness: 1, occlusion: 1, metalness: 1 };
const MAP_VIEWS = ["lit", ...Object.keys(MAP_WIDTHS).slice(1)]; // the index is NCA_MAP; "colors" shows the color map

/** Number of channels of all maps; without maps, there is a color. */
function mapWidth(maps) {
  return maps.reduce((sum, map) => sum + MAP_WIDTHS[map], 0) || MAP_WIDTHS.color;
}

/** Encode the first channel of each map except color: 4 bits per map, the lowest bits first. */
function mapLayout(maps) {
  const names = Object.keys(MAP_WIDTHS);
  let first = 0, layout = 0;
  for (const map of maps) {
    if (first) layout |= first << (4 * names.indexOf(map) - 4);
    first += MAP_WIDTHS[map];
  }
  return layout;
}

/** Names of all views, as in the address and the menu; the V key goes through them in this order. */
function viewNames({ rules, channels }) {
  const maps = MAP_VIEWS.filter((map) => rules.some((rule) => rule.settings.maps.includes(map)));
  const material = rules.some((rule) => rule.settings.maps.length) ? ["lit", "colors", ...maps] : ["colors"];
  return [...material, ...Array.from({ length: channels }, (_, c) => `channel ${c + 1}`), "channels", "change"];
}

/** "lit" if a rule that owns cells has maps, otherwise "colors". */
function defaultView({ field, data }) {
  return field.present.some((rule) => data.rules[rule].settings.maps.length) ? "lit" : "colors";
}

/** The view of the look if the simulation has it, otherwise the default view. */
function viewOf(simulation, { view }) {
  return viewNames(simulation.data).includes(view) ? view : defaultView(simulation);
}

/** Whether the view shows a material: lit, or one of its maps. */
function showsMaterial(simulation, look) {
  return MAP_VIEWS.includes(viewOf(simulation, look));
}
