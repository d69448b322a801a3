// Colours of values, and pixels painted on a canvas. A colour is [red, green, blue], 0 to 255.

import { clamp } from "./numbers.js";

export class ColorScale {
  /**
   * @param table Colours from the lowest value to the highest, r, g, b of each in turn; the middle colour is that of 0.
   * @param fadedShare How much of a colour is left where it is faded.
   */
  constructor(table, fadedShare) {
    Object.assign(this, { table, fadedShare, nSteps: table.length / 3 });
  }

  step(index) {
    return this.table.subarray(3 * index, 3 * index + 3);
  }

  /** The colour of a value, where ±`limit` has the strongest colours. */
  color(value, limit) {
    const half = (this.nSteps - 1) / 2;
    return this.step(Math.round(clamp(value / limit, -1, 1) * half) + half);
  }

  /** The same colour faded towards that of 0. */
  faded(value, limit) {
    return blend(this.color(0, limit), this.color(value, limit), this.fadedShare);
  }
}

/** A colour under another with this opacity. */
export function blend(under, over, opacity) {
  return Array.from(under, (color, channel) => color + (over[channel] - color) * opacity);
}

/** Paint one canvas pixel per pixel (row by row). */
export function paint(canvas, { width, height }, colorOf) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const painted = context.createImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) painted.data.set([...colorOf(pixel), 255], 4 * pixel);
  context.putImageData(painted, 0, 0);
}
