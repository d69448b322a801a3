"use strict";
// One image large: its map for a class or a contrast of two, and the numbers of every class.

// `for` and `against` are a class number or "predicted", "true", "nothing", as in their selects.
const state = { image: images[0], for: "predicted", against: "nothing", pixel: null };
const canvas = byId("map");
const cursor = byId("cursor");
const rows = []; // of the table of classes, for the image shown

// The axis of base value + summed attribution is one for the whole run.
const ends = [...arrays.baseValues];
for (const image of images) {
  for (let number = 0; number < nClasses; number++) {
    ends.push(arrays.baseValues[number] + sum(image.place, number));
  }
}
const lowest = ends.reduce((a, b) => Math.min(a, b));
const span = ends.reduce((a, b) => Math.max(a, b)) - lowest || 1;

function onAxis(value) {
  return (100 * (value - lowest)) / span;
}

/** The class that a select's value stands for on the image shown; null for none. */
function resolve(value) {
  const { image } = state;
  if (value === "nothing") return null;
  if (value === "true") return image.label;
  const number = value === "predicted" ? image.predicted : Number(value);
  return image.shown.includes(number) ? number : image.predicted;
}

function fillSelects() {
  const choices = state.image.shown.map((number) => [number, names[number]]);
  const special = {
    for: [["predicted", "the predicted class"]],
    against: [["nothing", "nothing"], ["true", "the true class"]],
  };
  for (const id of ["for", "against"]) {
    const options = [...special[id], ...choices];
    byId(id).replaceChildren(
      ...options.map(([value, text]) => element("option", { value }, text)),
    );
    if (!options.some(([value]) => String(value) === state[id])) state[id] = String(special[id][0][0]);
    byId(id).value = state[id];
  }
}

/** Values (h * w) of the map or contrast on show, and what to call it. */
function current() {
  const plus = resolve(state.for);
  const minus = resolve(state.against);
  const values = mapOf(state.image, plus);
  if (minus === null) return { values, called: names[plus] };
  const other = mapOf(state.image, minus);
  return { values: values.map((value, i) => value - other[i]), called: `${names[plus]} − ${names[minus]}` };
}

function choose(image) {
  state.image = image;
  fillSelects();
  const { label, predicted } = image;
  byId("name").textContent = `Test image ${image.index}`;
  byId("verdict").replaceChildren(
    element("span", {}, `true class ${names[label]}`),
    element(
      "strong",
      { class: image.right ? "right" : "wrong" },
      `${image.right ? "✓" : "✗"} predicted ${names[predicted]}, ${image.confidence.toFixed(3)}`,
    ),
    element("span", {}, `surprise −log p(true) = ${image.surprise.toFixed(2)}`),
  );
  paint(byId("original"), image, null, 0);
  fillClasses();
  show();
  markCard();
}

function fillClasses() {
  const { image } = state;
  const mostFor = largest((number) => sum(image.place, number));
  rows.length = 0;
  image.shown.forEach((number, slot) => {
    const base = arrays.baseValues[number];
    const total = sum(image.place, number);
    const output = base + total;
    const button = element("button", { type: "button" }, element("bdi", {}, names[number]));
    if (slot < 10) button.append(" ", element("kbd", {}, String(slot)));
    button.addEventListener("click", () => setMap("for", String(number)));
    const p = probability(image.place, number);
    const chance = element("span", { class: "track" }, element("span", { class: "chance" }));
    chance.firstChild.style.width = `${100 * p}%`;
    const change = element("span", { class: total < 0 ? "cool" : "warm" });
    change.style.left = `${onAxis(Math.min(base, output))}%`;
    change.style.width = `${(100 * Math.abs(total)) / span}%`;
    const tick = element("span", { class: "tick" });
    tick.style.left = `${onAxis(base)}%`;
    const value = element("td", { class: "value" }, "");
    const words =
      `${base.toFixed(sumDigits)} ${total < 0 ? "-" : "+"} ${Math.abs(total).toFixed(sumDigits)}` +
      ` = ${output.toFixed(sumDigits)}`;
    const sumText = number === mostFor ? element("strong", {}, minus(words)) : minus(words);
    const roles = [];
    if (number === image.predicted) roles.push("predicted");
    if (number === image.label) roles.push("true");
    const row = element(
      "tr",
      { class: roles.join(" ") },
      element("th", { scope: "row" }, button, element("small", {}, roles.join(", "))),
      element("td", {}, p.toFixed(3), chance),
      element("td", {}, sumText, element("span", { class: "track" }, change, tick)),
      value,
    );
    rows.push({ number, row, button, value, map: mapOf(image, number) });
  });
  byId("classes").tBodies[0].replaceChildren(...rows.map(({ row }) => row));
}

function setMap(id, value) {
  state[id] = value;
  byId(id).value = value;
  show();
}

/** Draw the map on show and mark its class. */
function show() {
  const { values, called } = current();
  paint(canvas, state.image, values, byId("opacity").value / 100);
  canvas.setAttribute(
    "aria-label",
    `Attribution map of test image ${state.image.index}: ${called}. Arrow keys move over pixels.`,
  );
  for (const { number, button } of rows) {
    button.setAttribute("aria-pressed", String(number === resolve(state.for)));
  }
  showPixel();
}

/** Show the values of the pixel pointed at, for every class. */
function showPixel() {
  const { pixel, image } = state;
  cursor.hidden = pixel === null;
  for (const { value, map } of rows) {
    value.textContent = pixel === null ? "" : signed(map[pixel], pixelDigits);
  }
  const { values, called } = current();
  if (pixel === null) {
    byId("pixel").textContent = `Map of ${called}. Point at a pixel to read its values.`;
    return;
  }
  const [y, x] = [Math.floor(pixel / width), pixel % width];
  cursor.style.left = `${(100 * x) / width}%`;
  cursor.style.top = `${(100 * y) / height}%`;
  cursor.style.width = `${100 / width}%`;
  cursor.style.height = `${100 / height}%`;
  const color = pixelColor(image, pixel);
  const brightness = nChannels === 1 ? `brightness ${color[0]}` : `red, green, blue ${color.join(", ")}`;
  byId("pixel").textContent =
    `Row ${y + 1}, column ${x + 1} (${brightness}): ${called} ${signed(values[pixel], pixelDigits)}`;
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  const inside = (share, length) => Math.max(0, Math.min(length - 1, Math.floor(share * length)));
  const x = inside((event.clientX - box.left) / box.width, width);
  const y = inside((event.clientY - box.top) / box.height, height);
  state.pixel = y * width + x;
  showPixel();
}

function movePixel(down, right) {
  const middle = Math.floor(height / 2) * width + Math.floor(width / 2);
  const pixel = state.pixel ?? middle - down * width - right;
  const y = Math.max(0, Math.min(height - 1, Math.floor(pixel / width) + down));
  const x = Math.max(0, Math.min(width - 1, (pixel % width) + right));
  state.pixel = y * width + x;
  showPixel();
}

function leavePixel() {
  state.pixel = null;
  showPixel();
}

canvas.addEventListener("pointermove", pointAt);
canvas.addEventListener("pointerdown", pointAt);
canvas.addEventListener("pointerleave", leavePixel);
canvas.addEventListener("blur", leavePixel);
byId("opacity").addEventListener("input", show);
for (const id of ["for", "against"]) {
  byId(id).addEventListener("input", (event) => setMap(id, event.target.value));
}
