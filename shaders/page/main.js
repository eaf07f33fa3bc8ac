// Starts the page.

/** Read a rule that the page contains. Exported pages contain rules as data, `nca export --to player` as links. */
function readBundled(rule) {
  return rule.link ? { ...readLink(rule.link), ...rule } : exportedRule(rule);
}

function start() {
  const data = prepared(JSON.parse(document.getElementById("data").textContent), readBundled);
  const canvas = document.getElementById("canvas");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const { trouble, steering, ...address } = openAddress(location.hash, data);
  const options = { ...data.start, ...address, ...steering };
  if (still) Object.assign(options, { running: false, warmup: REDUCED_WARMUP });
  const lifetime = new AbortController();
  const player = new Player(canvas, data, options);
  const brush = new Brush();
  const actions = new Actions(player, brush, new Pointer(player, brush, lifetime));
  actions.pointer.paintField = (...stroke) => actions.paintField(...stroke);
  document.body.classList.toggle("bare", Boolean(address.alone));
  document.body.classList.toggle("alone", Boolean(address.alone));
  if (address.view) actions.setView(address.view);
  const panel = new Panel(actions, document, lifetime);
  let later = null;
  player.addEventListener("change", () => { // in every frame that runs a step
    later ??= setTimeout(() => {
      later = null;
      writeAddress(actions);
    }, 300);
  });
  // Meanwhile, the page may have written its settings over the new address.
  addEventListener("hashchange", ({ newURL }) => actions.openLink(new URL(newURL).hash), { signal: lifetime.signal });
  actions.sayTrust();
  if (trouble) actions.say(trouble);
  if (self === top) canvas.focus({ preventScroll: true }); // in a frame, this would take the focus from the page around it
  const reading = { readRuleFile, readPublished, readLink, writeLink, readFieldText, macros, packWeights, exportedRule };
  globalThis.nca = { actions, player, panel, reading, dispose() { lifetime.abort(); player.dispose(); } };
}

try {
  start();
} catch (error) {
  document.getElementById("trouble").hidden = false;
  document.getElementById("trouble-text").textContent = error.message;
  document.getElementById("controls").hidden = true;
  throw error;
}
