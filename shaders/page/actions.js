// The actions of the page: one method per key and button. Actions for files are in file_actions.js.

/** The next entry of a list (by 1) or the previous one (by -1), starting over at its ends. */
function after(list, entry, by = 1) {
  return list.at((list.indexOf(entry) + by) % list.length);
}

/** The actions of the page, on a player and its brush. */
class Actions extends FieldActions {
  toggle() {
    this.player.setRunning(!this.player.running);
    this.say(this.player.running ? "Running" : "Paused");
  }

  step() {
    if (this.player.running) this.player.setRunning(false);
    this.player.runSteps(1);
  }

  tenSteps() {
    if (this.player.running) this.player.setRunning(false);
    this.player.runSteps(10);
  }

  reset(seed) {
    this.simulation.remember();
    this.player.reset(typeof seed === "number" ? seed : undefined);
    this.say(`Restarted with seed ${this.simulation.seed}`);
  }

  newSeed() {
    this.reset(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
  }

  plantCenter() {
    const { simulation } = this;
    const x = Math.floor(simulation.width / 2) + 0.5, y = Math.floor(simulation.height / 2) + 0.5;
    simulation.remember();
    simulation.paint("erase");
    simulation.paint("plant", { x0: x, y0: y, x1: x, y1: y, radius: 0.6 });
    this.player.replaced();
    this.say("One cell in the middle");
  }

  noiseEverywhere() {
    const { simulation } = this;
    simulation.remember();
    simulation.paint("noise", EVERYWHERE, simulation.seed + simulation.stepNumber);
    this.player.replaced();
    this.say("Noise");
  }

  setSpeed(stepsPerFrame) {
    this.player.speed.set(stepsPerFrame);
    this.player.touch();
    this.say(speedText(stepsPerFrame));
  }

  faster() {
    this.player.speed.faster();
    this.setSpeed(this.player.speed.stepsPerFrame);
  }

  slower() {
    this.player.speed.slower();
    this.setSpeed(this.player.speed.stepsPerFrame);
  }

  setTool(tool) {
    this.brush.tool = tool;
    this.player.touch();
    this.say(`Brush: ${tool === "rule" ? this.rules[this.brush.rule].name : CONTROLS.tools[tool].help}`);
  }

  /** Paint with a rule; choosing the current rule again grows it everywhere. */
  chooseRule(rule) {
    const again = this.brush.tool === "rule" && this.brush.rule === rule;
    this.brush.rule = rule;
    this.simulation.load(rule);
    if (again) this.fillRule();
    else this.setTool("rule");
  }

  nextRule(by = 1) {
    const count = this.rules.length;
    this.brush.rule = (this.brush.rule + by + count) % count;
    this.simulation.load(this.brush.rule);
    this.setTool("rule");
  }

  previousRule() { this.nextRule(-1); }

  fillRule() {
    this.simulation.remember();
    this.simulation.paintRule(this.brush.rule);
    this.player.replaced();
    this.say(`${this.rules[this.brush.rule].name} everywhere`);
  }

  setRadius(radius) { this.pointer.setRadius(radius); }
  smallerBrush() { this.setRadius(this.brush.radius / CONTROLS.radius_step); }
  largerBrush() { this.setRadius(this.brush.radius * CONTROLS.radius_step); }

  /** Move the brush ring by half its radius; it starts in the middle of the window. */
  moveBrush(dx, dy) {
    const { player, brush } = this, { camera, canvas } = player;
    const [x, y, , shown] = player.ring;
    const from = shown ? { x, y } : camera.cellAt(canvas.width / 2, canvas.height / 2);
    const stride = Math.max(1, brush.radius / 2);
    brush.heading.turn(dx, dy);
    const to = { x: from.x + dx * stride, y: from.y + dy * stride };
    player.ring = [to.x, to.y, brush.radius, 1];
    player.look.lamp = [(to.x - camera.x) * camera.zoom / canvas.width, (to.y - camera.y) * camera.zoom / canvas.height];
    player.touch();
  }

  brushLeft() { this.moveBrush(-1, 0); }
  brushRight() { this.moveBrush(1, 0); }
  brushUp() { this.moveBrush(0, -1); }
  brushDown() { this.moveBrush(0, 1); }

  dab() {
    if (!this.player.ring[3]) this.moveBrush(0, 0);
    const [x, y] = this.player.ring;
    this.pointer.dab({ x, y });
  }

  moveView(dx, dy) {
    const { camera, canvas } = this.player;
    camera.pan(-dx * canvas.width / 10, -dy * canvas.height / 10);
    this.player.touch();
  }

  viewLeft() { this.moveView(-1, 0); }
  viewRight() { this.moveView(1, 0); }
  viewUp() { this.moveView(0, -1); }
  viewDown() { this.moveView(0, 1); }

  undo() {
    const done = this.simulation.undo();
    if (done) this.player.replaced();
    this.say(done ? "Undone" : "Nothing to undo");
  }

  /** Set rotation (in radians), coarseness, dt, updateRate or calm. */
  steer(values) {
    Object.assign(this.simulation, values);
    this.player.touch();
  }

  fit() { this.player.fit(); }
  zoomIn() { this.zoomBy(1.5); }
  zoomOut() { this.zoomBy(1 / 1.5); }

  zoomBy(factor) {
    const { canvas, camera } = this.player;
    camera.zoomAt(canvas.width / 2, canvas.height / 2, factor);
    this.player.touch();
  }

  /** Show three by three copies of the state, with lines between the tiles. */
  tiles() {
    const { camera, canvas, look } = this.player;
    if (look.view === "channels") this.setView("colors");
    look.borders = true;
    camera.showTiles(this.simulation, canvas, 3);
    this.player.touch();
    this.say("Tiles");
  }

  get views() {
    return viewNames(this.player.data);
  }

  get view() {
    return this.player.view;
  }

  setView(name) {
    if (!this.views.includes(name)) return;
    const before = this.player.extent;
    this.player.look.view = name === defaultView(this.simulation) ? "auto" : name;
    if (this.player.extent.width !== before.width) this.player.fit();
    this.player.touch();
    this.say(`View: ${name}`);
  }

  nextView(by = 1) {
    this.setView(after(this.views, this.view, by));
  }

  previousView() { this.nextView(-1); }

  setRelief(relief) {
    this.player.look.relief = relief;
    this.player.touch();
  }

  setColorMap(name) {
    this.player.look.colorMap = name;
    this.player.touch();
  }

  nextColorMap() {
    this.setColorMap(after(COLOR_MAPS, this.player.look.colorMap));
    this.say(`Color map: ${this.player.look.colorMap}`);
  }

  setScaling(name) {
    this.player.look.scaling = name;
    this.player.touch();
  }

  nextScaling() {
    this.setScaling(after(SCALINGS, this.player.look.scaling));
    this.say(`Scaling: ${this.player.look.scaling}`);
  }

  setAverage(steps) {
    this.player.setAverage(steps);
    this.say(steps === 1 ? "No average" : `Average of ${steps} steps`);
  }

  toggleAverage() {
    this.setAverage(this.player.look.averageSteps === 1 ? CONTROLS.average_steps : 1);
  }

  toggleCalm() {
    const { simulation } = this;
    this.steer({ calm: simulation.calmOf() ? 0 : 1 });
    this.say(simulation.calm ? "Calm" : "Not calm");
  }

  toggleTransparent() { this.flip("transparent", "Grown images have no background", "Grown images have a background"); }
  toggleFlashLimit() { this.flip("flashLimit", "At most three flashes a second", "Flashes are not limited"); }
  toggleBorders() { this.flip("borders", "Lines between tiles", "No lines between tiles"); }

  flip(name, on, off) {
    const { look } = this.player;
    look[name] = !look[name];
    this.player.touch();
    this.say(look[name] ? on : off);
  }

  setGrid(width, height) {
    this.player.setGrid(width ? { width, height } : null);
    this.say(`${this.simulation.width} by ${this.simulation.height} cells`);
  }

  async toggleFullscreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      this.say("Full screen is not allowed here");
    }
  }

  settings() { this.dispatchEvent(new Event("settings")); }
  toggleControls() { this.dispatchEvent(new Event("hide")); }
  toggleHelp() { this.dispatchEvent(new Event("help")); }
}
