// Colours of values, and pixels painted on a canvas. A colour is [red, green, blue], 0 to 255.

import { clamp } from "./numbers.js";

const HALF = 0.5;
const FULL = 0.9; // opacity from which maps are drawn as in the report
const WEAKER = 1.5; // power of |value| that the opacity of a map without its white ground follows

export class ColorScale {
  /**
   * @param table Colours from the lowest value to the highest, r, g, b of each in turn; the middle colour is that of 0.
   * @param fadedShare How much of a colour is left where it is faded.
   * @param cover How maps cover photographs: `strong`, the share of the scale that gives the colours;
   *   `opacity` at the scale's end, and the `power` of |value| that it follows; `bar`, the brightness
   *   under the colour bar. Null for maps that are painted opaque.
   */
  constructor(table, fadedShare, cover = null) {
    Object.assign(this, { table, fadedShare, cover, nSteps: table.length / 3 });
  }

  step(index) {
    return this.table.subarray(3 * index, 3 * index + 3);
  }

  /** The colour of a bar at this step. */
  barStep(index) {
    if (!this.cover) return this.step(index);
    const half = (this.nSteps - 1) / 2;
    return this.over(Array(3).fill(255 * this.cover.bar), index - half, half);
  }

  /** The colour of a value, where ±`limit` has the strongest colours. */
  color(value, limit) {
    const half = (this.nSteps - 1) / 2;
    return this.step(Math.round(clamp(value / limit, -1, 1) * half) + half);
  }

  /** A colour with this value's colour over it, the more opaque the larger |value| is; see `veil`. */
  over(under, value, limit, { isFaded = false, opacity = 1 } = {}) {
    const strength = clamp(Math.abs(value) / limit, 0, 1);
    if (!this.cover) {
      const least = opacity * veil(opacity);
      const share = least + (opacity - least) * strength ** WEAKER * (isFaded ? this.fadedShare : 1);
      return blend(under, isFaded ? this.faded(value, limit) : this.color(value, limit), share);
    }
    const { power, opacity: most } = this.cover;
    const share = strength ** power * most * (isFaded ? this.fadedShare : 1);
    return blend(under, this.color(Math.sign(value) * this.cover.strong, 1), share * opacity);
  }

  /** The same colour faded towards that of 0. */
  faded(value, limit) {
    return blend(this.color(0, limit), this.color(value, limit), this.fadedShare);
  }
}

/** How much of a map's pale ground lies on the image: none up to half opacity, so that only strong values cover it. */
export function veil(opacity) {
  return clamp((opacity - HALF) / (FULL - HALF), 0, 1);
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
  for (let pixel = 0; pixel < width * height; pixel++) {
    painted.data.set(colorOf(pixel), 4 * pixel);
    painted.data[4 * pixel + 3] = 255;
  }
  context.putImageData(painted, 0, 0);
}
