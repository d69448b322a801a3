// How to read a map, on an example of the run: the right prediction that the network is surest of.

import { byId, element, signed } from "./dom.js";
import { mapColor, paintImage, paintMap } from "./drawing.js";
import { arrays, height, images, largest, mapOf, names, nPixels, run, width } from "./run.js";

const OPACITY = 0.9;

export function showGuide() {
  const right = images.filter((image) => image.right && image.shown.includes(image.predicted));
  const image = right.length ? largest(right, ({ confidence }) => confidence) : images[0];
  const number = image.shown.includes(image.predicted) ? image.predicted : image.shown[0];
  const values = mapOf(image, number);
  const pixels = Array.from({ length: nPixels }, (_, pixel) => pixel);
  const raising = largest(pixels, (pixel) => values[pixel]);
  const lowering = largest(pixels, (pixel) => -values[pixel]);
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

/** A letter on a pixel of the example. */
function markOf(pixel, letter) {
  const mark = element("span", { class: "mark", "aria-hidden": "true" }, letter);
  mark.style.left = `${(100 * ((pixel % width) + 0.5)) / width}%`;
  mark.style.top = `${(100 * (Math.floor(pixel / width) + 0.5)) / height}%`;
  return mark;
}
