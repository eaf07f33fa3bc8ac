// Which elements of a page have a graphics context. Chromium gives sixteen to all that it shows, eight
// on phones, and takes the oldest away where more are asked for; some are left for the rest of the page.

const CONTEXTS = matchMedia("(pointer: coarse)").matches ? 6 : 12;

/** Shares the contexts out: first to elements that can be seen, then to those that have no picture yet. */
class Stage {
  constructor() {
    this.live = new Set(); // in the order in which they were woken
    this.waiting = new Set();
  }

  add(element) {
    this.waiting.add(element);
    this.settle();
  }

  remove(element) {
    this.live.delete(element);
    this.waiting.delete(element);
    this.settle();
  }

  /** Wake those that wait, as far as there is room. */
  settle() {
    const seenFirst = [...this.waiting].sort((a, b) => b.inView - a.inView);
    for (const element of seenFirst) {
      if (!this.waiting.has(element)) continue;
      if (this.live.size >= CONTEXTS && !this.makeRoom(element)) continue;
      this.waiting.delete(element);
      this.live.add(element);
      element.wake();
    }
  }

  /** Let another rest for an element that can be seen; whether there is room then. */
  makeRoom(element) {
    if (!element.inView) return false;
    const live = [...this.live];
    let giver = live.find((other) => other.inView === false && other.rest());
    if (!giver && element.urgent) giver = live.find((other) => other.grown && other.rest());
    if (!giver) return false;
    this.live.delete(giver);
    this.waiting.add(giver);
    return true;
  }
}
