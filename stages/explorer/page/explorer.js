// Starts the page. All other modules only define functions and classes.

import { showAbout } from "./about.js";
import { linkAddress } from "./address.js";
import { ClassRows } from "./class_rows.js";
import { showClassSearch } from "./class_search.js";
import { showClassTable } from "./class_table.js";
import { showConfusion } from "./confusion.js";
import { byId } from "./dom.js";
import { Gallery } from "./gallery.js";
import { showGuide } from "./guide.js";
import { showHeading } from "./heading.js";
import { arrowStep, hasModifier } from "./keys.js";
import { MapView } from "./map_view.js";
import { Run } from "./run.js";
import { Selection } from "./selection.js";
import { showShortcuts } from "./shortcuts.js";
import { showTryOwn } from "./try_own.js";
import { Zoom } from "./zoom.js";

const run = await new Run(JSON.parse(byId("run").textContent)).load();
const selection = new Selection(run);
const gallery = new Gallery(run, selection);

showAbout(run);
showClassTable(run);
showGuide(run);
showHeading(run, selection);
new ClassRows(run, selection).start();
showClassSearch(run, selection);
new MapView(run, selection).start();
if (run.photographs) new Zoom().start();
showConfusion(run, gallery);
showShortcuts(run, gallery);
gallery.start();
linkAddress(selection, gallery);
showTryOwn(run, selection);

byId("previous").addEventListener("click", () => gallery.move([-1, 0]));
byId("next").addEventListener("click", () => gallery.move([1, 0]));

// Keys that work wherever no control needs them.
document.addEventListener("keydown", (event) => {
  if (hasModifier(event) || event.defaultPrevented || event.target.matches("input, select")) return;
  const step = arrowStep(event);
  if (/^[0-9]$/.test(event.key)) {
    const chosen = selection.image.mapClasses[Number(event.key)];
    if (chosen !== undefined) selection.select({ for: String(chosen) });
  } else if (step && (step[0] || gallery.contains(event.target))) {
    gallery.move(step);
    event.preventDefault();
  }
});
