// The confusion matrix of the whole test split. A cell lists its explained images in the gallery.

import { byId, element } from "./dom.js";

const MOST_CLASSES = 20; // more do not fit next to each other

/** Fill the matrix, and mark the cell that the gallery's filters select. */
export function showConfusion(run, gallery) {
  byId("confusion").hidden = Boolean(run.multiple); // labels are not taken for each other
  if (run.multiple) return;
  const classes = matrixClasses(run.cells, run.nClasses);
  const count = new Counts(run.cells);
  const total = new Counts(run.cells.map(([label, , n]) => [label, "", n]));
  const held = new Counts(run.images.map(({ label, predicted }) => [label, predicted, 1]));
  const body = element("tbody");
  for (const label of classes) {
    const name = run.classNames[label];
    const row = element("tr", {}, element("th", { scope: "row", title: name }, name));
    for (const predicted of classes) {
      const n = count.get(label, predicted);
      const cell = element("td", { class: label === predicted ? "right" : "wrong" });
      cell.style.setProperty("--share", `${(45 * Math.sqrt(n / (total.get(label, "") || 1))).toFixed(1)}%`);
      const nHeld = held.get(label, predicted);
      if (nHeld) cell.append(cellButton(run, gallery, { label, predicted, n, nHeld }));
      else cell.append(n ? n.toLocaleString("en") : element("span", { class: "none" }, "0"));
      row.append(cell);
    }
    body.append(row);
  }
  byId("matrix").append(element("thead", {}, headRow(run, classes)), body);
  const isChoice = classes.length < run.nClasses;
  byId("confusion-note").textContent =
    (isChoice ? `The ${classes.length} of ${run.nClasses} classes with the most mistakes. ` : "") +
    `${run.nTest.toLocaleString("en")} test images. ` +
    "Underlined: this page explains some of these images; press to list them.";
}

/** Numbers of images by (true class, predicted class). */
class Counts {
  #counts = new Map();

  constructor(cells) {
    for (const [label, predicted, n] of cells) {
      this.#counts.set(`${label} ${predicted}`, this.get(label, predicted) + n);
    }
  }

  get(label, predicted) {
    return this.#counts.get(`${label} ${predicted}`) ?? 0;
  }
}

/** The classes of the matrix in order: all, or of many those in the cells with the most mistakes. */
export function matrixClasses(cells, nClasses) {
  const classes = Array.from({ length: nClasses }, (_, number) => number);
  if (nClasses <= MOST_CLASSES) return classes;
  const mistakes = classes.map(() => 0);
  for (const [label, predicted, count] of cells) {
    if (label !== predicted) {
      mistakes[label] += count;
      mistakes[predicted] += count;
    }
  }
  const present = new Set(cells.flatMap(([label, predicted]) => [label, predicted]));
  const tested = classes.filter((number) => present.has(number));
  return tested.sort((a, b) => mistakes[b] - mistakes[a]).slice(0, MOST_CLASSES).sort((a, b) => a - b);
}

function headRow(run, classes) {
  const row = element("tr", {}, element("th", { scope: "col" }, "true ↓ predicted →"));
  for (const number of classes) {
    const name = run.classNames[number];
    row.append(element("th", { scope: "col", title: name }, element("span", {}, name)));
  }
  return row;
}

/** The button of a cell with `n` test images, `nHeld` of them on this page. */
function cellButton(run, gallery, { label, predicted, n, nHeld }) {
  const description =
    `true ${run.classNames[label]}, predicted ${run.classNames[predicted]}: ` +
    `${n} of the test split, ${nHeld} on this page`;
  const attributes = { type: "button", "aria-label": description, title: description };
  const button = element("button", attributes, n.toLocaleString("en"));
  button.addEventListener("click", () => {
    const isPressed = button.getAttribute("aria-pressed") === "true";
    gallery.filterBy(isPressed ? "" : String(label), isPressed ? "" : String(predicted));
    byId("browse").scrollIntoView();
  });
  gallery.onFilter((...chosen) => {
    const isPressed = chosen[0] === String(label) && chosen[1] === String(predicted);
    button.setAttribute("aria-pressed", String(isPressed));
  });
  return button;
}
