// What the page shows: an image, and its map for one class or against another. Whoever shows a part
// of it listens; whoever changes it calls `select`.

import { images, largest, probability, run } from "./run.js";

/**
 * `for` and `against` are what was last chosen: a class number as text, or "predicted", "nothing",
 * "true", "other". An image that has no map of it shows another; the next one that has shows it again.
 * `grain` is the side, in drawn pixels, of the blocks whose attributions are summed; `pixel` is the one
 * pointed at, or null.
 */
export const selection = { image: images[0], for: "predicted", against: "nothing", grain: run.grain, pixel: null };

const listeners = [];

/** Call `listener(changes)` after each change, with what was passed to `select`. */
export function onSelect(listener) {
  listeners.push(listener);
}

export function select(changes) {
  Object.assign(selection, changes);
  for (const listener of listeners) listener(changes);
}

/** The class of the map on show. */
export function shownClass() {
  const { image } = selection;
  const number = selection.for === "predicted" ? image.predicted : Number(selection.for);
  if (image.shown.includes(number)) return number;
  return image.shown.includes(image.predicted) ? image.predicted : image.shown[0];
}

/** The class whose map is taken away from it; null for none. */
export function subtractedClass() {
  const { image, against } = selection;
  const shown = shownClass();
  const others = image.shown.filter((number) => number !== shown);
  if (against === "nothing" || !others.length) return null;
  const mostProbable = largest(others, (number) => probability(image, number));
  const number = { true: image.label, other: mostProbable }[against] ?? Number(against);
  return others.includes(number) ? number : null;
}
