// Numbers: chosen, limited, and as the page writes them.

/** The candidate with the largest value; the first of equals. */
export function largest(candidates, value) {
  return candidates.reduce((best, candidate) => (value(candidate) > value(best) ? candidate : best));
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
