// The controls: they show what the player does and call the actions of the app.

const IDLE_AFTER = 3500; // milliseconds without a hand before the controls fade

/** Wires the controls of the page. */
class Panel {
  constructor(app, root, { signal }) {
    Object.assign(this, { app, root, signal });
    this.find = (selector) => root.querySelector(selector);
    this.body = document.body;
    for (const button of root.querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => app[button.dataset.action](), { signal });
    }
    this.bindInputs();
    this.listRules();
    this.listViews();
    this.listKeys();
    this.bindEvents();
    this.wake();
    this.update();
  }

  on(target, type, run) {
    target.addEventListener(type, run, { signal: this.signal });
  }

  /** Sliders and menus: how each is read from the player, and what it sets. */
  bindInputs() {
    const { app } = this, { player, brush } = app;
    const degrees = () => Math.round(app.simulation.turn * 180 / Math.PI);
    this.inputs = {
      speed: [() => SPEEDS.indexOf(player.speed), (v) => app.setSpeed(SPEEDS[v]), () => speedText(player.speed)],
      radius: [() => 20 * Math.log2(brush.radius), (v) => app.setRadius(2 ** (v / 20)), () => `${brush.radius.toFixed(0)} cells`],
      turn: [degrees, (v) => app.setTurn(v), () => `${degrees()}\u00b0`],
      scale: [() => 20 * Math.log2(app.simulation.scale), (v) => app.setScale(2 ** (v / 20)), () => `${app.simulation.scale.toFixed(2)}\u00d7`],
      pace: [() => 20 * Math.log2(app.simulation.pace), (v) => app.setPace(2 ** (v / 20)), () => `${app.simulation.pace.toFixed(2)}\u00d7`],
      zoom: [() => 20 * Math.log2(player.camera.zoom), (v) => app.zoomBy(2 ** (v / 20) / player.camera.zoom), () => `${player.camera.zoom.toFixed(1)} px`],
      seed: [() => app.simulation.seed, (v) => app.reset(v)],
      view: [() => app.view, (v) => app.setView(v)],
      palette: [() => player.look.palette, (v) => app.setPalette(v)],
      smooth: [() => player.look.smooth, () => app.smooth()],
      borders: [() => player.look.borders, () => app.borders()],
    };
    for (const [name, [, set]] of Object.entries(this.inputs)) {
      const input = this.find(`[name=${name}]`);
      this.on(input, input.type === "range" ? "input" : "change", () => {
        const number = ["range", "number"].includes(input.type) || name === "palette";
        if (input.value !== "" && input.reportValidity()) set(number ? Number(input.value) : input.value);
      });
    }
    this.on(this.find("[name=grid]"), "change", ({ target }) => {
      const [width, height] = target.value.split("x").map(Number);
      if (target.value === "window") app.setGrid(null);
      else if (target.value !== "custom") app.setGrid(width, height);
    });
    this.on(this.find("[data-save]"), "click", () => {
      const width = this.find("[name=picture]");
      if (width.reportValidity()) app.savePicture(Number(width.value) / app.player.extent.width);
    });
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      this.on(button, "click", () => app.setTool(button.dataset.tool));
    }
  }

  /** One button with a thumbnail for every rule, where there are several. */
  listRules() {
    const list = this.find("#rules"), { rules } = this.app;
    list.hidden = rules.length < 2;
    for (const several of this.root.querySelectorAll("[data-several]")) several.hidden = rules.length < 2;
    if (list.hidden) return;
    rules.forEach((rule, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = `Paint with ${rule.name}; again: grow it everywhere`;
      button.setAttribute("aria-label", rule.name);
      if (rule.thumbnail) {
        const picture = document.createElement("img");
        Object.assign(picture, { src: rule.thumbnail, alt: "", width: 52, height: 52, draggable: false });
        button.append(picture);
      } else button.append(rule.name.slice(0, 2));
      this.on(button, "click", () => this.app.chooseRule(i));
      list.append(button);
    });
  }

  listViews() {
    const menu = this.find("[name=view]");
    for (const name of this.app.views) menu.append(new Option(name, name));
    const palettes = this.find("[name=palette]");
    PALETTES.forEach((name, i) => palettes.append(new Option(name, String(i))));
  }

  listKeys() {
    const several = this.app.rules.length > 1;
    const row = (show, does) => {
      const line = document.createElement("div"), key = document.createElement("dt"), text = document.createElement("dd");
      key.append(...show.split(" ").map((part) => Object.assign(document.createElement("kbd"), { textContent: part })));
      text.textContent = does;
      line.append(key, text);
      return line;
    };
    const plain = (show, does) => {
      const line = row("", does);
      line.firstChild.textContent = show;
      return line;
    };
    this.find("#gestures").append(...GESTURES.map(([show, does]) => plain(show, does)));
    this.find("#keys").append(...KEYS.filter((k) => k.show && (several || !k.several)).map((k) => row(k.show, k.does)));
  }

  bindEvents() {
    const { app } = this, { player } = app;
    this.on(player, "change", () => this.update());
    this.on(player, "stats", () => this.showStats());
    this.on(player, "trouble", ({ detail }) => this.say(detail, true));
    this.on(player, "lost", () => this.say("The graphics device was lost; waiting for it", true));
    this.on(player, "restored", ({ detail }) => this.say(detail.resumed ? "Going on where it stopped" : "Started again"));
    this.on(app, "say", ({ detail }) => this.say(detail));
    this.on(app, "settings", () => this.openSettings(this.find("#panel").hidden));
    this.on(app, "hide", () => this.body.classList.toggle("bare"));
    this.on(app, "help", () => this.toggleHelp());
    this.on(app, "open", () => this.find("[name=file]").click());
    this.on(this.find("[name=file]"), "change", ({ target }) => {
      if (target.files[0]) app.openFile(target.files[0]);
      target.value = "";
    });
    this.on(document, "dragover", (event) => event.preventDefault());
    this.on(document, "drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) app.openFile(event.dataTransfer.files[0]);
    });
    this.on(document, "keydown", (event) => this.key(event));
    for (const type of ["pointermove", "pointerdown", "keydown", "focusin", "wheel"]) {
      this.on(document, type, () => this.wake());
    }
    this.on(this.find("#help"), "click", ({ target }) => {
      if (target.id === "help") this.find("#help").close();
    });
  }

  key(event) {
    if (event.key === "Escape" && !this.find("#help").open) {
      if (this.find("#panel").hidden) this.body.classList.remove("bare");
      else this.openSettings(false);
      return;
    }
    const action = actionOf(event);
    if (!action || event.defaultPrevented) return;
    event.preventDefault();
    this.app[action]();
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

  /** Show the controls, and let them fade when nobody uses them for a while. */
  wake() {
    this.setIdle(false);
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      const busy = this.find("#controls").matches(":has(:focus-visible), :hover") || !this.find("#panel").hidden;
      this.setIdle(this.app.player.running && !busy);
    }, IDLE_AFTER);
  }

  setIdle(idle) {
    this.body.classList.toggle("idle", idle);
    this.app.player.rest(idle);
  }

  /** A word to the person, shown for a moment and read by a screen reader. */
  say(text, lasting = false) {
    const toast = this.find("#toast");
    toast.textContent = text;
    toast.classList.add("shown");
    clearTimeout(this.toast);
    const reading = Math.max(1600, 70 * text.length); // milliseconds
    if (!lasting) this.toast = setTimeout(() => toast.classList.remove("shown"), reading);
  }

  /** Show in the controls what is so. */
  update() {
    const { app } = this, { player, brush } = app;
    const press = (selector, on) => {
      for (const button of this.root.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(on));
    };
    this.body.classList.toggle("running", player.running);
    for (const button of this.root.querySelectorAll("[data-action=toggle]")) {
      button.setAttribute("aria-label", player.running ? "Pause" : "Go on");
      button.title = `${player.running ? "Pause" : "Go on"} (Space)`;
    }
    for (const tool of ["erase", "sprout", "noise", "rule"]) press(`[data-tool=${tool}]`, brush.tool === tool);
    press("[data-action=record]", Boolean(app.recorder));
    [...this.find("#rules").children].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(brush.tool === "rule" && brush.rule === i));
      button.classList.toggle("growing", app.simulation.field.present.includes(i));
    });
    if (!this.find("#panel").hidden) this.updateInputs();
    const names = app.simulation.field.present.map((rule) => app.rules[rule].name);
    this.find("#name").textContent = names.length > 3 ? `${names.length} textures` : names.join(" + ");
    const credit = app.rules[app.simulation.field.present[0]].credit;
    this.find("#credit").textContent = names.length === 1 ? credit : "";
  }

  updateInputs() {
    const { app } = this, { simulation } = app;
    for (const [name, [get, , text]] of Object.entries(this.inputs)) {
      const input = this.find(`[name=${name}]`);
      if (input.type === "checkbox") input.checked = get();
      else if (input !== document.activeElement || input.type !== "number") input.value = get();
      if (text) this.find(`output[for=${name}]`).textContent = text();
    }
    const picture = this.find("[name=picture]");
    if (!picture.value) picture.value = Math.min(8192, 4 * simulation.width);
    const grid = this.find("[name=grid]"), size = `${simulation.width}x${simulation.height}`;
    const known = [...grid.options].some((option) => option.value === size);
    const custom = this.find("option[value=custom]");
    custom.textContent = `${simulation.width} \u00d7 ${simulation.height}`;
    custom.hidden = known;
    grid.value = known ? size : "custom";
    const rule = app.rules[simulation.field.present[0]];
    this.find("#facts").textContent = `${rule.channels} channels, ${rule.hidden} hidden units, `
      + `${rule.weightCount.toLocaleString("en")} weights, ${STATE_FORMATS[app.player.format].label} state`;
  }

  showStats() {
    const { player, simulation, recorder } = this.app, { fps, steps, largest } = player.stats;
    const rate = (value) => value.toFixed(value < 3 ? 1 : 0);
    const parts = player.running ? [`${rate(fps)} fps`, `${rate(steps)} steps/s`] : ["paused"];
    parts.push(`step ${simulation.stepNumber.toLocaleString("en")}`);
    if (player.format !== "rgba32f") parts.push(STATE_FORMATS[player.format].label);
    if (largest > 10) parts.push(`largest ${largest.toPrecision(2)}`);
    if (recorder) parts.unshift(`\u25cf ${recorder.seconds.toFixed(0)} s`);
    this.find("#hud").textContent = parts.join("  \u00b7  ");
  }
}
