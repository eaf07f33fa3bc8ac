// Controls that page and window share: CONTROLS is shaders/controls.json without entries only for the window.

const { limits: LIMITS, scalings: SCALINGS, color_maps: COLOR_MAPS, blend_border: BORDER, tile_lines: TILE_LINES } = CONTROLS;
const SPEEDS = powersOfTwo(...LIMITS.speed.page); // steps per frame

const KEY_NAMES = { " ": "Space", Escape: "Esc", ArrowLeft: "Left", ArrowRight: "Right", ArrowUp: "Up", ArrowDown: "Down" };
const KEYS = [...toolKeys(), ...CONTROLS.keys];
const KEY_BY_NAME = new Map(KEYS.flatMap((entry) => entry.keys.map((name) => [name, entry])));

function powersOfTwo(least, most) {
  const powers = [];
  for (let power = least; power <= most; power *= 2) powers.push(power);
  return powers;
}

/** The keys of the tools, as entries of the key map. */
function toolKeys() {
  const entries = Object.entries(CONTROLS.tools).map(([tool, { key, help, several }]) => (
    { keys: [key], action: "set_tool", tool, help: `Brush: ${help}`, several }));
  return entries.sort((a, b) => (a.keys[0] < b.keys[0] ? -1 : 1));
}

/** The entry of the key map for a key event; if a key has no entry with Shift, Shift is ignored. */
function keyOf(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog[open]");
  const pressing = event.target.closest?.("button, a, summary") && [" ", "Enter"].includes(event.key);
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey || pressing) return undefined;
  const name = KEY_NAMES[event.key] ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key);
  const held = control ? "Ctrl+" : "";
  const key = (event.shiftKey && KEY_BY_NAME.get(`${held}Shift+${name}`)) || KEY_BY_NAME.get(held + name);
  const allowed = !typing || (control && name === "S") || (typing.id === "help" && key?.action === "toggle_help");
  return allowed ? key : undefined;
}

/** A key as the help writes it. */
function shownKey({ keys: [name], show }) {
  return show ?? name.replace(/\+(?=.)/g, " ");
}

/** The method of Actions for the action of a key: next_view is nextView. */
function methodOf({ action }) {
  return action.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
}
