// The actions of the page: one method per key and button.

const NOISE = "This browser returns noise when a page reads what it has drawn";

/** The entry of a list that follows another, or precedes it; the first follows the last. */
function after(list, entry, by = 1) {
  return list.at((list.indexOf(entry) + by) % list.length);
}

/** The actions of the page, on a player and its brush. */
class Actions extends EventTarget {
  constructor(player, brush, pointer) {
    super();
    Object.assign(this, { player, brush, pointer, recorder: null });
  }

  get simulation() {
    return this.player.simulation;
  }

  get rules() {
    return this.player.data.rules;
  }

  /** Show a message, which a screen reader also reads. */
  say(text) {
    this.dispatchEvent(new CustomEvent("say", { detail: text }));
  }

  /** Report once what cannot be saved if read-back is not reliable; the texture still runs. */
  sayTrust() {
    const { states, pictures } = this.player.trust ?? { states: true };
    const without = pictures ? "the state" : "states, images and videos";
    if (!states) this.say(`${NOISE}, so ${without} cannot be saved`);
  }

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

  /** Move the ring of the brush by half its radius; it starts in the middle of the window. */
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

  /** Views in the order of the V key, as written in the address and the menu. */
  get views() {
    const channels = Array.from({ length: this.player.data.channels }, (_, c) => `channel ${c + 1}`);
    return ["colors", ...channels, "channels", "change"];
  }

  get view() {
    return this.player.look.view;
  }

  setView(name) {
    if (!this.views.includes(name)) return;
    const before = this.player.extent;
    this.player.look.view = name;
    if (this.player.extent.width !== before.width) this.player.fit();
    this.player.touch();
    this.say(`View: ${name}`);
  }

  nextView(by = 1) {
    this.setView(after(this.views, this.view, by));
  }

  previousView() { this.nextView(-1); }

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

  /** Save an image of the whole view, `scale` pixels per cell. */
  savePicture(scale = 1) {
    const { width, height } = this.player.extent, camera = new Camera();
    camera.zoom = typeof scale === "number" ? scale : 1;
    this.saveAs(camera, Math.round(width * camera.zoom), Math.round(height * camera.zoom));
  }

  /** Save an image of the window. */
  saveWindow() {
    const { camera, canvas } = this.player;
    this.saveAs(camera, canvas.width, canvas.height);
  }

  saveAs(camera, width, height) {
    if (!this.player.trust?.pictures) return this.say(`${NOISE}, so no image can be saved`);
    const canvas = this.player.display.picture(this.simulation, camera, width, height);
    canvas.toBlob((blob) => {
      if (!blob) return this.say(`An image of ${width} by ${height} is too large here`);
      download(blob, `${this.name}-${width}x${height}.png`);
      this.say(`Saved ${width} by ${height} pixels`);
    }, "image/png");
  }

  /** File name for the current view. */
  get name() {
    return fileName(this.simulation.field.present.slice(0, 3).map((r) => this.rules[r].name).join("-"));
  }

  async record() {
    try {
      if (this.recorder) {
        const { recorder } = this;
        this.recorder = null;
        const { blob, extension } = await recorder.stop();
        download(blob, `${this.name}.${extension}`);
        this.say("Video saved");
      } else {
        if (!this.player.trust?.pictures) throw new Error(`${NOISE}, so no video can be recorded`);
        this.recorder = new Recorder(this.player.canvas, this.player.look.transparent);
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

  chooseFile() {
    this.dispatchEvent(new Event("open"));
  }

  /** Open a rule (.safetensors), published rules (.json), a state (.npz), or move the colors to an image. */
  async openFile(file) {
    try {
      if (/\.(safetensors|json)$/i.test(file.name)) return this.run(await readRules(file));
      if (/\.rle$/i.test(file.name)) await this.openPattern(file);
      else if (file.type.startsWith("image/")) await this.openPicture(file);
      else await this.restoreState(file);
      this.player.replaced();
      this.say(`Opened ${file.name}`);
    } catch (error) {
      this.say(`${file.name}: ${error.message}`);
    }
  }

  /** Add rules, and grow the first of them. */
  run(rules) {
    const [place] = this.player.addRules(rules);
    this.brush.rule = place;
    const { name } = this.rules[place];
    this.say(rules.length > 1 ? `Opened ${rules.length} textures; this is ${name}` : `Opened ${name}`);
  }

  /** Show what an address says, and the rule in it if there is one. */
  openLink(text) {
    try {
      const rule = linkedRule(text), { link, opened } = this.rules[this.simulation.field.present[0]];
      if (rule && !(opened && link === rule.link)) this.run([rule]);
    } catch (error) {
      this.say(error.message);
      return;
    }
    const { rule, seed, view, speed, averageSteps, scaling, transparent, flashLimit, steering } = readAddress(text, this.player.data);
    if (rule !== undefined && !this.simulation.field.present.includes(rule)) this.simulation.paintRule(rule);
    if (seed !== undefined && seed !== this.simulation.seed) this.reset(seed);
    if (view) this.setView(view);
    if (speed) this.setSpeed(speed);
    this.steer(steering);
    if (averageSteps) this.setAverage(averageSteps);
    if (scaling) this.setScaling(scaling);
    if (transparent !== undefined) this.player.look.transparent = transparent;
    if (flashLimit !== undefined) this.player.look.flashLimit = flashLimit;
    this.player.touch();
  }

  /** Copy an address that shows this texture on any page; of a page on a disk, only the part after "#". */
  async copyLink() {
    const rule = this.rules[this.simulation.field.present[0]];
    rule.link ??= writeLink(rule, LINK_BITS);
    const hash = `#${addressOf(this, rule.link)}`;
    const text = location.protocol.startsWith("http") ? location.href.replace(/(#.*)?$/s, hash) : hash;
    try {
      await navigator.clipboard.writeText(text);
      this.say(`Link copied, ${text.length.toLocaleString("en")} characters`);
    } catch {
      history.replaceState(null, "", hash);
      this.say("This browser does not let the page copy; the link is in the address");
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
      simulation.fieldTexture.write(simulation.field.shares);
    }
    simulation.write(values, channels);
    Object.assign(simulation, { stepNumber: step, seed });
  }

  /** Put a pattern in the middle of an empty grid. */
  async openPattern(file) {
    const { simulation } = this, { states, name, channels } = this.rules[simulation.field.present[0]];
    if (!states) throw new Error(`${name} has no numbered states; nca classic makes rules that have`);
    const values = placedPattern(await readPattern(file), states, simulation);
    simulation.remember();
    simulation.write(values, channels);
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
    simulation.write(values, 3);
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
