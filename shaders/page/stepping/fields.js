// Fields: direction, size, pace and fraction of firing cells for every cell. nca/fields/texels.py defines the bytes.

const FIELDS = ["direction", "size", "pace", "share"]; // channels of the texture
const NEUTRAL = [0, 128, 128, 128];
const STEADY = 0.6; // weight of earlier movement in the direction of a stroke

/** The texture of fields of a grid; it is `used` if any texel is not neutral. */
class FieldLayer {
  constructor(gl, width, height, wraps) {
    Object.assign(this, { width, height, wraps, used: false });
    this.texels = new Uint8Array(4 * width * height).map((_, i) => NEUTRAL[i % 4]);
    this.texture = new Table(gl, gl.RGBA8, gl.UNSIGNED_BYTE, width, height, this.texels);
  }

  /** All texels, or null if they are neutral. */
  copy() {
    return this.used ? this.texels.slice() : null;
  }

  /** Replace all texels; null makes them neutral. */
  write(texels) {
    this.texels = texels?.slice() ?? this.texels.map((_, i) => NEUTRAL[i % 4]);
    this.show();
  }

  /** Set a field under a stroke; null sets it to neutral. */
  paint(field, byte, stroke) {
    const channel = FIELDS.indexOf(field);
    eachCell(stroke, this, (cell) => { this.texels[4 * cell + channel] = byte ?? NEUTRAL[channel]; });
    this.show();
  }

  show() {
    this.used = this.texels.some((byte, i) => byte !== NEUTRAL[i % 4]);
    this.texture.write(this.texels);
  }
}

/** The byte of a direction in radians. */
function directionByte(angle) {
  return Math.round(angle * 128 / Math.PI) & 255;
}

/** The direction in which a brush moves, smoothed. */
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
