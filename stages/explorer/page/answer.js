// What the network says of the picture in the panel "Try your own": probabilities and a map.

import { byId, element, minus } from "./dom.js";
import { mapColor } from "./drawing.js";
import { largest, names, nChannels, nClasses, run } from "./run.js";

const FEW_CLASSES = 20; // as many fit below each other; of more, the most probable ten are listed
const MAP_OPACITY = 0.9;
const digits = run.unit === "logits" ? 2 : 3;
const question = { id: 0, pixels: null, wanted: null }; // the newest; `wanted` is a class, or null
let colors = null; // of the picture asked about, red, green, blue, opacity of each pixel
let worker = null;

export function showAnswers() {
  const choices = names.map((name, number) => element("option", { value: number }, name));
  byId("try-for").append(element("option", { value: "" }, "the predicted class"), ...choices);
  byId("try-for").addEventListener("input", (event) => want(event.target.value));
  fillBar();
}

/** Start the worker, unless it has started: it gets ready while it is asked nothing. */
export function prepare() {
  if (worker) return;
  const script = new Blob([run.live.worker], { type: "text/javascript" });
  worker = new Worker(URL.createObjectURL(script));
  worker.addEventListener("message", ({ data }) => show(data));
  worker.addEventListener("error", ({ message }) => {
    worker = null; // the next picture tries again
    stop(message || "this browser starts no worker from this page");
  });
  const { shape, operations, background, output } = run.live;
  worker.postMessage({ shape, operations, background, output });
}

/** Ask about a picture, colours as a canvas has them, or about none (null). */
export function ask(picture) {
  colors = picture;
  question.id += 1;
  if (!colors) {
    question.pixels = null;
    worker?.postMessage(question);
    forget();
    return;
  }
  const nPixels = colors.length / 4;
  const colorAt = (_, i) => colors[4 * (i % nPixels) + Math.floor(i / nPixels)];
  question.pixels = Uint8Array.from({ length: nChannels * nPixels }, colorAt);
  prepare();
  worker.postMessage(question);
}

/** Ask for the map of a class, a number as text, or of the predicted one (""). */
function want(choice) {
  question.wanted = choice === "" ? null : Number(choice);
  byId("try-for").value = choice;
  if (colors) ask(colors);
}

function show(message) {
  if (message.error) stop(message.error);
  if (message.id !== question.id) return; // of a picture that is gone
  if (message.probabilities) showProbabilities(message.probabilities);
  else showMap(message);
}

/** Show why there is no answer, in place of one. */
function stop(reason) {
  forget();
  byId("try-sum").textContent = "";
  byId("try-error").textContent = `The network stopped: ${reason}`;
}

function forget() {
  const canvas = byId("try-map");
  canvas.width = canvas.height = 1;
  byId("try-verdict").textContent = "";
  byId("try-classes").hidden = byId("try-scale").hidden = true;
  byId("try-sum").textContent = "Draw, or take an image: the map appears while you do.";
}

function showProbabilities(probabilities) {
  byId("try-error").textContent = "";
  const numbers = names.map((_, number) => number);
  const predicted = largest(numbers, (number) => probabilities[number]);
  if (nClasses > FEW_CLASSES) numbers.sort((a, b) => probabilities[b] - probabilities[a]).splice(10);
  const verdict = [element("strong", {}, names[predicted]), `, ${probabilities[predicted].toFixed(3)}`];
  byId("try-verdict").replaceChildren("predicted ", ...verdict);
  const table = byId("try-classes");
  const focused = table.contains(document.activeElement) ? document.activeElement.dataset.number : null;
  const rows = numbers.map((number) => rowOf(number, probabilities[number], number === (question.wanted ?? predicted)));
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = false;
  if (focused !== null) table.querySelector(`[data-number="${focused}"]`)?.focus();
}

function rowOf(number, probability, isShown) {
  const attributes = { type: "button", "aria-pressed": isShown, "data-number": number };
  const button = element("button", attributes, element("bdi", {}, names[number]));
  button.addEventListener("click", () => want(question.wanted === number ? "" : String(number)));
  const share = element("span", { class: "chance" });
  share.style.width = `${100 * probability}%`;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, button),
    element("td", {}, probability.toFixed(3)),
    element("td", {}, element("span", { class: "track" }, share)),
  );
}

/** Show a map against the first n background images, and what it adds up to. */
function showMap({ number, n, values, base, output }) {
  const end = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  paint(values, end || 1);
  const shown = Number(end.toPrecision(2));
  const words = [`−${shown} ${run.cool} lowers`, "0", `${run.warm} raises +${shown}`];
  byId("try-scale").hidden = false;
  byId("try-ends").childNodes.forEach((part, place) => (part.textContent = words[place]));
  byId("try-map").setAttribute("aria-label", `Map of ${names[number]}, colours to ${shown} ${run.unit} per pixel`);
  const change = output - base;
  const sum =
    `base value ${base.toFixed(digits)} ${change < 0 ? "-" : "+"} sum of the map ` +
    `${Math.abs(change).toFixed(digits)} = ${output.toFixed(digits)} ${run.unit}`;
  byId("try-sum").replaceChildren(
    element("span", {}, `${names[number]}: ${minus(sum)}`),
    element("span", {}, `against ${n} of ${run.live.count} background images`),
  );
}

function paint(values, end) {
  const canvas = byId("try-map");
  const [, height, width] = run.live.shape;
  const pixels = new ImageData(width, height);
  values.forEach((value, pixel) => {
    mapColor(value, end).forEach((over, channel) => {
      const under = colors[4 * pixel + channel];
      pixels.data[4 * pixel + channel] = under + (over - under) * MAP_OPACITY;
    });
    pixels.data[4 * pixel + 3] = 255;
  });
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function fillBar() {
  const bar = byId("try-bar");
  bar.width = 255;
  const context = bar.getContext("2d");
  for (let x = 0; x < bar.width; x++) {
    context.fillStyle = `rgb(${mapColor(x - 127, 127).join(" ")})`;
    context.fillRect(x, 0, 1, 1);
  }
}
