// The map of a selection as numbers: attributions to one class, or a contrast of two, summed over blocks.

/** The value that has the strongest colour, in output units per block. */
export function limit({ run, grain }) {
  return run.limits[String(grain)];
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
  const side = grain * run.downsamplingFactor;
  return `${run.unit} per ${grain === 1 ? "pixel" : `${side} × ${side} pixels`}`;
}

/** Each pixel's value replaced by the sum over its block of `grain` by `grain` drawn pixels. */
export function blockSums(values, { run, grain }) {
  if (grain === 1) return values;
  const columns = Math.ceil(run.width / grain);
  const sums = new Float64Array(columns * Math.ceil(run.height / grain));
  const blockOf = (pixel) =>
    Math.floor(Math.floor(pixel / run.width) / grain) * columns + Math.floor((pixel % run.width) / grain);
  const nAveraged = run.downsamplingFactor ** 2; // a drawn pixel is the mean of that many
  values.forEach((value, pixel) => (sums[blockOf(pixel)] += value * nAveraged));
  return values.map((_, pixel) => sums[blockOf(pixel)]);
}

/** The selection's map or contrast: values (h * w), their standard errors, and its name. */
export function selectedMap(selection) {
  const { run, image, grain, shownClass, subtractedClass } = selection;
  const maps = [run.map(image, shownClass)];
  const errors = [run.errors(image, shownClass)];
  let name = run.classNames[shownClass];
  if (subtractedClass !== null) {
    maps.push(run.map(image, subtractedClass).map((value) => -value));
    errors.push(run.errors(image, subtractedClass));
    name += ` − ${run.classNames[subtractedClass]}`;
  }
  const total = (terms) => blockSums(terms.reduce((a, b) => a.map((value, pixel) => value + b[pixel])), selection);
  return {
    values: total(maps),
    errors: errors[0] && total(errors),
    name,
    errorsAreBounds: subtractedClass !== null || grain > 1, // a sum's error is at most the sum of the errors
  };
}
