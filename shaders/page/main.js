// Starts the page.

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const canvas = document.getElementById("canvas");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const address = readAddress(location.hash, data);
  const options = { ...data.start, ...address };
  if (still) Object.assign(options, { running: false, warmup: REDUCED_WARMUP });
  const lifetime = new AbortController();
  const player = new Player(canvas, data, options);
  const brush = new Brush();
  const actions = new Actions(player, brush, new Pointer(player, brush, lifetime));
  if (address.view) actions.setView(address.view);
  const panel = new Panel(actions, document, lifetime);
  let later;
  player.addEventListener("change", () => {
    clearTimeout(later);
    later = setTimeout(() => writeAddress(actions), 300);
  });
  addEventListener("hashchange", () => {
    const { rule, seed, view, speed, calm, averageSteps } = readAddress(location.hash, data);
    if (rule !== undefined && !actions.simulation.field.present.includes(rule)) actions.simulation.paintRule(rule);
    if (seed !== undefined && seed !== actions.simulation.seed) actions.reset(seed);
    if (view) actions.setView(view);
    if (speed) actions.setSpeed(speed);
    if (calm) actions.simulation.calm = calm;
    if (averageSteps) actions.setAverage(averageSteps);
  }, { signal: lifetime.signal });
  actions.sayTrust();
  if (self === top) canvas.focus({ preventScroll: true }); // in a frame it would end what is typed beside it
  globalThis.nca = { actions, player, panel, dispose() { lifetime.abort(); player.dispose(); } };
}

try {
  start();
} catch (error) {
  document.getElementById("trouble").hidden = false;
  document.getElementById("trouble-text").textContent = error.message;
  document.getElementById("controls").hidden = true;
  throw error;
}
