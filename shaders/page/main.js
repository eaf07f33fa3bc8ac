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
  const input = new PointerInput(player, brush, lifetime);
  const app = new App(player, brush, input);
  if (address.view) app.setView(address.view);
  const panel = new Panel(app, document, lifetime);
  let later;
  player.addEventListener("change", () => {
    clearTimeout(later);
    later = setTimeout(() => writeAddress(app), 300);
  });
  addEventListener("hashchange", () => {
    const { rule, seed, view, speed } = readAddress(location.hash, data);
    if (rule !== undefined && !app.simulation.field.present.includes(rule)) app.simulation.give(rule, null);
    if (seed !== undefined && seed !== app.simulation.seed) app.reset(seed);
    if (view) app.setView(view);
    if (speed) app.setSpeed(speed);
  }, { signal: lifetime.signal });
  app.sayTrust();
  canvas.focus({ preventScroll: true });
  globalThis.nca = { app, player, panel, dispose() { lifetime.abort(); player.dispose(); } };
}

try {
  start();
} catch (error) {
  document.getElementById("trouble").hidden = false;
  document.getElementById("trouble-text").textContent = error.message;
  document.getElementById("controls").hidden = true;
  throw error;
}
