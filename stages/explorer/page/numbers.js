// Numbers: chosen, limited, and as the page writes them.

/** The candidate with the largest value; the first of equals. */
export function largest(candidates, value) {
  return candidates.reduce((best, candidate) => (value(candidate) > value(best) ? candidate : best));
}

/** A percentile of values by linear interpolation, as NumPy's. */
export function percentileOf(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const rank = ((sorted.length - 1) * percent) / 100;
  const [low, high] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]];
  return low + (high - low) * (rank % 1);
}

export function clamp(value, lowest, highest) {
  return Math.max(lowest, Math.min(highest, value));
}

/** The text with true minus signs. */
export function minus(text) {
  return text.replaceAll("-", "−");
}

/** The number with its sign, unless it is rounded to 0. */
export function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
}

/** Digits after the point of an output: logits need fewer than probabilities. */
export function outputDigits(unit) {
  return unit === "logits" ? 2 : 3;
}
