// Arrow keys, the same for the gallery, the map and the drawing canvas.

import { clamp } from "./numbers.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Whether Alt, Ctrl or Meta is held: then the key belongs to the browser. */
export function hasModifier(event) {
  return event.altKey || event.ctrlKey || event.metaKey;
}

/** The direction of an arrow key as [right, down]; null for other keys. */
export function arrowStep(event) {
  return STEPS[event.key] ?? null;
}

/** The position [x, y] moved by a step without leaving an area of this size. */
export function moved([x, y], [right, down], { width, height }) {
  return [clamp(x + right, 0, width - 1), clamp(y + down, 0, height - 1)];
}
