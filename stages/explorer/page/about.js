// The page's texts about the run: the headline, notes, and tables of its metrics and parameters.

import { byId, element } from "./dom.js";

export function showAbout(run) {
  const accuracy = (100 * run.accuracy).toFixed(1);
  const nTest = run.nTest.toLocaleString("en");
  const of = run.multiple ? " of all labels" : "";
  byId("headline").textContent = `${run.title} · accuracy ${accuracy} %${of} on ${nTest} test images`;
  for (const [id, words] of Object.entries(run.words)) byId(id).textContent = words;
  for (const [title, rows] of run.runTables) {
    const table = element("table", {}, element("caption", {}, title));
    for (const [key, value, meaning] of rows) {
      const words = key.split(/(?<=[._])/).flatMap((word) => [word, element("wbr")]);
      const head = element("th", { scope: "row" }, ...words);
      if (meaning) head.append(element("small", {}, meaning));
      table.append(element("tr", {}, head, element("td", {}, value)));
    }
    byId("run-tables").append(table);
  }
}
