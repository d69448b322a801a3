// The address follows the image and its map, so that a view can be sent, and back and forward work.

import { byId } from "./dom.js";
import { reveal } from "./gallery.js";
import { images, names, run } from "./run.js";
import { onSelect, select, selection } from "./selection.js";

const QUIET_MS = 200; // browsers refuse addresses that change more often than some twenty times a second
const defaults = { class: "predicted", minus: "nothing", grain: String(run.grain) };
let pending = 0;

/** Follow the address, now and when it changes; write it when the view has changed. */
export function showAddress() {
  if (location.hash) follow();
  addEventListener("hashchange", follow);
  onSelect((changes) => {
    if ("pixel" in changes) return;
    clearTimeout(pending);
    pending = setTimeout(write, QUIET_MS);
  });
}

/** The view as an address: `#image=4&class=7`, without what is as at the start. */
function address() {
  const { image, for: shown, against, grain } = selection;
  const view = { class: shown, minus: against, grain: String(grain) };
  const changed = Object.entries(view).filter(([name, value]) => value !== defaults[name]);
  return `#${new URLSearchParams([["image", image.name], ...changed])}`;
}

/** A value if it is a choice, else the first choice. */
function known(value, choices) {
  return choices.includes(value) ? value : choices[0];
}

function write() {
  byId("missing").textContent = "";
  if (location.hash !== address()) location.hash = address();
}

/** Show what the address asks for, as far as the page has it. */
function follow() {
  if (location.hash === address()) return;
  const wanted = new URLSearchParams(location.hash.slice(1));
  const found = images.find(({ name }) => name === wanted.get("image"));
  byId("missing").textContent =
    found || !wanted.has("image") ? "" : `This page has no image named ${wanted.get("image")}; this is the first.`;
  const classes = Object.keys(names);
  const view = {
    for: known(wanted.get("class"), ["predicted", ...classes]),
    against: known(wanted.get("minus"), ["nothing", "other", "true", ...classes]),
    grain: Number(known(wanted.get("grain"), [String(run.grain), ...Object.keys(run.limits)])),
  };
  const image = found ?? images[0];
  reveal(image);
  select({ image, ...view });
  clearTimeout(pending); // the address stays as it was sent
}
