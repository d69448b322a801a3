// The confusion matrix of the whole test split: a cell lists its explained images.

import { byId, element } from "./dom.js";
import { filterBy, onFilter } from "./gallery.js";
import { images, nClasses, nTest, names, run } from "./run.js";

const MOST_CLASSES = 20; // more do not fit beside each other

/** Fill the matrix, and mark the cell that the gallery's filters stand for. */
export function showConfusion() {
  const classes = matrixClasses();
  const counts = new Map(run.cells.map(([label, predicted, count]) => [label * nClasses + predicted, count]));
  const total = new Map();
  for (const [label, , count] of run.cells) total.set(label, (total.get(label) ?? 0) + count);
  const held = new Map();
  for (const { label, predicted } of images) {
    const key = label * nClasses + predicted;
    held.set(key, (held.get(key) ?? 0) + 1);
  }
  const body = element("tbody");
  for (const label of classes) {
    const row = element("tr", {}, element("th", { scope: "row", title: names[label] }, names[label]));
    for (const predicted of classes) {
      const key = label * nClasses + predicted;
      row.append(cellOf(label, predicted, counts.get(key) ?? 0, held.get(key) ?? 0, total.get(label) ?? 1));
    }
    body.append(row);
  }
  byId("matrix").append(element("thead", {}, headOf(classes)), body);
  const part = classes.length < nClasses ? `The ${classes.length} of ${nClasses} classes with most mistakes. ` : "";
  byId("confusion-note").textContent =
    `${part}${nTest.toLocaleString("en")} test images. Underlined: some of them are explained here; press to list them.`;
}

/** The classes of the matrix: all, or those with most mistakes. */
function matrixClasses() {
  const all = names.map((_, number) => number);
  if (nClasses <= MOST_CLASSES) return all;
  const mistakes = all.map(() => 0);
  for (const [label, predicted, count] of run.cells) {
    if (label !== predicted) {
      mistakes[label] += count;
      mistakes[predicted] += count;
    }
  }
  return all.sort((a, b) => mistakes[b] - mistakes[a]).slice(0, MOST_CLASSES).sort((a, b) => a - b);
}

function headOf(classes) {
  const head = element("tr", {}, element("th", { scope: "col" }, "true ↓ predicted →"));
  for (const number of classes) {
    head.append(element("th", { scope: "col", title: names[number] }, element("span", {}, names[number])));
  }
  return head;
}

/** A cell of `count` test images, of which the page holds `held`, among `total` of the true class. */
function cellOf(label, predicted, count, held, total) {
  const cell = element("td", { class: label === predicted ? "right" : "wrong" });
  cell.style.setProperty("--share", `${(45 * Math.sqrt(count / total)).toFixed(1)}%`);
  if (!held) {
    cell.append(count ? count.toLocaleString("en") : element("span", { class: "none" }, "0"));
    return cell;
  }
  const description = `true ${names[label]}, predicted ${names[predicted]}: ${count} of the test split, ${held} on this page`;
  const button = element("button", { type: "button", "aria-label": description, title: description }, count.toLocaleString("en"));
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") === "true";
    filterBy(pressed ? "" : String(label), pressed ? "" : String(predicted));
    byId("browse").scrollIntoView();
  });
  onFilter((...chosen) => {
    const pressed = chosen[0] === String(label) && chosen[1] === String(predicted);
    button.setAttribute("aria-pressed", String(pressed));
  });
  cell.append(button);
  return cell;
}
