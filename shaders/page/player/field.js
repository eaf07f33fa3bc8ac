// The owner of each cell, and the soft borders between rules.

/** The owner of every cell, and the shares for blending, over BORDER cells on both sides of a border. */
class Field {
  constructor(width, height, wraps) {
    Object.assign(this, { width, height, wraps });
    this.owner = new Uint8Array(width * height);
    this.shares = new Uint8Array(width * height * 4); // two rules: number, share, number, share
    this.fill(0);
  }

  /** Give every cell to one rule. */
  fill(rule) {
    this.owner.fill(rule);
    this.refresh();
  }

  /** Restore a stored field, if it has this size. */
  restore(owner) {
    this.owner.set(owner);
    this.refresh();
  }

  refresh() {
    this.count();
    if (this.present.length > 1) {
      this.blend(0, 0, this.width, this.height);
      return;
    }
    for (let i = 0; i < this.shares.length; i += 4) {
      this.shares[i] = this.shares[i + 2] = this.present[0];
      this.shares[i + 1] = 255;
      this.shares[i + 3] = 0;
    }
  }

  count() {
    const seen = new Set(this.owner);
    this.present = [...seen].sort((a, b) => a - b);
  }

  /** Give the cells under a stroke to a rule. */
  paint(rule, { x0, y0, x1, y1, radius }) {
    if (radius < 0) return this.fill(rule);
    const { width, height, owner } = this;
    const { left, right, top, low } = eachCell({ x0, y0, x1, y1, radius }, this, (cell) => { owner[cell] = rule; });
    this.count();
    const [x, across] = this.reach(left, right, width), [y, down] = this.reach(top, low, height);
    this.blend(x, y, across, down);
  }

  /** The first and the number of the cells along a side whose shares a stroke changes. */
  reach(from, to, size) {
    const first = from - BORDER, last = to + BORDER;
    if (this.wraps) return [first, Math.min(last - first, size)];
    const inside = Math.max(0, first);
    return [inside, Math.max(0, Math.min(last, size) - inside)];
  }

  /** Compute the shares in a rectangle: blur the area of every rule, and keep the two largest. */
  blend(left, top, across, down) {
    const { width, height, owner, shares } = this;
    const wide = across + 2 * BORDER, tall = down + 2 * BORDER;
    const place = this.wraps ? wrap : (i, size) => Math.min(size - 1, Math.max(0, i));
    const columns = Int32Array.from({ length: wide }, (_, i) => place(left - BORDER + i, width));
    const rows = Int32Array.from({ length: tall }, (_, i) => place(top - BORDER + i, height) * width);
    const best = new Float32Array(across * down * 2);
    const names = new Uint8Array(across * down * 2);
    for (const rule of this.present) {
      const area = new Float32Array(wide * tall);
      for (let y = 0; y < tall; y++) {
        for (let x = 0; x < wide; x++) area[y * wide + x] = owner[rows[y] + columns[x]] === rule;
      }
      const blurred = blurColumns(blurRows(area, wide, tall), across, tall);
      for (let i = 0; i < blurred.length; i++) {
        const share = blurred[i], a = 2 * i, b = a + 1;
        if (share > best[a]) {
          best[b] = best[a]; names[b] = names[a];
          best[a] = share; names[a] = rule;
        } else if (share > best[b]) {
          best[b] = share; names[b] = rule;
        }
      }
    }
    for (let y = 0; y < down; y++) {
      for (let x = 0; x < across; x++) {
        const i = 2 * (y * across + x);
        const first = Math.round(255 * best[i] / (best[i] + best[i + 1]));
        const to = 4 * (rows[y + BORDER] + columns[x + BORDER]);
        shares.set([names[i], first, names[i + 1], 255 - first], to);
      }
    }
  }
}

/** Run a function for every cell under a stroke; returns the rectangle around it. */
function eachCell({ x0, y0, x1, y1, radius }, { width, height, wraps }, run) {
  const left = Math.floor(Math.min(x0, x1) - radius), right = Math.ceil(Math.max(x0, x1) + radius);
  const top = Math.floor(Math.min(y0, y1) - radius), low = Math.ceil(Math.max(y0, y1) + radius);
  const dx = x1 - x0, dy = y1 - y0, length = Math.max(dx * dx + dy * dy, 1e-6);
  for (let y = top; y < low; y++) {
    for (let x = left; x < right; x++) {
      const along = Math.min(1, Math.max(0, ((x + 0.5 - x0) * dx + (y + 0.5 - y0) * dy) / length));
      const away = Math.hypot(x + 0.5 - x0 - along * dx, y + 0.5 - y0 - along * dy);
      const inside = wraps || (x >= 0 && y >= 0 && x < width && y < height);
      if (away < radius && inside) run(wrap(y, height) * width + wrap(x, width));
    }
  }
  return { left, right, top, low };
}

function wrap(i, size) {
  return ((i % size) + size) % size;
}

/** Weighted sums of a row, which is shortened by 2 * BORDER. */
function blurRows(values, wide, tall) {
  const narrow = wide - 2 * BORDER;
  const out = new Float32Array(narrow * tall);
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < narrow; x++) {
      let sum = 0;
      for (let d = -BORDER; d <= BORDER; d++) {
        sum += (BORDER + 1 - Math.abs(d)) * values[y * wide + x + BORDER + d];
      }
      out[y * narrow + x] = sum;
    }
  }
  return out;
}

function blurColumns(values, wide, tall) {
  const low = tall - 2 * BORDER;
  const out = new Float32Array(wide * low);
  for (let y = 0; y < low; y++) {
    for (let x = 0; x < wide; x++) {
      let sum = 0;
      for (let d = -BORDER; d <= BORDER; d++) {
        sum += (BORDER + 1 - Math.abs(d)) * values[(y + BORDER + d) * wide + x];
      }
      out[y * wide + x] = sum;
    }
  }
  return out;
}
