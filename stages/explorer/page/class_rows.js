// The classes of the selected image: probability, base value + sum, and the value of the pixel pointed at.

import { bar, probabilityBar, segment } from "./bars.js";
import { byId, element } from "./dom.js";
import { classErrors, classMap, digits, plusMinus, SEGMENTS } from "./maps.js";
import { largest, minus, outputDigits, signed } from "./numbers.js";

export class ClassRows {
  #run;
  #selection;
  #axis;
  #rows = []; // one for each class that has a map

  constructor(run, selection) {
    this.#run = run;
    this.#selection = selection;
    this.#axis = outputAxis(run);
  }

  /** Fill the heads, and show each selection from now on. */
  start() {
    const run = this.#run;
    byId("sum-head").textContent = `base value + sum (${run.unit})`;
    byId("sum-note").textContent =
      "Each bar starts at the class's base value, its mean output over the background (tick), and is as long as " +
      "the sum of the attributions. Bold: the largest sum. Underlined: the largest output." +
      (run.nMaps < run.nClasses ? ` Maps are shown for ${run.nMaps} of ${run.nClasses} classes.` : "");
    this.#selection.onSelect((changes) => this.#show(changes));
  }

  #show(changes) {
    const { grain, image } = this.#selection;
    if (changes.image) this.#fill(image);
    if (changes.image || changes.grain) {
      this.#rows.forEach((row) => this.#readMaps(row));
      byId("pixel-head").textContent = grain === SEGMENTS ? "segment" : grain === 1 ? "pixel" : "block";
    }
    if (!("pixel" in changes)) this.#rows.forEach((row) => this.#markShown(row));
    this.#rows.forEach((row) => this.#showPixel(row));
  }

  #fill(image) {
    const largestSum = largest(image.mapClasses, (number) => this.#run.sum(image, number));
    const largestOutput = largest(image.mapClasses, (number) => this.#run.output(image, number));
    this.#rows = image.mapClasses.map((number, key) => {
      const sums = this.#sumText(image, number, number === largestSum, number === largestOutput);
      return this.#row(image, number, key, sums);
    });
    byId("classes").tBodies[0].replaceChildren(...this.#rows.map(({ row }) => row));
  }

  #row(image, number, key, sums) {
    const button = element("button", { type: "button" }, element("bdi", {}, this.#run.classNames[number]));
    if (key < 10) button.append(" ", element("kbd", {}, String(key)));
    button.addEventListener("click", () => this.#selection.select({ for: String(number) }));
    const probability = this.#run.probability(image, number);
    const roles = [];
    if (image.predictions.includes(number)) roles.push("predicted");
    if (image.labels.includes(number)) roles.push("true");
    const value = element("td", { class: "value" });
    const row = element(
      "tr",
      { class: roles.join(" ") },
      element("th", { scope: "row" }, button, element("small", {}, roles.join(", "))),
      element("td", {}, probability.toFixed(3), probabilityBar(probability)),
      element("td", {}, ...sums, this.#sumBar(image, number)),
      value,
    );
    return { number, row, button, value };
  }

  /** "base value + sum = output". */
  #sumText(image, number, isLargestSum, isLargestOutput) {
    const sum = this.#run.sum(image, number);
    const nDigits = outputDigits(this.#run.unit);
    const size = Math.abs(sum).toFixed(nDigits);
    const output = minus(this.#run.output(image, number).toFixed(nDigits));
    return [
      minus(`${this.#run.arrays.baseValues[number].toFixed(nDigits)} ${sum < 0 ? "-" : "+"} `),
      isLargestSum ? element("strong", {}, size) : size,
      " = ",
      isLargestOutput ? element("u", {}, output) : output,
    ];
  }

  #sumBar(image, number) {
    const { lowest, span } = this.#axis;
    const base = this.#run.arrays.baseValues[number];
    const sum = this.#run.sum(image, number);
    const from = (Math.min(base, base + sum) - lowest) / span;
    const change = segment(sum < 0 ? "cool" : "warm", from, Math.abs(sum) / span);
    return bar(change, segment("tick", (base - lowest) / span));
  }

  #readMaps(row) {
    row.map = classMap(this.#selection, row.number);
    row.errors = classErrors(this.#selection, row.number);
  }

  #markShown({ number, button }) {
    button.setAttribute("aria-pressed", String(number === this.#selection.shownClass));
  }

  #showPixel({ value, map, errors }) {
    const { pixel } = this.#selection;
    const nDigits = digits(this.#selection);
    value.textContent = pixel === null ? "–" : signed(map[pixel], nDigits);
    if (pixel !== null && errors) value.append(" ", element("small", {}, plusMinus(errors[pixel], nDigits)));
  }
}

/** The axis of all sum bars of a run: from the lowest base value or output to the highest. */
function outputAxis(run) {
  const ends = run.images.flatMap((image) =>
    image.mapClasses.flatMap((number) => [run.arrays.baseValues[number], run.output(image, number)]),
  );
  const lowest = ends.reduce((a, b) => Math.min(a, b));
  return { lowest, span: ends.reduce((a, b) => Math.max(a, b)) - lowest || 1 };
}
