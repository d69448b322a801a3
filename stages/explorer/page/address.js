// The address holds the selected image and map, so that a view can be shared and the browser's back
// button works.

import { byId } from "./dom.js";
import { grainOf } from "./maps.js";

const QUIET_MS = 200; // browsers refuse more than about twenty changes per second
const START = { class: "predicted", minus: "nothing", scale: "run" };

/** The address of a selection, `#image=4&class=7`, without the choices that the page starts with. */
export function addressOf({ run, image, for: shown, against, grain, ownScale }) {
  const start = { ...START, grain: String(run.grain) };
  const view = { class: shown, minus: against, grain: String(grain), scale: ownScale ? "image" : "run" };
  const changed = Object.entries(view).filter(([name, value]) => value !== start[name]);
  return `#${new URLSearchParams([["image", image.name], ...changed])}`;
}

/**
 * The view that an address asks for; choices that the page does not offer are replaced by its start.
 * @returns `image`, `for`, `against`, `grain` and `ownScale` as in a Selection, and `missing`: the name of the image
 *   asked for if the page does not hold it, else null.
 */
export function parseAddress(hash, run) {
  const wanted = new URLSearchParams(hash.slice(1));
  const found = run.images.find(({ name }) => name === wanted.get("image"));
  const offered = (name, choices) => (choices.includes(wanted.get(name)) ? wanted.get(name) : choices[0]);
  const classes = run.classes.map(String);
  return {
    image: found ?? run.images[0],
    for: offered("class", [START.class, ...classes]),
    against: offered("minus", [START.minus, "other", "true", ...classes]),
    grain: grainOf(offered("grain", [String(run.grain), ...Object.keys(run.limits)])),
    ownScale: offered("scale", [START.scale, "image"]) === "image",
    missing: found ? null : wanted.get("image"),
  };
}

/** Show the view of the address, now and when it changes; write it when the view has changed. */
export function linkAddress(selection, gallery) {
  let pending = 0;
  let known = null; // the address that was written or followed last

  function write() {
    byId("missing").textContent = "";
    if (location.hash !== addressOf(selection)) location.hash = addressOf(selection);
    known = location.hash;
  }

  function follow() {
    // The event of an address that was written comes late: something else may be selected by then.
    if ([known, addressOf(selection)].includes(location.hash)) return;
    known = location.hash;
    const { missing, ...view } = parseAddress(location.hash, selection.run);
    byId("missing").textContent =
      missing === null ? "" : `This page has no image named ${missing}; the first image is shown instead.`;
    gallery.reveal(view.image);
    selection.select(view);
    clearTimeout(pending); // keep the address as it is
  }

  if (location.hash) follow();
  addEventListener("hashchange", follow);
  selection.onSelect((changes) => {
    if ("pixel" in changes) return;
    clearTimeout(pending);
    pending = setTimeout(write, QUIET_MS);
  });
}
