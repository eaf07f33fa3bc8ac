// What the page can do: one method for every button and key.

const NOISE = "This browser returns noise when a page reads what it has drawn";

/** The actions of the page, on a player and its brush. */
class App extends EventTarget {
  constructor(player, brush, input) {
    super();
    Object.assign(this, { player, brush, input, recorder: null });
  }

  get simulation() {
    return this.player.simulation;
  }

  get rules() {
    return this.player.data.rules;
  }

  /** Tell the person, on the page and to a screen reader. */
  say(text) {
    this.dispatchEvent(new CustomEvent("say", { detail: text }));
  }

  /** Say once what cannot be done where read-back lies; the texture runs all the same. */
  sayTrust() {
    const { states, pictures } = this.player.trust ?? { states: true };
    const without = pictures ? "the state" : "states, pictures and videos";
    if (!states) this.say(`${NOISE}, so ${without} cannot be saved`);
  }

  toggle() {
    this.player.setRunning(!this.player.running);
    this.say(this.player.running ? "Running" : "Paused");
  }

  step() {
    if (this.player.running) this.player.setRunning(false);
    this.player.advance(1);
  }

  tenSteps() {
    if (this.player.running) this.player.setRunning(false);
    this.player.advance(10);
  }

  reset(seed) {
    this.simulation.remember();
    this.player.reset(typeof seed === "number" ? seed : undefined);
    this.say(`Started again from seed ${this.simulation.seed}`);
  }

  newSeed() {
    this.reset(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
  }

  centerSeed() {
    const { simulation } = this;
    const x = Math.floor(simulation.width / 2) + 0.5, y = Math.floor(simulation.height / 2) + 0.5;
    simulation.remember();
    simulation.paint("erase", { radius: -1 });
    simulation.paint("sprout", { stroke: { x0: x, y0: y, x1: x, y1: y }, radius: 0.6 });
    this.player.changed();
    this.say("One seed cell");
  }

  noiseEverywhere() {
    const { simulation } = this;
    simulation.remember();
    const number = (simulation.seed + simulation.stepNumber) >>> 0;
    simulation.paint("noise", { radius: -1, number });
    this.player.changed();
    this.say("Noise");
  }

  setSpeed(speed) {
    this.player.speed = speed;
    this.player.touch();
    this.say(speedText(speed));
  }

  faster() {
    this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.player.speed) + 1)]);
  }

  slower() {
    this.setSpeed(SPEEDS[Math.max(0, SPEEDS.indexOf(this.player.speed) - 1)]);
  }

  setTool(tool) {
    this.brush.tool = tool;
    this.player.touch();
    const names = { erase: "erase", sprout: "plant seeds", noise: "noise", rule: this.rules[this.brush.rule].name };
    this.say(`Brush: ${names[tool]}`);
  }

  eraseTool() { this.setTool("erase"); }
  sproutTool() { this.setTool("sprout"); }
  noiseTool() { this.setTool("noise"); }
  ruleTool() { this.setTool("rule"); }

  /** Paint with a rule; choosing the one that is chosen already grows it everywhere. */
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
    this.simulation.give(this.brush.rule, null);
    this.player.changed();
    this.say(`${this.rules[this.brush.rule].name} everywhere`);
  }

  setRadius(radius) { this.input.setRadius(radius); }
  smallerBrush() { this.setRadius(this.brush.radius / 1.25); }
  largerBrush() { this.setRadius(this.brush.radius * 1.25); }

  /** Move the ring of the brush by half its radius; it appears in the middle of the window. */
  moveBrush(dx, dy) {
    const { player, brush } = this, { camera, canvas } = player;
    const [x, y, , shown] = player.ring;
    const from = shown ? { x, y } : camera.cellAt(canvas.width / 2, canvas.height / 2);
    const stride = Math.max(1, brush.radius / 2);
    player.ring = [from.x + dx * stride, from.y + dy * stride, brush.radius, 1];
    player.touch();
  }

  brushLeft() { this.moveBrush(-1, 0); }
  brushRight() { this.moveBrush(1, 0); }
  brushUp() { this.moveBrush(0, -1); }
  brushDown() { this.moveBrush(0, 1); }

  dab() {
    if (!this.player.ring[3]) this.moveBrush(0, 0);
    const [x, y] = this.player.ring;
    this.input.dab({ x, y });
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
    if (done) this.player.changed();
    this.say(done ? "Undone" : "Nothing to undo");
  }

  setTurn(degrees) {
    this.simulation.turn = degrees * Math.PI / 180;
    this.player.touch();
  }

  setScale(scale) {
    this.simulation.scale = scale;
    this.player.touch();
  }

  setPace(pace) {
    this.simulation.pace = pace;
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

  /** Show the state repeated three by three, with lines between the tiles. */
  tiles() {
    const { camera, canvas, look } = this.player;
    if (look.view === "channels") this.setView("colors");
    const { simulation } = this;
    look.borders = true;
    camera.zoom = Math.min(canvas.width / simulation.width, canvas.height / simulation.height) / 3;
    camera.x = (simulation.width - canvas.width / camera.zoom) / 2;
    camera.y = (simulation.height - canvas.height / camera.zoom) / 2;
    camera.fitted = false;
    this.player.touch();
    this.say("Tiles");
  }

  /** Views in the order of the V key, as written in the address and the menu. */
  get views() {
    const channels = Array.from({ length: this.player.data.channels }, (_, c) => `channel ${c + 1}`);
    return ["colors", ...channels, "channels", "change"];
  }

  get view() {
    const { view, channel } = this.player.look;
    return view === "channel" ? `channel ${channel + 1}` : view;
  }

  setView(name) {
    if (!this.views.includes(name)) return;
    const before = this.player.extent, channel = /^channel (\d+)$/.exec(name);
    if (channel) Object.assign(this.player.look, { view: "channel", channel: Number(channel[1]) - 1 });
    else this.player.look.view = name;
    if (this.player.extent.width !== before.width) this.player.fit();
    this.player.touch();
    this.say(`View: ${name}`);
  }

  nextView(by = 1) {
    const { views } = this;
    this.setView(views[(views.indexOf(this.view) + by + views.length) % views.length]);
  }

  previousView() { this.nextView(-1); }

  setPalette(palette) {
    this.player.look.palette = palette;
    this.player.touch();
  }

  nextPalette() {
    this.setPalette((this.player.look.palette + 1) % PALETTES.length);
    this.say(`Color map: ${PALETTES[this.player.look.palette]}`);
  }

  smooth() { this.flip("smooth", "Smooth", "Square cells"); }
  borders() { this.flip("borders", "Lines between tiles", "No lines between tiles"); }

  flip(name, on, off) {
    const { look } = this.player;
    look[name] = !look[name];
    this.player.touch();
    this.say(look[name] ? on : off);
  }

  /** Save a picture of all that the view shows, `scale` pixels a cell. */
  savePicture(scale = 1) {
    const { width, height } = this.player.extent, camera = new Camera();
    camera.zoom = typeof scale === "number" ? scale : 1;
    this.saveAs(camera, Math.round(width * camera.zoom), Math.round(height * camera.zoom));
  }

  /** Save what the window shows. */
  saveWindow() {
    const { camera, canvas } = this.player;
    this.saveAs(camera, canvas.width, canvas.height);
  }

  saveAs(camera, width, height) {
    if (!this.player.trust?.pictures) return this.say(`${NOISE}, so no picture can be saved`);
    const canvas = this.player.viewer.picture(this.simulation, camera, width, height);
    canvas.toBlob((blob) => {
      if (!blob) return this.say(`A picture of ${width} by ${height} is too large here`);
      download(blob, `${this.name}-${width}x${height}.png`);
      this.say(`Saved ${width} by ${height} pixels`);
    }, "image/png");
  }

  /** File name of what is shown. */
  get name() {
    return fileName(this.simulation.field.present.slice(0, 3).map((r) => this.rules[r].name).join("-"));
  }

  async record() {
    try {
      if (this.recorder) {
        const { recorder } = this;
        this.recorder = null;
        const { blob, ending } = await recorder.stop();
        download(blob, `${this.name}.${ending}`);
        this.say("Video saved");
      } else {
        if (!this.player.trust?.pictures) throw new Error(`${NOISE}, so no video can be recorded`);
        this.recorder = new Recorder(this.player.canvas);
        this.say("Recording");
      }
    } catch (error) {
      this.say(error.message);
    }
    this.player.touch();
  }

  saveState() {
    if (!this.player.trust?.states) return this.say(`${NOISE}, so the state cannot be saved`);
    download(stateFile(this.simulation), `${this.name}-${this.simulation.stepNumber}.npz`);
    this.say("State saved");
  }

  openState() {
    this.dispatchEvent(new Event("open"));
  }

  /** Open a state (.npz) or put a picture into the color channels. */
  async openFile(file) {
    try {
      if (file.name.endsWith(".safetensors")) throw new Error("a page runs the rules it was made with; nca view opens others");
      if (file.type.startsWith("image/")) await this.openPicture(file);
      else await this.restoreState(file);
      this.player.changed();
      this.say(`Opened ${file.name}`);
    } catch (error) {
      this.say(`${file.name}: ${error.message}`);
    }
  }

  async restoreState(file) {
    const { values, channels, height, width, owner, step, seed } = await readState(file, this.player.largestSide);
    const { simulation: old } = this;
    if (width !== old.width || height !== old.height) this.player.setGrid({ width, height });
    else old.remember();
    const { simulation } = this;
    if (owner?.every((rule) => rule < this.rules.length)) {
      simulation.field.restore(owner);
      simulation.shares.write(simulation.field.shares);
    }
    simulation.setValues(values, channels);
    Object.assign(simulation, { stepNumber: step, seed });
  }

  async openPicture(file) {
    const { simulation } = this, { width, height } = simulation, cells = width * height;
    const picture = await createImageBitmap(file);
    const paper = new OffscreenCanvas(width, height).getContext("2d");
    const zoom = Math.max(width / picture.width, height / picture.height);
    paper.drawImage(picture, (width - picture.width * zoom) / 2, (height - picture.height * zoom) / 2,
      picture.width * zoom, picture.height * zoom);
    const pixels = paper.getImageData(0, 0, width, height).data;
    const [scale, offset] = this.rules[simulation.field.present[0]].colors;
    const values = new Float32Array(3 * cells);
    for (let i = 0; i < cells; i++) {
      for (let c = 0; c < 3; c++) values[c * cells + i] = (pixels[4 * i + c] / 255 - offset) / (scale || 1);
    }
    simulation.remember();
    simulation.setValues(values, 3);
  }

  setGrid(width, height) {
    this.player.setGrid(width ? { width, height } : null);
    this.say(`${this.simulation.width} by ${this.simulation.height} cells`);
  }

  async fullscreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      this.say("Full screen is not allowed here");
    }
  }

  settings() { this.dispatchEvent(new Event("settings")); }
  hideControls() { this.dispatchEvent(new Event("hide")); }
  help() { this.dispatchEvent(new Event("help")); }
}

function speedText(speed) {
  if (speed >= 1) return `${speed} ${speed === 1 ? "step" : "steps"} a frame`;
  return `one step in ${1 / speed} frames`;
}
