// Fields: direction, size, pace and fraction of firing cells for every cell. nca/fields/texels.py defines the bytes.

const FIELDS = ["direction", "size", "pace", "share"]; // channels of the texture
const NEUTRAL = [0, 128, 128, 128];
const STEADY = 0.6; // weight of earlier movement when the direction of a stroke is smoothed

/** Texels that change nothing. */
function neutralTexels(width, height) {
  return new Uint8Array(4 * width * height).map((_, i) => NEUTRAL[i % 4]);
}

/** The texture of a grid's fields; `used` says whether any texel is not neutral. */
class FieldLayer {
  constructor(gl, width, height, wraps) {
    Object.assign(this, { width, height, wraps, used: false });
    this.texels = neutralTexels(width, height);
    this.texture = new Table(gl, gl.RGBA8, gl.UNSIGNED_BYTE, width, height, this.texels);
  }

  /** The fields as text for an address; empty if all are neutral. */
  get text() {
    return this.kept ??= writeFieldText(this);
  }

  /** A copy of all texels; null if all are neutral. */
  copy() {
    return this.used ? this.texels.slice() : null;
  }

  /** Replace all texels; null makes them neutral. */
  write(texels) {
    this.texels = texels?.slice() ?? neutralTexels(this.width, this.height);
    this.show();
  }

  /** Use the fields of another grid, or those of an address. */
  take({ texels, width, height, text }) {
    const same = width === this.width && height === this.height;
    this.write(same ? texels : resizedTexels({ texels, width, height }, this.width, this.height));
    this.kept = text;
  }

  /** Set a field under a stroke to a byte; null: to neutral. */
  paint(field, byte, stroke) {
    const channel = FIELDS.indexOf(field);
    eachCell(stroke, this, (cell) => { this.texels[4 * cell + channel] = byte ?? NEUTRAL[channel]; });
    this.show();
  }

  show() {
    this.used = this.texels.some((byte, i) => byte !== NEUTRAL[i % 4]);
    this.kept = null;
    this.texture.write(this.texels);
  }
}

/** Interpolate texels to another size; directions are interpolated as vectors. */
function resizedTexels({ texels, width, height }, columns, rows) {
  const near = (i, count, size) => {
    const place = Math.min(count - 1, Math.max(0, (i + 0.5) * count / size - 0.5)), low = Math.floor(place);
    return [[low, 1 - place + low], [Math.min(low + 1, count - 1), place - low]];
  };
  const across = Array.from({ length: columns }, (_, x) => near(x, width, columns));
  const resized = new Uint8Array(4 * columns * rows);
  for (let y = 0, to = 0; y < rows; y++) {
    const down = near(y, height, rows);
    for (let x = 0; x < columns; x++, to += 4) {
      const sums = [0, 0, 0, 0, 0]; // cosine, sine, size, pace, share
      for (const [row, high] of down) {
        for (const [column, wide] of across[x]) {
          const from = 4 * (row * width + column), weight = high * wide, angle = texels[from] * Math.PI / 128;
          sums[0] += weight * Math.cos(angle);
          sums[1] += weight * Math.sin(angle);
          for (let c = 1; c < 4; c++) sums[c + 1] += weight * texels[from + c];
        }
      }
      resized.set([directionByte(Math.atan2(sums[1], sums[0])), ...sums.slice(2).map(Math.round)], to);
    }
  }
  return resized;
}

/** The byte of a direction in radians. */
function directionByte(angle) {
  return Math.round(angle * 128 / Math.PI) & 255;
}

/** The smoothed direction in which a brush moves. */
class Heading {
  x = 1;
  y = 0;

  turn(dx, dy) {
    const length = Math.hypot(dx, dy);
    if (!length) return;
    this.x = STEADY * this.x + (1 - STEADY) * dx / length;
    this.y = STEADY * this.y + (1 - STEADY) * dy / length;
    if (Math.hypot(this.x, this.y) < 0.1) Object.assign(this, { x: dx, y: dy });
  }

  get angle() {
    return Math.atan2(this.y, this.x);
  }
}
