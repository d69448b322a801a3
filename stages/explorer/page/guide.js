// How to read a map, on an example of the run: the right prediction whose map has both colours strongest.

import { byId, element, signed } from "./dom.js";
import { mapColor, paintImage, paintMap } from "./drawing.js";
import { arrays, height, images, largest, mapOf, names, nPixels, run, width } from "./run.js";

const OPACITY = 0.9;

export function showGuide() {
  const right = images.filter((image) => image.right && image.shown.includes(image.predicted));
  const image = right.length ? largest(right, weakerColour) : images[0];
  const number = image.shown.includes(image.predicted) ? image.predicted : image.shown[0];
  const values = mapOf(image, number);
  const [raising, lowering] = strongest(values);
  paintImage(byId("example-image"), arrays.images, image.place);
  paintMap(byId("example-map"), image, (pixel) => mapColor(values[pixel], run.limits[1]), OPACITY);
  paintImage(byId("example-background"), arrays.backgroundMean, 0);
  byId("example-title").textContent = `${image.title}: the map of ${names[number]}`;
  byId("example-map").parentElement.append(markOf(raising, "A"), markOf(lowering, "B"));
  const words = (pixel) => `${signed(values[pixel], 3)} ${run.unit}`;
  byId("raising").textContent = `${run.warm} (A: ${words(raising)})`;
  byId("lowering").textContent = `${run.cool} (B: ${words(lowering)})`;
  for (const part of document.querySelectorAll(".example-class")) part.textContent = names[number];
}

/** The pixels that raise and lower most. */
function strongest(values) {
  const pixels = Array.from({ length: nPixels }, (_, pixel) => pixel);
  return [largest(pixels, (pixel) => values[pixel]), largest(pixels, (pixel) => -values[pixel])];
}

/** How strong the weaker of the two colours is in the map of an image's predicted class. */
function weakerColour(image) {
  const values = mapOf(image, image.predicted);
  const [raising, lowering] = strongest(values);
  return Math.min(values[raising], -values[lowering]);
}

/** A ring around a pixel of the example, with a letter beside it. */
function markOf(pixel, letter) {
  const [y, x] = [Math.floor(pixel / width), pixel % width];
  const side = x < width / 2 ? "left" : "right";
  const mark = element("span", { class: `mark ${side}`, "aria-hidden": "true" }, element("span", {}, letter));
  mark.style.left = `${(100 * x) / width}%`;
  mark.style.top = `${(100 * y) / height}%`;
  mark.style.width = `${100 / width}%`;
  mark.style.height = `${100 / height}%`;
  return mark;
}
