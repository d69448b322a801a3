// Lifts handwriting from a photograph of paper. tools/lifting.py does the same and says why; all arithmetic up
// to the last resizing is on whole numbers, so that both give the same pixels.
// A plane is { values, width, height }: whole numbers, row by row.

import { resized } from "./picture.js";
import { clamp } from "./numbers.js";

const LONGEST = 400;
const SMOOTHED = 200;
const DARKEST = 400;
const CLEAR = 8;
const FAINTEST = 8;
const SMALLEST = 10;
const INSIDE = 5;

/** Whether a picture has the training images' size (width, height), and their paper at its edge. */
export function looksLikeTraining({ values, width, height }, { paper, flat, paperAtEdge }, size) {
  if (width !== size[0] || height !== size[1]) return false;
  let [far, n] = [0, 0];
  eachAtEdge(width, height, (at) => {
    n += 1;
    if (Math.abs(values[at] - paper) >= flat) far += 1;
  });
  return 1 - far / n >= paperAtEdge;
}

/**
 * Strokes of a photograph as the training images show them.
 * @param plane The photograph in grey.
 * @param style As in strokes.py.
 * @param size Width and height of the result.
 * @returns Grey levels, row by row; null if no strokes stand out.
 */
export function lifted(plane, style, size) {
  const ink = inkOf(reduced(plane));
  const { values, width, height } = ink;
  const levels = Int32Array.from(values).sort();
  const low = levels[levels.length >> 1];
  const high = levels[levels.length - 1 - Math.floor(levels.length / DARKEST)];
  const deviation = Int32Array.from(values, (value) => Math.abs(value - low)).sort()[levels.length >> 1];
  if (high - low < Math.max(FAINTEST, CLEAR * deviation)) return null;
  const mask = withoutSpecks({ values: values.map((value) => Number(2 * value > low + high)), width, height }, values);
  const near = largestNearby(mask, 3);
  const strengths = values.map((value, i) =>
    near.values[i] ? Math.floor((clamp(value - low, 0, high - low) * 255) / (high - low)) : 0,
  );
  const broad = broadened({ values: strengths, width, height }, mask, style);
  return placed(cropped(broad, boxOf(broad, 128)), style, size);
}

function reduced({ values, width, height }) {
  const side = Math.ceil(Math.max(width, height) / LONGEST);
  const [w, h] = [width, height].map((length) => Math.max(1, Math.floor(length / side)));
  const sums = new Int32Array(w * h);
  const [across, down] = [width, height].map((length) => Math.min(side, length));
  for (let y = 0; y < h * down; y++) {
    for (let x = 0; x < w * across; x++) {
      sums[Math.floor(y / down) * w + Math.floor(x / across)] += values[y * width + x];
    }
  }
  const n = across * down;
  const small = { values: sums.map((sum) => Math.floor((2 * sum + n) / (2 * n))), width: w, height: h };
  return Math.max(w, h) < SMOOTHED ? small : smoothed(small);
}

function smoothed({ values, width, height }) {
  const mean = (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    let total = 0;
    for (let row = y - 1; row <= y + 1; row++) {
      for (let column = x - 1; column <= x + 1; column++) {
        total += values[clamp(row, 0, height - 1) * width + clamp(column, 0, width - 1)];
      }
    }
    return Math.floor((2 * total + 9) / 18);
  };
  return { values: values.map(mean), width, height };
}

function inkOf({ values, width, height }) {
  const grey = isLightOnDark({ values, width, height }) ? values.map((value) => 255 - value) : values;
  const paper = closed({ values: grey, width, height }, odd(Math.min(width, height) / 4)).values;
  const ink = grey.map((value, i) => Math.floor((255 * (paper[i] - value)) / Math.max(paper[i], 1)));
  return { values: ink, width, height };
}

function isLightOnDark({ values, width, height }) {
  const radius = odd(Math.min(width, height) / 2) >> 1;
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += values[y * width + x];
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
    }
  }
  let skewness = 0;
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(y - radius, 0), Math.min(y + radius + 1, height)];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(x - radius, 0), Math.min(x + radius + 1, width)];
      const sum = (row, column) => sums[row * (width + 1) + column];
      const total = sum(bottom, right) - sum(top, right) - sum(bottom, left) + sum(top, left);
      skewness += (values[y * width + x] - total / ((bottom - top) * (right - left))) ** 3;
    }
  }
  return skewness > 0;
}

function withoutSpecks({ values, width, height }, ink) {
  const parts = new Int32Array(values.length);
  const masses = [0];
  const atEdge = new Set();
  for (let seed = 0; seed < values.length; seed++) {
    if (!values[seed] || parts[seed]) continue;
    const part = masses.push(0) - 1;
    const waiting = [seed];
    parts[seed] = part;
    while (waiting.length) {
      const at = waiting.pop();
      const [x, y] = [at % width, Math.floor(at / width)];
      masses[part] += ink[at];
      if (!x || !y || x === width - 1 || y === height - 1) atEdge.add(part);
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const next = row * width + column;
          if (!values[next] || parts[next]) continue;
          parts[next] = part;
          waiting.push(next);
        }
      }
    }
  }
  const most = masses.reduce((a, b) => Math.max(a, b));
  const large = masses.map((mass) => (SMALLEST * mass < most ? 0 : mass));
  const inside = large.map((mass, part) => (atEdge.has(part) ? 0 : mass));
  const total = (all) => all.reduce((a, b) => a + b, 0);
  const kept = INSIDE * total(inside) >= total(large) ? inside : large;
  return { values: values.map((_, i) => Number(kept[parts[i]] > 0)), width, height };
}

function broadened(plane, mask, style) {
  const [left, top, right, bottom] = boxOf(mask, 1);
  const side = Math.max(right - left, bottom - top);
  const width = strokeWidth(mask);
  if (width >= style.thinnest * side) return plane;
  return largestNearby(plane, 2 * Math.floor((style.usual * side - width) / 2 + 0.5) + 1);
}

function strokeWidth({ values, width, height }) {
  const inked = (x, y) => x >= 0 && y >= 0 && x < width && y < height && values[y * width + x];
  let [area, edge] = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inked(x, y)) continue;
      area += 1;
      if (!(inked(x - 1, y) && inked(x + 1, y) && inked(x, y - 1) && inked(x, y + 1))) edge += 1;
    }
  }
  return (2 * area) / edge;
}

function placed({ values, width, height }, style, size) {
  const longest = Math.max(width, height);
  const [w, h] = [width, height].map((length) => Math.max(1, Math.floor((length * style.side) / longest + 0.5)));
  const small = resized(values, width, height, w, h);
  const place = (axis, length, to) => {
    let centre = to / 2;
    if (style.by_mass) {
      let [moment, mass] = [0, 0];
      values.forEach((value, i) => {
        moment += value * (2 * (axis ? i % width : Math.floor(i / width)) + 1);
        mass += value;
      });
      centre = (to * moment) / (2 * length * mass);
    }
    return Math.max(0, Math.min(Math.floor(style.middle[axis] + 1 - centre), size[1 - axis] - to));
  };
  const [top, left] = [place(0, height, h), place(1, width, w)];
  return Uint8Array.from({ length: size[0] * size[1] }, (_, i) => {
    const [x, y] = [(i % size[0]) - left, Math.floor(i / size[0]) - top];
    const strength = x >= 0 && y >= 0 && x < w && y < h ? small[y * w + x] : 0;
    return style.paper + Math.floor((2 * (style.ink - style.paper) * strength + 255) / 510);
  });
}

function largestNearby({ values, width, height }, size) {
  const radius = size >> 1;
  const along = (from, length, step, lines, stride) => {
    const found = new Int32Array(from.length);
    for (let line = 0; line < lines; line++) {
      for (let at = 0; at < length; at++) {
        let most = -Infinity;
        for (let near = Math.max(at - radius, 0); near <= Math.min(at + radius, length - 1); near++) {
          most = Math.max(most, from[line * stride + near * step]);
        }
        found[line * stride + at * step] = most;
      }
    }
    return found;
  };
  const rows = along(values, width, 1, height, width);
  return { values: along(rows, height, width, width, 1), width, height };
}

function negative(plane) {
  return { ...plane, values: plane.values.map((value) => -value) };
}

function closed({ values, width, height }, size) {
  const radius = size >> 1;
  const [w, h] = [width + 2 * radius, height + 2 * radius];
  const inside = (at, length) => clamp(at - radius, 0, length - 1);
  const edged = (_, i) => values[inside(Math.floor(i / w), height) * width + inside(i % w, width)];
  const padded = { values: Int32Array.from({ length: w * h }, edged), width: w, height: h };
  const filled = negative(largestNearby(negative(largestNearby(padded, size)), size));
  return cropped(filled, [radius, radius, radius + width, radius + height]);
}

/** Left, top, right and bottom (excluded) of the values from `least` up. */
function boxOf({ values, width }, least) {
  const box = [Infinity, Infinity, 0, 0];
  values.forEach((value, i) => {
    if (value < least) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x + 1);
    box[3] = Math.max(box[3], y + 1);
  });
  return box;
}

function cropped({ values, width }, [left, top, right, bottom]) {
  const w = right - left;
  const value = (_, i) => values[(top + Math.floor(i / w)) * width + left + (i % w)];
  return { values: Int32Array.from({ length: w * (bottom - top) }, value), width: w, height: bottom - top };
}

function eachAtEdge(width, height, visit) {
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (!x || !y || x === width - 1 || y === height - 1) visit(i);
  }
}

/** The largest odd number up to a length, at least 3. */
function odd(length) {
  return Math.max(3, 2 * Math.floor((length - 1) / 2) + 1);
}
