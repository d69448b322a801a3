// The classes of the image on show: probability, base value + sum, and the pixel pointed at.

import { byId, element, minus, signed } from "./dom.js";
import { digits, plusMinus, summedOverBlocks } from "./maps.js";
import { arrays, errorsOf, images, largest, mapOf, names, nClasses, nMaps, probability, run, sum } from "./run.js";
import { onSelect, select, selection, shownClass } from "./selection.js";

const sumDigits = run.unit === "logits" ? 2 : 3;

// The axis of base value + summed attribution is one for the whole run.
const ends = images.flatMap((image) => image.shown.flatMap((number) => [arrays.baseValues[number], output(image, number)]));
const lowest = ends.reduce((a, b) => Math.min(a, b));
const span = ends.reduce((a, b) => Math.max(a, b)) - lowest || 1;
let rows = []; // one for each class of the image on show that has a map

/** Fill the table, whenever an image is chosen. */
export function showClasses() {
  byId("sum-head").textContent = `base value + sum (${run.unit})`;
  byId("sum-note").textContent =
    "Bars start at the class's base value, its mean over the background (tick), and reach as far as the " +
    "attributions sum up to. Bold sum: the largest. Underlined output: the largest." +
    (nMaps < nClasses ? ` Maps here: ${nMaps} of ${nClasses} classes.` : "");
  onSelect((changes) => {
    if (changes.image) fill();
    if (changes.image || changes.grain) rows.forEach(readMaps);
    if (changes.image || changes.grain) byId("pixel-head").textContent = selection.grain === 1 ? "pixel" : "block";
    if (!("pixel" in changes)) rows.forEach(markChosen);
    rows.forEach(showPixel);
  });
}

function output(image, number) {
  return arrays.baseValues[number] + sum(image, number);
}

function onAxis(value) {
  return (100 * (value - lowest)) / span;
}

function fill() {
  const { image } = selection;
  const mostFor = largest(image.shown, (number) => sum(image, number));
  const mostOut = largest(image.shown, (number) => output(image, number));
  rows = image.shown.map((number, slot) => rowOf(image, number, slot, number === mostFor, number === mostOut));
  byId("classes").tBodies[0].replaceChildren(...rows.map(({ row }) => row));
}

function rowOf(image, number, slot, largestSum, largestOutput) {
  const button = element("button", { type: "button" }, element("bdi", {}, names[number]));
  if (slot < 10) button.append(" ", element("kbd", {}, String(slot)));
  button.addEventListener("click", () => select({ for: String(number) }));
  const p = probability(image, number);
  const chance = element("span", { class: "track" }, element("span", { class: "chance" }));
  chance.firstChild.style.width = `${100 * p}%`;
  const roles = [];
  if (number === image.predicted) roles.push("predicted");
  if (number === image.label) roles.push("true");
  const value = element("td", { class: "value" });
  const row = element(
    "tr",
    { class: roles.join(" ") },
    element("th", { scope: "row" }, button, element("small", {}, roles.join(", "))),
    element("td", {}, p.toFixed(3), chance),
    element("td", {}, ...sumWords(image, number, largestSum, largestOutput), changeBar(image, number)),
    value,
  );
  return { number, row, button, value };
}

/** "base + sum = output". */
function sumWords(image, number, largestSum, largestOutput) {
  const total = sum(image, number);
  const size = Math.abs(total).toFixed(sumDigits);
  const words = minus(output(image, number).toFixed(sumDigits));
  return [
    minus(`${arrays.baseValues[number].toFixed(sumDigits)} ${total < 0 ? "-" : "+"} `),
    largestSum ? element("strong", {}, size) : size,
    " = ",
    largestOutput ? element("u", {}, words) : words,
  ];
}

function changeBar(image, number) {
  const base = arrays.baseValues[number];
  const total = sum(image, number);
  const change = element("span", { class: total < 0 ? "cool" : "warm" });
  change.style.left = `${onAxis(Math.min(base, base + total))}%`;
  change.style.width = `${(100 * Math.abs(total)) / span}%`;
  const tick = element("span", { class: "tick" });
  tick.style.left = `${onAxis(base)}%`;
  return element("span", { class: "track" }, change, tick);
}

function readMaps(row) {
  row.map = summedOverBlocks(mapOf(selection.image, row.number));
  const errors = errorsOf(selection.image, row.number);
  row.errors = errors && summedOverBlocks(errors);
}

function markChosen({ number, button }) {
  button.setAttribute("aria-pressed", String(number === shownClass()));
}

function showPixel({ value, map, errors }) {
  const { pixel } = selection;
  value.textContent = pixel === null ? "–" : signed(map[pixel], digits());
  if (pixel !== null && errors) value.append(" ", element("small", {}, plusMinus(errors[pixel])));
}
