// The gallery and its filters: which images are listed, and in which order.

import { paint } from "./colors.js";
import { byId, element } from "./dom.js";
import { clamp } from "./numbers.js";

const MOST_CLASSES = 20; // of more, the filters offer those on this page, and the search finds names

const ORDERS = {
  index: (a, b) => a.index - b.index,
  sure: (a, b) => b.confidence - a.confidence,
  unsure: (a, b) => a.confidence - b.confidence,
  surprise: (a, b) => b.surprise - a.surprise,
};

/**
 * The images that match all filters, in order.
 * @param filters `label` and `predicted`: class numbers as text; `outcome`: "right" or "wrong"; `search`:
 *   part of the title, or of the class names `classNames`, if given, in any case; "" for any. `order`: "index", "sure", "unsure" or "surprise".
 */
export function listed(images, { label, predicted, outcome, search, order }, classNames = null) {
  const wanted = search.trim().toLowerCase();
  const names = ({ title, labels, predictions }) =>
    classNames ? [title, ...[...labels, ...predictions].map((number) => classNames[number])] : [title];
  return images
    .filter(
      (image) =>
        (label === "" || image.labels.includes(Number(label))) &&
        (predicted === "" || image.predictions.includes(Number(predicted))) &&
        (outcome === "" || image.right === (outcome === "right")) &&
        names(image).some((name) => name.toLowerCase().includes(wanted)),
    )
    .sort(ORDERS[order]);
}

export class Gallery {
  #run;
  #selection;
  #list = byId("gallery");
  #controls = {
    label: byId("true"),
    predicted: byId("predicted"),
    outcome: byId("outcome"),
    order: byId("order"),
    search: byId("search"),
  };
  #cards;
  #listed = [];
  #only = null; // indices of the images that may be listed; null for all
  #listeners = [];

  constructor(run, selection) {
    this.#run = run;
    this.#selection = selection;
    this.#cards = run.images.map((image) => this.#card(image));
  }

  /** Fill the filters and list all images. */
  start() {
    const { label, predicted } = this.#controls;
    for (const control of [label, predicted]) {
      control.append(element("option", { value: "" }, "any"));
      for (const number of this.#offered) {
        control.append(element("option", { value: number }, this.#run.classNames[number]));
      }
    }
    if (this.#hasManyClasses) byId("search-label").firstElementChild.textContent = "Name of the image or of a class";
    for (const control of Object.values(this.#controls)) control.addEventListener("input", () => this.#refresh());
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("clear").addEventListener("click", () => this.filterBy("", ""));
    this.#selection.onSelect(({ image }) => image && this.#markCard());
    this.#refresh();
  }

  get #hasManyClasses() {
    return this.#run.nClasses > MOST_CLASSES;
  }

  /** Classes of the filters: all, or of many those of the images on this page. */
  get #offered() {
    if (!this.#hasManyClasses) return this.#run.classes;
    const present = new Set(this.#run.images.flatMap(({ labels, predictions }) => [...labels, ...predictions]));
    return this.#run.classes.filter((number) => present.has(number));
  }

  /** Call `listener(label, predicted)` after each change of the two class filters, "" for any. */
  onFilter(listener) {
    this.#listeners.push(listener);
  }

  /** List the images of these classes, numbers as text or "" for any, and select the first of them. */
  filterBy(label, predicted) {
    this.#setFilters(label, predicted);
    this.#refresh();
  }

  /** List only the images with these indices on the page, until another filter by class. */
  showOnly(indices) {
    this.#setFilters("", "");
    this.#only = new Set(indices);
    this.#refresh();
  }

  /** List all images if this one is not listed. */
  reveal(image) {
    if (this.#listed.includes(image)) return;
    this.#setFilters("", "");
    this.#fill();
  }

  /** Select the image this many columns to the right and rows down; focus follows within the gallery. */
  move([right, down]) {
    if (!this.#listed.length) return;
    const hadFocus = this.contains(document.activeElement);
    const index = this.#listed.indexOf(this.#selection.image) + right + down * this.#nColumns();
    this.#selection.select({ image: this.#listed[clamp(index, 0, this.#listed.length - 1)] });
    if (hadFocus) this.#cards[this.#selection.image.index].focus();
  }

  contains(target) {
    return this.#list.contains(target);
  }

  #nColumns() {
    return getComputedStyle(this.#list).gridTemplateColumns.split(" ").length;
  }

  #card(image) {
    const name = this.#run.listed(image.predictions);
    const outcome = image.right ? "right" : "wrong";
    const probability = this.#run.multiple ? "" : ` with probability ${image.confidence.toFixed(3)}`;
    const label = `${image.title}, ${this.#run.listed(image.labels)}, predicted ${name}${probability}, ${outcome}`;
    const picture = this.#picture(image);
    picture.setAttribute("aria-hidden", "true");
    const attributes = { role: "option", "aria-label": label, title: label, class: outcome, tabindex: "-1" };
    const card = element("li", attributes, picture, element("span", {}, `${image.right ? "✓" : "✗"} ${name}`));
    card.addEventListener("click", () => this.#selection.select({ image }));
    return card;
  }

  #picture(image) {
    const { photographs } = this.#run;
    if (photographs) return photographs.element(image.index);
    const canvas = element("canvas");
    paint(canvas, this.#run, (pixel) => this.#run.imageColor(image, pixel));
    return canvas;
  }

  #setFilters(label, predicted) {
    this.#only = null;
    this.#controls.label.value = label;
    this.#controls.predicted.value = predicted;
    this.#controls.outcome.value = "";
    this.#controls.search.value = "";
  }

  /** List the images that match, and select the first of them. */
  #refresh() {
    this.#fill();
    if (this.#listed.length) this.#selection.select({ image: this.#listed[0] });
  }

  #fill() {
    const filters = Object.fromEntries(Object.entries(this.#controls).map(([name, { value }]) => [name, value]));
    const candidates = this.#run.images.filter(({ index }) => !this.#only || this.#only.has(index));
    this.#listed = listed(candidates, filters, this.#hasManyClasses ? this.#run.classNames : null);
    this.#list.replaceChildren(...this.#listed.map(({ index }) => this.#cards[index]));
    const [n, nAll] = [this.#listed.length, this.#run.nImages];
    byId("count").textContent = n === nAll ? `${nAll} images` : `${n || "None"} of ${nAll} images`;
    for (const listener of this.#listeners) listener(filters.label, filters.predicted);
  }

  /** Mark the card of the selected image, the gallery's only stop of the Tab key, and scroll to it. */
  #markCard() {
    for (const image of this.#run.images) {
      const isSelected = image === this.#selection.image;
      this.#cards[image.index].setAttribute("aria-selected", String(isSelected));
      this.#cards[image.index].tabIndex = isSelected ? 0 : -1;
    }
    const gallery = this.#list.getBoundingClientRect();
    const card = this.#cards[this.#selection.image.index].getBoundingClientRect();
    if (card.top < gallery.top) this.#list.scrollTop += card.top - gallery.top;
    if (card.bottom > gallery.bottom) this.#list.scrollTop += card.bottom - gallery.bottom;
  }
}
