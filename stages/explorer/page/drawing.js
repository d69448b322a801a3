// Images, and maps in the run's colours over them.

import { arrays, height, nPixels, pixelColor, run, width } from "./run.js";

/** The colour bar's colour of a value, where the strongest stands for `limit`. */
export function mapColor(value, limit) {
  const half = (arrays.colors.length / 3 - 1) / 2;
  const step = Math.round(Math.max(-1, Math.min(1, value / limit)) * half) + half;
  return arrays.colors.subarray(3 * step, 3 * step + 3);
}

/** The same colour faded towards that of 0. */
export function paleColor(value, limit) {
  const zero = mapColor(0, limit);
  const faded = (strong, channel) => zero[channel] + (strong - zero[channel]) * run.fade.share;
  return Array.from(mapColor(value, limit), faded);
}

/** Draw pixels (c * h * w) number `place` of many. */
export function paintImage(canvas, pixels, place) {
  paint(canvas, (pixel) => pixelColor(pixels, place, pixel));
}

/** Draw an explained image, and over it the colours of its map with this opacity. */
export function paintMap(canvas, image, colorOf, opacity) {
  paint(canvas, (pixel) => {
    const under = pixelColor(arrays.images, image.place, pixel);
    const over = colorOf(pixel);
    return under.map((color, channel) => color + (over[channel] - color) * opacity);
  });
}

/** One canvas pixel for each pixel. */
function paint(canvas, colorOf) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const drawn = context.createImageData(width, height);
  for (let pixel = 0; pixel < nPixels; pixel++) drawn.data.set([...colorOf(pixel), 255], 4 * pixel);
  context.putImageData(drawn, 0, 0);
}
