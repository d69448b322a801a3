// Explains the newest picture of the panel "Try your own", in steps, and drops the previous one.

import { TrainingFeatures } from "./live_features.js";
import { Network, sigmoid, softmax } from "./live_network.js";

const POSTED_AT = [3, 10, 30]; // numbers of background images after which a map is posted; also after all
const STEP_MS = 15; // between checks for a newer picture

export class LiveExplainer {
  #post;
  #content = null; // the page's network and background, until they are loaded
  #network = null;
  #background = null;
  #toProbabilities = null;
  #onlyClass; // the class of a network's one logit; undefined if all classes have maps
  #features = null; // of training images; null if the page does not hold them
  #backgroundRuns = []; // the network's activations for each background image so far
  #question = null; // the one that waits
  #isWorking = false;

  /**
   * @param post Takes messages: probabilities with the distances of the picture and of its negative from the
   *   training images, then maps, with the question's `id`; or an `error`.
   */
  constructor(post) {
    this.#post = post;
  }

  /** Take the network and background images, or a question: a picture (`pixels`), or none (null). */
  receive(data) {
    if (data.operations) this.#content = data;
    else this.#question = data;
    if (!this.#isWorking) this.#work();
  }

  async #work() {
    this.#isWorking = true;
    try {
      if (this.#content) this.#load(this.#content);
      this.#content = null;
      for (let ready = 0; this.#question || ready < this.#background.length; ) {
        const question = this.#question;
        this.#question = null;
        if (question?.pixels) await this.#answer(question);
        else if (!question) this.#backgroundRun(ready++); // prepare while no question waits
        await nextTask();
      }
    } catch (error) {
      this.#post({ error: String(error) });
    }
    this.#isWorking = false;
  }

  #load({ shape, operations, background, output, onlyClass, multiple, features }) {
    this.#onlyClass = onlyClass;
    this.#network = new Network(
      shape,
      operations.map((operation) => {
        const entries = Object.entries(operation.arrays);
        const arrays = Object.fromEntries(entries.map(([role, array]) => [role, weights(array)]));
        const sizes = Object.fromEntries(entries.map(([role, array]) => [role, array.sizes]));
        return { ...operation, arrays, sizes };
      }),
    );
    const pixels = bytes(background);
    const size = shape[0] * shape[1] * shape[2];
    const image = (_, i) => pixels.subarray(i * size, (i + 1) * size);
    this.#background = Array.from({ length: pixels.length / size }, image);
    if (features) {
      const vectors = new Int8Array(bytes(features.vectors).buffer);
      this.#features = new TrainingFeatures(vectors, features.n, features.nNeighbours);
    }
    const fromLogits = multiple ? (logits) => logits.map(sigmoid) : softmax;
    this.#toProbabilities = output === "probabilities" ? (outputs) => outputs : fromLogits;
  }

  #backgroundRun(index) {
    this.#backgroundRuns[index] ??= this.#network.run(this.#background[index]);
    return this.#backgroundRuns[index];
  }

  /** Distances of a picture and of its negative from the training images; null if they are unknown. */
  #distances(image, pixels) {
    if (!this.#features) return null;
    const negative = this.#network.run(pixels.map((value) => 255 - value));
    return [image, negative].map(({ features }) => this.#features.distance(features));
  }

  async #answer({ id, pixels, wanted }) {
    const image = this.#network.run(pixels);
    const probabilities = this.#toProbabilities(image.outputs);
    this.#post({ id, probabilities, distances: this.#distances(image, pixels) });
    const number = wanted ?? this.#onlyClass ?? probabilities.indexOf(Math.max(...probabilities));
    const [, height, width] = this.#network.shape;
    const total = new Float64Array(height * width);
    let base = 0;
    let since = performance.now();
    for (let n = 1; n <= this.#background.length; n++) {
      const background = this.#backgroundRun(n - 1);
      this.#network.attribute(image, background, number).forEach((value, i) => (total[i] += value));
      base += background.outputs[number];
      if (POSTED_AT.includes(n) || n === this.#background.length) {
        const values = total.map((value) => value / n);
        this.#post({ id, number, n, values, base: base / n, output: image.outputs[number] });
      }
      // Each picture gets its first map, so that maps follow a hand that never rests.
      if (n >= POSTED_AT[0] && performance.now() - since > STEP_MS) {
        await nextTask();
        if (this.#question) return;
        since = performance.now();
      }
    }
  }
}

/** Let messages in; a timer would wait longer. */
function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Weights from float32 numbers, or from int16 numbers of steps whose size differs between outputs. */
export function weights({ sizes, float32, int16, steps }) {
  if (float32) return Float64Array.from(new Float32Array(bytes(float32).buffer));
  const stepSizes = new Float32Array(bytes(steps).buffer);
  const nPerOutput = sizes.slice(1).reduce((product, side) => product * side, 1);
  return Float64Array.from(new Int16Array(bytes(int16).buffer), (n, i) => n * stepSizes[Math.floor(i / nPerOutput)]);
}
