// The network's answers in the panel "Try your own": probabilities and a map of the picture.

import { colorBarLabels, paintColorBar, probabilityBar, writeLabels } from "./bars.js";
import { paint } from "./colors.js";
import { byId, element } from "./dom.js";
import { predictedName } from "./map_view.js";
import { largest, minus, outputDigits } from "./numbers.js";
import { predictedLabels } from "./run.js";
import { warning } from "./warning.js";

const FEW_CLASSES = 20; // all are listed; of more, only the most probable
const N_LISTED = 10;
const MAP_OPACITY = 0.9;

/** The classes of the table: all by number, or the most probable of many. */
export function listedClasses(probabilities) {
  const numbers = Array.from(probabilities, (_, number) => number);
  if (numbers.length <= FEW_CLASSES) return numbers;
  return numbers.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, N_LISTED);
}

/** A picture of canvas colours (red, green, blue, opacity of each pixel) as an image (c, h, w). */
export function channelsFirst(colors, nChannels) {
  const nPixels = colors.length / 4;
  const value = (_, i) => colors[4 * (i % nPixels) + Math.floor(i / nPixels)];
  return Uint8Array.from({ length: nChannels * nPixels }, value);
}

export class Answers {
  #run;
  #question = { id: 0, pixels: null, wanted: null }; // the newest; `wanted` is a class, or null for the predicted one
  #colors = null; // of the picture asked about, as a canvas has them
  #worker = null;

  constructor(run) {
    this.#run = run;
    this.#offer(run.nClasses <= FEW_CLASSES ? run.classes : []);
    byId("try-for").addEventListener("input", ({ target }) => this.#want(target.value));
    paintColorBar(byId("try-bar"), run.scale);
  }

  /** Start the worker unless it runs; it prepares while no picture waits. */
  prepare() {
    if (this.#worker) return;
    const { worker, shape, operations, background, output, onlyClass, features } = this.#run.live;
    const { multiple } = this.#run;
    const script = new Blob([worker], { type: "text/javascript" });
    this.#worker = new Worker(URL.createObjectURL(script));
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", ({ message }) => {
      this.#worker = null; // the next picture tries again
      this.#fail(message || "this browser blocks the page's worker");
    });
    this.#worker.postMessage({ shape, operations, background, output, onlyClass, multiple, features });
  }

  /** Ask about a picture (colours as a canvas has them), or clear the answer (null). */
  ask(colors) {
    this.#colors = colors;
    this.#question.id += 1;
    this.#question.pixels = colors && channelsFirst(colors, this.#run.nChannels);
    if (colors) this.prepare();
    else this.#clear();
    this.#worker?.postMessage(this.#question);
  }

  /** Ask for the map of a class, a number as text, or of the predicted class (""). */
  #want(choice) {
    this.#question.wanted = choice === "" ? null : Number(choice);
    byId("try-for").value = choice || (this.#run.live.onlyClass ?? "");
    if (this.#colors) this.ask(this.#colors);
  }

  #receive(message) {
    if (message.error) this.#fail(message.error);
    if (message.id !== this.#question.id) return; // about an earlier picture
    if (message.probabilities) {
      this.#showProbabilities(message.probabilities);
      const { live, nChannels } = this.#run;
      byId("try-warning").textContent = warning(this.#question.pixels, nChannels, message.distances, live.features);
    } else {
      this.#showMap(message);
    }
  }

  /** Show why there is no answer. */
  #fail(reason) {
    this.#clear();
    byId("try-sum").textContent = "";
    byId("try-error").textContent = `The network stopped: ${reason}`;
  }

  #clear() {
    const canvas = byId("try-map");
    canvas.width = canvas.height = 1;
    byId("try-verdict").textContent = byId("try-warning").textContent = "";
    byId("try-classes").hidden = byId("try-scale").hidden = true;
    byId("try-sum").textContent = "Draw or choose an image: the map appears as you draw.";
  }

  /** Offer the maps of these classes, or of a network's one logit. */
  #offer(numbers) {
    const choice = (number) => element("option", { value: number }, this.#run.classNames[number]);
    const { onlyClass } = this.#run.live;
    const predicted = element("option", { value: "" }, predictedName(this.#run));
    const choices = onlyClass === undefined ? [predicted, ...numbers.map(choice)] : [choice(onlyClass)];
    byId("try-for").replaceChildren(...choices);
  }

  #showProbabilities(probabilities) {
    byId("try-error").textContent = "";
    const { classes, classNames } = this.#run;
    const predicted = largest(classes, (number) => probabilities[number]);
    const several = this.#run.multiple && this.#run.listed(predictedLabels(probabilities));
    const name = element("strong", {}, several || classNames[predicted]);
    byId("try-verdict").replaceChildren("predicted ", name, several ? "" : `, ${probabilities[predicted].toFixed(3)}`);
    const table = byId("try-classes");
    const focused = table.contains(document.activeElement) ? document.activeElement.dataset.number : null;
    const shown = this.#question.wanted ?? this.#run.live.onlyClass ?? predicted;
    const row = (number) => this.#row(number, probabilities[number], number === shown);
    const listed = listedClasses(probabilities);
    table.tBodies[0].replaceChildren(...listed.map(row));
    if (classes.length > FEW_CLASSES) {
      this.#offer([...new Set([...listed, shown])]);
      byId("try-for").value = this.#question.wanted ?? "";
    }
    table.hidden = false;
    if (focused !== null) table.querySelector(`[data-number="${focused}"]`)?.focus();
  }

  #row(number, probability, isShown) {
    const name = element("bdi", {}, this.#run.classNames[number]);
    const attributes = { type: "button", "aria-pressed": isShown, "data-number": number };
    const button = element("button", attributes, name);
    button.addEventListener("click", () => this.#want(this.#question.wanted === number ? "" : String(number)));
    const hasMap = (this.#run.live.onlyClass ?? number) === number;
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, hasMap ? button : name),
      element("td", {}, probability.toFixed(3)),
      element("td", {}, probabilityBar(probability)),
    );
  }

  /** Show a map against the first n background images, and what its values add up to. */
  #showMap({ number, n, values, base, output }) {
    const { classNames, live, scale, unit } = this.#run;
    const [, height, width] = live.shape;
    const end = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const canvas = byId("try-map");
    paint(canvas, { width, height }, (pixel) => {
      const under = this.#run.underMapOf(this.#colors.subarray(4 * pixel, 4 * pixel + 3));
      return scale.over(under, values[pixel], end || 1, { opacity: MAP_OPACITY });
    });
    const rounded = Number(end.toPrecision(2));
    canvas.setAttribute("aria-label", `Map of ${classNames[number]}, colours to ${rounded} ${unit} per pixel`);
    writeLabels(byId("try-ends"), colorBarLabels(this.#run, rounded));
    byId("try-scale").hidden = false;
    const change = output - base;
    const nDigits = outputDigits(unit);
    const sum =
      `base value ${base.toFixed(nDigits)} ${change < 0 ? "-" : "+"} sum of the map ` +
      `${Math.abs(change).toFixed(nDigits)} = ${output.toFixed(nDigits)} ${unit}`;
    byId("try-sum").replaceChildren(
      element("span", {}, `${classNames[number]}: ${minus(sum)}`),
      element("span", {}, `against ${n} of ${live.count} background images`),
    );
  }
}
