// The heading of the selected image: its title, true and predicted class, and surprise.

import { paint } from "./colors.js";
import { byId, element } from "./dom.js";

const SURPRISE =
  "How improbable the network found the true class: 0 at probability 1, 0.69 at probability 1/2, 4.6 at 1/100";
const MEAN_SURPRISE = `${SURPRISE.replace("class", "presence or absence of a label")}; the mean over the labels`;

export function showHeading(run, selection) {
  selection.onSelect(({ image }) => image && fill(run, image));
}

function fill(run, image) {
  byId("name").textContent = image.title;
  const confidence = run.multiple ? "" : `, ${image.confidence.toFixed(3)}`;
  byId("verdict").replaceChildren(
    element("span", {}, `true ${run.multiple ? "labels" : "class"} ${run.listed(image.labels)}`),
    element(
      "strong",
      { class: image.right ? "right" : "wrong" },
      `${image.right ? "✓" : "✗"} predicted ${run.listed(image.predictions)}${confidence}`,
    ),
    element(
      "abbr",
      { title: run.multiple ? MEAN_SURPRISE : SURPRISE },
      `surprise −log p(true) = ${image.surprise.toFixed(2)}`,
    ),
  );
  paint(byId("original"), run, (pixel) => run.imageColor(image, pixel));
}
