// How to read a map, shown on an example: the right prediction whose map has both colours strongest.

import { paint } from "./colors.js";
import { byId, element, fitToPixels } from "./dom.js";
import { blockSums } from "./maps.js";
import { largest, signed } from "./numbers.js";

const OPACITY = 0.9;

export function showGuide(run) {
  const image = example(run);
  const number = image.mapClasses.includes(image.predicted) ? image.predicted : image.mapClasses[0];
  const values = blockSums(run.map(image, number), { run, grain: run.grain });
  const [raising, lowering] = strongest(values);
  const colorOf = (pixel) => run.imageColor(image, pixel);
  paint(byId("example-image"), run, colorOf);
  paint(byId("example-map"), run, (pixel) =>
    run.scale.over(run.underMap(image, pixel), values[pixel], run.limits[run.grain], { opacity: OPACITY }),
  );
  paint(byId("example-background"), run, (pixel) => run.backgroundColor(pixel));
  byId("example-title").textContent = `${image.title}: the map of ${run.classNames[number]}`;
  byId("example-map").parentElement.append(ring(run, raising, "A"), ring(run, lowering, "B"));
  byId("raising").textContent = `${run.warm} (A: ${signed(values[raising], 3)} ${run.unit})`;
  byId("lowering").textContent = `${run.cool} (B: ${signed(values[lowering], 3)} ${run.unit})`;
  byId("example-place").textContent = run.grain === 1 ? "pixel" : "block of pixels";
  for (const span of document.querySelectorAll(".example-class")) span.textContent = run.classNames[number];
}

/** The image, predicted right, with the strongest values of both signs; the first without such images. */
function example(run) {
  const right = run.images.filter((image) => image.right && image.mapClasses.includes(image.predicted));
  if (!right.length) return run.images[0];
  return largest(right, (image) => {
    const values = blockSums(run.map(image, image.predicted), { run, grain: run.grain });
    const [raising, lowering] = strongest(values);
    return Math.min(values[raising], -values[lowering]);
  });
}

/** The pixels with the highest and the lowest value. */
function strongest(values) {
  let [highest, lowest] = [0, 0];
  for (let pixel = 1; pixel < values.length; pixel++) {
    if (values[pixel] > values[highest]) highest = pixel;
    if (values[pixel] < values[lowest]) lowest = pixel;
  }
  return [highest, lowest];
}

/** A ring around a pixel or block of the example, with a letter next to it. */
function ring(run, pixel, letter) {
  const [x, y] = [pixel % run.width, Math.floor(pixel / run.width)].map((at) => at - (at % run.grain));
  const side = x < run.width / 2 ? "left" : "right";
  const mark = element("span", { class: `mark ${side}`, "aria-hidden": "true" }, element("span", {}, letter));
  fitToPixels(mark, { x, y, columns: run.grain, rows: run.grain }, run);
  return mark;
}
