"use strict";
// The confusion matrix of the whole test split: a cell lists its explained images.

const MOST_CLASSES = 20; // more do not fit beside each other
const matrixCells = [];

const confusionCounts = new Map(run.cells.map(([label, predicted, count]) => [label * nClasses + predicted, count]));
const heldCounts = new Map();
for (const { label, predicted } of images) {
  const key = label * nClasses + predicted;
  heldCounts.set(key, (heldCounts.get(key) ?? 0) + 1);
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

function fillMatrix() {
  const classes = matrixClasses();
  const head = element("tr", {}, element("th", { scope: "col" }, "true ↓ predicted →"));
  for (const number of classes) {
    head.append(element("th", { scope: "col", title: names[number] }, element("span", {}, names[number])));
  }
  const body = element("tbody");
  const total = new Map();
  for (const [label, , count] of run.cells) total.set(label, (total.get(label) ?? 0) + count);
  for (const label of classes) {
    const row = element("tr", {}, element("th", { scope: "row", title: names[label] }, names[label]));
    for (const predicted of classes) row.append(matrixCell(label, predicted, total.get(label) ?? 1));
    body.append(row);
  }
  byId("matrix").append(element("thead", {}, head), body);
  const part = classes.length < nClasses ? `The ${classes.length} of ${nClasses} classes with most mistakes. ` : "";
  byId("confusion-note").textContent =
    `${part}${nTest.toLocaleString("en")} test images. Underlined: some of them are explained here; press to list them.`;
}

function matrixCell(label, predicted, total) {
  const key = label * nClasses + predicted;
  const count = confusionCounts.get(key) ?? 0;
  const held = heldCounts.get(key) ?? 0;
  const cell = element("td", { class: label === predicted ? "right" : "wrong" });
  cell.style.setProperty("--share", `${(45 * Math.sqrt(count / total)).toFixed(1)}%`);
  if (!held) {
    cell.append(count ? String(count) : element("span", { class: "none" }, "0"));
    return cell;
  }
  const description = `true ${names[label]}, predicted ${names[predicted]}: ${count} test images, ${held} on this page`;
  const button = element("button", { type: "button", "aria-label": description, title: description }, String(count));
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") === "true";
    filterBy(pressed ? "" : String(label), pressed ? "" : String(predicted));
  });
  matrixCells.push({ label: String(label), predicted: String(predicted), button });
  cell.append(button);
  return cell;
}

/** Mark the cell that the filters stand for. */
function markMatrix() {
  for (const { label, predicted, button } of matrixCells) {
    const pressed = filters.true.value === label && filters.predicted.value === predicted;
    button.setAttribute("aria-pressed", String(pressed));
  }
}
