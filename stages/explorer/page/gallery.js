// The gallery and its filters: which images are listed, in which order.

import { byId, element } from "./dom.js";
import { paintImage } from "./drawing.js";
import { arrays, images, nImages, names } from "./run.js";
import { onSelect, select, selection } from "./selection.js";

const gallery = byId("gallery");
const filters = Object.fromEntries(
  ["true", "predicted", "outcome", "order", "search"].map((id) => [id, byId(id)]),
);
const orders = {
  place: (a, b) => a.place - b.place,
  sure: (a, b) => b.confidence - a.confidence,
  unsure: (a, b) => a.confidence - b.confidence,
  surprise: (a, b) => b.surprise - a.surprise,
};
const cards = images.map(cardOf);
const listeners = [];
let listed = [];

/** Call `listener(label, predicted)` after each change of the two class filters, "" for any. */
export function onFilter(listener) {
  listeners.push(listener);
}

/** List the images of these classes, numbers as text or "" for any, and show the first of them. */
export function filterBy(label, predicted) {
  setFilters(label, predicted);
  list();
}

/** List all images if this one is not listed. */
export function reveal(image) {
  if (listed.includes(image)) return;
  setFilters("", "");
  refresh();
}

/** Go some images on in the list; focus follows if it was in the gallery. */
export function move(by) {
  if (!listed.length) return;
  const within = galleryHas(document.activeElement);
  const place = listed.indexOf(selection.image);
  select({ image: listed[Math.max(0, Math.min(listed.length - 1, place + by))] });
  if (within) cards[selection.image.place].focus();
}

export function galleryHas(target) {
  return gallery.contains(target);
}

export function cardsPerRow() {
  return getComputedStyle(gallery).gridTemplateColumns.split(" ").length;
}

function cardOf(image) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  paintImage(canvas, arrays.images, image.place);
  const outcome = image.right ? "right" : "wrong";
  const label =
    `${image.title}, ${names[image.label]}, predicted ${names[image.predicted]} ` +
    `with probability ${image.confidence.toFixed(3)}, ${outcome}`;
  const caption = element("span", {}, `${image.right ? "✓" : "✗"} ${names[image.predicted]}`);
  const attributes = { role: "option", "aria-label": label, title: label, class: outcome, tabindex: "-1" };
  const card = element("li", attributes, canvas, caption);
  card.addEventListener("click", () => select({ image }));
  return card;
}

function matches(image) {
  const wanted = filters.search.value.trim().toLowerCase();
  return (
    (filters.true.value === "" || image.label === Number(filters.true.value)) &&
    (filters.predicted.value === "" || image.predicted === Number(filters.predicted.value)) &&
    (filters.outcome.value === "" || image.right === (filters.outcome.value === "right")) &&
    image.title.toLowerCase().includes(wanted)
  );
}

function setFilters(label, predicted) {
  filters.true.value = label;
  filters.predicted.value = predicted;
  filters.outcome.value = "";
  filters.search.value = "";
}

/** List the images that match, and show the first of them. */
function list() {
  refresh();
  if (listed.length) select({ image: listed[0] });
}

function refresh() {
  listed = images.filter(matches).sort(orders[filters.order.value]);
  gallery.replaceChildren(...listed.map((image) => cards[image.place]));
  byId("count").textContent =
    listed.length === nImages ? `${nImages} images` : `${listed.length || "None"} of ${nImages} images`;
  for (const listener of listeners) listener(filters.true.value, filters.predicted.value);
}

/** Mark the card of the image shown; the gallery is one stop of the tab key. */
function markCard() {
  for (const image of images) {
    const selected = image === selection.image;
    cards[image.place].setAttribute("aria-selected", String(selected));
    cards[image.place].tabIndex = selected ? 0 : -1;
  }
  const card = cards[selection.image.place];
  const box = gallery.getBoundingClientRect();
  const at = card.getBoundingClientRect();
  if (at.top < box.top) gallery.scrollTop += at.top - box.top;
  if (at.bottom > box.bottom) gallery.scrollTop += at.bottom - box.bottom;
}

/** Fill the filters and the gallery. */
export function showGallery() {
  for (const id of ["true", "predicted"]) {
    filters[id].append(element("option", { value: "" }, "any"));
    names.forEach((name, number) => filters[id].append(element("option", { value: number }, name)));
  }
  for (const control of Object.values(filters)) control.addEventListener("input", list);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => filterBy("", ""));
  onSelect(({ image }) => image && markCard());
  list();
}
