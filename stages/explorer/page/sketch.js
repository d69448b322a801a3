// Drawing on the canvas of the panel "Try your own", with mouse, finger, pen or keys.

import { byId } from "./dom.js";

/**
 * Let strokes be drawn on a canvas.
 * @param drawing What they go to, a Drawing.
 * @param color Gives the colour to draw with.
 * @param changed Called after each change.
 */
export function drawOn(canvas, drawing, color, changed) {
  const begin = (point) => {
    const stroke = drawing.start(color(), Number(byId("breadth").value), point);
    changed();
    return stroke;
  };
  const goOn = (stroke, points) => {
    points.forEach((point) => drawing.goOn(stroke, point));
    changed();
  };
  followPointer(canvas, drawing, begin, goOn);
  followKeys(canvas, drawing, begin, goOn);
}

function followPointer(canvas, drawing, begin, goOn) {
  let pointer = null; // the one that draws
  let stroke = null; // that it draws
  const pointOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * drawing.width;
    return [x, ((event.clientY - box.top) / box.height) * drawing.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pointer !== null) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    stroke = begin(pointOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents();
    goOn(stroke, (passed.length ? passed : [event]).map(pointOf));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }
}

/** Arrow keys move a pen, the space bar puts it down and lifts it. */
function followKeys(canvas, drawing, begin, goOn) {
  const mark = byId("pen");
  let at = [Math.floor(drawing.width / 2), Math.floor(drawing.height / 2)];
  let stroke = null; // that the pen draws
  const middle = () => at.map((place) => place + 0.5);
  const isDown = () => stroke !== null && stroke === drawing.lastStroke;
  const show = () => {
    mark.hidden = false;
    mark.classList.toggle("down", isDown());
    mark.style.left = `${(100 * at[0]) / drawing.width}%`;
    mark.style.top = `${(100 * at[1]) / drawing.height}%`;
    mark.style.width = `${100 / drawing.width}%`;
    mark.style.height = `${100 / drawing.height}%`;
  };
  const lift = () => {
    stroke = null;
    mark.hidden = true;
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const [x, y] = [at[0] + step[0], at[1] + step[1]];
      at = [Math.max(0, Math.min(drawing.width - 1, x)), Math.max(0, Math.min(drawing.height - 1, y))];
      if (isDown()) goOn(stroke, [middle()]);
    } else if (event.key === " " && !isDown()) {
      stroke = begin(middle());
    } else if (event.key === " " || event.key === "Escape") {
      stroke = null;
    } else {
      return;
    }
    show();
    event.preventDefault();
  });
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && show());
  canvas.addEventListener("pointerdown", lift);
  canvas.addEventListener("blur", lift);
}
