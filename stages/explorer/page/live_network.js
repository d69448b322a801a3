// The run's network and DeepSHAP through it, with the operations and rules of engine/src/deepshap.
// Images and activations have their channels last: (row, column, channel).
//
// An operation's `forward` returns its output and the values that `backward` needs (`kept`). `backward`
// turns the multiplier of the output, for one image and one background image, into a multiplier for each
// input. Ratios of changes are as precise as in the engine: float64 where it uses that.

const kinds = {
  affine: {
    forward({ scale, shift, input }, [x]) {
      const c = input.length === 3 ? input[0] : x.length;
      return { output: x.map((value, i) => value * scale[i % c] + shift[i % c]) };
    },
    backward({ scale, input }, m) {
      const c = input.length === 3 ? input[0] : m.length;
      return [m.map((value, i) => value * scale[i % c])];
    },
  },
  add: {
    forward: (_, [a, b]) => ({ output: a.map((value, i) => value + b[i]) }),
    backward: (_, m) => [m, m],
  },
  relu: {
    // The rescale rule: change of the output over change of the input; the slope if the input does not change.
    forward: (_, [x]) => ({ output: x.map((value) => (value > 0 ? value : 0)), kept: Float32Array.from(x) }),
    backward(_, m, x, b) {
      const passed = new Float64Array(m.length);
      for (let i = 0; i < m.length; i++) {
        if (m[i] === 0) continue;
        const change = Math.fround(x[i] - b[i]);
        if (change === 0) passed[i] = b[i] > 0 ? m[i] : 0;
        else passed[i] = (m[i] * (Math.max(x[i], 0) - Math.max(b[i], 0))) / change;
      }
      return [passed];
    },
  },
  sigmoid: {
    // The secant, without a difference of outputs: tanh(d / 2) = (y - y_b) / (y (1 - y_b) + y_b (1 - y)), d = x - b.
    forward: (_, [x]) => ({ output: x.map(sigmoid), kept: x }),
    backward(_, m, x, b) {
      const ratio = (i) => {
        const half = Math.abs(x[i] - b[i]) / 2;
        const slope = (half === 0 ? 1 : Math.tanh(half) / half) / 2;
        return slope * (sigmoid(x[i]) * sigmoid(-b[i]) + sigmoid(b[i]) * sigmoid(-x[i]));
      };
      return [m.map((value, i) => value * ratio(i))];
    },
  },
  softmax: {
    // Each probability through its own logit, as in shap.
    forward(_, [x]) {
      const output = softmax(x);
      return { output, kept: { x, y: output } };
    },
    backward(_, m, { x, y }, { x: b, y: y_b }) {
      const ratio = (i) => (Math.abs(x[i] - b[i]) < 1e-6 ? y_b[i] * (1 - y_b[i]) : (y[i] - y_b[i]) / (x[i] - b[i]));
      return [m.map((value, i) => value * ratio(i))];
    },
  },
  flatten: {
    forward: ({ input }, [x]) => ({ output: input.length === 3 ? channelsFirst(x, input) : x }),
    backward: ({ input }, m) => [input.length === 3 ? channelsLast(m, input) : m],
  },
  linear: {
    forward({ weight, bias }, [x]) {
      const output = Float64Array.from(bias);
      for (let o = 0; o < bias.length; o++) {
        let sum = 0;
        for (let i = 0, at = o * x.length; i < x.length; i++, at++) sum += weight[at] * x[i];
        output[o] += sum;
      }
      return { output };
    },
    backward({ weight, input }, m) {
      const passed = new Float64Array(input[0]);
      for (let o = 0; o < m.length; o++) {
        if (m[o] === 0) continue;
        for (let i = 0, at = o * passed.length; i < passed.length; i++, at++) passed[i] += m[o] * weight[at];
      }
      return [passed];
    },
  },
  convolution: {
    forward(operation, [x]) {
      const { weight, bias, shape } = operation;
      const output = new Float64Array(shape[0] * shape[1] * shape[2]);
      const size = weight.length / shape[0];
      const runs = new Int32Array(3 * operation.window[0]);
      let t = 0;
      for (let row = 0; row < shape[1]; row++) {
        for (let column = 0; column < shape[2]; column++) {
          const n = findRuns(operation, row, column, runs);
          for (let o = 0; o < shape[0]; o++, t++) {
            let sum = 0;
            for (let run = 0; run < n; run += 3) {
              let [source, at] = [runs[run], o * size + runs[run + 1]];
              for (const end = source + runs[run + 2]; source < end; source++, at++) sum += x[source] * weight[at];
            }
            output[t] = sum + bias[o];
          }
        }
      }
      return { output };
    },
    backward(operation, m) {
      const { weight, shape, input } = operation;
      const passed = new Float64Array(length(input));
      const size = weight.length / shape[0];
      const runs = new Int32Array(3 * operation.window[0]);
      const active = new Int32Array(shape[0] + 3); // channels whose multiplier is not 0
      for (let position = 0; position < shape[1] * shape[2]; position++) {
        const start = position * shape[0];
        let nActive = 0;
        for (let o = 0; o < shape[0]; o++) if (m[start + o] !== 0) active[nActive++] = o;
        if (!nActive) continue;
        active.fill(0, nActive, nActive + 3);
        const value = (j) => (j < nActive ? m[start + active[j]] : 0);
        const n = findRuns(operation, Math.floor(position / shape[2]), position % shape[2], runs);
        // Four channels at a time, so that `passed` is read and written a quarter as often.
        for (let j = 0; j < nActive; j += 4) {
          const [v0, v1, v2, v3] = [value(j), value(j + 1), value(j + 2), value(j + 3)];
          for (let run = 0; run < n; run += 3) {
            const [source, at, count] = [runs[run], runs[run + 1], runs[run + 2]];
            const w0 = active[j] * size + at;
            const w1 = active[j + 1] * size + at;
            const w2 = active[j + 2] * size + at;
            const w3 = active[j + 3] * size + at;
            for (let i = 0; i < count; i++) {
              passed[source + i] +=
                v0 * weight[w0 + i] + v1 * weight[w1 + i] + v2 * weight[w2 + i] + v3 * weight[w3 + i];
            }
          }
        }
      }
      return [passed];
    },
  },
  average_pool: {
    forward(operation, [x]) {
      const output = new Float64Array(length(operation.shape));
      overWindows(operation, (target, source) => (output[target] += x[source]));
      const area = operation.window[0] * operation.window[1];
      return { output: output.map((sum) => sum / area) };
    },
    backward(operation, m) {
      const passed = new Float64Array(length(operation.input));
      const area = operation.window[0] * operation.window[1];
      overWindows(operation, (target, source) => (passed[source] += m[target] / area));
      return [passed];
    },
  },
  max_pool: {
    // The change goes to the maximum's position in the larger of both outputs, over the change there.
    forward(operation, [x]) {
      const output = new Float64Array(length(operation.shape)).fill(-Infinity);
      const index = new Int32Array(output.length);
      overWindows(operation, (target, source) => {
        if (x[source] > output[target]) {
          output[target] = x[source];
          index[target] = source;
        }
      });
      return { output, kept: { x, y: output, index } };
    },
    backward({ input }, m, image, background) {
      const passed = new Float64Array(length(input));
      for (let i = 0; i < m.length; i++) {
        const change = image.y[i] - background.y[i];
        if (change === 0) continue;
        const at = change > 0 ? image.index[i] : background.index[i];
        const own = image.x[at] - background.x[at];
        if (own !== 0) passed[at] += (m[i] * change) / own;
      }
      return [passed];
    },
  },
};

function length(shape) {
  return shape.reduce((product, side) => product * side, 1);
}

function channelsLast(values, [c, h, w]) {
  return Float64Array.from({ length: c * h * w }, (_, i) => values[(i % c) * h * w + Math.floor(i / c)]);
}

function channelsFirst(values, [c, h, w]) {
  return Float64Array.from({ length: c * h * w }, (_, i) => values[(i % (h * w)) * c + Math.floor(i / (h * w))]);
}

/** The mean of each channel; values without positions stay as they are. */
function averaged(values, [c, h, w]) {
  if (h === undefined) return values;
  const sums = new Float64Array(c);
  values.forEach((value, i) => (sums[i % c] += value));
  return sums.map((sum) => sum / (h * w));
}

/** Fill `runs` with (start in the input, start in the kernel, length) of each row of a kernel; its used length. */
function findRuns({ input: [c, h, w], window, stride, padding }, row, column, runs) {
  const left = column * stride[1] - padding[1];
  const [from, to] = [Math.max(0, -left), Math.min(window[1], w - left)];
  let n = 0;
  for (let down = 0; down < window[0]; down++) {
    const y = row * stride[0] - padding[0] + down;
    if (y < 0 || y >= h || to <= from) continue;
    runs[n++] = (y * w + left + from) * c;
    runs[n++] = (down * window[1] + from) * c;
    runs[n++] = (to - from) * c;
  }
  return n;
}

/** Visit each element of each window, row by row, with its index in the output and in the input. */
function overWindows({ input: [c, h, w], shape, window, stride, padding }, visit) {
  for (let row = 0; row < shape[1]; row++) {
    for (let column = 0; column < shape[2]; column++) {
      const [top, left] = [row * stride[0] - padding[0], column * stride[1] - padding[1]];
      for (let y = Math.max(0, top); y < Math.min(h, top + window[0]); y++) {
        for (let x = Math.max(0, left); x < Math.min(w, left + window[1]); x++) {
          const [target, source] = [(row * shape[2] + column) * c, (y * w + x) * c];
          for (let channel = 0; channel < c; channel++) visit(target + channel, source + channel);
        }
      }
    }
  }
}

export function sigmoid(logit) {
  return 1 / (1 + Math.exp(-logit));
}

export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The operation with its input's shape, and its weights in the order that the loops read. */
function prepared(described, shapes) {
  const operation = { ...described, ...described.settings, ...described.arrays, input: shapes[described.inputs[0]] };
  if (described.kind === "convolution") {
    const [n, c, tall, wide] = described.sizes.weight;
    operation.window = [tall, wide];
    const kernels = Array.from({ length: n }, (_, o) =>
      channelsLast(operation.weight.subarray(o * c * tall * wide, (o + 1) * c * tall * wide), [c, tall, wide]),
    );
    operation.weight = Float64Array.from(kernels.flatMap((kernel) => [...kernel]));
  }
  return operation;
}

export class Network {
  /**
   * @param shape Channels, height and width of an image.
   * @param described Operations as in engine/src/deepshap/graph/portable.py, with typed arrays and their `sizes`.
   */
  constructor(shape, described) {
    this.shape = shape;
    const shapes = [shape, ...described.map((operation) => operation.shape)];
    this.operations = described.map((operation) => prepared(operation, shapes));
    this.nOutputs = length(shapes.at(-1));
  }

  /**
   * The network's outputs for an image (c, h, w), the values that `attribute` needs, and the features: the
   * input of the last operation with weights, averaged over positions.
   */
  run(pixels) {
    const values = [channelsLast(pixels, this.shape)];
    const kept = this.operations.map((operation) => {
      const done = kinds[operation.kind].forward(operation, operation.inputs.map((index) => values[index]));
      values.push(done.output);
      return done.kept;
    });
    const last = this.operations.findLast(({ weight }) => weight);
    const features = last ? averaged(values[last.inputs[0]], last.input) : values.at(-1);
    return { pixels: values[0], outputs: values.at(-1), kept, features };
  }

  /** Attributions (h * w) of one output against one background image, channels summed. */
  attribute(image, background, output) {
    const waiting = new Array(this.operations.length + 1);
    waiting[this.operations.length] = new Float64Array(this.nOutputs);
    waiting[this.operations.length][output] = 1;
    for (let at = this.operations.length; at > 0; at--) {
      if (!waiting[at]) continue;
      const operation = this.operations[at - 1];
      const rule = kinds[operation.kind];
      const passed = rule.backward(operation, waiting[at], image.kept[at - 1], background.kept[at - 1]);
      operation.inputs.forEach((index, i) => {
        const before = waiting[index];
        waiting[index] = before ? before.map((value, j) => value + passed[i][j]) : passed[i];
      });
      waiting[at] = undefined;
    }
    const [c, h, w] = this.shape;
    const map = new Float64Array(h * w);
    waiting[0].forEach((multiplier, i) => {
      map[Math.floor(i / c)] += multiplier * (image.pixels[i] - background.pixels[i]);
    });
    return map;
  }
}
