// The actions of the page that save and open files.

const NOISE = "This browser returns noise when a page reads what it has drawn";

/** Settings that a link omits. */
const LINK_DEFAULTS = {
  view: null, updateRate: null, calm: null, averageSteps: 1, scaling: "smooth", transparent: false, flashLimit: true,
};

/** RGBA pixels of a picture that is scaled to cover an area. */
async function coveringPixels(file, width, height, smooth) {
  const picture = await createImageBitmap(file);
  const paper = new OffscreenCanvas(width, height).getContext("2d");
  const zoom = Math.max(width / picture.width, height / picture.height);
  paper.imageSmoothingEnabled = smooth;
  paper.drawImage(picture, (width - picture.width * zoom) / 2, (height - picture.height * zoom) / 2,
    picture.width * zoom, picture.height * zoom);
  return paper.getImageData(0, 0, width, height).data;
}

/** The actions for files and links, with a player and its brush. */
class FileActions extends EventTarget {
  constructor(player, brush, pointer) {
    super();
    Object.assign(this, { player, brush, pointer, recorder: null });
    // Chromium's videos are damaged where the size of their frames changes.
    player.addEventListener("resize", () => this.recorder && this.saveVideo("Video saved, as the window has a new size"));
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

  /** Save an image of the whole view, at `scale` times its natural size. */
  savePicture(scale = 1) {
    const { width, height } = this.player.extent, camera = new Camera();
    camera.zoom = (typeof scale === "number" ? scale : 1) * naturalScale(this.simulation, this.player.look);
    this.saveAs(camera, Math.round(width * camera.zoom), Math.round(height * camera.zoom));
  }

  /** Save an image of the window. */
  saveWindow() {
    const { camera, canvas } = this.player;
    this.saveAs(camera, canvas.width, canvas.height, this.player.look.lamp);
  }

  saveAs(camera, width, height, lamp) {
    if (!this.player.trust?.pictures) return this.say(`${NOISE}, so no image can be saved`);
    const canvas = this.player.display.picture(this.simulation, camera, width, height, lamp);
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

  /** Start a recording, or end and save it. */
  record() {
    if (this.recorder) return this.saveVideo("Video saved");
    try {
      if (!this.player.trust?.pictures) throw new Error(`${NOISE}, so no video can be recorded`);
      this.recorder = new Recorder(this.player.canvas, this.player.look.transparent);
      this.say("Recording");
    } catch (error) {
      this.say(error.message);
    }
    this.player.touch();
  }

  async saveVideo(message) {
    const { recorder } = this;
    this.recorder = null;
    try {
      const { blob, extension } = await recorder.stop();
      download(blob, `${this.name}.${extension}`);
      this.say(message);
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

  /** Open a rule (.safetensors), published rules (.json), a state (.npz), a pattern (.rle) or a picture. */
  async openFile(file) {
    try {
      if (/\.(safetensors|json)$/i.test(file.name)) return this.run(await readRules(file));
      if (file.type.startsWith("image/") && this.brush.tool === "direction") return this.openDirections(file);
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

  /** Apply the settings in an address. If it contains a rule, show it; settings that are missing get their defaults. */
  openLink(text) {
    const { player } = this, { data, options } = player;
    let fields, linked;
    try {
      fields = linkedFields(text);
      linked = linkedRule(text);
      const { link, opened } = this.rules[this.simulation.field.present[0]];
      if (linked && !(opened && link === linked.link)) this.run([linked]);
    } catch (error) {
      this.say(error.message);
      return;
    }
    const { steering, ...address } = readAddress(text, data), { speed, grid, format } = data.start;
    const defaults = { ...LINK_DEFAULTS, speed, grid: grid ?? null, format };
    const settings = { ...(linked && defaults), ...address, ...steering };
    const has = (name) => settings[name] !== undefined;
    const set = (target, names) => names.filter(has).forEach((name) => { target[name] = settings[name]; });
    const stateOf = () => JSON.stringify([options.grid, options.format]), before = stateOf();
    set(options, ["grid", "format"]);
    if (stateOf() !== before) player.setGrid(options.grid);
    const { simulation } = this, { rule, seed, view = this.view } = settings;
    if (!linked && has("rule") && !simulation.field.present.includes(rule)) simulation.paintRule(rule);
    if ((fields?.text ?? "") !== simulation.fields.text) player.setFields(fields);
    if (has("seed") && seed !== simulation.seed) this.reset(seed);
    if (view !== this.view) this.setView(this.views.includes(view) ? view : defaultView(simulation));
    if (has("speed")) player.speed.set(settings.speed);
    set(simulation, ["updateRate", "calm"]);
    set(player.look, ["averageSteps", "scaling", "transparent", "flashLimit"]);
    player.touch();
  }

  /** Copy a link that shows this texture on any page; for a page on a disk, only the part after "#". */
  async copyLink() {
    const rule = this.rules[this.simulation.field.present[0]];
    const link = linkOf(rule), hash = `#${addressOf(this, link)}`;
    const text = location.protocol.startsWith("http") ? location.href.replace(/(#.*)?$/s, hash) : hash;
    try {
      await navigator.clipboard.writeText(text);
      this.say(`Link copied, ${text.length.toLocaleString("en")} characters, ${linkBits(link)} bits per weight`);
    } catch {
      history.replaceState(null, "", hash);
      this.say("This browser does not let the page copy; the link is in the address bar");
    }
  }

  async restoreState(file) {
    const { values, channels, height, width, owner, fields, step, seed } = await readState(file, this.player.largestSide);
    const { simulation: old } = this;
    if (width !== old.width || height !== old.height) this.player.setGrid({ width, height });
    else old.remember();
    const { simulation } = this;
    if (owner?.every((rule) => rule < this.rules.length)) {
      simulation.field.restore(owner);
      simulation.fieldTexture.write(simulation.field.shares);
    }
    simulation.write(values, channels);
    simulation.writeFields(fields);
    Object.assign(simulation, { stepNumber: step, seed });
  }

  /** Put a pattern in the middle of an empty grid. */
  async openPattern(file) {
    const { simulation } = this, { states, name, channels } = this.rules[simulation.field.present[0]];
    if (!states) throw new Error(`${name} has no numbered states; nca classic makes rules that have them`);
    const values = placedPattern(await readPattern(file), states, simulation);
    simulation.remember();
    simulation.write(values, channels);
  }

  async openPicture(file) {
    const { simulation } = this, { width, height } = simulation, cells = width * height;
    const pixels = await coveringPixels(file, width, height, true);
    const [scale, offset] = this.rules[simulation.field.present[0]].colors;
    const values = new Float32Array(3 * cells);
    for (let i = 0; i < cells; i++) {
      for (let c = 0; c < 3; c++) values[c * cells + i] = (pixels[4 * i + c] / 255 - offset) / (scale || 1);
    }
    simulation.remember();
    simulation.write(values, 3);
  }
}
