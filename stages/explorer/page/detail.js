// Which image is large: its title, classes and probability.

import { byId, element } from "./dom.js";
import { paintImage } from "./drawing.js";
import { arrays, names } from "./run.js";
import { onSelect } from "./selection.js";

const SURPRISE =
  "How unlikely the network held the true class: 0 if it was sure of it, 0.69 at probability 1/2, 4.6 at 1/100";

export function showDetail() {
  onSelect(({ image }) => image && fill(image));
}

function fill(image) {
  byId("name").textContent = image.title;
  byId("verdict").replaceChildren(
    element("span", {}, `true class ${names[image.label]}`),
    element(
      "strong",
      { class: image.right ? "right" : "wrong" },
      `${image.right ? "✓" : "✗"} predicted ${names[image.predicted]}, ${image.confidence.toFixed(3)}`,
    ),
    element("abbr", { title: SURPRISE }, `surprise −log p(true) = ${image.surprise.toFixed(2)}`),
  );
  paintImage(byId("original"), arrays.images, image.place);
}
