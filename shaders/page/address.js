// The part of the address after "#": rule, seed, view, speed, grid, calm and average, fields, or a whole rule.

const MAX_ADDRESS = 500_000; // characters of a rule; browsers refuse addresses from about a million on
const LINK_CELLS = 2 ** 20; // the largest grid that a link can set; the menu has the same limit

const SWITCH = { off: 0, on: 1, __proto__: null };

const queryOf = (address) => new URLSearchParams(address.trim().replace(/^[^#]*#/, ""));

/** Whether dropped or pasted text contains a link to a texture. */
const isAddress = (text) => /#(.*&)?[rm]=/s.test(text);

/** Settings in the address; unknown ones, and values out of range, are ignored. */
function readAddress(hash, { rules, start }) {
  const query = queryOf(hash);
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
  if (query.get("g") === "window") settings.grid = null;
  const number = (key, [least, most]) => {
    const text = query.get(key), value = text?.trim() ? SWITCH[text] ?? Number(text) : NaN;
    return value >= least && value <= most ? value : undefined;
  };
  const average = number("a", LIMITS.average_steps);
  if (Number.isInteger(average)) settings.averageSteps = average;
  const steering = { updateRate: number("u", LIMITS.update_rate), calm: number("c", LIMITS.calm) };
  settings.steering = Object.fromEntries(Object.entries(steering).filter(([, value]) => value !== undefined));
  if (query.has("t")) settings.transparent = query.get("t") === "on";
  if (query.has("l")) settings.flashLimit = query.get("l") !== "off";
  if (query.get("controls") === "0") settings.alone = true;
  if (SCALINGS.includes(query.get("z"))) settings.scaling = query.get("z");
  if (Object.hasOwn(STATE_FORMATS, query.get("f"))) settings.format = query.get("f");
  return settings;
}

/** The rule in an address, as plain data; undefined without one. Throws an error if it is damaged. */
function linkedRule(hash) {
  const query = queryOf(hash), link = query.get("r");
  return link === null ? undefined : { ...readLink(link), name: ruleLabel(query.get("m") ?? ""), opened: true };
}

/** The fields in an address; undefined if it has none. Throws an error if they are damaged. */
function linkedFields(hash) {
  const text = queryOf(hash).get("p");
  return text === null ? undefined : readFieldText(text);
}

/** Make one line of a name from a file or a link. */
function ruleLabel(name) {
  return name.replace(/[\p{C}\p{Z}]+/gu, " ").trim().slice(0, 60) || "texture";
}

/** Settings in the address of the page. A rule in it is added to the data; `trouble` describes a damaged rule or field. */
function openAddress(hash, data) {
  try {
    const fields = linkedFields(hash), rule = linkedRule(hash);
    const places = rule ? addRules(data, [rule]) : [];
    return { ...readAddress(hash, data), fields, ...(rule && { rule: places[0] }) };
  } catch (error) {
    return { ...readAddress(hash, data), trouble: error.message };
  }
}

/** Keep the settings in the address, so that it can be shared. */
function writeAddress(actions) {
  if (location.protocol === "about:") return; // a frame in another page has no address of its own
  const { simulation, rules } = actions, rule = rules[simulation.field.present[0]];
  const link = rule.opened && linkOf(rule).length <= MAX_ADDRESS && linkOf(rule);
  const hash = `#${addressOf(actions, link)}${document.body.matches(".alone") ? "&controls=0" : ""}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

/** The text of a rule, which is made once. */
function linkOf(rule) {
  return rule.link ??= writeLink(rule, LINK_BITS);
}

/** What is shown, as the part of an address after "#"; with the text of a rule, any page can show it. */
function addressOf(actions, link) {
  const { player, simulation } = actions, { options, data: { start } } = player;
  const query = new URLSearchParams();
  if (link) query.set("r", link);
  if (link || actions.rules.length > 1) query.set("m", actions.rules[simulation.field.present[0]].name);
  query.set("s", simulation.seed);
  if (player.look.view !== "auto") query.set("v", actions.view);
  const { stepsPerFrame } = player.speed;
  if (link || stepsPerFrame !== start.speed) query.set("k", stepsPerFrame); // other pages start at other speeds
  if (options.grid) query.set("g", `${options.grid.width}x${options.grid.height}`);
  else if (start.grid) query.set("g", "window");
  const { calm, updateRate } = simulation;
  if (calm !== null) query.set("c", ["off", "on"][calm] ?? calm);
  if (updateRate !== null) query.set("u", updateRate);
  if (player.look.averageSteps !== 1) query.set("a", player.look.averageSteps);
  if (player.look.scaling !== "smooth") query.set("z", player.look.scaling);
  if (player.look.transparent) query.set("t", "on");
  if (!player.look.flashLimit) query.set("l", "off");
  if (simulation.fields.text) query.set("p", simulation.fields.text);
  if (options.format) query.set("f", options.format);
  return query.toString();
}
