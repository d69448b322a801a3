// Zoom and pan of the map of a photograph: buttons, + and − keys, Ctrl and the wheel, two fingers; drag to pan.

import { byId } from "./dom.js";
import { hasModifier } from "./keys.js";
import { clamp } from "./numbers.js";

const STEP = 1.5;
const MOST = 12;

/**
 * The view after zooming by a factor, where the point under the pointer stays.
 * @param view `zoom`, 1 or more, and the `left` and `top` end of what is seen, as shares of the whole.
 * @param point The pointer, as shares of the frame.
 */
export function zoomed({ zoom, left, top }, factor, [x, y]) {
  const next = clamp(zoom * factor, 1, MOST);
  return inside({ zoom: next, left: left + x / zoom - x / next, top: top + y / zoom - y / next });
}

/** The view moved by a drag, in shares of the frame. */
export function panned({ zoom, left, top }, [right, down]) {
  return inside({ zoom, left: left - right / zoom, top: top - down / zoom });
}

function inside({ zoom, left, top }) {
  const most = 1 - 1 / zoom;
  return { zoom, left: clamp(left, 0, most), top: clamp(top, 0, most) };
}

export class Zoom {
  #frame = byId("frame");
  #view = { zoom: 1, left: 0, top: 0 };
  #pointers = new Map(); // pressed, by id: the last point of each

  /** Show the controls, and listen. */
  start() {
    byId("zoom").hidden = false;
    this.#frame.classList.add("zoomable");
    const middle = [0.5, 0.5];
    byId("zoom-in").addEventListener("click", () => this.#zoom(STEP, middle));
    byId("zoom-out").addEventListener("click", () => this.#zoom(1 / STEP, middle));
    byId("zoom-all").addEventListener("click", () => this.#zoom(0, middle));
    byId("map").addEventListener("keydown", (event) => {
      if (hasModifier(event) || !"+-".includes(event.key)) return;
      this.#zoom(event.key === "+" ? STEP : 1 / STEP, middle);
      event.preventDefault();
    });
    this.#frame.addEventListener("wheel", (event) => this.#turn(event), { passive: false });
    this.#frame.addEventListener("pointerdown", (event) => this.#press(event));
    this.#frame.addEventListener("pointermove", (event) => this.#drag(event));
    for (const type of ["pointerup", "pointercancel"]) {
      this.#frame.addEventListener(type, ({ pointerId }) => this.#pointers.delete(pointerId));
    }
    this.#show();
  }

  #turn(event) {
    if (!event.ctrlKey) return; // the wheel alone scrolls the page
    this.#zoom(STEP ** (-event.deltaY / 100), this.#pointOf(event));
    event.preventDefault();
  }

  #press(event) {
    this.#pointers.set(event.pointerId, this.#pointOf(event));
    if (this.#view.zoom > 1) this.#frame.setPointerCapture(event.pointerId);
  }

  #drag(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const after = this.#pointOf(event);
    const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    this.#pointers.set(event.pointerId, after);
    if (other) this.#zoom(distance(after, other) / (distance(before, other) || 1), other);
    else this.#change(panned(this.#view, [after[0] - before[0], after[1] - before[1]]));
  }

  #pointOf({ clientX, clientY }) {
    const box = this.#frame.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  }

  #zoom(factor, point) {
    this.#change(zoomed(this.#view, factor, point));
  }

  #change(view) {
    this.#view = view;
    this.#show();
  }

  #show() {
    const { zoom, left, top } = this.#view;
    byId("stage").style.transform = `scale(${zoom}) translate(${-100 * left}%, ${-100 * top}%)`;
    this.#frame.classList.toggle("zoomed", zoom > 1);
    byId("zoom-out").disabled = byId("zoom-all").disabled = zoom === 1;
    byId("zoom-in").disabled = zoom === MOST;
  }
}

function distance([ax, ay], [bx, by]) {
  return Math.hypot(ax - bx, ay - by);
}
