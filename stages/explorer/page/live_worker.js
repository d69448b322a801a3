// The worker of the panel "Try your own": it answers the newest picture, in pieces, and drops the
// one before.

import { Network, softmax } from "./live_network.js";

const POSTED_AT = [3, 10, 30]; // background images after which a map is shown, and after all
const PIECE_MS = 15; // between looks for a newer picture
let content = null; // what the page sent, until it is loaded
let network = null;
let background = null;
let toProbabilities = null; // from outputs to probabilities
const backgroundRuns = []; // what the network made of the background images so far
let asked = null;
let working = false;

const wake = new MessageChannel(); // unlike a timer it wakes at once
function breathe() {
  return new Promise((resolve) => {
    wake.port1.onmessage = resolve;
    wake.port2.postMessage(null);
  });
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Weights as they were written: float32, or whole steps, of a size of their own for each output. */
function weights({ sizes, float32, int16, steps }) {
  if (float32) return Float64Array.from(new Float32Array(bytesOf(float32).buffer));
  const size = new Float32Array(bytesOf(steps).buffer);
  const each = sizes.slice(1).reduce((product, side) => product * side, 1);
  return Float64Array.from(new Int16Array(bytesOf(int16).buffer), (n, i) => n * size[Math.floor(i / each)]);
}

function load({ shape, operations, background: images, output }) {
  network = new Network(
    shape,
    operations.map((operation) => {
      const entries = Object.entries(operation.arrays);
      const arrays = Object.fromEntries(entries.map(([role, array]) => [role, weights(array)]));
      const sizes = Object.fromEntries(entries.map(([role, array]) => [role, array.sizes]));
      return { ...operation, arrays, sizes };
    }),
  );
  const pixels = bytesOf(images);
  const size = shape[0] * shape[1] * shape[2];
  background = Array.from({ length: pixels.length / size }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
  toProbabilities = output === "probabilities" ? (outputs) => outputs : softmax;
}

function backgroundRun(place) {
  backgroundRuns[place] ??= network.run(background[place]);
  return backgroundRuns[place];
}

async function answer({ id, pixels, wanted }) {
  const image = network.run(pixels);
  const probabilities = toProbabilities(image.outputs);
  postMessage({ id, probabilities });
  const number = wanted ?? probabilities.indexOf(Math.max(...probabilities));
  const [, height, width] = network.shape;
  const total = new Float64Array(height * width);
  let base = 0;
  let since = performance.now();
  for (let n = 1; n <= background.length; n++) {
    const other = backgroundRun(n - 1);
    network.attribute(image, other, number).forEach((value, i) => (total[i] += value));
    base += other.outputs[number];
    if (POSTED_AT.includes(n) || n === background.length) {
      const values = total.map((value) => value / n);
      postMessage({ id, number, n, values, base: base / n, output: image.outputs[number] });
    }
    // One map is shown of every picture that is begun, so that maps follow a hand that does not rest.
    if (n >= POSTED_AT[0] && performance.now() - since > PIECE_MS) {
      await breathe();
      if (asked) return;
      since = performance.now();
    }
  }
}

async function work() {
  working = true;
  try {
    if (content) load(content);
    content = null;
    for (let ready = 0; asked || ready < background.length; ) {
      const question = asked;
      asked = null;
      if (question?.pixels) await answer(question);
      else if (!question) backgroundRun(ready++); // while nothing is asked
      await breathe();
    }
  } catch (error) {
    postMessage({ error: String(error) });
  }
  working = false;
}

addEventListener("message", ({ data }) => {
  if (data.operations) content = data;
  else asked = data;
  if (!working) work();
});
