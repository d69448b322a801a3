// What the network says of the picture in the panel "Try your own": probabilities and a map.

import { arrays, byId, element, largest, minus, names, nChannels, nClasses, run, sumDigits } from "./run.js";

const FEW_CLASSES = 20; // as many fit below each other; of more, the most probable ten are listed
const MAP_OPACITY = 0.9;

export class Answer {
  constructor() {
    this.worker = null;
    this.id = 0; // of the picture that was asked about last
    this.wanted = null; // the class of the map; null for the predicted one
    this.pixels = null; // (c, h, w), of that picture
    this.colors = null; // (r, g, b, opacity), of each pixel of it
    const choices = names.map((name, number) => element("option", { value: number }, name));
    byId("try-for").append(element("option", { value: "" }, "the predicted class"), ...choices);
    byId("try-for").addEventListener("input", (event) => this.want(event.target.value));
    const bar = byId("try-bar");
    [bar.width, bar.height] = [byId("bar").width, 1];
    bar.getContext("2d").drawImage(byId("bar"), 0, 0);
  }

  /** Start the worker, which then prepares itself, unless that was done. */
  start() {
    if (this.worker) return;
    const script = new Blob([run.live.worker], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(script));
    this.worker.addEventListener("message", ({ data }) => this.show(data));
    const { shape, operations, background } = run.live;
    this.worker.postMessage({ shape, operations, background });
  }

  /** Ask about a picture, or about none (null). */
  ask(colors) {
    this.colors = colors;
    this.id += 1;
    if (!colors) return this.forget();
    const nPixels = colors.length / 4;
    this.pixels = Uint8Array.from(
      { length: nChannels * nPixels },
      (_, i) => colors[4 * (i % nPixels) + Math.floor(i / nPixels)],
    );
    this.askAgain();
  }

  askAgain() {
    this.start();
    this.worker.postMessage({ id: this.id, pixels: this.pixels, wanted: this.wanted });
  }

  want(choice) {
    this.wanted = choice === "" ? null : Number(choice);
    byId("try-for").value = choice;
    this.id += 1;
    if (this.colors) this.askAgain();
  }

  forget() {
    byId("try-verdict").textContent = "";
    byId("try-classes").tBodies[0].replaceChildren();
    byId("try-sum").textContent = "Draw, or take an image: the answer appears while you do.";
    byId("try-map").getContext("2d").clearRect(0, 0, byId("try-map").width, byId("try-map").height);
    byId("try-ends").childNodes.forEach((end) => (end.textContent = ""));
  }

  show(message) {
    if (message.error) byId("try-error").textContent = `The network stopped: ${message.error}`;
    if (message.id !== this.id) return;
    if (message.probabilities) this.showClasses(message.probabilities);
    else this.showMap(message);
  }

  showClasses(probabilities) {
    const order = names.map((_, number) => number);
    const predicted = largest(order, (number) => probabilities[number]);
    if (nClasses > FEW_CLASSES) order.sort((a, b) => probabilities[b] - probabilities[a]).splice(10);
    byId("try-verdict").replaceChildren(
      "predicted ",
      element("strong", {}, names[predicted]),
      `, ${probabilities[predicted].toFixed(3)}`,
    );
    const focused = document.activeElement?.dataset?.number;
    const rows = order.map((number) => {
      const pressed = number === (this.wanted ?? predicted);
      const attributes = { type: "button", "aria-pressed": pressed, "data-number": number };
      const button = element("button", attributes, element("bdi", {}, names[number]));
      button.addEventListener("click", () => this.want(this.wanted === number ? "" : String(number)));
      const share = element("span", { class: "chance" });
      share.style.width = `${100 * probabilities[number]}%`;
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, button),
        element("td", { class: "value" }, probabilities[number].toFixed(3)),
        element("td", {}, element("span", { class: "track" }, share)),
      );
    });
    byId("try-classes").tBodies[0].replaceChildren(...rows);
    if (focused !== undefined) byId("try-classes").querySelector(`[data-number="${focused}"]`)?.focus();
  }

  showMap({ number, n, values, base, output }) {
    const canvas = byId("try-map");
    const [, height, width] = run.live.shape;
    [canvas.width, canvas.height] = [width, height];
    const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const half = (arrays.colors.length / 3 - 1) / 2;
    const pixels = new ImageData(width, height);
    values.forEach((value, i) => {
      const step = Math.round((limit ? value / limit : 0) * half) + half;
      for (let channel = 0; channel < 3; channel++) {
        const under = this.colors[4 * i + channel];
        pixels.data[4 * i + channel] = under + (arrays.colors[3 * step + channel] - under) * MAP_OPACITY;
      }
      pixels.data[4 * i + 3] = 255;
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    const end = Number(limit.toPrecision(2));
    const ends = [`−${end} ${run.cool} lowers`, "0", `${run.warm} raises +${end}`];
    byId("try-ends").childNodes.forEach((child, place) => (child.textContent = ends[place]));
    canvas.setAttribute("aria-label", `Map of ${names[number]}; colours reach to ${end} ${run.unit} per pixel`);
    const change = output - base;
    const words =
      `${names[number]}: base value ${base.toFixed(sumDigits)} ${change < 0 ? "-" : "+"} ` +
      `${Math.abs(change).toFixed(sumDigits)}, the sum of the map, = ${output.toFixed(sumDigits)} ${run.unit}. `;
    byId("try-sum").textContent = `${minus(words)}Against ${n} of ${run.live.count} background images.`;
  }
}
