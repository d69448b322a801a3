// How well each class is predicted and explained: one row a class.

import { byId, element } from "./dom.js";
import { names, run } from "./run.js";

const shareText = (value) => value.toFixed(3);
const classColumns = [
  { head: "test images", text: (value) => value.toLocaleString("en") },
  { head: "precision", text: shareText, markLowest: true },
  { head: "recall", text: shareText, markLowest: true },
  { head: "F1", text: shareText, markLowest: true },
  { head: "top_class_agreement", text: shareText, markLowest: true },
  { head: `strength (${run.unit})`, text: (value) => value.toPrecision(3) },
];

export function showClassTable() {
  const head = element("tr", {}, element("th", { scope: "col" }, "class"));
  for (const column of classColumns) head.append(element("th", { scope: "col" }, column.head));
  const lowest = classColumns.map((column, place) => lowestText(column, place));
  const body = element("tbody");
  for (const [number, ...values] of run.classTable) {
    const row = element("tr", {}, element("th", { scope: "row" }, names[number]));
    values.forEach((value, place) => {
      const text = value === null ? "–" : classColumns[place].text(value);
      row.append(element("td", {}, text === lowest[place] ? element("strong", {}, text) : text));
    });
    body.append(row);
  }
  byId("class-table").append(element("thead", {}, head), body);
}

/** The lowest number of a column, as it is written; null where all are the same. */
function lowestText(column, place) {
  const values = run.classTable.map((row) => row[place + 1]).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return column.markLowest && low < high ? column.text(low) : null;
}
