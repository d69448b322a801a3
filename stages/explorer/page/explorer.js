// Starts the page: its fixed texts, its parts, and the keys that work wherever no control needs them.

import { showAddress } from "./address.js";
import { showClassTable } from "./class_table.js";
import { showClasses } from "./classes.js";
import { showConfusion } from "./confusion.js";
import { showDetail } from "./detail.js";
import { byId, element } from "./dom.js";
import { cardsPerRow, galleryHas, move, showGallery } from "./gallery.js";
import { showGuide } from "./guide.js";
import { showMap } from "./map.js";
import { nRight, nTest, run } from "./run.js";
import { select, selection } from "./selection.js";
import { showTryOwn } from "./try_own.js";

function fillTexts() {
  byId("headline").textContent =
    `${run.title} · ${((100 * nRight) / nTest).toFixed(1)} % of ${nTest.toLocaleString("en")} test images right`;
  for (const [id, words] of Object.entries(run.words)) byId(id).textContent = words;
}

function fillFacts() {
  for (const [title, rows] of run.facts) {
    const table = element("table", {}, element("caption", {}, title));
    for (const [key, value, meaning] of rows) {
      const parts = key.split(/(?<=[._])/).flatMap((part) => [part, element("wbr")]);
      const head = element("th", { scope: "row" }, ...parts);
      if (meaning) head.append(element("small", {}, meaning));
      table.append(element("tr", {}, head, element("td", {}, value)));
    }
    byId("facts").append(table);
  }
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
  if (event.target.matches("input, select")) return;
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  if (/^[0-9]$/.test(event.key)) {
    const chosen = selection.image.shown[Number(event.key)];
    if (chosen !== undefined) select({ for: String(chosen) });
  } else if (step && (step[1] || galleryHas(event.target))) {
    move(step[0] * cardsPerRow() + step[1]);
    event.preventDefault();
  }
}

fillTexts();
fillFacts();
showClassTable();
showGuide();
showDetail();
showClasses();
showMap();
showConfusion();
showGallery();
showAddress();
showTryOwn();
document.addEventListener("keydown", onKey);
byId("previous").addEventListener("click", () => move(-1));
byId("next").addEventListener("click", () => move(1));
