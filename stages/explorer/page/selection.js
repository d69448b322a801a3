// The selection that the page shows: an image, and its map for one class, or for one class against another. Views listen to
// changes; whatever changes the selection calls `select`.

import { largest } from "./numbers.js";

export class Selection {
  #listeners = [];

  /**
   * `for` and `against` are the last choices: a class number as text, or "predicted", "nothing",
   * "true", "other". An image without that map shows another one; the choice stays for the next image.
   * `grain` is the side, in pixels, of the blocks whose attributions are summed. `ownScale`: whether the colour
   * scale is the image's own. `pixel` is the pixel pointed at, or null.
   */
  constructor(run) {
    this.run = run;
    Object.assign(this, { image: run.images[0], for: "predicted", against: "nothing" });
    Object.assign(this, { grain: run.grain, ownScale: false, pixel: null });
  }

  /** Call `listener(changes)` after each change, with the argument of `select`. */
  onSelect(listener) {
    this.#listeners.push(listener);
  }

  select(changes) {
    Object.assign(this, changes);
    for (const listener of this.#listeners) listener(changes);
  }

  /** The class whose map is shown. */
  get shownClass() {
    const { mapClasses, predicted } = this.image;
    const number = this.for === "predicted" ? predicted : Number(this.for);
    if (mapClasses.includes(number)) return number;
    return mapClasses.includes(predicted) ? predicted : mapClasses[0];
  }

  /** The class whose map is subtracted; null for none. */
  get subtractedClass() {
    const { image, against } = this;
    const others = image.mapClasses.filter((number) => number !== this.shownClass);
    if (against === "nothing" || !others.length) return null;
    const mostProbable = largest(others, (number) => this.run.probability(image, number));
    const number = { true: image.label, other: mostProbable }[against] ?? Number(against);
    return others.includes(number) ? number : null;
  }
}
