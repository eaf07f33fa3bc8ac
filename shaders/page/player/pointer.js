// Mouse, pen and fingers: one finger paints, two fingers zoom and move.

const HOLD = 300; // milliseconds before a resting finger paints, if swipes scroll
const SLOP = 8;   // CSS pixels that a resting finger may move

/** The brush: tool is one of CONTROLS.tools, radius is in cells, amount is a byte of a field, rule is what the tool "rule" paints. */
class Brush {
  constructor() {
    Object.assign(this, { ...CONTROLS.brush, rule: 0, heading: new Heading() });
  }
}

/** Turns pointer events on a player's canvas into strokes and camera moves. */
class Pointer {
  /** scrolls: vertical swipes scroll the page, unless the finger is held still first. */
  constructor(player, brush, { signal, zooms = true, scrolls = false }) {
    Object.assign(this, { player, brush, scrolls });
    this.pointers = new Map();
    this.stroke = null;
    this.finger = null; // a finger that may start to scroll: {event, timer}
    const { canvas } = player;
    const on = (type, run) => canvas.addEventListener(type, run, { signal, passive: false });
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.cancel(event));
    on("pointerleave", () => this.showRing(null));
    if (zooms) on("wheel", (event) => this.wheel(event));
    on("contextmenu", (event) => event.preventDefault());
    canvas.style.touchAction = scrolls ? "pan-y" : "none";
    // The browser decides whether to scroll when a finger touches the screen; only this prevents it.
    if (scrolls) on("touchmove", (event) => this.keepFromScrolling(event));
    signal.addEventListener("abort", () => this.dropFinger());
  }

  pixel(event) {
    const { canvas } = this.player;
    const box = canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * (canvas.width / box.width),
      y: (event.clientY - box.top) * (canvas.height / box.height) };
  }

  press(event) {
    this.player.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.pixel(event));
    if (this.pointers.size > 1) {
      this.dropFinger();
      this.cancelStroke();
    } else if (this.scrolls && event.pointerType === "touch") {
      this.finger = { event, timer: setTimeout(() => this.begin(this.dropFinger()), HOLD) };
    } else this.begin(event);
    this.showRing(event);
  }

  /** Begin a stroke. */
  begin(event) {
    const { player, brush } = this;
    const panning = event.button === 1 || event.altKey;
    const erasing = event.button === 2 || event.shiftKey || (event.buttons & 32) > 0; // 32: a pen's eraser
    this.stroke = { tool: panning ? "pan" : erasing ? "erase" : brush.tool, fresh: true };
    if (panning) return;
    player.simulation.remember();
    this.paint(event);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.showRing(event);
      return;
    }
    const here = this.pixel(event);
    if (this.finger && !this.decide(event)) return;
    if (this.pointers.size >= 2) this.pinch(event.pointerId, here);
    else if (this.stroke?.tool === "pan") this.player.camera.pan(here.x - before.x, here.y - before.y);
    else if (this.stroke) {
      for (const part of event.getCoalescedEvents?.() ?? []) this.paint(part);
      this.paint(event);
    }
    this.pointers.set(event.pointerId, here);
    this.showRing(event);
    this.player.touch();
  }

  /** Whether a finger that has moved paints: it does if it moves across the scrolling direction. */
  decide(event) {
    const { event: start } = this.finger;
    const across = Math.abs(event.clientX - start.clientX), along = Math.abs(event.clientY - start.clientY);
    if (Math.max(across, along) < SLOP) return false;
    this.dropFinger();
    if (across > along) this.begin(start);
    return across > along;
  }

  keepFromScrolling(event) {
    if (event.cancelable && (this.stroke || this.pointers.size > 1)) event.preventDefault();
  }

  /** Stop waiting for the finger; returns the event of its touch. */
  dropFinger() {
    const { event, timer } = this.finger ?? {};
    clearTimeout(timer);
    this.finger = null;
    return event;
  }

  /** The browser has taken over the pointer, for example to scroll. */
  cancel(event) {
    this.dropFinger();
    this.release(event);
  }

  release(event) {
    if (this.finger) this.begin(this.dropFinger()); // a tap
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.stroke = null;
    if (event.pointerType === "touch") this.showRing(null);
  }

  /** A second finger means zoom: undo what the first has painted meanwhile. */
  cancelStroke() {
    if (this.stroke && this.stroke.tool !== "pan") {
      this.player.simulation.undo();
      this.player.changed();
    }
    this.stroke = null;
  }

  pinch(id, here) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, point]) => point);
    const before = this.pointers.get(id);
    const { camera } = this.player;
    const spread = (point) => Math.max(8, Math.hypot(point.x - other.x, point.y - other.y));
    camera.pan((here.x - before.x) / 2, (here.y - before.y) / 2);
    camera.zoomAt((here.x + other.x) / 2, (here.y + other.y) / 2, spread(here) / spread(before));
  }

  radiusOf(event) {
    const pressed = event.pointerType === "pen" && event.pressure > 0;
    return this.brush.radius * (pressed ? 0.4 + 1.2 * event.pressure : 1);
  }

  paint(event) {
    const { player, stroke } = this;
    const { x, y } = this.pixel(event);
    const cell = player.camera.cellAt(x, y);
    // In the view of all channels a stroke stays in the tile where it begins.
    stroke.origin ??= player.tileAt(cell);
    const to = { x: cell.x - stroke.origin.x, y: cell.y - stroke.origin.y };
    const from = stroke.last ?? to;
    stroke.last = to;
    this.draw(stroke.tool, { x0: from.x, y0: from.y, x1: to.x, y1: to.y, radius: this.radiusOf(event) });
  }

  /** One dab of the brush, without a pointer. */
  dab(cell) {
    const origin = this.player.tileAt(cell), x = cell.x - origin.x, y = cell.y - origin.y;
    this.player.simulation.remember();
    this.draw(this.brush.tool, { x0: x, y0: y, x1: x, y1: y, radius: this.brush.radius });
  }

  /** Apply the tool to the cells under a stroke. */
  draw(tool, stroke) {
    const { player, brush } = this, field = FIELDS.find((name) => name === (tool === "erase" ? brush.tool : tool));
    if (field) this.paintField(field, stroke, tool === "erase");
    else if (tool === "rule") player.simulation.paintRule(brush.rule, stroke);
    else player.simulation.paint(tool, stroke);
    player.changed();
  }

  /** Show the ring of the brush, and move the lamp there; fingers only move the lamp. */
  showRing(event) {
    const { player } = this;
    if (event?.isPrimary) {
      const { x, y } = this.pixel(event);
      player.look.lamp = [x / player.canvas.width, y / player.canvas.height];
    }
    if (event && event.pointerType !== "touch") {
      const { x, y } = this.pixel(event);
      const cell = player.camera.cellAt(x, y);
      player.ring = [cell.x, cell.y, this.radiusOf(event), 1];
    } else player.ring = [0, 0, 0, 0];
    player.stale = true;
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    const amount = (event.deltaY || event.deltaX) * lines;
    if (event.shiftKey) this.setRadius(this.brush.radius * Math.exp(-amount / 500));
    else {
      const { x, y } = this.pixel(event);
      this.player.camera.zoomAt(x, y, Math.exp(-amount / (event.ctrlKey ? 120 : 600)));
    }
    this.showRing(event);
    this.player.touch();
  }

  setRadius(radius) {
    const [least, most] = LIMITS.radius;
    this.brush.radius = Math.min(most, Math.max(least, radius));
    this.player.ring[2] = this.brush.radius;
    this.player.touch();
  }
}
