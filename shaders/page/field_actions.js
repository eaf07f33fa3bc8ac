// The actions of the page for fields, with directions from pictures as in nca/fields/directions.py.

const FINE = 1.5; // std of the blur before edges are measured, in cells
const EDGE_SCALES = [[2, 1], [8, 0.1], [32, 0.01]]; // std of the blurs of the edges, in cells, and their weights
const CLEAR = 0.2; // coherence above which a texture has a direction of its own
const GROWN_STEPS = 100; // number of steps after which the direction of a texture is measured
const MAX_EDGES = 256; // largest side of the picture in which edges are measured, in pixels

/** Blur an image with a Gaussian; `sigma` is its std in pixels. */
function blurred(image, width, height, sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-((k - reach) ** 2) / (2 * sigma ** 2)));
  const total = weights.reduce((a, b) => a + b);
  const pass = (from, count, stride, lines, jump) => from.map((_, at) => {
    const line = Math.floor(at / jump) % lines * jump, i = Math.floor(at / stride) % count;
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      sum += weights[k + reach] * from[line + Math.min(count - 1, Math.max(0, i + k)) * stride];
    }
    return sum / total;
  });
  return pass(pass(image, width, 1, height, width), height, width, width, 1);
}

/** Products of the x and y derivatives of an image: xx, yy, xy. */
function gradientProducts(gray, width, height) {
  const smooth = blurred(gray, width, height, FINE);
  const at = (x, y) => smooth[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))];
  const of = (product) => gray.map((_, i) => {
    const x = i % width, y = Math.floor(i / width);
    return product(at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1));
  });
  return [of((dx) => dx * dx), of((_, dy) => dy * dy), of((dx, dy) => dx * dy)];
}

/** The direction along the stripes, in radians, from a structure tensor. */
function tangent([xx, yy, xy]) {
  return Math.atan2(2 * xy, xx - yy) / 2 + Math.PI / 2;
}

/** The direction along the edges of an image, in radians, for every pixel. */
function edgeAngles(gray, width, height) {
  const tensor = gradientProducts(gray, width, height).map((product) => {
    const parts = EDGE_SCALES.map(([sigma, weight]) => blurred(product, width, height, sigma).map((v) => weight * v));
    return product.map((_, i) => parts[0][i] + parts[1][i] + parts[2][i]);
  });
  return gray.map((_, i) => tangent(tensor.map((part) => part[i])));
}

/** The direction of a texture in radians; 0 if it has no clear direction. */
function angleOf(gray, width, height) {
  const [xx, yy, xy] = gradientProducts(gray, width, height).map((part) => part.reduce((a, b) => a + b));
  return Math.hypot(xx - yy, 2 * xy) > CLEAR * (xx + yy) ? tangent([xx, yy, xy]) : 0;
}

/** The actions for fields. */
class FieldActions extends FileActions {
  own = new Map(); // rules on the grid -> direction of their texture without fields

  /** The direction of the texture without fields, in radians; 0 if it is not known. */
  ownAngle() {
    const { simulation, own } = this, { width, height, fields, field } = simulation, name = field.present.join();
    const turned = fields.texels.some((byte, i) => byte && i % 4 === 0);
    if (!own.has(name) && !turned && simulation.stepNumber >= GROWN_STEPS) {
      const values = simulation.read(), cells = width * height;
      const gray = values.slice(0, cells).map((v, i) => v + values[cells + i] + values[2 * cells + i]);
      own.set(name, angleOf(gray, width, height));
    }
    return own.get(name) ?? 0;
  }

  /** Paint a field under a stroke, or return it to neutral. */
  paintField(field, stroke, neutral) {
    const { brush, simulation } = this, { heading } = brush;
    heading.turn(stroke.x1 - stroke.x0, stroke.y1 - stroke.y0);
    const byte = field === "direction" ? directionByte(heading.angle - this.ownAngle()) : brush.amount;
    simulation.paintField(field, neutral ? null : byte, stroke);
  }

  setAmount(amount) {
    const [least, most] = LIMITS.amount;
    this.brush.amount = Math.min(most, Math.max(least, amount));
    this.player.touch();
    this.say(`Amount: ${this.amountText()}`);
  }

  lessAmount() { this.setAmount(this.brush.amount - CONTROLS.amount_step); }
  moreAmount() { this.setAmount(this.brush.amount + CONTROLS.amount_step); }

  amountText() {
    const { tool, amount } = this.brush, away = (amount - 128) * 3 / 127;
    if (tool !== "size") return `${Math.round(amount / 1.28)}%`;
    return `${(away < 0 ? 1 / (1 - away) : 1 + away).toFixed(2)}\u00d7`;
  }

  clearFields() {
    this.simulation.remember();
    this.simulation.writeFields(null);
    this.player.touch();
    this.say("No fields");
  }

  /** Set all directions from the values of a gray picture, or from the edges of a color picture. */
  async openDirections(file) {
    try {
      const { simulation } = this, { width, height } = simulation;
      const scale = Math.min(1, MAX_EDGES / Math.max(width, height));
      const across = Math.ceil(width * scale), down = Math.ceil(height * scale);
      const pixels = await coveringPixels(file, width, height, false);
      const plain = pixels.every((v, i) => i % 4 === 3 || v === pixels[i - i % 4]);
      let byteAt = (x, y) => pixels[4 * (y * width + x)];
      if (!plain) {
        const colors = await coveringPixels(file, across, down, true);
        const gray = Float32Array.from({ length: across * down }, (_, i) => colors[4 * i] + colors[4 * i + 1] + colors[4 * i + 2]);
        const angles = edgeAngles(gray, across, down), own = this.ownAngle();
        byteAt = (x, y) => directionByte(angles[Math.floor(y * scale) * across + Math.floor(x * scale)] - own);
      }
      const texels = simulation.fields.texels.map((byte, i) => (
        i % 4 ? byte : byteAt(i / 4 % width, Math.floor(i / 4 / width))));
      simulation.remember();
      simulation.writeFields(texels);
      this.player.touch();
      this.say(`${file.name}: ${plain ? "its gray values are the directions" : "the texture follows its edges"}`);
    } catch (error) {
      this.say(`${file.name}: ${error.message}`);
    }
  }
}
