// The part of the address after "#": which rule, seed, view, speed, grid, calm and average.

const LINK_CELLS = 2 ** 20; // the most that a link makes a stranger's device run; the menu has as many

/** Settings in the address; what is unknown or out of range is left out. */
function readAddress(hash, { rules, start }) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const settings = {};
  const rule = rules.findIndex((r) => r.name === query.get("m"));
  if (rule >= 0) settings.rule = rule;
  if (/^\d{1,10}$/.test(query.get("s") ?? "")) settings.seed = Number(query.get("s")) >>> 0;
  if (query.has("v")) settings.view = query.get("v");
  if (SPEEDS.includes(Number(query.get("k")))) settings.speed = Number(query.get("k"));
  const grid = readGrid(query.get("g"));
  if (grid) {
    const cells = Math.max(LINK_CELLS, start.grid ? start.grid.width * start.grid.height : 0);
    const smaller = Math.min(1, Math.sqrt(cells / (grid.width * grid.height)));
    settings.grid = { width: Math.floor(grid.width * smaller), height: Math.floor(grid.height * smaller) };
  }
  if (["on", "off"].includes(query.get("c"))) settings.calm = query.get("c");
  const average = Number(query.get("a")), [least, most] = LIMITS.average_steps;
  if (Number.isInteger(average) && average >= least && average <= most) settings.averageSteps = average;
  if (Object.hasOwn(STATE_FORMATS, query.get("f"))) settings.format = query.get("f");
  return settings;
}

/** Keep what is shown in the address, so that it can be shared. */
function writeAddress(actions) {
  if (location.protocol === "about:") return; // a frame in another page has no address of its own
  const { player, simulation } = actions, { options } = player;
  const query = new URLSearchParams();
  if (actions.rules.length > 1) query.set("m", actions.rules[simulation.field.present[0]].name);
  query.set("s", simulation.seed);
  if (actions.view !== "colors") query.set("v", actions.view);
  const { stepsPerFrame } = player.speed;
  if (stepsPerFrame !== 1) query.set("k", stepsPerFrame);
  if (options.grid) query.set("g", `${options.grid.width}x${options.grid.height}`);
  if (simulation.calm !== "auto") query.set("c", simulation.calm);
  if (player.look.averageSteps !== 1) query.set("a", player.look.averageSteps);
  if (options.format) query.set("f", options.format);
  const hash = `#${query}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}
