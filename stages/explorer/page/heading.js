// The heading of the selected image: its title, true and predicted class, and surprise.

import { paint } from "./colors.js";
import { byId, element } from "./dom.js";

const SURPRISE =
  "How improbable the network found the true class: 0 at probability 1, 0.69 at probability 1/2, 4.6 at 1/100";

export function showHeading(run, selection) {
  selection.onSelect(({ image }) => image && fill(run, image));
}

function fill(run, image) {
  byId("name").textContent = image.title;
  byId("verdict").replaceChildren(
    element("span", {}, `true class ${run.classNames[image.label]}`),
    element(
      "strong",
      { class: image.right ? "right" : "wrong" },
      `${image.right ? "✓" : "✗"} predicted ${run.classNames[image.predicted]}, ${image.confidence.toFixed(3)}`,
    ),
    element("abbr", { title: SURPRISE }, `surprise −log p(true) = ${image.surprise.toFixed(2)}`),
  );
  paint(byId("original"), run, (pixel) => run.imageColor(image, pixel));
}
