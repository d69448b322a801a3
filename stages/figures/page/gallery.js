"use strict";
// The gallery and its filters: which images are listed, in which order.

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
let listed = [];

for (const id of ["true", "predicted"]) {
  filters[id].append(element("option", { value: "" }, "any"));
  names.forEach((name, number) => filters[id].append(element("option", { value: number }, name)));
}

const cards = images.map((image) => {
  const canvas = element("canvas", { "aria-hidden": "true" });
  paint(canvas, image, null, 0);
  const outcome = image.right ? "right" : "wrong";
  const label =
    `Test image ${image.index}, ${names[image.label]}, predicted ${names[image.predicted]} ` +
    `with probability ${image.confidence.toFixed(3)}, ${outcome}`;
  const caption = element("span", {}, `${image.right ? "✓" : "✗"} ${names[image.predicted]}`);
  const card = element(
    "li",
    { role: "option", "aria-label": label, title: label, class: outcome, tabindex: "-1" },
    canvas,
    caption,
  );
  card.addEventListener("click", () => choose(image));
  return card;
});

function matches(image) {
  const wanted = filters.search.value.trim();
  return (
    (filters.true.value === "" || image.label === Number(filters.true.value)) &&
    (filters.predicted.value === "" || image.predicted === Number(filters.predicted.value)) &&
    (filters.outcome.value === "" || image.right === (filters.outcome.value === "right")) &&
    String(image.index).startsWith(wanted)
  );
}

/** List the images that match, and show the first of them. */
function list() {
  listed = images.filter(matches).sort(orders[filters.order.value]);
  gallery.replaceChildren(...listed.map((image) => cards[image.place]));
  byId("count").textContent = listed.length
    ? `${listed.length} of ${nImages} images`
    : `None of ${nImages} images matches.`;
  if (listed.length) choose(listed[0]);
  markMatrix();
}

/** Mark the card of the image shown; the gallery is one stop of the tab key. */
function markCard() {
  for (const image of images) {
    const selected = image === state.image;
    cards[image.place].setAttribute("aria-selected", String(selected));
    cards[image.place].tabIndex = selected ? 0 : -1;
  }
  const card = cards[state.image.place];
  const box = gallery.getBoundingClientRect();
  const at = card.getBoundingClientRect();
  if (at.top < box.top) gallery.scrollTop += at.top - box.top;
  if (at.bottom > box.bottom) gallery.scrollTop += at.bottom - box.bottom;
}

/** Go some images on in the list; focus follows if it was in the gallery. */
function move(by) {
  if (!listed.length) return;
  const within = gallery.contains(document.activeElement);
  const place = listed.indexOf(state.image);
  choose(listed[Math.max(0, Math.min(listed.length - 1, place + by))]);
  if (within) cards[state.image.place].focus();
}

function cardsPerRow() {
  return getComputedStyle(gallery).gridTemplateColumns.split(" ").length;
}

function filterBy(label, predicted) {
  filters.true.value = label;
  filters.predicted.value = predicted;
  filters.outcome.value = "";
  filters.search.value = "";
  list();
}

for (const control of Object.values(filters)) control.addEventListener("input", list);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("clear").addEventListener("click", () => filterBy("", ""));
