// The panel "Try your own": a picture is drawn, chosen or taken from the page, and the network answers.

import { ask, prepare, showAnswers } from "./answer.js";
import { byId } from "./dom.js";
import { readPicture } from "./picture.js";
import { arrays, height, nChannels, pixelColor, run, width } from "./run.js";
import { selection } from "./selection.js";
import { drawOn } from "./sketch.js";
import { Drawing } from "./strokes.js";

const panel = byId("try");
const canvas = byId("sketch");
let drawing = null;
let isStale = false; // what is on show, until the next frame

export function showTryOwn() {
  byId("try-words").textContent = run.live.reason ?? run.live.words;
  if (run.live.reason) return;
  const [, tall, wide] = run.live.shape;
  drawing = new Drawing(wide, tall, run.live.paper);
  byId("take").hidden = byId("try-panel").hidden = false;
  panel.style.setProperty("--sides", `${wide} / ${tall}`);
  fillControls(Math.min(wide, tall));
  showAnswers();
  drawOn(canvas, drawing, color, changed);
  byId("centre").addEventListener("input", changed);
  byId("undo").addEventListener("click", undo);
  byId("wipe").addEventListener("click", wipe);
  byId("take").addEventListener("click", takeImage);
  byId("file").addEventListener("change", chooseFile);
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", dropFile);
  panel.addEventListener("keydown", onKey);
  refresh();
  prepareOnSight();
}

function fillControls(side) {
  byId("breadth").max = String(Math.max(3, Math.round(side / 4)));
  byId("breadth").value = String(Math.max(1, Math.round(side / 5.5) / 2)); // 2.5 of 28, as MNIST's pens
  byId("centre").parentElement.hidden = nChannels > 1;
  byId("ink").parentElement.hidden = nChannels === 1;
}

/** Let the worker get ready before it is needed, but not on a page whose reader never comes here. */
function prepareOnSight() {
  const observer = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    prepare();
    observer.disconnect();
  });
  observer.observe(panel);
}

/** The colour to draw with: that of nothing, the opposite, or the one chosen. */
function color() {
  if (byId("erase").checked) return run.live.paper;
  if (nChannels === 1) return [255 - run.live.paper[0]];
  return [1, 3, 5].map((at) => parseInt(byId("ink").value.slice(at, at + 2), 16));
}

function changed() {
  if (!isStale) requestAnimationFrame(refresh);
  isStale = true;
}

/** Show the picture and what the network sees of it, and ask about that. */
function refresh() {
  isStale = false;
  drawing.paint(canvas);
  byId("hint").hidden = !drawing.isBlank;
  byId("centre").disabled = !drawing.canMove;
  const moved = nChannels === 1 && byId("centre").checked && drawing.canMove && !drawing.isBlank;
  const colors = drawing.paint(byId("seen"), moved ? drawing.centred() : undefined);
  ask(drawing.isBlank ? null : colors);
}

function undo() {
  drawing.undo();
  changed();
}

function wipe() {
  drawing.clear();
  changed();
}

/** Put the explained image on show here; where the page holds it smaller, enlarged. */
function takeImage() {
  const colors = [];
  for (let row = 0; row < drawing.height; row++) {
    for (let column = 0; column < drawing.width; column++) {
      const y = Math.floor((row * height) / drawing.height);
      const x = Math.floor((column * width) / drawing.width);
      colors.push(...pixelColor(arrays.images, selection.image.place, y * width + x));
    }
  }
  drawing.put(colors);
  changed();
  panel.scrollIntoView({ block: "start" });
  canvas.focus({ preventScroll: true });
}

async function takeFile(file) {
  byId("try-error").textContent = "";
  try {
    drawing.put(await readPicture(file, nChannels, drawing.width, drawing.height));
    changed();
  } catch (error) {
    byId("try-error").textContent = `${file.name}: ${error.message}.`;
  }
}

async function chooseFile(event) {
  const [file] = event.target.files;
  if (file) await takeFile(file);
  event.target.value = ""; // so that the same file can be chosen again
}

function dropFile(event) {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) takeFile(file);
}

function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    undo();
    event.preventDefault();
  }
  event.stopPropagation(); // the page's keys stand for the explained image, which is elsewhere
}
