// A picture of the network's image size, made of strokes on a blank canvas or on another picture, with
// undo. Lengths are in pixels of the network's images.

const FINER = 4; // how much finer strokes are drawn to find their box

export class Drawing {
  /** @param paper Colour of a blank canvas, a number for each channel of the network's images. */
  constructor(width, height, paper) {
    Object.assign(this, { width, height, paper });
    this.lifts = true; // whether handwriting is shown lifted from a photograph's paper
    this.states = [{ under: null, strokes: [] }]; // the last one is shown; undo removes it
  }

  get state() {
    return this.states.at(-1);
  }

  get isBlank() {
    return !this.state.under && !this.state.strokes.length;
  }

  /** Whether the picture consists of strokes only, which can be moved. */
  get canMove() {
    return !this.state.under;
  }

  get lastStroke() {
    return this.state.strokes.at(-1) ?? null;
  }

  /** Begin a stroke. */
  start(color, breadth, point) {
    const stroke = { color, breadth, points: [point] };
    this.states.push({ ...this.state, strokes: [...this.state.strokes, stroke] });
    return stroke;
  }

  /** Extend a stroke unless it was undone or covered: older states share earlier strokes. */
  extend(stroke, point) {
    if (stroke === this.lastStroke) stroke.points.push(point);
  }

  /**
   * Replace everything by a picture.
   * @param under Its colours: r, g, b of each pixel in turn, 0 to 255.
   * @param file Of an image file: its `photo`, a canvas, and the colours with handwriting `lifted`, or null.
   */
  put(under, file = null) {
    this.states.push({ under, file, strokes: [] });
  }

  clear() {
    if (!this.isBlank) this.states.push({ under: null, strokes: [] });
  }

  undo() {
    if (this.states.length > 1) this.states.pop();
  }

  /** Paint on a canvas, strokes scaled and moved by [scale, right, down]; returns the canvas's colours. */
  paint(canvas, [scale, right, down] = [1, 0, 0], finer = 1) {
    canvas.width = this.width * finer;
    canvas.height = this.height * finer;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = css(this.paper);
    context.fillRect(0, 0, canvas.width, canvas.height);
    const { under, file } = this.state;
    const shown = (this.lifts && file?.lifted) || under;
    if (shown) context.putImageData(new ImageData(opaque(shown), this.width, this.height), 0, 0);
    context.setTransform(scale * finer, 0, 0, scale * finer, right * finer, down * finer);
    context.lineCap = context.lineJoin = "round";
    for (const { color, breadth, points } of this.state.strokes) {
      context.strokeStyle = css(color);
      context.lineWidth = breadth;
      context.beginPath();
      context.moveTo(...points[0]);
      for (const point of points) context.lineTo(...point);
      context.stroke();
    }
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  }

  /**
   * The scale and move that make strokes like MNIST's digits: the ink's box fits 20 of 28 pixels, and
   * the ink's centre of mass is moved, by whole pixels, to the middle.
   */
  centred() {
    const canvas = document.createElement("canvas");
    const box = this.inkOf(this.paint(canvas, [1, 0, 0], FINER), FINER);
    if (!box) return [1, 0, 0];
    const scale = ((20 / 28) * Math.min(this.width, this.height)) / Math.max(box.right - box.left, box.bottom - box.top);
    const middle = (side, from, to) => side / 2 - (scale * (from + to)) / 2;
    const move = [scale, middle(this.width, box.left, box.right), middle(this.height, box.top, box.bottom)];
    const ink = this.inkOf(this.paint(canvas, move), 1);
    if (!ink) return move; // too faint for whole pixels, after erasing
    // MNIST counts pixels from 0, so that their middle is 14 of 28, half a pixel right of the centre.
    const right = Math.round(this.width / 2 - (ink.x - 0.5));
    const down = Math.round(this.height / 2 - (ink.y - 0.5));
    return [scale, move[1] + right, move[2] + down];
  }

  /** The box and the centre of mass of the ink; null without ink. */
  inkOf(pixels, finer) {
    const found = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity, x: 0, y: 0 };
    const columns = this.width * finer;
    let mass = 0;
    for (let i = 0; i < pixels.length / 4; i++) {
      const ink = Math.abs(pixels[4 * i] - this.paper[0]);
      if (!ink) continue;
      const [x, y] = [(i % columns) / finer, Math.floor(i / columns) / finer];
      found.left = Math.min(found.left, x);
      found.right = Math.max(found.right, x + 1 / finer);
      found.top = Math.min(found.top, y);
      found.bottom = Math.max(found.bottom, y + 1 / finer);
      found.x += ink * (x + 0.5 / finer);
      found.y += ink * (y + 0.5 / finer);
      mass += ink;
    }
    return mass ? { ...found, x: found.x / mass, y: found.y / mass } : null;
  }
}

function css(color) {
  const [r, g = r, b = r] = color;
  return `rgb(${r} ${g} ${b})`;
}

function opaque(colors) {
  const pixels = new Uint8ClampedArray((colors.length / 3) * 4).fill(255);
  for (let i = 0; i < colors.length; i++) pixels[Math.floor(i / 3) * 4 + (i % 3)] = colors[i];
  return pixels;
}
