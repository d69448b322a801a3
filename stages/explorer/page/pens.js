// Drawing on the canvas of the panel "Try your own" with mouse, finger, pen or keys.

import { byId, fitToPixels } from "./dom.js";
import { arrowStep, hasModifier, moved } from "./keys.js";

/**
 * Let strokes be drawn on a canvas.
 * @param drawing The Drawing that receives them.
 * @param pen Returns the colour and the breadth to draw with.
 * @param onChange Called after each change.
 */
export function drawOn(canvas, drawing, pen, onChange) {
  const begin = (point) => {
    const { color, breadth } = pen();
    const stroke = drawing.start(color, breadth, point);
    onChange();
    return stroke;
  };
  const extend = (stroke, points) => {
    points.forEach((point) => drawing.extend(stroke, point));
    onChange();
  };
  followPointer(canvas, drawing, begin, extend);
  followKeys(canvas, drawing, begin, extend);
}

function followPointer(canvas, drawing, begin, extend) {
  let pointer = null; // id of the pointer that draws
  let stroke = null;
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
    extend(stroke, (passed.length ? passed : [event]).map(pointOf));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }
}

/** Arrow keys move the pen; the space bar puts it down and lifts it. */
function followKeys(canvas, drawing, begin, extend) {
  const mark = byId("pen");
  let position = [Math.floor(drawing.width / 2), Math.floor(drawing.height / 2)];
  let stroke = null;
  const middle = () => position.map((at) => at + 0.5);
  const isDown = () => stroke !== null && stroke === drawing.lastStroke;
  const show = () => {
    mark.hidden = false;
    mark.classList.toggle("down", isDown());
    fitToPixels(mark, { x: position[0], y: position[1] }, drawing);
  };
  const lift = () => {
    stroke = null;
    mark.hidden = true;
  };
  canvas.addEventListener("keydown", (event) => {
    if (hasModifier(event)) return;
    const step = arrowStep(event);
    if (step) {
      position = moved(position, step, drawing);
      if (isDown()) extend(stroke, [middle()]);
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
