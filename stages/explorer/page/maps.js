// The map on show as numbers: of one class or a contrast of two, its attributions summed over blocks.

import { errorsOf, height, mapOf, names, nPixels, run, width } from "./run.js";
import { selection, shownClass, subtractedClass } from "./selection.js";

/** Value of the strongest colour, output units per block. */
export function limit() {
  return run.limits[String(selection.grain)];
}

/** Digits after the point of a value on show. */
export function digits() {
  return Math.min(12, Math.max(1, 3 - Math.floor(Math.log10(limit()))));
}

/** A standard error, such as "± 0.012", on one line. */
export function plusMinus(error) {
  return `±\u00a0${error.toFixed(digits())}`;
}

/** The unit of a value on show. */
export function perWhat() {
  const side = selection.grain * run.block;
  return `${run.unit} per ${selection.grain === 1 ? "pixel" : `${side} × ${side} pixels`}`;
}

/** Each pixel's value replaced by the sum over its block of `grain` by `grain` drawn pixels. */
export function summedOverBlocks(values) {
  const { grain } = selection;
  if (grain === 1) return values;
  const columns = Math.ceil(width / grain);
  const sums = new Float64Array(columns * Math.ceil(height / grain));
  const pixelsEach = run.block ** 2; // a drawn pixel is the mean of that many
  for (let pixel = 0; pixel < nPixels; pixel++) sums[blockOf(pixel)] += values[pixel] * pixelsEach;
  return Float32Array.from(values, (_, pixel) => sums[blockOf(pixel)]);

  function blockOf(pixel) {
    return Math.floor(Math.floor(pixel / width) / grain) * columns + Math.floor((pixel % width) / grain);
  }
}

/** Values (h * w) of the map or contrast on show, their standard errors, and what to call it. */
export function mapOnShow() {
  const { image } = selection;
  const [plus, minus] = [shownClass(), subtractedClass()];
  const maps = [mapOf(image, plus)];
  const errors = [errorsOf(image, plus)];
  if (minus !== null) {
    maps.push(mapOf(image, minus).map((value) => -value));
    errors.push(errorsOf(image, minus));
  }
  const total = (parts) => summedOverBlocks(parts.reduce((a, b) => a.map((value, pixel) => value + b[pixel])));
  return {
    values: total(maps),
    errors: errors[0] && total(errors),
    called: minus === null ? names[plus] : `${names[plus]} − ${names[minus]}`,
    // errors of a sum are at most the sum of the errors
    atMost: minus === null && selection.grain === 1 ? "" : "at most ",
  };
}
