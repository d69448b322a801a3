// The map of the image on show, its controls, its colour bar, and the pixel pointed at.

import { byId, element, signed } from "./dom.js";
import { mapColor, paintMap, paleColor } from "./drawing.js";
import { digits, limit, mapOnShow, perWhat, plusMinus } from "./maps.js";
import { arrays, hasErrors, height, names, nChannels, pixelColor, run, width } from "./run.js";
import { onSelect, select, selection, shownClass, subtractedClass } from "./selection.js";

const BRIGHT = 0.7; // how far along the colour bar the colours of the table's bars stand
const canvas = byId("map");
const cursor = byId("cursor");

/** Show the map, whenever something of it is chosen. */
export function showMap() {
  fillControls();
  for (const id of ["for", "against"]) {
    byId(id).addEventListener("input", (event) => select({ [id]: event.target.value }));
  }
  byId("grain").addEventListener("input", (event) => select({ grain: Number(event.target.value) }));
  for (const id of ["opacity", "fade"]) byId(id).addEventListener("input", draw);
  canvas.addEventListener("pointermove", pointAt);
  canvas.addEventListener("pointerdown", pointAt);
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leavePixel());
  canvas.addEventListener("blur", leavePixel);
  canvas.addEventListener("keydown", onKey);
  onSelect((changes) => {
    if (!("pixel" in changes)) {
      fillSelects();
      fillBar();
      draw();
    }
    showPixel();
  });
}

function fillControls() {
  for (const side of Object.keys(run.limits)) {
    const text = side === "1" ? "each pixel" : `sums of ${side * run.block} × ${side * run.block} pixels`;
    byId("grain").append(element("option", { value: side }, text));
  }
  const { parentElement: label, nextElementSibling: words } = byId("fade");
  words.textContent = `Fade what is within ${run.fade.errors} standard errors of 0`;
  label.hidden = !hasErrors;
  byId("fade").checked = run.fade.on;
  for (const [name, share] of [["--warm", BRIGHT], ["--cool", -BRIGHT]]) {
    document.documentElement.style.setProperty(name, `rgb(${mapColor(share, 1).join(" ")})`);
  }
}

/** What can be chosen for the image on show; a contrast of a class with itself cannot. */
function fillSelects() {
  const { image } = selection;
  const shown = shownClass();
  const others = image.shown.filter((number) => number !== shown);
  const classes = (numbers) => numbers.map((number) => [String(number), names[number]]);
  const first = image.shown.includes(image.predicted) ? [["predicted", "the predicted class"]] : [];
  const second = [["nothing", "nothing"]];
  if (others.length) second.push(["other", "the most probable other class"]);
  if (others.includes(image.label)) second.push(["true", "the true class"]);
  const fill = (id, choices, chosen) => {
    byId(id).replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
    byId(id).value = chosen;
  };
  const follows = selection.for === "predicted" ? first.length > 0 : shown === Number(selection.for);
  fill("for", [...first, ...classes(image.shown)], follows ? selection.for : first[0]?.[0] ?? String(shown));
  fill("against", [...second, ...classes(others)], subtractedClass() === null ? "nothing" : selection.against);
  byId("grain").value = String(selection.grain);
}

function fillBar() {
  const bar = byId("bar");
  const steps = arrays.colors.length / 3;
  bar.width = steps;
  const context = bar.getContext("2d");
  const pixels = context.createImageData(steps, 1);
  for (let step = 0; step < steps; step++) {
    pixels.data.set([...arrays.colors.subarray(3 * step, 3 * step + 3), 255], 4 * step);
  }
  context.putImageData(pixels, 0, 0);
  const end = Number(limit().toPrecision(3));
  const minus = subtractedClass();
  const [lowers, raises] = minus === null ? ["lowers", "raises"] : [`for ${names[minus]}`, `for ${names[shownClass()]}`];
  const words = [`−${end} ${run.cool} ${lowers}`, "0", `${run.warm} ${raises} +${end}`];
  byId("ends").childNodes.forEach((part, place) => (part.textContent = words[place]));
  byId("grain-note").textContent =
    `Colours reach to ±${end} ${perWhat()}, the 99.9th percentile over all explained images and classes; ` +
    "stronger ones keep the end's colour.";
  bar.setAttribute("aria-label", `Colours from ${words[0]} to ${words[2]}, ${perWhat()}`);
}

function draw() {
  const { values, errors, called } = mapOnShow();
  const end = limit();
  const fades = errors !== null && byId("fade").checked;
  const faded = (pixel) => fades && Math.abs(values[pixel]) <= run.fade.errors * errors[pixel];
  const colorOf = (pixel) => (faded(pixel) ? paleColor : mapColor)(values[pixel], end);
  paintMap(canvas, selection.image, colorOf, byId("opacity").value / 100);
  canvas.setAttribute(
    "aria-label",
    `Attribution map of ${selection.image.title}: ${called}. Arrow keys move over pixels.`,
  );
}

/** Show where the pixel pointed at is, and its value. */
function showPixel() {
  const { pixel, image, grain } = selection;
  const { values, errors, called, atMost } = mapOnShow();
  cursor.hidden = pixel === null;
  if (pixel === null) {
    byId("pixel").textContent = `Map of ${called}.${whyNoContrast()} Point at a pixel, or tap it, to read its values.`;
    return;
  }
  const [y, x] = [Math.floor(pixel / width), pixel % width].map((at) => at - (at % grain));
  const [rows, columns] = [Math.min(grain, height - y), Math.min(grain, width - x)];
  cursor.style.left = `${(100 * x) / width}%`;
  cursor.style.top = `${(100 * y) / height}%`;
  cursor.style.width = `${(100 * columns) / width}%`;
  cursor.style.height = `${(100 * rows) / height}%`;
  const where = `${placeWords("Row", y, rows)}, ${placeWords("column", x, columns)}${brightness(image, pixel)}`;
  byId("pixel").textContent =
    `${where}: ${called} ${signed(values[pixel], digits())}` + (errors ? ` ${atMost}${plusMinus(errors[pixel])}` : "");
}

/** Why there is no contrast although one is chosen. */
function whyNoContrast() {
  if (selection.against === "nothing" || subtractedClass() !== null) return "";
  if (selection.image.shown.length === 1) return " It has no other map to be contrasted with.";
  return " A class cannot be contrasted with itself, or with one that has no map: choose another.";
}

/** "Row 3", or "Rows 3 to 4". */
function placeWords(word, first, count) {
  return count === 1 ? `${word} ${first + 1}` : `${word}s ${first + 1} to ${first + count}`;
}

function brightness(image, pixel) {
  if (selection.grain > 1) return "";
  const color = pixelColor(arrays.images, image.place, pixel);
  return nChannels === 1 ? ` (brightness ${color[0]})` : ` (red, green, blue ${color.join(", ")})`;
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  const inside = (share, length) => Math.max(0, Math.min(length - 1, Math.floor(share * length)));
  const x = inside((event.clientX - box.left) / box.width, width);
  const y = inside((event.clientY - box.top) / box.height, height);
  select({ pixel: y * width + x });
}

function movePixel(down, right) {
  const { grain } = selection;
  const middle = Math.floor(height / 2) * width + Math.floor(width / 2);
  const pixel = selection.pixel ?? middle - grain * (down * width + right);
  const y = Math.max(0, Math.min(height - 1, Math.floor(pixel / width) + grain * down));
  const x = Math.max(0, Math.min(width - 1, (pixel % width) + grain * right));
  select({ pixel: y * width + x });
}

function leavePixel() {
  select({ pixel: null });
}

function onKey(event) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (steps[event.key]) movePixel(...steps[event.key]);
  else if (event.key === "Escape") leavePixel();
  else return;
  event.preventDefault();
}
