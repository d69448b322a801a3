// The map of a selection as numbers: attributions to one class, or a contrast of two, summed over
// blocks or segments.

import { percentileOf } from "./numbers.js";

/** The grain of sums over segments; other grains are sides of blocks in pixels. */
export const SEGMENTS = "segments";

/** The grain that a choice's text names. */
export function grainOf(text) {
  return text === SEGMENTS ? SEGMENTS : Number(text);
}

/** The value that has the strongest colour, in output units per block or segment. */
export function limit({ run, image, grain, ownScale }) {
  return ownScale ? ownLimit(run, image, grain) : run.limits[String(grain)];
}

const ownLimits = new Map(); // by image and grain

/** The run's percentile of |value| over the blocks or segments of an image's maps: a lone strong block is beyond it. */
function ownLimit(run, image, grain) {
  const key = `${image.index} ${grain}`;
  if (!ownLimits.has(key)) {
    const sizes = image.mapClasses.flatMap((number) => areaSums({ run, image, grain }, number).map(Math.abs));
    ownLimits.set(key, percentileOf(sizes, Number(run.percentile)) || Math.max(...sizes) || 1);
  }
  return ownLimits.get(key);
}

/** A class's attributions to an image, one value for each block or segment. */
function areaSums({ run, image, grain }, number) {
  if (grain === SEGMENTS) return Array.from(run.segmentSums(image, number)).filter((sum) => sum); // others are missing
  const values = blockSums(run.map(image, number), { run, grain });
  return Array.from(values).filter((_, pixel) => pixel % run.width % grain === 0 && Math.floor(pixel / run.width) % grain === 0);
}

/** Digits after the point of the map's values. */
export function digits(selection) {
  return Math.min(12, Math.max(1, 3 - Math.floor(Math.log10(limit(selection)))));
}

/** A standard error, such as "± 0.012", on one line. */
export function plusMinus(error, nDigits) {
  return `±\u00a0${error.toFixed(nDigits)}`;
}

/** The unit of the map's values. */
export function mapUnit({ run, grain }) {
  if (grain === SEGMENTS) return `${run.unit} per segment`;
  return `${run.unit} per ${grain === 1 ? "pixel" : `${grain} × ${grain} pixels`}`;
}

/** Each pixel's value replaced by the sum over its block of `grain` by `grain` pixels. */
export function blockSums(values, { run, grain }) {
  if (grain === 1) return values;
  const columns = Math.ceil(run.width / grain);
  const sums = new Float64Array(columns * Math.ceil(run.height / grain));
  const blockOf = (pixel) =>
    Math.floor(Math.floor(pixel / run.width) / grain) * columns + Math.floor((pixel % run.width) / grain);
  values.forEach((value, pixel) => (sums[blockOf(pixel)] += value));
  return values.map((_, pixel) => sums[blockOf(pixel)]);
}

/** A class's attributions to the selected image, summed by the selection's grain, at each pixel. */
export function classMap(selection, number) {
  const { run, image, grain } = selection;
  if (grain === SEGMENTS) return atPixels(run.segmentSums(image, number), run.photographs.segments(image.index));
  return blockSums(run.map(image, number), selection);
}

/** Upper bounds of the standard errors of `classMap`; null without error bars. */
export function classErrors(selection, number) {
  const { run, image, grain } = selection;
  if (!run.hasErrors) return null;
  if (grain === SEGMENTS) return atPixels(run.segmentErrors(image, number), run.photographs.segments(image.index));
  return blockSums(run.errors(image, number), selection);
}

function atPixels(sums, segments) {
  return Float32Array.from(segments, (number) => sums[number]);
}

/** The selection's map or contrast: values (h * w), their standard errors, and its name. */
export function selectedMap(selection) {
  const { run, grain, shownClass, subtractedClass } = selection;
  let values = classMap(selection, shownClass);
  let errors = classErrors(selection, shownClass);
  let name = run.classNames[shownClass];
  if (subtractedClass !== null) {
    const subtracted = classMap(selection, subtractedClass);
    const others = classErrors(selection, subtractedClass);
    values = values.map((value, pixel) => value - subtracted[pixel]);
    errors = errors?.map((error, pixel) => error + others[pixel]) ?? null;
    name += ` − ${run.classNames[subtractedClass]}`;
  }
  return { values, errors, name, errorsAreBounds: subtractedClass !== null || grain !== 1 }; // sums of errors
}
