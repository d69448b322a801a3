// Bars: of probabilities and sums in tables, and of colours under maps.

import { paint } from "./colors.js";
import { element } from "./dom.js";

/** A bar of segments. */
export function bar(...segments) {
  return element("span", { class: "track" }, ...segments);
}

/**
 * A segment of a bar.
 * @param kind Its CSS class.
 * @param from Where it starts, as a share of the bar.
 * @param length Share of the bar; without it, the CSS class sets the width.
 */
export function segment(kind, from, length = null) {
  const made = element("span", { class: kind });
  made.style.left = `${100 * from}%`;
  if (length !== null) made.style.width = `${100 * length}%`;
  return made;
}

export function probabilityBar(probability) {
  return bar(segment("chance", 0, probability));
}

/** Paint all colours of a scale, from the lowest value to the highest. */
export function paintColorBar(canvas, scale) {
  paint(canvas, { width: scale.nSteps, height: 1 }, (step) => scale.barStep(step));
}

/** What the left end, the middle and the right end of a colour bar mean. */
export function colorBarLabels(run, limit, lowers = "lowers", raises = "raises") {
  return [`−${limit} ${run.cool} ${lowers}`, "0", `${run.warm} ${raises} +${limit}`];
}

/** Write the labels into the children of a colour bar's caption. */
export function writeLabels(caption, labels) {
  labels.forEach((label, index) => (caption.children[index].textContent = label));
}
