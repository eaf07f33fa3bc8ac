// Shares graphics contexts among the elements of a page. Chromium allows sixteen for all visible pages
// (eight on phones), and takes the oldest away if more are requested. Some are left for the rest of the page.

const CONTEXTS = matchMedia("(pointer: coarse)").matches ? 6 : 12;

/** Gives contexts first to visible elements, then to elements without an image. */
class Stage {
  constructor() {
    this.live = new Set(); // in the order in which they started
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

  /** Start waiting elements while there are contexts left. */
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

  /** Let another element rest in favor of a visible one; returns whether this has freed a context. */
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
