// The controls: they show the state of the player and call the actions.

const IDLE_AFTER = 3500; // milliseconds without input before the controls fade

/** A logarithmic slider: twenty steps double the value. */
const onSlider = (value) => 20 * Math.log2(value);
const ofSlider = (position) => 2 ** (position / 20);
const percent = (share) => Math.round(100 * share);

/** Wires the controls of the page. */
class Panel {
  constructor(actions, root, { signal }) {
    Object.assign(this, { actions, root, signal });
    this.find = (selector) => root.querySelector(selector);
    this.body = document.body;
    for (const button of root.querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => actions[button.dataset.action](), { signal });
    }
    this.bindInputs();
    this.listAll();
    this.bindEvents();
    this.wake();
    this.update();
  }

  on(target, type, run) {
    target.addEventListener(type, run, { signal: this.signal });
  }

  /** Sliders and menus: how to read each from the player, and how to set it. */
  bindInputs() {
    const { actions } = this, { player, brush } = actions;
    const degrees = () => Math.round(actions.simulation.rotation * 180 / Math.PI);
    this.inputs = {
      speed: [() => SPEEDS.indexOf(player.speed.stepsPerFrame), (v) => actions.setSpeed(SPEEDS[v]), () => speedText(player.speed.stepsPerFrame)],
      radius: [() => onSlider(brush.radius), (v) => actions.setRadius(ofSlider(v)), () => `${brush.radius.toFixed(0)} cells`],
      amount: [() => brush.amount, (v) => actions.setAmount(v), () => actions.amountText()],
      rotation: [degrees, (v) => actions.steer({ rotation: v * Math.PI / 180 }), () => `${degrees()}\u00b0`],
      coarseness: [() => onSlider(actions.simulation.coarseness), (v) => actions.steer({ coarseness: ofSlider(v) }), () => `${actions.simulation.coarseness.toFixed(2)}\u00d7`],
      dt: [() => onSlider(actions.simulation.dt), (v) => actions.steer({ dt: ofSlider(v) }), () => `${actions.simulation.dt.toFixed(2)}\u00d7`],
      update_rate: [() => percent(actions.simulation.rateOf()), (v) => actions.steer({ updateRate: v / 100 }), () => `${percent(actions.simulation.rateOf())}%`],
      calm: [() => percent(actions.simulation.calmOf()), (v) => actions.steer({ calm: v / 100 }), () => (actions.simulation.calmOf() ? `${percent(actions.simulation.calmOf())}%` : "off")],
      average_steps: [() => player.look.averageSteps, (v) => actions.setAverage(v), () => (player.look.averageSteps === 1 ? "off" : `${player.look.averageSteps} steps`)],
      relief: [() => player.look.relief, (v) => actions.setRelief(v), () => (player.look.relief ? `${player.look.relief} cells` : "off")],
      zoom: [() => onSlider(player.camera.zoom), (v) => actions.zoomBy(ofSlider(v) / player.camera.zoom), () => `${player.camera.zoom.toFixed(1)} px`],
      seed: [() => actions.simulation.seed, (v) => actions.reset(v)],
      view: [() => actions.view, (v) => actions.setView(v)],
      colorMap: [() => player.look.colorMap, (v) => actions.setColorMap(v)],
      scaling: [() => player.look.scaling, (v) => actions.setScaling(v)],
      transparent: [() => player.look.transparent, () => actions.toggleTransparent()],
      flashLimit: [() => player.look.flashLimit, () => actions.toggleFlashLimit()],
      borders: [() => player.look.borders, () => actions.toggleBorders()],
    };
    const sliders = { speed: [0, SPEEDS.length - 1], rotation: [-180, 180], average_steps: LIMITS.average_steps, amount: LIMITS.amount, relief: LIMITS.relief };
    for (const name of ["update_rate", "calm"]) sliders[name] = LIMITS[name].map(percent);
    for (const name of ["radius", "coarseness", "dt", "zoom"]) sliders[name] = LIMITS[name].map((v) => Math.round(onSlider(v)));
    for (const [name, [min, max]] of Object.entries(sliders)) Object.assign(this.find(`[name=${name}]`), { min, max });
    for (const [name, [, set]] of Object.entries(this.inputs)) {
      const input = this.find(`[name=${name}]`);
      this.on(input, input.type === "range" ? "input" : "change", () => {
        const number = ["range", "number"].includes(input.type);
        if (input.value !== "" && input.reportValidity()) set(number ? Number(input.value) : input.value);
      });
    }
    this.on(this.find("[name=grid]"), "change", ({ target }) => {
      const [width, height] = target.value.split("x").map(Number);
      if (target.value === "window") actions.setGrid(null);
      else if (target.value !== "custom") actions.setGrid(width, height);
    });
    this.on(this.find("[data-save]"), "click", () => {
      const width = this.find("[name=picture]");
      if (width.reportValidity()) actions.savePicture(Number(width.value) / this.naturalWidth);
    });
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      this.on(button, "click", () => actions.setTool(button.dataset.tool));
    }
  }

  /** List everything that depends on the rules of the page. */
  listAll() {
    this.listRules();
    this.listViews();
    this.listKeys();
  }

  /** One button with a thumbnail per rule, if there are several. */
  listRules() {
    const list = this.find("#rules"), { rules } = this.actions;
    list.replaceChildren();
    list.hidden = rules.length < 2;
    for (const several of this.root.querySelectorAll("[data-several]")) several.hidden = rules.length < 2;
    if (list.hidden) return;
    rules.forEach((rule, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = `Paint with ${rule.name}; click again to grow it everywhere`;
      button.setAttribute("aria-label", rule.name);
      if (rule.thumbnail) {
        const picture = document.createElement("img");
        Object.assign(picture, { src: rule.thumbnail, alt: "", width: 52, height: 52, draggable: false });
        button.append(picture);
      } else button.append(rule.name.replaceAll("_", " "));
      this.on(button, "click", () => this.actions.chooseRule(i));
      list.append(button);
    });
  }

  listViews() {
    for (const [menu, names] of Object.entries({ view: this.actions.views, scaling: SCALINGS, colorMap: COLOR_MAPS })) {
      this.find(`[name=${menu}]`).replaceChildren(...names.map((name) => new Option(name, name)));
    }
  }

  listKeys() {
    const several = this.actions.rules.length > 1;
    const row = (show, help) => {
      const line = document.createElement("div"), key = document.createElement("dt"), text = document.createElement("dd");
      key.append(...show.split(" ").map((part) => Object.assign(document.createElement("kbd"), { textContent: part })));
      text.textContent = help;
      line.append(key, text);
      return line;
    };
    const plain = (show, help) => {
      const line = row("", help);
      line.firstChild.textContent = show;
      return line;
    };
    this.find("#gestures").replaceChildren(...CONTROLS.gestures.map(({ show, help }) => plain(show, help)));
    this.find("#keys").replaceChildren(...KEYS.filter((k) => k.help && (several || !k.several)).map((k) => row(shownKey(k), k.help)));
  }

  bindEvents() {
    const { actions } = this, { player } = actions;
    this.on(player, "change", () => this.update());
    this.on(player, "stats", () => this.showStats());
    this.on(player, "trouble", ({ detail }) => this.say(detail, true));
    this.on(player, "lost", () => this.say("The graphics device was lost; waiting for it", true));
    this.on(player, "restored", ({ detail }) => this.say(detail.resumed ? "Continuing where it stopped" : "Restarted"));
    this.on(actions, "say", ({ detail }) => this.say(detail));
    this.on(actions, "settings", () => this.openSettings(this.find("#panel").hidden));
    this.on(actions, "hide", () => this.bare(!this.body.matches(".bare")));
    this.on(actions, "help", () => this.toggleHelp());
    this.on(actions, "open", () => this.find("[name=file]").click());
    this.on(this.find("[name=file]"), "change", ({ target }) => {
      if (target.files[0]) actions.openFile(target.files[0]);
      target.value = "";
    });
    this.on(player, "rules", () => {
      this.listAll();
      this.update();
      this.find("#rules .growing")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    this.bindDrop();
    this.on(document, "keydown", (event) => this.press(event));
    for (const type of ["pointermove", "pointerdown", "keydown", "focusin", "wheel"]) {
      this.on(document, type, () => this.wake());
    }
    this.on(this.find("#help"), "click", ({ target }) => {
      if (target.id === "help") this.find("#help").close();
    });
  }

  /** Handle dropped files and links, and pasted links. */
  bindDrop() {
    const { actions, body } = this;
    const over = (shown) => body.classList.toggle("dropping", shown);
    this.on(document, "dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    this.on(document, "dragleave", ({ relatedTarget }) => over(relatedTarget !== null));
    this.on(document, "drop", async (event) => {
      event.preventDefault();
      over(false);
      const files = [...event.dataTransfer.files], text = event.dataTransfer.getData("text/plain");
      for (const file of files) await (event.shiftKey ? actions.openDirections(file) : actions.openFile(file));
      if (files.length || !text) return;
      if (isAddress(text)) actions.openLink(text);
      else actions.say("This is not a link to a texture");
    });
    this.on(document, "paste", (event) => {
      const text = event.clipboardData.getData("text/plain");
      if (!event.target.closest("input") && isAddress(text)) actions.openLink(text);
    });
  }

  press(event) {
    if (event.key === "Escape" && !this.find("#help").open) {
      if (this.find("#panel").hidden) this.bare(false);
      else this.openSettings(false);
      return;
    }
    const key = keyOf(event);
    if (!key || event.defaultPrevented) return;
    event.preventDefault();
    this.actions[methodOf(key)](key.tool);
  }

  /** Hide or show all controls. */
  bare(bare) {
    this.body.classList.toggle("bare", bare);
    if (!bare) this.body.classList.remove("alone");
    this.actions.player.touch(); // writes the address
  }

  openSettings(open) {
    const panel = this.find("#panel"), button = this.find("[data-action=settings]");
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) panel.querySelector("input, button").focus({ focusVisible: false });
    else if (panel.contains(document.activeElement)) button.focus();
    this.update();
  }

  toggleHelp() {
    const help = this.find("#help");
    if (help.open) help.close();
    else help.showModal();
  }

  /** Show the controls, and let them fade after a while without input. */
  wake() {
    this.setIdle(false);
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      const busy = this.find("#controls").matches(":has(:focus-visible), :hover") || !this.find("#panel").hidden;
      this.setIdle(this.actions.player.running && !busy);
    }, IDLE_AFTER);
  }

  setIdle(idle) {
    this.body.classList.toggle("idle", idle);
    this.actions.player.rest(idle);
  }

  /** Show a message for a moment; a screen reader also reads it. */
  say(text, lasting = false) {
    const toast = this.find("#toast");
    toast.textContent = text;
    toast.classList.add("shown");
    clearTimeout(this.toast);
    const reading = Math.max(1600, 70 * text.length); // milliseconds
    if (!lasting) this.toast = setTimeout(() => toast.classList.remove("shown"), reading);
  }

  /** Update the controls. */
  update() {
    const { actions } = this, { player, brush } = actions;
    const press = (selector, on) => {
      for (const button of this.root.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(on));
    };
    this.body.classList.toggle("running", player.running);
    this.body.classList.toggle("clear", player.look.transparent);
    for (const button of this.root.querySelectorAll("[data-action=toggle]")) {
      button.setAttribute("aria-label", player.running ? "Pause" : "Continue");
      button.title = `${player.running ? "Pause" : "Continue"} (Space)`;
    }
    for (const tool of Object.keys(CONTROLS.tools)) press(`[data-tool=${tool}]`, brush.tool === tool);
    press("[data-action=record]", Boolean(actions.recorder));
    [...this.find("#rules").children].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(brush.tool === "rule" && brush.rule === i));
      button.classList.toggle("growing", actions.simulation.field.present.includes(i));
    });
    if (!this.find("#panel").hidden) this.updateInputs();
    const names = actions.simulation.field.present.map((rule) => actions.rules[rule].name);
    this.find("#name").textContent = names.length > 3 ? `${names.length} textures` : names.join(" + ");
    const credit = actions.rules[actions.simulation.field.present[0]].credit;
    this.find("#credit").textContent = names.length === 1 ? credit : "";
  }

  /** Width of a picture of the view at its natural size, in pixels. */
  get naturalWidth() {
    const { extent, look, simulation } = this.actions.player;
    return extent.width * naturalScale(simulation, look);
  }

  updateInputs() {
    const { actions } = this, { simulation } = actions;
    for (const [name, [get, , text]] of Object.entries(this.inputs)) {
      const input = this.find(`[name=${name}]`);
      if (input.type === "checkbox") input.checked = get();
      else if (input !== document.activeElement || input.type !== "number") input.value = get();
      if (text) this.find(`output[for=${name}]`).textContent = text();
    }
    this.find("[name=amount]").closest(".row").hidden = !FIELDS.includes(actions.brush.tool, 1);
    this.find("[name=relief]").closest(".row").hidden = !(actions.view === "lit" && actions.views.includes("height"));
    this.find("[data-action=clearFields]").hidden = !simulation.fields.used;
    const picture = this.find("[name=picture]");
    if (!picture.value) picture.value = Math.min(8192, 4 * this.naturalWidth);
    const grid = this.find("[name=grid]"), size = `${simulation.width}x${simulation.height}`;
    const known = [...grid.options].some((option) => option.value === size);
    const custom = this.find("option[value=custom]");
    custom.textContent = `${simulation.width} \u00d7 ${simulation.height}`;
    custom.hidden = known;
    grid.value = known ? size : "custom";
    const rule = actions.rules[simulation.field.present[0]];
    this.find("#facts").textContent = `${rule.channels} channels, ${rule.hidden} hidden units, `
      + `${rule.weightCount.toLocaleString("en")} weights, ${STATE_FORMATS[actions.player.format].label} state`;
  }

  showStats() {
    const { player, simulation, recorder } = this.actions, { fps, steps, largest } = player.stats;
    const rate = (value) => value.toFixed(value < 3 ? 1 : 0);
    const parts = player.running ? [`${rate(fps)} fps`, `${rate(steps)} steps/s`] : ["paused"];
    parts.push(`step ${simulation.stepNumber.toLocaleString("en")}`);
    if (player.format !== "rgba32f") parts.push(STATE_FORMATS[player.format].label);
    if (largest > 10) parts.push(`largest ${largest.toPrecision(2)}`);
    if (recorder) parts.unshift(`\u25cf ${recorder.seconds.toFixed(0)} s`);
    this.find("#hud").textContent = parts.join("  \u00b7  ");
  }
}
