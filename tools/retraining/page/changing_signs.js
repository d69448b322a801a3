// Starts the explorer with one more switch: pale where the sign of an attribution changes between trainings.

import { byId, element } from "./dom.js";
import { SEGMENTS } from "./maps.js";
import { Selection } from "./selection.js";

const { changing, size } = JSON.parse(byId("run").textContent);
const cover = element("canvas", { id: "changing" });
cover.style = "position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; image-rendering: pixelated";
const box = element("input", { id: "fade-changing", type: "checkbox" });
const note = element("span", { id: "changing-note" });

/** Whether each block of each map is to be faded, by grain: bits, image by image and map by map. */
const bits = Object.fromEntries(
  Object.entries(changing.fades).map(([grain, base64]) => [grain, Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]),
);

function isFaded({ image, grain, shownClass }, pixel) {
  const [columns, rows] = [Math.ceil(size.w / grain), Math.ceil(size.h / grain)];
  const block = Math.floor(Math.floor(pixel / size.w) / grain) * columns + Math.floor((pixel % size.w) / grain);
  const position = (image.index * size.m + image.mapClasses.indexOf(shownClass)) * columns * rows + block;
  return (bits[grain][position >> 3] >> (position & 7)) & 1;
}

function show(selection) {
  const { grain, subtractedClass, image, run } = selection;
  const known = grain !== SEGMENTS && subtractedClass === null;
  note.textContent = known ? "" : ", known for maps of one class by pixels or blocks alone";
  [cover.width, cover.height] = [size.w, size.h];
  if (!box.checked || !known) return;
  const context = cover.getContext("2d");
  const painted = context.createImageData(size.w, size.h);
  const opacity = byId("opacity").value / 100;
  const faded = Math.round(255 * (1 - run.scale.fadedShare));
  for (let pixel = 0; pixel < size.w * size.h; pixel++) {
    if (!isFaded(selection, pixel)) continue;
    const pale = run.scale.over(run.underMap(image, pixel, opacity), 0, 1, { opacity });
    painted.data.set([...pale, faded], 4 * pixel);
  }
  context.putImageData(painted, 0, 0);
}

/** Add the switch to the page's controls, once the explorer has its selection. */
function addSwitch(selection) {
  const share = Math.round(100 * changing.share);
  const text = `Fade values whose sign fewer than ${share} % of ${changing.nTrainings} trainings share`;
  byId("fade").closest("label").after(element("label", { class: "switch" }, box, ` ${text}`, note));
  byId("cursor").before(cover);
  for (const control of [box, byId("opacity")]) control.addEventListener("input", () => show(selection));
  selection.onSelect((changes) => "pixel" in changes || show(selection));
}

// The explorer keeps its selection to itself; the first view that listens to it shows which one it is.
const { onSelect } = Selection.prototype;
Selection.prototype.onSelect = function listen(listener) {
  Selection.prototype.onSelect = onSelect;
  addSwitch(this);
  return this.onSelect(listener);
};

await import("explorer.js");
