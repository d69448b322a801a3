"use strict";
// Start: fixed texts, the run's facts, and keys that work wherever no control needs them.

function fillTexts() {
  byId("headline").textContent = `${run.title} · ${((100 * nRight) / nTest).toFixed(1)} % of ${nTest.toLocaleString("en")} test images right`;
  byId("held").textContent = run.words.held;
  byId("map-words").textContent = run.words.map;
  byId("exactness").textContent = run.words.exactness;
  byId("sum-head").textContent = `base value + sum (${run.unit})`;
  byId("sum-note").textContent =
    "Bars start at the class's base value, its mean over the background (tick), and reach as far as the " +
    "attributions sum up to; the largest sum is bold." +
    (nMaps < nClasses ? ` Maps here: ${nMaps} of ${nClasses} classes.` : "");
}

function fillSwitch() {
  const { parentElement: label, nextElementSibling: words } = byId("fade");
  words.textContent = `Fade what is within ${run.fade.errors} standard errors of 0`;
  label.hidden = !hasErrors;
  byId("fade").checked = run.fade.on;
}

function fillBar() {
  const bar = byId("bar");
  const steps = arrays.colors.length / 3;
  bar.width = steps;
  const context = bar.getContext("2d");
  const pixels = context.createImageData(steps, 1);
  for (let step = 0; step < steps; step++) {
    pixels.data.set([...arrays.colors.subarray(3 * step, 3 * step + 3), 255], 4 * step);
  }
  context.putImageData(pixels, 0, 0);
  const limit = Number(run.limit.toPrecision(3));
  const words = [`−${limit} ${run.cool} lowers`, "0", `${run.warm} raises +${limit}`];
  byId("ends").childNodes.forEach((end, place) => (end.textContent = words[place]));
  bar.setAttribute("aria-label", `Colours from ${words[0]} to ${words[2]}, ${run.unit} per pixel`);
  // the two strong colours also fill the bars of the table
  for (const [name, value] of [["--warm", 0.7], ["--cool", -0.7]]) {
    document.documentElement.style.setProperty(name, `rgb(${mapColor(value * run.limit).join(" ")})`);
  }
}

function fillFacts() {
  for (const [title, rows] of run.facts) {
    const table = element("table", {}, element("caption", {}, title));
    for (const [key, value] of rows) {
      const parts = key.split(/(?<=[._])/).flatMap((part) => [part, element("wbr")]);
      table.append(element("tr", {}, element("th", { scope: "row" }, ...parts), element("td", {}, value)));
    }
    byId("facts").append(table);
  }
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  if (event.target.matches("input, select")) return;
  if (/^[0-9]$/.test(event.key)) {
    const chosen = state.image.shown[Number(event.key)];
    if (chosen !== undefined) setMap("for", String(chosen));
  } else if (event.target === canvas && step) {
    movePixel(...step);
    event.preventDefault();
  } else if (event.target === canvas && event.key === "Escape") {
    leavePixel();
  } else if (step && (step[1] || gallery.contains(event.target))) {
    move(step[0] * cardsPerRow() + step[1]);
    event.preventDefault();
  }
}

fillTexts();
fillSwitch();
fillBar();
fillFacts();
fillMatrix();
fillClassTable();
list();
document.addEventListener("keydown", onKey);
byId("previous").addEventListener("click", () => move(-1));
byId("next").addEventListener("click", () => move(1));
