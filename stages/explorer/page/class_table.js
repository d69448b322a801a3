// How well each class is predicted and explained, one row per class.

import { byId, element } from "./dom.js";

const shareText = (value) => value.toFixed(3);

export function showClassTable(run) {
  const share = (head) => ({ head, text: shareText, markLowest: true });
  const columns = [
    { head: "test images", text: (value) => value.toLocaleString("en") },
    ...(run.multiple ? ["accuracy"] : []).map(share),
    ...["precision", "recall", "F1"].map(share),
    ...(run.multiple ? ["average precision", "AUROC"] : ["top-class agreement"]).map(share),
    { head: `strength (${run.unit})`, text: (value) => value.toPrecision(3) },
  ];
  const head = element("tr", {}, element("th", { scope: "col" }, "class"));
  for (const column of columns) head.append(element("th", { scope: "col" }, column.head));
  const valuesOf = (index) => run.classTable.map((row) => row[index + 1]);
  const lowest = columns.map((column, index) => column.markLowest && lowestText(valuesOf(index), column.text));
  const body = element("tbody");
  for (const [number, ...values] of run.classTable) {
    const row = element("tr", {}, element("th", { scope: "row" }, run.classNames[number]));
    values.forEach((value, index) => {
      const text = value === null ? "–" : columns[index].text(value);
      row.append(element("td", {}, text === lowest[index] ? element("strong", {}, text) : text));
    });
    body.append(row);
  }
  byId("class-table").append(element("thead", {}, head), body);
}

/** The lowest value as text; null if all values are equal. */
function lowestText(values, text) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return low < high ? text(low) : null;
}
