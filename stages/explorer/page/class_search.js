// Finding a class by name among too many to list: its probability for the selected image.

import { probabilityBar } from "./bars.js";
import { byId, element } from "./dom.js";

const FEW_CLASSES = 20;
const MOST_FOUND = 8;

/** Numbers of the classes whose name contains the text, in any case: the class of this name, then the most probable. */
export function foundClasses(classNames, text, probability) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const isWhole = (number) => Number(classNames[number].trim().toLowerCase() === wanted);
  return classNames
    .map((name, number) => (name.toLowerCase().includes(wanted) ? number : -1))
    .filter((number) => number >= 0)
    .sort((a, b) => isWhole(b) - isWhole(a) || probability(b) - probability(a));
}

/** Offer the search if there are many classes without a map. */
export function showClassSearch(run, selection) {
  if (run.nClasses <= FEW_CLASSES || run.nMaps === run.nClasses) return;
  const input = byId("class-search");
  byId("class-search-panel").hidden = false;
  const show = () => fill(run, selection.image, input.value);
  input.addEventListener("input", show);
  selection.onSelect(({ image }) => image && show());
}

function fill(run, image, text) {
  const found = foundClasses(run.classNames, text, (number) => run.probability(image, number));
  const rows = found.slice(0, MOST_FOUND).map((number) => {
    const probability = run.probability(image, number);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, element("bdi", {}, run.classNames[number])),
      element("td", {}, probability < 0.0005 ? probability.toExponential(1) : probability.toFixed(3)),
      element("td", {}, probabilityBar(probability)),
    );
  });
  byId("found-classes").tBodies[0].replaceChildren(...rows);
  const nMore = found.length - rows.length;
  const none = text.trim() && !found.length ? "No class has this in its name." : "";
  byId("class-search-note").textContent = nMore > 0 ? `${nMore.toLocaleString("en")} more; type more letters.` : none;
}
