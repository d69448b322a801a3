"use strict";
// One image large: its map for a class or a contrast of two, and the numbers of every class.

// `for` and `against` are what was last chosen: a class number or "predicted", "true", "nothing". An
// image that has no map of it shows another; the next one that has shows it again.
const state = { image: images[0], for: "predicted", against: "nothing", pixel: null };
const canvas = byId("map");
const cursor = byId("cursor");
const rows = []; // of the table of classes, for the image shown

// The axis of base value + summed attribution is one for the whole run.
const ends = images.flatMap((image) =>
  image.shown.flatMap((number) => [arrays.baseValues[number], arrays.baseValues[number] + sum(image, number)]),
);
const lowest = ends.reduce((a, b) => Math.min(a, b));
const span = ends.reduce((a, b) => Math.max(a, b)) - lowest || 1;

function onAxis(value) {
  return (100 * (value - lowest)) / span;
}

/** The class that a choice stands for on the image shown; null if it has no map of it. */
function resolve(choice) {
  const { image } = state;
  const number = { predicted: image.predicted, true: image.label }[choice] ?? Number(choice);
  return image.shown.includes(number) ? number : null;
}

/** The choices as the image shown can follow them. */
function followed() {
  const fallback = resolve("predicted") === null ? String(state.image.shown[0]) : "predicted";
  return {
    for: resolve(state.for) === null ? fallback : state.for,
    against: resolve(state.against) === null ? "nothing" : state.against,
  };
}

function fillSelects() {
  const choices = state.image.shown.map((number) => [number, names[number]]);
  const special = {
    for: [["predicted", "the predicted class"]],
    against: [["nothing", "nothing"], ["true", "the true class"]],
  };
  for (const id of ["for", "against"]) {
    const able = special[id].filter(([choice]) => choice === "nothing" || resolve(choice) !== null);
    byId(id).replaceChildren(
      ...[...able, ...choices].map(([value, text]) => element("option", { value }, text)),
    );
    byId(id).value = followed()[id];
  }
}

/** Values (h * w) of the map or contrast on show, their standard errors, and what to call it. */
function current() {
  const plus = resolve(followed().for);
  const minus = resolve(followed().against);
  const shown = { values: mapOf(state.image, plus), errors: errorsOf(state.image, plus), called: names[plus] };
  if (minus === null) return { ...shown, atMost: "" };
  const other = { values: mapOf(state.image, minus), errors: errorsOf(state.image, minus) };
  return {
    values: shown.values.map((value, i) => value - other.values[i]),
    errors: shown.errors?.map((error, i) => error + other.errors[i]) ?? null,
    called: `${names[plus]} − ${names[minus]}`,
    atMost: "at most ",
  };
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
  const mostFor = largest(image.shown, (number) => sum(image, number));
  rows.length = 0;
  image.shown.forEach((number, slot) => {
    const base = arrays.baseValues[number];
    const total = sum(image, number);
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
    rows.push({ number, row, button, value, map: mapOf(image, number), errors: errorsOf(image, number) });
  });
  byId("classes").tBodies[0].replaceChildren(...rows.map(({ row }) => row));
}

function setMap(id, value) {
  state[id] = value;
  byId(id).value = followed()[id];
  show();
}

/** Draw the map on show and mark its class. */
function show() {
  const { values, errors, called } = current();
  const faded = (pixel) =>
    errors !== null && byId("fade").checked && Math.abs(values[pixel]) <= run.fade.errors * errors[pixel];
  const colorOf = (pixel) => (faded(pixel) ? paleColor : mapColor)(values[pixel]);
  paint(canvas, state.image, colorOf, byId("opacity").value / 100);
  canvas.setAttribute(
    "aria-label",
    `Attribution map of test image ${state.image.index}: ${called}. Arrow keys move over pixels.`,
  );
  for (const { number, button } of rows) {
    button.setAttribute("aria-pressed", String(number === resolve(followed().for)));
  }
  showPixel();
}

/** Show the values of the pixel pointed at, for every class. */
function showPixel() {
  const { pixel, image } = state;
  cursor.hidden = pixel === null;
  for (const { value, map, errors } of rows) {
    value.textContent = pixel === null ? "" : signed(map[pixel], pixelDigits);
    if (pixel !== null && errors) value.append(" ", element("small", {}, plusMinus(errors[pixel])));
  }
  const { values, errors, called, atMost } = current();
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
    `Row ${y + 1}, column ${x + 1} (${brightness}): ${called} ${signed(values[pixel], pixelDigits)}` +
    (errors ? ` ${atMost}${plusMinus(errors[pixel])}` : "");
}

function plusMinus(error) {
  return `±\u00a0${error.toFixed(pixelDigits)}`; // on one line
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
for (const id of ["opacity", "fade"]) byId(id).addEventListener("input", show);
for (const id of ["for", "against"]) {
  byId(id).addEventListener("input", (event) => setMap(id, event.target.value));
}
