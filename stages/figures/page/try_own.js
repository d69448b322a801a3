// The panel "Try your own": a picture is drawn, chosen or taken, and a worker answers.

import { Drawing } from "./strokes.js";
import { readPicture } from "./picture.js";
import { arrays, byId, element, minus, names, nChannels, pixelColor, run, sumDigits, width, height } from "./run.js";
import { state } from "./detail.js";
import { Answer } from "./try_answer.js";

const panel = byId("try");
const pad = byId("sketch");
const live = run.live;

/** Everything that needs a network; not called where the page has none. */
function startPanel() {
  const [, sketchHeight, sketchWidth] = live.shape;
  const drawing = new Drawing(sketchWidth, sketchHeight, live.paper);
  const answer = new Answer();
  const middle = [Math.floor(sketchWidth / 2), Math.floor(sketchHeight / 2)];
  let pointer = null; // that draws
  let pen = { at: middle, down: false }; // of the keyboard

  function color() {
    if (byId("erase").checked) return live.paper;
    if (nChannels === 1) return [255 - live.paper[0]];
    return [1, 3, 5].map((at) => parseInt(byId("ink").value.slice(at, at + 2), 16));
  }

  let drawn = false;
  /** Show the picture as it is now and ask about it, once before the next frame is drawn. */
  function changed() {
    if (!drawn) requestAnimationFrame(refresh);
    drawn = true;
  }

  function refresh() {
    drawn = false;
    drawing.paint(pad);
    byId("hint").hidden = !drawing.isBlank;
    byId("centre").disabled = Boolean(drawing.state.under);
    const moved = nChannels === 1 && byId("centre").checked && drawing.isDrawn;
    const colors = drawing.paint(byId("seen"), moved ? drawing.centred() : undefined);
    answer.ask(drawing.isBlank ? null : colors);
  }

  function begin(point) {
    drawing.start(color(), Number(byId("breadth").value), point);
    changed();
  }

  function pointOf(event) {
    const box = pad.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * sketchWidth,
      ((event.clientY - box.top) / box.height) * sketchHeight,
    ];
  }

  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pointer !== null) return;
    pointer = event.pointerId;
    pad.setPointerCapture(pointer);
    liftPen();
    begin(pointOf(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents();
    for (const one of passed.length ? passed : [event]) drawing.goOn(pointOf(one));
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pad.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }

  function liftPen() {
    pen.down = false;
    byId("pen").hidden = true;
  }

  function showPen() {
    const mark = byId("pen");
    mark.hidden = false;
    mark.className = pen.down ? "down" : "";
    mark.style.left = `${(100 * pen.at[0]) / sketchWidth}%`;
    mark.style.top = `${(100 * pen.at[1]) / sketchHeight}%`;
    mark.style.width = `${100 / sketchWidth}%`;
    mark.style.height = `${100 / sketchHeight}%`;
  }

  function penPoint() {
    return pen.at.map((place) => place + 0.5);
  }

  /** Arrow keys move the pen, space puts it down and lifts it. */
  function onPadKey(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const inside = (place, side) => Math.max(0, Math.min(side - 1, place));
      pen.at = [inside(pen.at[0] + step[0], sketchWidth), inside(pen.at[1] + step[1], sketchHeight)];
      if (pen.down) {
        drawing.goOn(penPoint());
        changed();
      }
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) begin(penPoint());
    } else if (event.key === "Escape") {
      pen.down = false;
    } else {
      return;
    }
    showPen();
    event.preventDefault();
  }

  function undo() {
    if (pointer !== null) return;
    pen.down = false;
    drawing.undo();
    changed();
  }

  function wipe() {
    pen.down = false;
    drawing.clear();
    changed();
  }

  panel.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      undo();
      event.preventDefault();
    } else if (event.target === pad && !event.altKey && !event.ctrlKey && !event.metaKey) {
      onPadKey(event);
    }
    event.stopPropagation(); // the page's own keys stand for the image above
  });
  pad.addEventListener("focus", () => pad.matches(":focus-visible") && showPen());
  pad.addEventListener("blur", liftPen);
  byId("undo").addEventListener("click", undo);
  byId("wipe").addEventListener("click", wipe);
  byId("centre").addEventListener("input", changed);

  async function take(file) {
    byId("try-error").textContent = "";
    if (!file) return;
    try {
      drawing.put(await readPicture(file, nChannels, sketchWidth, sketchHeight));
      changed();
    } catch {
      byId("try-error").textContent = `${file.name} is not an image that this browser can read; choose a PNG or JPEG.`;
    }
  }

  byId("file").addEventListener("change", (event) => take(event.target.files[0]).then(() => (event.target.value = "")));
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });

  byId("take").addEventListener("click", () => {
    const colors = [];
    for (let row = 0; row < sketchHeight; row++) {
      for (let column = 0; column < sketchWidth; column++) {
        const [y, x] = [Math.floor((row * height) / sketchHeight), Math.floor((column * width) / sketchWidth)];
        colors.push(...pixelColor(state.image, y * width + x));
      }
    }
    drawing.put(Uint8Array.from(colors));
    changed();
    panel.scrollIntoView({ block: "start" });
    pad.focus({ preventScroll: true });
  });

  byId("breadth").max = String(Math.max(3, Math.round(Math.min(sketchWidth, sketchHeight) / 4)));
  byId("breadth").value = String(Math.max(1, Math.round(Math.min(sketchWidth, sketchHeight) / 5.5) / 2));
  byId("centre").parentElement.hidden = nChannels > 1;
  byId("ink").parentElement.hidden = nChannels === 1;
  byId("take").hidden = byId("try-panel").hidden = false;
  panel.style.setProperty("--paper-sides", `${sketchWidth} / ${sketchHeight}`);
  byId("try-words").textContent = live.words;
  refresh();
  new IntersectionObserver(([entry], observer) => {
    if (!entry.isIntersecting) return;
    answer.start();
    observer.disconnect();
  }).observe(panel);
}

if (live.reason) byId("try-words").textContent = live.reason;
else startPanel();
