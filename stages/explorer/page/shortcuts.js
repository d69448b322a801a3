// The section on shortcuts: a sentence and a picture of each finding, a button that lists its members, and the strategies of each class.

import { byId, element } from "./dom.js";

const STRATEGIES = "For each class, its groups of images: mean map and three typical images";

export function showShortcuts(run, gallery) {
  const { words, findings, strategies } = run.shortcuts;
  byId("shortcuts").hidden = !words;
  byId("shortcut-words").textContent = words;
  byId("strategies").hidden = !strategies;
  if (strategies) byId("strategy-picture").replaceChildren(element("img", { src: strategies, alt: STRATEGIES }));
  byId("findings").replaceChildren(...findings.map((finding) => item(finding, gallery)));
}

function item({ sentence, picture, members }, gallery) {
  const image = element("img", { src: picture, alt: sentence });
  const note = members.length ? listButton(members, gallery) : element("span", { class: "note" }, "None of its images is explained on this page.");
  return element("li", {}, image, element("p", {}, note));
}

function listButton(members, gallery) {
  const images = members.length === 1 ? "its one explained image" : `its ${members.length} explained images`;
  const button = element("button", { type: "button" }, `List ${images} in the gallery`);
  button.addEventListener("click", () => {
    gallery.showOnly(members);
    byId("browse").scrollIntoView();
  });
  return button;
}
